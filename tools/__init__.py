"""Programs beside the package, which scripts start."""

"""A directory becomes a plan: its values, its faults, and what it would do."""

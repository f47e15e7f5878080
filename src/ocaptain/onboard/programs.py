"""What `python3 -IS ~/voyage/lib MODULE.FUNCTION` runs on a VM."""

import sys
from importlib import import_module
from pathlib import Path


def main() -> int:
    """Run a program for the user whose home ~ is; only what it needs is imported, for start-up is
    most of a harbor call."""
    module, _, function = sys.argv[1].partition(".")
    program = getattr(import_module(f".{module}", __package__), function)
    return program(Path(__file__).resolve().parents[3], sys.argv[2:]) or 0

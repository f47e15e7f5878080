"""What `python3 -IS ~/voyage/lib MODULE.FUNCTION` runs on a VM."""

from importlib import import_module
from pathlib import Path


def main(argv: list[str]) -> int:
    """Run a program for the user whose home ~ is; only what it needs is imported, for start-up is
    most of a harbor call."""
    module, _, function = argv[0].partition(".")
    program = getattr(import_module(f".{module}", __package__), function)
    return program(Path(__file__).resolve().parents[3], argv[1:]) or 0

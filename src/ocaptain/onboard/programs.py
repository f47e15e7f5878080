"""What `python3 -IS ~/voyage/lib PROGRAM` can run on a VM."""

from importlib import import_module
from pathlib import Path

PROGRAMS = {
    "harbor": "serve.captain",
    "dispatch": "serve.dispatch",
    "receive": "serve.receive",
    "logs": "logbook.main",
    "watch": "panes.main",
    "helm": "helm.main",
    "hook": "taskhook.main",
    "setup": "setup.main",
}


def main(argv: list[str]) -> int:
    """Run a program for the user whose home ~ is; only what it needs is imported, for start-up is
    most of a harbor call."""
    module, _, function = PROGRAMS[argv[0]].partition(".")
    program = getattr(import_module(f".{module}", __package__), function)
    status: int = program(Path(__file__).resolve().parents[3], argv[1:])
    return status

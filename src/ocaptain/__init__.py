"""ocaptain: sail a fleet of coding agents through one plan, onto one branch.

These modules are imported when they are first used: `ocaptain --help` waits for none of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import check, config, ssh, start, view, voyage

__all__ = ["check", "config", "ssh", "start", "view", "voyage"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f".{name}", __name__)

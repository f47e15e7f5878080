"""The programs that `python3 -IS ~/voyage/lib PROGRAM ARGUMENT…` runs on a VM.

Each imports what it needs when it runs, and nothing else: start-up is most of a harbor call."""

from __future__ import annotations

import sys
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

HOME = Path(__file__).resolve().parents[3]
"""The home directory that has the voyage. Another user may run this."""


def harbor(who: str) -> None:
    """Answer one request, of a ship or of the captain."""
    from .storage import serve

    serve.serve(HOME, who)


def background(job: str) -> None:
    """Do one of harbor's background jobs."""
    from .storage import background

    background.main(HOME, job)


def logs(query: str) -> None:
    """Print lines of the ships' logs."""
    import signal

    from .storage import logs

    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # whoever reads may go at any time
    logs.main(HOME, query)


def picture(query: str) -> None:
    """Print the picture of the voyage, and how it changes."""
    import signal

    from .storage import picture

    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # whoever looks on may go at any time
    picture.main(HOME, query)


def panes(view: str, *ships: str) -> None:
    """Show ships in tmux."""
    from .storage import panes

    panes.show(HOME, panes.read_view(view), ships)


def pane(view: str, ship: str) -> None:
    """Show one ship in its pane."""
    from .storage import pane, panes

    pane.of_ship(HOME, panes.read_view(view), ship)


def overview(view: str) -> None:
    """Show the fleet at a glance in its pane."""
    from .storage import pane, panes

    pane.of_fleet(HOME, panes.read_view(view))


def set_up_storage() -> None:
    """Make this VM into storage."""
    from .storage import setup

    setup.main(HOME)


def set_up_ship() -> None:
    """Make this VM into a ship."""
    from .ship import setup

    setup.main(HOME)


def restart_helm() -> None:
    """Start helm, unless it runs."""
    from .ship import setup

    setup.start_helm(HOME)


def helm() -> None:
    """Sail this ship."""
    from .ship import helm

    helm.main(HOME)


def acp(orders: str) -> None:
    """Be the bridge between helm and an agent that speaks the Agent Client Protocol."""
    from .ship.acp import bridge

    bridge.main(HOME, orders)


def task_hook(claim: str) -> None:
    """Answer a hook of Claude Code."""
    from .ship import taskhook

    taskhook.main(HOME, int(claim))


PROGRAMS: dict[str, Callable[..., None]] = {
    "harbor": harbor,
    "background": background,
    "logs": logs,
    "picture": picture,
    "panes": panes,
    "pane": pane,
    "overview": overview,
    "set-up-storage": set_up_storage,
    "set-up-ship": set_up_ship,
    "restart-helm": restart_helm,
    "helm-main": helm,
    "acp": acp,
    "task-hook": task_hook,
}


def main() -> None:
    """Run the program that the command line names."""
    name, *arguments = sys.argv[1:]
    PROGRAMS[name](*arguments)

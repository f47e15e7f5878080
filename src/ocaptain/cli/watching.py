"""Staying with a voyage until it ends."""

from math import inf
from typing import TYPE_CHECKING

import click

from .arguments import find_voyage, voyage_argument
from .statuses import NOT_COMPLETE, SUCCESS, TIMED_OUT

if TYPE_CHECKING:
    from ocaptain.fleet.voyage import Voyage, VoyageStatus


@click.command()
@voyage_argument
@click.option("-t", "--timeout", default=inf, metavar="SECONDS", help="How long to wait at most.")
async def wait(voyage: str | None, timeout: float) -> int:
    """Block until the voyage ends, and show it.

    The exit status is 0 if it is complete, 4 if it ended otherwise, and 5 if the time is up."""
    return await show_until_end(await find_voyage(voyage), timeout)


async def show_until_end(voyage: "Voyage", timeout: float = inf) -> int:
    """Show a voyage until it ends, or for `timeout` seconds. Returns the exit status of `wait`."""
    from ocaptain import terminal
    from ocaptain.fleet.voyage import Ending

    ending = Ending()
    with terminal.Screen(auto_refresh=False) as screen:

        def show(answer: "VoyageStatus") -> bool:
            screen.show(answer)
            return ending.has_come(answer["state"])

        answer = await voyage.watch(show, timeout)
    if answer["state"] == "complete":
        return SUCCESS
    return NOT_COMPLETE if ending.came else TIMED_OUT

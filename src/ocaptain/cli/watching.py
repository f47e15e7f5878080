"""Staying with a voyage until it ends."""

from math import inf
from typing import TYPE_CHECKING

import click

from .arguments import find_voyage, json_option, print_json, voyage_argument
from .statuses import NOT_COMPLETE, SUCCESS, TIMED_OUT

if TYPE_CHECKING:
    from ocaptain.fleet.voyage import Ending, Voyage, VoyageStatus


@click.command()
@voyage_argument
@click.option("-t", "--timeout", default=inf, metavar="SECONDS", help="How long to wait at most.")
@json_option
async def wait(voyage: str | None, timeout: float, as_json: bool) -> int:
    """Block until the voyage ends, and show it.

    With --json it prints, once, what `status --json` prints.

    The exit status is 0 if it is complete, 4 if it ended otherwise, and 5 if the time is up."""
    return await show_until_end(await find_voyage(voyage), timeout, as_json=as_json)


async def show_until_end(voyage: "Voyage", timeout: float = inf, *, as_json: bool = False) -> int:
    """Show a voyage until it ends, or for `timeout` seconds. Returns the exit status of `wait`.

    With `as_json` it is printed at the end, as JSON."""
    from ocaptain.fleet.voyage import Ending

    ending = Ending()
    if as_json:
        answer = await voyage.watch(lambda seen: ending.has_come(seen["state"]), timeout)
        print_json(answer)
    else:
        answer = await _watch(voyage, ending, timeout)
    if answer["state"] == "complete":
        return SUCCESS
    return NOT_COMPLETE if ending.came else TIMED_OUT


async def _watch(voyage: "Voyage", ending: "Ending", timeout: float) -> "VoyageStatus":
    """Show a voyage on the terminal until it ends. Returns its last status."""
    from ocaptain import terminal

    with terminal.Screen(auto_refresh=False) as screen:

        def show(answer: "VoyageStatus") -> bool:
            screen.show(answer)
            return ending.has_come(answer["state"])

        return await voyage.watch(show, timeout)

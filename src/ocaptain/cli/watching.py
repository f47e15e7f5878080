"""Staying with a voyage until it ends, or for as long as somebody looks."""

import os
import sys
from math import inf
from typing import TYPE_CHECKING

import click

from .arguments import Number, find_voyage, json_option, print_json, voyage_argument
from .statuses import NOT_COMPLETE, SUCCESS, TIMED_OUT

if TYPE_CHECKING:
    from ocaptain.board.watching import Sight
    from ocaptain.fleet.voyage import Ending, Voyage

SECONDS = Number(min=0)


@click.command()
@voyage_argument
@click.option(
    "-t",
    "--timeout",
    type=SECONDS,
    default=inf,
    metavar="SECONDS",
    help="How long to wait at most.",
)
@json_option
async def wait(voyage: str | None, timeout: float, as_json: bool) -> int:
    """Block until the voyage ends, and show it.

    In a pipe it prints a line for each change: tasks that are claimed, land or fail, ships that are
    lost or have to wait, what becomes of the voyage. With --json it prints, once, what `status
    --json` prints.

    The exit status is 0 if it is complete, 4 if it ended otherwise, and 5 if the time is up."""
    return await show_until_end(await find_voyage(voyage), timeout, as_json=as_json)


async def show_until_end(voyage: "Voyage", timeout: float = inf, *, as_json: bool = False) -> int:
    """Show a voyage until it ends, or for `timeout` seconds. Returns the exit status of `wait`.

    On a terminal it is shown in place; elsewhere each change is a line. With `as_json` it is
    printed at the end, as JSON."""
    from ocaptain.fleet.voyage import Ending

    ending = Ending()
    if as_json:
        answer = await voyage.watch(lambda seen: ending.has_come(seen["state"]), timeout)
        print_json(answer)
    else:
        answer = (await _follow(voyage, ending, timeout)).shown
    if answer["state"] == "complete":
        return SUCCESS
    return NOT_COMPLETE if ending.came else TIMED_OUT


async def _follow(voyage: "Voyage", ending: "Ending", timeout: float) -> "Sight":
    """Show a voyage until it ends. Returns how it stands then."""
    from ocaptain.board.stream import Screen, follow, print_lines
    from ocaptain.board.watching import Watcher

    watcher = Watcher(voyage)

    def is_over(sight: "Sight") -> bool:
        return ending.has_come(sight.state)

    if not sys.stdout.isatty():
        return await follow(watcher, print_lines, is_over, timeout)
    with Screen() as screen:
        last = await follow(watcher, screen.show, is_over, timeout)
        screen.leave(last)
    return last


async def show_live(voyage: "Voyage", *, as_json: bool) -> int:
    """Show a voyage on a board until somebody leaves. Returns the exit status.

    Elsewhere than on a terminal, and as JSON, it is each change until the voyage is over."""
    from ocaptain.board.stream import follow, print_lines, print_objects
    from ocaptain.board.watching import Watcher

    watcher = Watcher(voyage)
    if as_json or not _can_show_a_board():
        use = print_objects if as_json else print_lines
        await follow(watcher, use, lambda sight: sight.is_over)
        return SUCCESS
    from ocaptain import terminal
    from ocaptain.board import app  # takes as long as all the rest

    status = await app.show(watcher)
    if watcher.sight:
        terminal.show(terminal.status(watcher.sight.shown))
    return status


def _can_show_a_board() -> bool:
    """Whether somebody is there who can read it, and press keys."""
    streams = (sys.stdin, sys.stdout, sys.stderr)
    is_dumb = os.environ.get("TERM", "dumb") in ("dumb", "unknown")
    return not is_dumb and all(stream.isatty() for stream in streams)

"""Commands that show what ships said and did: the logs, and all that became of one task."""

import errno
import os
import select
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import click

from .arguments import (
    Fleet,
    WholeNumber,
    find_voyage,
    fleet_argument,
    json_option,
    moment,
    print_json,
    regular_expression,
    utc_option,
    voyage_argument,
)
from .names import complete_names
from .paging import paged, show

if TYPE_CHECKING:
    from ocaptain.onboard.protocol import LogQuery

T = TypeVar("T")

STDOUT = 1
LOOK_S = 0.5
"""Seconds between looks whether whoever reads what we print has gone."""
SILENCE_S = 1.0
"""After how long without a line somebody who follows is told that there is none so far."""
TAIL = WholeNumber(0)
LAST_LINES = 10
"""How many lines of the log are shown of a task."""


@click.command()
@fleet_argument
@json_option
@click.option(
    "-s",
    "--ship",
    default="",
    metavar="SHIP",
    shell_complete=complete_names,
    help="Only this ship's. `captain`: only orders.",
)
@click.option(
    "--task",
    default="",
    metavar="ID",
    shell_complete=complete_names,
    help="Only lines about this task.",
)
@click.option(
    "--since",
    default="",
    metavar="WHEN",
    callback=moment,
    help="Only later ones: 10m, 2h30m, 14:05, 2026-03-04 14:05.",
)
@click.option("-f", "--follow", is_flag=True, help="Go on as it grows.")
@click.option(
    "-g",
    "--grep",
    "pattern",
    default="",
    metavar="REGEX",
    callback=regular_expression,
    help="Only lines that match this regex.",
)
@click.option("-n", "--tail", type=TAIL, default=0, metavar="N", help="Only the last N lines.")
@utc_option
async def logs(
    fleet: Fleet,
    as_json: bool,
    ship: str,
    task: str,
    since: str,
    follow: bool,
    pattern: str,
    tail: int,
    utc: bool,
) -> None:
    """Print what ships say and do, and what was ordered.

    Lines come by time, which is on your clock. SHIP is as with --ship. Lines of `captain` are
    orders, with who gave them; `harbor` is storage."""
    from ocaptain import loglines
    from ocaptain.fleet.logs import query_of

    query = query_of(
        ship=ship or fleet.ship or "",
        task=task,
        since=since,
        pattern=pattern,
        tail=tail,
        follow=follow,
    )
    shown = loglines.as_json if as_json else loglines.LogPrinter(utc=utc).text
    if follow or as_json:
        await until_reader_leaves(_print_logs(fleet.voyage, query, shown, click.echo))
        return
    with suppress(BrokenPipeError), paged() as say:
        await until_reader_leaves(_print_logs(fleet.voyage, query, shown, say))


async def _print_logs(
    voyage: str | None, query: "LogQuery", shown: Callable[[str], str], say: Callable[[str], None]
) -> None:
    import asyncio  # which help can do without

    from ocaptain.fleet.logs import read_logs

    found = await find_voyage(voyage)
    loop = asyncio.get_running_loop()
    silence = loop.call_later(SILENCE_S, _say_that_it_waits) if query["follow"] else None

    def use(line: str) -> None:
        if silence:
            silence.cancel()
        say(shown(line))

    try:
        count = await read_logs(found, query, use)
    finally:
        if silence:
            silence.cancel()
    if not count and not query["follow"]:
        click.echo("There is no such line yet.", err=True)


def _say_that_it_waits() -> None:
    click.echo("There is no such line yet. Ctrl-C ends the wait for one.", err=True)


async def until_reader_leaves(work: Awaitable[T]) -> T:
    """Wait for some work, unless nobody reads stdout any more. Raises BrokenPipeError then."""
    import asyncio  # which help can do without

    task = asyncio.ensure_future(work)
    reader = select.poll()
    reader.register(STDOUT, 0)
    try:
        while not task.done():
            await asyncio.wait([task], timeout=LOOK_S)
            if reader.poll(0):
                raise OSError(errno.EPIPE, os.strerror(errno.EPIPE))
        return task.result()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait([task])


@click.command("tasks show")
@voyage_argument
@click.argument("task")
@click.option(
    "-n",
    "--tail",
    type=TAIL,
    default=LAST_LINES,
    metavar="N",
    help="How many lines of the log.",
    show_default=True,
)
@utc_option
@json_option
async def tasks_show(voyage: str | None, task: str, tail: int, utc: bool, as_json: bool) -> None:
    """Show all that is known of TASK.

    What is to be done, what it waits for and what waits for it; each attempt, with what the agent
    said last; what has landed; and the last lines of the log about it."""
    from ocaptain import taskview
    from ocaptain.fleet.tasks import ask_task

    shown = await ask_task(await find_voyage(voyage), task, tail)
    if as_json:
        print_json(shown)
    else:
        show(taskview.task(shown, voyage, utc=utc))


@click.command()
@voyage_argument
@click.argument("task", shell_complete=complete_names)
@click.option(
    "--claim",
    type=WholeNumber(1),
    metavar="N",
    help="Of this attempt: its number in `tasks show`. Else: of the last.",
)
@click.option("--raw", is_flag=True, help="The lines of JSON as they are.")
@utc_option
async def transcript(
    voyage: str | None, task: str, claim: int | None, raw: bool, utc: bool
) -> None:
    """Show what an agent was told, thought, said and did at TASK.

    That is what the agent's own program has written down: of Claude Code its session file. It comes
    to storage when an attempt is over, also if that did not land, without secrets, and of a very
    long one the end. On a terminal it opens in your pager ($PAGER)."""
    from ocaptain import transcript as transcripts
    from ocaptain.fleet.transcripts import ask_transcript

    found = await ask_transcript(await find_voyage(voyage), task, claim)
    if raw:
        for line in transcripts.lines(found.packed):
            click.echo(line, nl=False)
        return
    with suppress(BrokenPipeError):
        show(transcripts.view(found, voyage, utc=utc))

"""Commands that show voyages."""

from collections.abc import Awaitable
from typing import TypeVar, cast

import click

from .arguments import (
    Fleet,
    find_voyage,
    fleet_argument,
    json_option,
    print_json,
    utc_option,
    voyage_argument,
)
from .statuses import SUCCESS
from .watching import show_live

T = TypeVar("T")

ASKED_S = 0.02
"""Seconds until a question is on its way, as a rule; if not, it is as late as the import takes."""
TASK_STATES = click.Choice(["pending", "ready", "blocked", "in_progress", "completed", "failed"])


async def answered(question: Awaitable[T], *, as_json: bool) -> T:
    """Wait for an answer. Once the question is on its way, import what shows the answer.

    That holds up the loop, which has nothing else to do then."""
    if as_json:
        return await question
    import asyncio
    from importlib import import_module

    loop = asyncio.get_running_loop()
    importing = loop.call_later(ASKED_S, import_module, "ocaptain.terminal")
    try:
        return await question
    finally:
        importing.cancel()


@click.command()
@json_option
async def voyages(as_json: bool) -> None:
    """List the voyages that have a VM.

    Each has its state, its age and how many VMs it has."""
    from ocaptain.config import load
    from ocaptain.fleet.find import survey

    rows = await answered(survey(load()), as_json=as_json)
    if as_json:
        print_json(rows)
    elif rows:
        from ocaptain import terminal

        terminal.show(terminal.voyages(rows))
    else:
        click.echo(
            "There is no voyage. To have one: ocaptain sail PLAN  or  ocaptain demo", err=True
        )


@click.command()
@voyage_argument
@json_option
@click.option(
    "-w", "--watch", is_flag=True, help="Stay: a live board, or in a pipe a line for each change."
)
@utc_option
async def status(voyage: str | None, as_json: bool, watch: bool, utc: bool) -> int:
    """Show a voyage at a glance.

    With --watch it is a live board: ships and tasks, what needs you first, with keys to look into
    logs, hail, pause, resume and retry; `?` lists them. It stays until you leave with `q`, whatever
    becomes of the voyage.

    In a pipe --watch prints a line for each change, and with --json an object for each, until the
    voyage is complete or has failed."""
    from ocaptain.config import load
    from ocaptain.fleet.find import ask_cached
    from ocaptain.fleet.voyage import Voyage

    if watch:
        return await show_live(await find_voyage(voyage), as_json=as_json)
    question = ask_cached(load(), voyage, Voyage.ask_status)
    answer = await answered(question, as_json=as_json)
    if as_json:
        print_json(answer)
    else:
        from ocaptain import terminal

        terminal.show(terminal.status(answer, utc=utc))
    return SUCCESS


@click.command()
@voyage_argument
@json_option
@click.option(
    "--status",
    "state",
    type=TASK_STATES,
    metavar="STATUS",
    help="Only those that are pending (ready or blocked), in_progress, completed or failed.",
)
async def tasks(voyage: str | None, as_json: bool, state: str | None) -> None:
    """List the tasks; say how many are ready, blocked, running.

    `tasks show` has all of one. `tasks add` and `tasks edit` change the list. A task is blocked
    while it waits for others; else it is ready."""
    from ocaptain.config import load
    from ocaptain.fleet.find import ask_cached
    from ocaptain.fleet.voyage import Voyage

    question = ask_cached(load(), voyage, Voyage.ask_task_rows)
    answer = await answered(question, as_json=as_json)
    every = answer["tasks"]
    rows = every
    if state:
        from ocaptain.taskview import standing

        rows = [row for row in every if state in (row["status"], standing(row))]
    if as_json:
        print_json(rows)
    else:
        from ocaptain import taskview, terminal

        terminal.show(taskview.tasks(rows, every, voyage))


@click.command()
@voyage_argument
@click.option(
    "--by",
    type=click.Choice(["task", "ship", "model", "attempt"]),
    default="task",
    help="What a row is of; a task, if not given.",
)
@json_option
async def usage(voyage: str | None, by: str, as_json: bool) -> None:
    """Show what a voyage has used: dollars and tokens.

    Each row has its share of the cost, or if the agents tell no dollars of the tokens. Under the
    table is what went into attempts that did not land."""
    from ocaptain.fleet import usage as books

    shown = await books.usage(await find_voyage(voyage), cast("books.By", by))
    if as_json:
        print_json(shown)
    else:
        from ocaptain import terminal

        terminal.show(terminal.usage(shown))


@click.command()
@fleet_argument
@click.option("--raw", is_flag=True, help="A shell on the ship's VM, or on storage.")
async def shell(fleet: Fleet, raw: bool) -> int:
    """Watch the ships at work in tmux: all, or SHIP (ship-0).

    There is an overview, and a pane for each ship with its log. The status line says how the voyage
    stands. `q` or Ctrl-b d leaves, and Ctrl-C asks whether you want to; the ships sail on.

    With --raw it is a shell on a VM: in the ship's workspace, where its agent is at work, or with
    no SHIP in storage's folder of the voyage."""
    from ocaptain.fleet.shell import shell

    return await shell(await find_voyage(fleet.voyage), fleet.ship, raw=raw)

"""Commands that show voyages."""

import json
from typing import TYPE_CHECKING

import click

from .arguments import (
    Fleet,
    find_voyage,
    fleet_argument,
    json_option,
    print_json,
    regular_expression,
    voyage_argument,
)
from .names import complete_names
from .watching import show_until_end

if TYPE_CHECKING:
    from ocaptain.onboard.protocol import LogQuery

TASK_STATES = click.Choice(["pending", "in_progress", "completed", "failed"])


@click.command()
@json_option
async def voyages(as_json: bool) -> None:
    """List the voyages that have a VM.

    Each has its state, its age and how many VMs it has."""
    from ocaptain import terminal
    from ocaptain.config import load
    from ocaptain.fleet.find import survey

    rows = await survey(load())
    if as_json:
        print_json(rows)
    else:
        terminal.show(terminal.voyages(rows))


@click.command()
@voyage_argument
@json_option
@click.option("-w", "--watch", is_flag=True, help="Stay, and show it anew every second.")
async def status(voyage: str | None, as_json: bool, watch: bool) -> None:
    """Show a voyage at a glance.

    With --watch it is shown until the voyage ends, also if storage is away for a while (unseen)."""
    from ocaptain import terminal
    from ocaptain.config import load
    from ocaptain.fleet.find import ask_cached
    from ocaptain.fleet.voyage import Voyage

    if watch:
        await show_until_end(await find_voyage(voyage))
        return
    answer = await ask_cached(load(), voyage, Voyage.ask_status)
    if as_json:
        print_json(answer)
    else:
        terminal.show(terminal.status(answer))


@click.command()
@voyage_argument
@json_option
@click.option(
    "--status",
    "state",
    type=TASK_STATES,
    metavar="STATUS",
    help="Only those that are pending, in_progress, completed or failed.",
)
async def tasks(voyage: str | None, as_json: bool, state: str | None) -> None:
    """List the tasks; `tasks add` and `tasks edit` change the list."""
    from ocaptain import terminal
    from ocaptain.config import load
    from ocaptain.fleet.find import ask_cached
    from ocaptain.fleet.voyage import Voyage

    rows = await ask_cached(load(), voyage, Voyage.ask_tasks)
    if state:
        rows = [row for row in rows if row["status"] == state]
    if as_json:
        print_json(rows)
    else:
        terminal.show(terminal.tasks(rows, voyage))


@click.command()
@voyage_argument
@json_option
@click.option(
    "-s",
    "--ship",
    default="",
    shell_complete=complete_names,
    help="Only this ship's, such as ship-0.",
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
@click.option("-n", "--tail", type=int, default=0, metavar="N", help="Only the last N lines.")
async def logs(
    voyage: str | None, as_json: bool, ship: str, follow: bool, pattern: str, tail: int
) -> None:
    """Print the ships' logs, by time (UTC)."""
    found = await find_voyage(voyage)
    query: LogQuery = {"ship": ship, "pattern": pattern, "tail": tail, "follow": follow}
    await found.read_logs(query, _show_log_line_as_json if as_json else _show_log_line)


def _show_log_line(line: str) -> None:
    time, ship, text = _log_line(line)
    click.echo(f"{time[11:19]}Z {ship:<8} {text}".rstrip())


def _show_log_line_as_json(line: str) -> None:
    time, ship, text = _log_line(line)
    click.echo(json.dumps({"time": time, "ship": ship, "text": text}))


def _log_line(line: str) -> tuple[str, str, str]:
    """The time, the ship and the text of a line, whatever a ship has written there."""
    time, _, rest = line.partition(" ")
    ship, _, text = rest.partition(" ")
    return time, ship, text.rstrip()


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

    return shell(await find_voyage(fleet.voyage), fleet.ship, raw=raw)

"""Commands that launch, show, fetch and sink voyages."""

import json
import signal
import sys
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ocaptain.errors import Failure
from ocaptain.onboard.text import several

from .arguments import (
    PATH,
    Fleet,
    fleet_argument,
    json_option,
    plan_argument,
    print_json,
    regular_expression,
    ships_option,
    voyage_argument,
)
from .statuses import FAILURE, INTERRUPTED, NOT_COMPLETE, SUCCESS, TIMED_OUT

if TYPE_CHECKING:
    from ocaptain.config import Config
    from ocaptain.fleet.voyage import Voyage
    from ocaptain.onboard.protocol import LogQuery, Status

TASK_STATES = click.Choice(["pending", "in_progress", "completed", "failed"])


async def find_voyage(name: str | None) -> "Voyage":
    """The voyage that is named so, of those that the provider has."""
    from ocaptain.config import load
    from ocaptain.fleet.find import find

    return await find(load(), name)


@click.command()
@plan_argument
@ships_option
@click.option("--pr", is_flag=True, help="Open a pull request at the end (GitHub; GH_TOKEN).")
@click.option("--cpu", metavar="N", help="CPUs of each VM.")
@click.option("--memory", metavar="SIZE", help="Memory of each VM, such as 8GB.")
@click.option("--disk", metavar="SIZE", help="Disk of each VM, such as 50GB.")
@click.option("--image", metavar="NAME", help="What each VM is made from.")
@click.option("--pool", metavar="NAME", help="Where each VM is placed.")
@click.option("--wait", "stay", is_flag=True, help="Stay until the voyage has ended.")
async def sail(
    plan: Path,
    ships: int | None,
    pr: bool,
    cpu: str | None,
    memory: str | None,
    disk: str | None,
    image: str | None,
    pool: str | None,
    stay: bool,
) -> int:
    """Launch a voyage from PLAN, a directory.

    The plan is checked first. Then storage and the ships are made, and set going. Without --ships
    there are as many as the plan recommends.

    If the plan's repo is on GitHub and GH_TOKEN is set, what lands is pushed there, to
    refs/ocaptain/VOYAGE, for which no workflow runs. Once the voyage is complete it is pushed to a
    branch, for which workflows do run: docs/security.md says what that means.

    --cpu, --memory, --disk, --image and --pool are for exe.dev, as its `new` takes them:
    docs/exedev.md says more."""
    from ocaptain.config import load

    config = load(
        overrides={"cpu": cpu, "memory": memory, "disk": disk, "image": image, "pool": pool}
    )
    voyage = await check_and_sail(config, plan, ships, open_pr=pr)
    click.echo(f"\n{voyage.id} is under way. Next:{next_commands(voyage.id)}")
    if not stay:
        return SUCCESS
    return await show_until_end(voyage)


async def check_and_sail(
    config: "Config", plan: Path, ships: int | None, *, open_pr: bool = False
) -> "Voyage":
    """Check the plan in a directory, and launch a voyage from it."""
    from ocaptain.fleet.launch import sail
    from ocaptain.plan.check import check

    report = await check(plan, config)
    if report.plan is None:
        raise Failure("\n".join(report.faults))
    return await sail(config, report.plan, ships or report.plan.ships, open_pr=open_pr)


def next_commands(voyage: str) -> str:
    """What may be typed about a voyage that is under way, a command a line."""
    return f"""
  ocaptain status --watch {voyage}
  ocaptain logs --follow {voyage}
  ocaptain shell {voyage}
  ocaptain wait {voyage}
  ocaptain fetch {voyage}
  ocaptain sink -s {voyage}"""


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
        terminal.show(terminal.tasks(rows))


@click.command()
@voyage_argument
@json_option
@click.option("-s", "--ship", default="", help="Only this ship's, such as ship-0.")
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

    Each ship has a pane with its log. Ctrl-b d leaves; the ships sail on."""
    voyage = await find_voyage(fleet.voyage)
    return voyage.shell(fleet.ship, raw=raw)


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

        def show(answer: "Status") -> bool:
            screen.show(answer)
            return ending.has_come(answer["state"])

        answer = await voyage.watch(show, timeout)
    if answer["state"] == "complete":
        return SUCCESS
    return NOT_COMPLETE if ending.came else TIMED_OUT


@click.command()
@voyage_argument
@click.option("--all", "everything", is_flag=True, help="Also wrecks, logs, journal and artifacts.")
@click.option("--into", default=".", type=PATH, metavar="REPO", help="Your repository.")
async def fetch(voyage: str | None, everything: bool, into: Path) -> None:
    """Bring the voyage's branch into a repository of yours.

    The branch is named as the voyage; merging it is yours to do. With --all, wrecks (work that did
    not land) are put under refs/ocaptain/VOYAGE, and all else into a folder VOYAGE."""
    from ocaptain.fleet.fetch import fetch

    click.echo(await fetch(await find_voyage(voyage), into, everything=everything))


@click.command()
@voyage_argument
@click.option("-s", "--include-storage", is_flag=True, help="Also storage, with all that is on it.")
@click.option("--all", "every_voyage", is_flag=True, help="Every VM of every voyage.")
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
async def sink(voyage: str | None, include_storage: bool, every_voyage: bool, force: bool) -> int:
    """Destroy a voyage's VMs: the ships, or all.

    It says what it would destroy, and asks first. If storage is to go, it also says what nobody
    has fetched from there."""
    from ocaptain.config import load
    from ocaptain.fleet import find

    _let_ctrl_c_end_a_question()
    if every_voyage:
        doomed = await find.voyages(load())
    else:
        doomed = [await find_voyage(voyage)]
    with_storage = include_storage or every_voyage
    if with_storage:
        for found in doomed:
            await _say_what_is_at_risk(found, may_ask=not force)
    vms = {found.id: list(found.vms) if with_storage else found.ship_vms() for found in doomed}
    names = [name for fleet in vms.values() for name in fleet]
    if not names:
        click.echo("There is nothing to destroy.")
        return SUCCESS
    click.echo(f"To be destroyed: {', '.join(names)}, the ships' keys")
    if not force:
        click.confirm("Go on?", abort=True)
    verb = "sink -s" if with_storage else "sink"
    survivors = []
    for found in doomed:
        survivors += await found.destroy(vms[found.id], f"{verb} {found.id}")
    if survivors:
        return FAILURE
    click.echo(f"Destroyed {several(len(names), 'VM')}.")
    return SUCCESS


def _let_ctrl_c_end_a_question() -> None:
    """End at Ctrl-C at once: the handler of asyncio would wait for an answer first."""
    signal.signal(signal.SIGINT, lambda *_: sys.exit(INTERRUPTED))


async def _say_what_is_at_risk(voyage: "Voyage", *, may_ask: bool) -> None:
    """Say what storage alone has, and offer to fetch it."""
    from ocaptain.fleet.fetch import at_risk, fetch

    risk = await at_risk(voyage)
    if risk is None:
        return
    click.echo(risk)
    if may_ask and click.confirm("Fetch it first, into the repository here?"):
        await fetch(voyage, Path(), everything=True)

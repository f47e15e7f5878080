"""The verbs: arguments in, calls, printing; nothing else."""

import json
import os
import re
import signal
import sys
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from . import __version__
from .errors import Failure, guarded

if TYPE_CHECKING:
    from .config import Config
    from .plan import Report
    from .voyage import Voyage

T = TypeVar("T")

NEXT = ("status --watch", "logs --follow", "shell", "wait", "fetch", "sink -s")

voyage_argument = click.argument("voyage", required=False)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/json.md).")
path_argument = click.Path(path_type=Path)
STATUS = click.Choice(["pending", "in_progress", "completed", "failed"])


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ocaptain")
def cli() -> None:
    """Sail a fleet of coding agents through one plan, onto one git branch.

    A VOYAGE is named by its id or the beginning of it, and may be left out where there is only one.
    """


def main() -> None:
    """Run a verb; exit status 0, 1 expected failure, 2 usage, 3 bug, 4 and 5 of `wait`, 130."""
    for ending in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(ending) == signal.SIG_DFL:
            signal.signal(ending, signal.default_int_handler)
    with guarded():
        try:
            sys.exit(cli.main(standalone_mode=False) or 0)
        except click.ClickException as error:
            error.show()
            sys.exit(error.exit_code)
        except click.Abort as abort:
            sys.exit(130 if isinstance(abort.__context__, KeyboardInterrupt) else 1)


def _config() -> "Config":
    from .config import load

    return load(os.environ)


def _run(work: Coroutine[Any, Any, T]) -> T:
    import asyncio  # which half of the verbs' --help would wait for

    return asyncio.run(work)


def _with(name: str | None, act: "Callable[[Voyage], Coroutine[Any, Any, T]]") -> T:
    """Find a voyage and do something with it."""

    async def both() -> T:
        from .voyage import find

        return await act(await find(_config(), name))

    return _run(both())


def _look(name: str | None, op: str) -> "dict[str, Any]":
    """What a voyage answers when it is asked for its status or tasks."""
    from .voyage import look

    return _run(look(_config(), name, op))


def _show(value: Any, as_json: bool, picture: str, *more: Any) -> None:
    """Print a value as JSON, or as the function of `view` that `picture` names has it."""
    if as_json:
        click.echo(json.dumps(value, indent=2))
    else:
        from . import view

        view.show(getattr(view, picture)(value, *more))


# Plans


async def _check(plan: Path, config: "Config") -> "tuple[Report, int]":
    """What is found in a plan, and how many ships it would have."""
    from .check import check
    from .onboard.agents import AGENTS

    given = config.agent_env
    token = {"GH_TOKEN": config.gh_token} if config.gh_token else {}
    agents = {name: agent.missing for name, agent in AGENTS.items()}
    found = await check(plan, agents=agents, environ={**os.environ, **given, **token})
    return found, found.recommended_ships or config.default_ships


@cli.command()
@click.argument("plan", type=path_argument)
@json_option
def check(plan: Path, as_json: bool) -> None:
    """Read PLAN and say what it would do, or everything that is wrong with it."""
    found, ships = _run(_check(plan, _config()))
    _show(found.as_json() if as_json else found, as_json, "report", ships)
    if found.faults:
        raise SystemExit(1) if as_json else Failure(*found.faults)


@cli.group()
def plan() -> None:
    """Make plans."""


@plan.command("init")
@click.argument("directory", type=path_argument)
def plan_init(directory: Path) -> None:
    """Write a small plan to start from into DIRECTORY."""
    from .plan import init

    init(directory)
    click.echo(f"wrote a plan; read {directory}/PLAN.md, then: ocaptain check {directory}")


@plan.command("skill")
def plan_skill() -> None:
    """Install the Claude Code skill that leads from a wish to a plan."""
    from .plan import install_skill

    click.echo(f"wrote {install_skill(Path.home())}\nIn Claude Code, type: /voyage-plan")


# Voyages


@cli.command()
@click.argument("plan", type=path_argument)
@click.option("-n", "--ships", type=click.IntRange(1, 99), help="How many; else as the plan says.")
@click.option("--pr", is_flag=True, help="Open a pull request at the end (GitHub; GH_TOKEN).")
@click.option("--cpu", help="Of each VM, as the provider takes it.")
@click.option("--memory", help="Of each VM, such as 8GB.")
@click.option("--disk", help="Of each VM, such as 50GB.")
@click.option("--image", help="What each VM is made from.")
@click.option("--pool", help="Where VMs are placed.")
@click.option("--wait", "stay", is_flag=True, help="Stay until the voyage has ended.")
def sail(plan: Path, ships: int | None, stay: bool, pr: bool, **vm: str | None) -> None:
    """Launch a voyage from PLAN, a directory."""
    config = _config()
    wanted = {key: value for key, value in vm.items() if value}
    config = replace(config, vm={**config.vm, **wanted})
    voyage = _sail(config, plan, ships, pr=pr)
    click.echo(f"\n{voyage} is under way. Next:")
    for verb in NEXT:
        click.echo(f"  ocaptain {verb} {voyage}")
    if stay:
        _wait(voyage, None)


def _sail(config: "Config", plan: Path, ships: int | None, *, pr: bool = False) -> str:
    async def go() -> str:
        from . import voyage as fleet

        found, count = await _check(plan, config)
        if found.plan is None:
            raise Failure(*found.faults)
        say = partial(click.echo, err=True)
        return await fleet.sail(config, found.plan, ships or count, say, pr=pr)

    return _run(go())


@cli.command()
@json_option
def voyages(as_json: bool) -> None:
    """List the voyages there are."""
    from .voyage import survey

    _show(_run(survey(_config())), as_json, "voyages")


@cli.command()
@voyage_argument
@click.option("-w", "--watch", is_flag=True, help="Stay, and show it anew every second.")
@json_option
def status(voyage: str | None, watch: bool, as_json: bool) -> None:
    """Show a voyage at a glance."""
    if watch:
        _watch(voyage)
    else:
        _show(_look(voyage, "status"), as_json, "status")


def _watch(voyage: str | None, timeout_s: float | None = None) -> dict[str, Any]:
    """Show a voyage in place until it has ended; its last status."""
    from rich.live import Live

    from . import view

    with Live(auto_refresh=False) as live:

        def show(seen: dict[str, Any]) -> None:
            live.update(view.status(seen), refresh=True)

        return _with(voyage, lambda found: found.wait(timeout_s, show))


@cli.command()
@voyage_argument
@click.option("--status", "wanted", type=STATUS, help="Only tasks with this status.")
@json_option
def tasks(voyage: str | None, wanted: str | None, as_json: bool) -> None:
    """List the tasks."""
    rows = _look(voyage, "tasks")["tasks"]
    _show([row for row in rows if wanted in (None, row["status"])], as_json, "tasks")


@cli.command()
@voyage_argument
@click.option("-s", "--ship", default="", help="Only this ship's, such as ship-0.")
@click.option("-f", "--follow", is_flag=True, help="Go on as it grows.")
@click.option("-g", "--grep", "pattern", default="", help="Only lines that match this regex.")
@click.option("-n", "--tail", type=int, default=0, help="Only the last N lines.")
@json_option
def logs(voyage: str | None, as_json: bool, **wanted: Any) -> None:
    """Print the ships' logs, by time."""
    try:
        re.compile(wanted["pattern"])
    except re.error as error:
        raise click.BadParameter(f"no regular expression: {error}", param_hint="--grep") from None

    async def go(found: "Voyage") -> None:
        async for line in found.log_lines(wanted):
            at, ship, text = f"{line}  ".split(" ", 2)  # whatever a ship has written there
            entry = {"time": at, "ship": ship, "text": text.rstrip()}
            click.echo(json.dumps(entry) if as_json else f"{at[11:19]}Z {ship:<8} {text}".rstrip())

    _with(voyage, go)


@cli.command()
@voyage_argument
@click.argument("ship", required=False)
@click.option("--raw", is_flag=True, help="A shell on the ship's VM, or on storage.")
def shell(voyage: str | None, ship: str | None, raw: bool) -> None:
    """Watch the ships at work in tmux: all, or SHIP (ship-0)."""

    async def attach(found: "Voyage") -> int:
        return found.shell(ship, raw=raw)

    raise SystemExit(_with(voyage, attach))


@cli.command()
@voyage_argument
@click.option("-t", "--timeout", type=float, help="Seconds after which to stop waiting.")
def wait(voyage: str | None, timeout: float | None) -> None:
    """Block until the voyage ends: status 0 complete, 4 ended otherwise, 5 timed out."""
    _wait(voyage, timeout)


def _wait(voyage: str | None, timeout_s: float | None) -> None:
    from .voyage import ENDED

    if sys.stdout.isatty():
        last = _watch(voyage, timeout_s)
    else:
        last = _with(voyage, lambda found: found.wait(timeout_s, lambda _: None))
        click.echo(f"{last['voyage']} {last['state']} {last['reason'] or ''}".rstrip())
    if last["state"] != "complete":
        raise SystemExit(4 if last["state"] in ENDED else 5)


@cli.command()
@voyage_argument
@click.option("--all", "everything", is_flag=True, help="Also wrecks, logs, journal and artifacts.")
@click.option("--into", default=".", type=path_argument, help="Your repository.")
def fetch(voyage: str | None, everything: bool, into: Path) -> None:
    """Bring the voyage's branch into a repository of yours."""

    async def go(found: "Voyage") -> None:
        new = await found.fetch(into, everything=everything)
        was = f"{new['commits']} commits were never fetched before; see git log {found.id}"
        click.echo(f"{found.id} is at {new['head'][:12]}; {was}")
        if everything:
            click.echo(f"Logs, journal and artifacts: {into / found.id}/")
        elif new["wrecks"]:
            click.echo(f"Unlanded work is on storage only: {', '.join(new['wrecks'])} (--all)")

    _with(voyage, go)


@cli.command()
@voyage_argument
@click.option("-s", "--include-storage", is_flag=True, help="Also storage, with all that is on it.")
@click.option("--all", "all_", is_flag=True, help="Every VM of every voyage.")
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
def sink(voyage: str | None, include_storage: bool, all_: bool, force: bool) -> None:
    """Destroy a voyage's VMs: the ships, or all."""

    async def go() -> None:
        from .voyage import find, voyages

        config, storage = _config(), include_storage or all_
        signal.signal(signal.SIGINT, signal.default_int_handler)  # asyncio's lets a question wait
        found = await voyages(config) if all_ else [await find(config, voyage)]
        names = [name for each in found for name in each.doomed(storage=storage)]
        for each in found if storage else ():
            await _offer(each, force=force)
        keys = " and the ships' keys" * any(each.provider.accounts for each in found)
        click.echo(f"To be destroyed: {', '.join(names) or 'nothing'}{keys}")
        if names and not force:
            click.confirm("Go on?", abort=True)
        left = [await each.sink(storage=storage) for each in found]
        if faults := [f"{vm} is left: {why}" for each in left for vm, why in each.items()]:
            again = "--all" if all_ else "-s " * storage + found[0].id
            raise Failure(*faults, f"Try later: ocaptain sink {again}")
        click.echo(f"Destroyed {len(names)} VMs.")

    _run(go())


async def _offer(voyage: "Voyage", *, force: bool) -> None:
    """Say what only storage has, and offer to fetch it."""
    if risk := await voyage.at_risk():
        click.echo(risk)
    if risk and not force and click.confirm("Fetch it first, into the repository here?"):
        await voyage.fetch(Path(), everything=True)


# This machine


@cli.command()
@click.option("--deep", is_flag=True, help="Also make, try and destroy a local VM.")
def doctor(deep: bool) -> None:
    """Say what this machine lacks, and the command that mends it."""
    from .doctor import examine

    found = _run(examine(_config(), deep=deep))
    _show(found, False, "findings")
    raise SystemExit(0 if all(finding.ok for finding in found) else 1)


@cli.command()
@click.option("-n", "--ships", default=3, type=click.IntRange(1, 20), help="How many ships.")
def demo(ships: int) -> None:
    """Sail a small voyage on this machine: no account, no token, no model."""
    from .demo import make

    os.environ["OCAPTAIN_PROVIDER"] = "local"
    repo = _run(make())
    click.echo(f"A repository with a plan in it is at {repo}\n")
    voyage = _sail(_config(), repo / "plan", ships)
    last = _watch(voyage)
    if last["state"] != "complete":
        raise Failure(f"The demo ended {last['state']}.", f"ocaptain logs {voyage}")

    async def finish(found: "Voyage") -> None:
        from .ssh import attach

        await found.fetch(repo, everything=False)
        click.echo(f"\nWhat landed on {found.id}, fetched into {repo}:\n")
        attach(["git", "-C", str(repo), "--no-pager", "log", "--format=%h %an  %s", found.id])

    _with(voyage, finish)
    click.echo("\nIt is still there. Have a look, then sink it:")
    for verb in ("tasks", "logs", "shell", "sink -s"):
        click.echo(f"  OCAPTAIN_PROVIDER=local ocaptain {verb} {voyage}")

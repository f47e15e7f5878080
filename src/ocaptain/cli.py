"""The verbs: arguments in, calls, printing; nothing else."""

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from . import __version__
from .errors import Failure, Faults, guarded

if TYPE_CHECKING:
    from .check import Report
    from .config import Config
    from .voyage import Voyage

T = TypeVar("T")

TIMED_OUT, ENDED_OTHERWISE = 5, 4

voyage_argument = click.argument("voyage", required=False)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/json.md).")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ocaptain")
def cli() -> None:
    """Sail a fleet of coding agents through one plan, onto one git branch.

    A VOYAGE is named by its id or the beginning of it, and may be left out where there is only one.
    """


def main() -> None:
    """Run a verb; exit status 0, 1 expected failure, 2 usage, 3 bug, 4 and 5 of `wait`, 130."""
    with guarded():
        sys.exit(cli.main(standalone_mode=False) or 0)


def _config() -> "Config":
    from .config import load

    return load(os.environ)


def _find(name: str | None) -> "Voyage":
    from .voyage import find

    return asyncio.run(find(_config(), name))


def _with(name: str | None, act: "Callable[[Voyage], Coroutine[Any, Any, T]]") -> T:
    """Find a voyage and do something with it, in one event loop."""

    async def both() -> T:
        from .voyage import find

        return await act(await find(_config(), name))

    return asyncio.run(both())


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2))


# Plans


async def _checked(plan: Path, config: "Config") -> "Report":
    from .check import check
    from .onboard.agents import AGENTS

    given = {name: secret.reveal() for name, secret in config.agent_env.items()}
    token = {"GH_TOKEN": config.gh_token.reveal()} if config.gh_token else {}
    agents = {name: agent.missing for name, agent in AGENTS.items()}
    return await check(plan, agents=agents, environ={**os.environ, **given, **token})


@cli.command()
@click.argument("plan", type=click.Path(path_type=Path))
@json_option
def check(plan: Path, as_json: bool) -> None:
    """Read PLAN and say what it would do, or everything that is wrong with it."""
    found = asyncio.run(_checked(plan, _config()))
    if as_json:
        _print_json(found.as_json())
    else:
        from . import view

        view.show(view.report(found))
    if found.faults:
        raise Faults([str(fault) for fault in found.faults]) if not as_json else SystemExit(1)


@cli.group()
def plan() -> None:
    """Make plans."""


@plan.command("init")
@click.argument("directory", type=click.Path(path_type=Path))
def plan_init(directory: Path) -> None:
    """Write a small plan to start from into DIRECTORY."""
    from .plan import init

    for path in init(directory):
        click.echo(f"wrote {path}")
    click.echo(f"Read {directory}/PLAN.md, then: ocaptain check {directory}")


@plan.command("skill")
def plan_skill() -> None:
    """Install the Claude Code skill that leads from a wish to a plan."""
    from .plan import install_skill

    click.echo(f"wrote {install_skill(Path.home())}")
    click.echo("In Claude Code, in your repository, type: /voyage-plan")


# Voyages


@cli.command()
@click.argument("plan", type=click.Path(path_type=Path))
@click.option(
    "-n", "--ships", type=click.IntRange(1, 99), help="How many ships; the plan's default."
)
@click.option("--wait", "wait_", is_flag=True, help="Stay until the voyage has ended.")
def sail(plan: Path, ships: int | None, wait_: bool) -> None:
    """Launch a voyage from PLAN, a directory."""
    voyage = _sail(plan, ships)
    click.echo(f"\n{voyage} is under way. Next:")
    for verb in ("status --watch", "logs --follow", "shell", "wait", "fetch", "sink -s"):
        name, _, options = verb.partition(" ")
        click.echo(f"  ocaptain {name} {voyage} {options}".rstrip())
    if wait_:
        _wait(voyage, None)


def _sail(plan: Path, ships: int | None) -> str:
    config = _config()

    async def go() -> str:
        from . import voyage as fleet

        found = await _checked(plan, config)
        if found.plan is None:
            raise Faults([str(fault) for fault in found.faults])
        count = ships or found.plan.recommended_ships or config.default_ships
        return await fleet.sail(config, found.plan, count, _progress)

    return asyncio.run(go())


def _progress(name: str, what: str) -> None:
    click.echo(f"{name:<10} {what}", err=True)


@cli.command()
@voyage_argument
@click.option("-w", "--watch", is_flag=True, help="Stay, and show it anew every second.")
@json_option
def status(voyage: str | None, watch: bool, as_json: bool) -> None:
    """Show a voyage at a glance."""
    if watch:
        return _watch(voyage)
    seen = _with(voyage, lambda v: v.ask("status"))
    if as_json:
        return _print_json({k: seen[k] for k in seen if k != "ok"})
    from . import view

    view.show(view.status(seen))


def _watch(voyage: str | None, timeout_s: float | None = None) -> dict[str, Any]:
    """Show a voyage in place until it has ended; its last status."""
    from rich.live import Live

    from . import view
    from .voyage import wait as wait_for

    with Live(auto_refresh=False, vertical_overflow="crop") as live:

        def show(seen: dict[str, Any]) -> None:
            live.update(view.status(seen), refresh=True)

        return _with(voyage, lambda v: wait_for(v, timeout_s, show))


@cli.command()
@voyage_argument
@click.option("--status", "wanted", help="Only pending, in_progress, completed or failed ones.")
@json_option
def tasks(voyage: str | None, wanted: str | None, as_json: bool) -> None:
    """List the tasks."""
    rows = _with(voyage, lambda v: v.ask("tasks"))["tasks"]
    rows = [row for row in rows if wanted in (None, row["status"])]
    if as_json:
        return _print_json(rows)
    from . import view

    view.show(view.tasks(rows))


@cli.command()
@voyage_argument
@click.option("-s", "--ship", help="Only this ship's, such as ship-0.")
@click.option("-f", "--follow", is_flag=True, help="Go on as it grows.")
@click.option("-g", "--grep", "pattern", help="Only lines that match this regular expression.")
@click.option("-n", "--tail", type=click.IntRange(1), help="Only the last N lines.")
@json_option
def logs(
    voyage: str | None,
    ship: str | None,
    follow: bool,
    pattern: str | None,
    tail: int | None,
    as_json: bool,
) -> None:
    """Print the ships' logs, by time."""
    try:
        re.compile(pattern or "")
    except re.error as error:
        raise click.BadParameter(f"{pattern!r} is no regular expression: {error}") from None
    wanted = {"ship": ship, "pattern": pattern, "tail": tail, "follow": follow}

    async def go(found: "Voyage") -> None:
        async for line in found.log_lines(wanted):
            time_, name, text = (line.split(" ", 2) + ["", ""])[:3]
            if as_json:
                click.echo(json.dumps({"time": time_, "ship": name, "text": text}))
            else:
                click.echo(f"{time_[11:19]} {name:<8} {text}")

    _with(voyage, go)


@cli.command()
@voyage_argument
@click.argument("ship", required=False)
@click.option("--raw", is_flag=True, help="A shell on the ship's VM, or on storage.")
def shell(voyage: str | None, ship: str | None, raw: bool) -> None:
    """Watch the ships at work in tmux: all, or SHIP (ship-0)."""
    if voyage and re.fullmatch(r"ship-\d+", voyage):
        voyage, ship = None, voyage
    raise SystemExit(_find(voyage).shell(ship, raw=raw))


@cli.command()
@voyage_argument
@click.option("-t", "--timeout", type=float, help="Seconds after which to stop waiting.")
def wait(voyage: str | None, timeout: float | None) -> None:
    """Block until the voyage ends: status 0 complete, 4 ended otherwise, 5 timed out."""
    _wait(voyage, timeout)


def _wait(voyage: str | None, timeout_s: float | None) -> None:
    from .voyage import ENDED
    from .voyage import wait as wait_for

    if sys.stdout.isatty():
        last = _watch(voyage, timeout_s)
    else:
        last = _with(voyage, lambda v: wait_for(v, timeout_s, lambda _: None))
        click.echo(
            f"{last['voyage']} {last['state']}{': ' + last['reason'] if last['reason'] else ''}"
        )
    if last["state"] != "complete":
        raise SystemExit(ENDED_OTHERWISE if last["state"] in ENDED else TIMED_OUT)


@cli.command()
@voyage_argument
@click.option("--all", "everything", is_flag=True, help="Also wrecks, logs, journal and artifacts.")
@click.option("--into", default=".", type=click.Path(path_type=Path), help="Your repository.")
def fetch(voyage: str | None, everything: bool, into: Path) -> None:
    """Bring the voyage's branch into a repository of yours."""
    from .voyage import fetch as fetch_into

    async def go(found: "Voyage") -> None:
        before = await fetch_into(found, into, everything=everything)
        click.echo(f"{found.id} is at {before['head'][:12]}, {before['commits']} commits of it new")
        click.echo(f"  git log {found.id}   git merge {found.id}")
        if everything:
            click.echo(f"logs, journal and artifacts are in {into / found.id}/")
        elif before["wrecks"]:
            click.echo(f"{len(before['wrecks'])} wrecks stay on storage; with --all they come too")

    _with(voyage, go)


@cli.command()
@voyage_argument
@click.option("-s", "--include-storage", is_flag=True, help="Also storage, with all that is on it.")
@click.option("--all", "all_", is_flag=True, help="Every VM of every voyage.")
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
def sink(voyage: str | None, include_storage: bool, all_: bool, force: bool) -> None:
    """Destroy a voyage's VMs: the ships, or all."""
    from . import voyage as fleet

    storage = include_storage or all_

    async def go() -> None:
        config = _config()
        found = await fleet.voyages(config) if all_ else [await fleet.find(config, voyage)]
        names = [name for each in found for name in fleet.doomed(each, storage=storage)]
        if not names:
            return click.echo("There is nothing to sink.")
        if storage and not force:
            await _warn(found)
        click.echo(f"This destroys {', '.join(names)}")
        if not force:
            click.confirm("Go on?", abort=True)
        left = await fleet.sink(found, storage=storage)
        if left:
            raise Faults([f"{name} is still there: {why}" for name, why in left.items()])
        click.echo(f"Destroyed {len(names)} VMs.")

    asyncio.run(go())


async def _warn(found: "list[Voyage]") -> None:
    """Say what only storage has, and offer to fetch it."""
    from . import voyage as fleet

    for each in found:
        risk = await fleet.at_risk(each)
        if risk:
            click.echo(risk)
            if click.confirm("Fetch it into the repository here first?", default=False):
                await fleet.fetch(each, Path(), everything=True)


# This machine


@cli.command()
@click.option("--deep", is_flag=True, help="Also make, try and destroy a local VM.")
def doctor(deep: bool) -> None:
    """Say what this machine lacks, and the command that mends it."""
    from . import view
    from .doctor import examine

    found = asyncio.run(examine(_config(), deep=deep))
    view.show(view.findings(found))
    if not all(finding.ok for finding in found):
        raise SystemExit(1)


@cli.command()
@click.option("-n", "--ships", default=3, type=click.IntRange(1, 20), help="How many ships.")
def demo(ships: int) -> None:
    """Sail a small voyage on this machine: no account, no token, no model."""
    from .demo import make

    os.environ["OCAPTAIN_PROVIDER"] = "local"
    repo = make()
    click.echo(f"A repository and a plan are in {repo}\n")
    voyage = _sail(repo / "plan", ships)
    began = time.monotonic()
    last = _watch(voyage)
    _with(voyage, lambda v: _bring_home(v, repo))
    if last["state"] != "complete":
        raise Failure(f"the demo ended {last['state']}", f"ocaptain logs {voyage}")
    click.echo(f"\nAll done in {time.monotonic() - began:.0f} s. Have a look:")
    for verb in ("tasks", "logs", "shell"):
        click.echo(f"  OCAPTAIN_PROVIDER=local ocaptain {verb} {voyage}")
    click.echo(f"  OCAPTAIN_PROVIDER=local ocaptain sink -s {voyage}")


async def _bring_home(found: "Voyage", repo: Path) -> None:
    from .ssh import attach
    from .voyage import fetch as fetch_into

    await fetch_into(found, repo, everything=False)
    click.echo("\nWhat landed, newest first:\n")
    attach(["git", "-C", str(repo), "--no-pager", "log", "--format=%h %an  %s", found.id])

"""The verbs: arguments in, calls, printing; nothing else."""

import json
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

import ocaptain

from .errors import Failure, crash_report, scrub

NEXT = ("status --watch", "logs --follow", "shell", "wait", "fetch", "sink -s")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/json.md).")
path_argument = click.Path(path_type=Path)
STATUS = click.Choice(["pending", "in_progress", "completed", "failed"])


class Verb(click.Command):
    """A verb is a coroutine function, and may return an exit status."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run it."""
        import asyncio  # which half of the verbs' --help would wait for

        return asyncio.run(super().invoke(ctx))


class Verbs(click.Group):
    """A group of verbs."""

    command_class, group_class = Verb, type


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(ocaptain.__version__, prog_name="ocaptain")
def cli() -> None:
    """Sail a fleet of coding agents through one plan, onto one git branch.

    A VOYAGE is named by its id or the beginning of it, and may be left out where there is only one.
    """


def main() -> None:
    """Run a verb; exit status 0, 1 expected failure, 2 usage, 3 bug, 4 and 5 of `wait`, 130."""
    for ending in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(ending) == signal.SIG_DFL:
            signal.signal(ending, signal.default_int_handler)
    try:
        sys.exit(cli.main(standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort as abort:
        sys.exit(130 if isinstance(abort.__context__, KeyboardInterrupt) else 1)
    except Failure as failure:
        sys.exit(f"ocaptain: {failure}")
    except Exception as bug:
        what = f"{scrub(repr(bug))}\nThis is a bug in ocaptain, not something that you did"
        click.echo(f"ocaptain: {what}; please report it with {crash_report(bug)}.", err=True)
        sys.exit(3)


def _config() -> "ocaptain.config.Config":
    return ocaptain.config.load(os.environ)


def _voyage_verb(work: Callable[..., Any]) -> click.Command:
    """A verb for a voyage, which it finds itself."""
    return cli.command()(click.argument("voyage", required=False)(work))


async def _find(name: str | None) -> "ocaptain.voyage.Voyage":
    return await ocaptain.voyage.find(_config(), name)


def _show(picture: str, value: Any, as_json: bool = False) -> None:
    """Print a value as JSON, or as the function of `view` that `picture` names has it."""
    if as_json:
        click.echo(json.dumps(value, indent=2))
    else:
        ocaptain.view.show(getattr(ocaptain.view, picture)(value))


# Plans


@cli.command()
@click.argument("plan", type=path_argument)
@json_option
async def check(plan: Path, as_json: bool) -> int:
    """Read PLAN and say what it would do, or everything that is wrong with it."""
    found = await ocaptain.check.check(plan, _config())
    _show("report", found.as_json() if as_json else found, as_json)
    if found.faults and not as_json:
        raise Failure(*found.faults)
    return int(found.plan is None)


@cli.group()
def plan() -> None:
    """Make plans."""


@plan.command("init")
@click.argument("directory", type=path_argument)
async def plan_init(directory: Path) -> None:
    """Write a small plan to start from into DIRECTORY."""
    ocaptain.start.init(directory)
    click.echo(f"wrote a plan; read {directory}/PLAN.md, then: ocaptain check {directory}")


@plan.command("skill")
async def plan_skill() -> None:
    """Install the Claude Code skill that leads from a wish to a plan."""
    click.echo(f"wrote {ocaptain.start.install_skill(Path.home())}\nIn Claude Code: /voyage-plan")


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
async def sail(plan: Path, ships: int | None, stay: bool, pr: bool, **vm: str | None) -> int:
    """Launch a voyage from PLAN, a directory."""
    os.environ.update({f"OCAPTAIN_{key.upper()}": value for key, value in vm.items() if value})
    voyage = await _sail(plan, ships, pr=pr)
    click.echo(f"\n{voyage} is under way. Next:{_next(voyage)}")
    return await _wait(voyage) if stay else 0


async def _sail(plan: Path, ships: int | None, *, pr: bool = False) -> str:
    config = _config()
    found = await ocaptain.check.check(plan, config)
    if found.plan is None:
        raise Failure(*found.faults)
    return await ocaptain.voyage.sail(config, found.plan, ships or found.plan.ships, _tell, pr=pr)


def _tell(text: str) -> None:
    click.echo(text, err=True)


def _next(voyage: str) -> str:
    return "".join(f"\n  ocaptain {verb} {voyage}" for verb in NEXT)


@cli.command()
@json_option
async def voyages(as_json: bool) -> None:
    """List the voyages there are."""
    _show("voyages", await ocaptain.voyage.survey(_config()), as_json)


@_voyage_verb
@click.option("-w", "--watch", is_flag=True, help="Stay, and show it anew every second.")
@json_option
async def status(voyage: str | None, watch: bool, as_json: bool) -> None:
    """Show a voyage at a glance."""
    if watch:
        await _wait(voyage)
    else:
        _show("status", await ocaptain.voyage.look(_config(), voyage, "status"), as_json)


@_voyage_verb
@click.option("--status", "wanted", type=STATUS, help="Only tasks with this status.")
@json_option
async def tasks(voyage: str | None, wanted: str | None, as_json: bool) -> None:
    """List the tasks."""
    rows = (await ocaptain.voyage.look(_config(), voyage, "tasks"))["tasks"]
    _show("tasks", [row for row in rows if wanted in (None, row["status"])], as_json)


@_voyage_verb
@click.option("-s", "--ship", default="", help="Only this ship's, such as ship-0.")
@click.option("-f", "--follow", is_flag=True, help="Go on as it grows.")
@click.option("-g", "--grep", "pattern", default="", help="Only lines that match this regex.")
@click.option("-n", "--tail", type=int, default=0, help="Only the last N lines.")
@json_option
async def logs(voyage: str | None, as_json: bool, **wanted: Any) -> None:
    """Print the ships' logs, by time."""
    try:
        re.compile(wanted["pattern"])
    except re.error as error:
        here = click.get_current_context()
        raise click.UsageError(f"--grep is no regular expression: {error}", here) from None
    async for line in (await _find(voyage)).log_lines(wanted):
        at, ship, text = f"{line}  ".split(" ", 2)  # whatever a ship has written there
        entry = {"time": at, "ship": ship, "text": text.rstrip()}
        click.echo(json.dumps(entry) if as_json else f"{at[11:19]}Z {ship:<8} {text}".rstrip())


@_voyage_verb
@click.argument("ship", required=False)
@click.option("--raw", is_flag=True, help="A shell on the ship's VM, or on storage.")
async def shell(voyage: str | None, ship: str | None, raw: bool) -> int:
    """Watch the ships at work in tmux: all, or SHIP (ship-0)."""
    return (await _find(voyage)).shell(ship, raw=raw)


@_voyage_verb
@click.option("-t", "--timeout", type=float, help="Seconds after which to stop waiting.")
async def wait(voyage: str | None, timeout: float | None) -> int:
    """Block until the voyage ends: status 0 complete, 4 ended otherwise, 5 timed out."""
    return await _wait(voyage, timeout)


async def _wait(voyage: str | None, timeout_s: float | None = None) -> int:
    """Show a voyage in place until it has ended or the time is up; the exit status of `wait`."""
    found = await _find(voyage)
    with ocaptain.view.Screen(auto_refresh=False) as screen:
        state = (await found.wait(timeout_s, screen.show))["state"]
    return 0 if state == "complete" else 4 if state in ocaptain.voyage.ENDED else 5


@_voyage_verb
@click.option("--all", "everything", is_flag=True, help="Also wrecks, logs, journal and artifacts.")
@click.option("--into", default=".", type=path_argument, help="Your repository.")
async def fetch(voyage: str | None, everything: bool, into: Path) -> None:
    """Bring the voyage's branch into a repository of yours."""
    found = await _find(voyage)
    new = await found.fetch(into, everything=everything)
    was = f"{new['commits']} commits were on storage alone; see git log {found.id} --"
    click.echo(f"{found.id} is at {new['head'][:12]}; {was}")
    if everything:
        click.echo(f"Logs, journal and artifacts: {into / found.id}/")
    elif new["wrecks"]:
        click.echo(f"Unlanded work is on storage only: {', '.join(new['wrecks'])} (--all)")


@_voyage_verb
@click.option("-s", "--include-storage", is_flag=True, help="Also storage, with all that is on it.")
@click.option("--all", "all_", is_flag=True, help="Every VM of every voyage.")
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
async def sink(voyage: str | None, include_storage: bool, all_: bool, force: bool) -> None:
    """Destroy a voyage's VMs: the ships, or all."""
    storage = include_storage or all_
    signal.signal(signal.SIGINT, signal.default_int_handler)  # asyncio's lets a question wait
    found = await ocaptain.voyage.voyages(_config()) if all_ else [await _find(voyage)]
    names = [name for each in found for name in each.doomed(storage=storage)]
    for each in found if storage else ():
        await _offer(each, force=force)
    doomed = [*names, "the ships' keys"] if names else ["nothing"]
    click.echo(f"To be destroyed: {', '.join(doomed)}")
    if names and not force:
        click.confirm("Go on?", abort=True)
    left = [await each.sink(storage=storage) for each in found]
    if faults := [f"{vm} is left: {why}" for each in left for vm, why in each.items()]:
        again = "--all" if all_ else "-s " * storage + found[0].id
        raise Failure(*faults, f"Try later: ocaptain sink {again}")
    click.echo(f"Destroyed {len(names)} VMs.")


async def _offer(voyage: "ocaptain.voyage.Voyage", *, force: bool) -> None:
    """Say what only storage has, and offer to fetch it."""
    if risk := await voyage.at_risk():
        click.echo(risk)
        if not force and click.confirm("Fetch it first, into the repository here?"):
            await voyage.fetch(Path(), everything=True)


# This machine


@cli.command()
async def doctor() -> int:
    """Say what this machine lacks, and the command that mends it."""
    found = await ocaptain.start.examine(_config())
    for what, is_there, remedy in found:
        click.echo(f"{'ok' if is_there else 'no'}  {what:<22}{is_there or remedy}")
    return 0 if all(is_there for _, is_there, _ in found) else 1


@cli.command()
@click.option("-n", "--ships", default=3, type=click.IntRange(1, 20), help="How many ships.")
async def demo(ships: int) -> None:
    """Sail a small voyage on this machine: no account, no token, no model."""
    os.environ["OCAPTAIN_PROVIDER"] = "local"
    repo = await ocaptain.start.demo()
    click.echo(f"A repository with a plan in it is at {repo}\n")
    voyage = await _sail(repo / "plan", ships)
    if await _wait(voyage):
        raise Failure("The demo did not come to its end.", f"ocaptain logs {voyage}")
    await (await _find(voyage)).fetch(repo, everything=False)
    landed = await ocaptain.ssh.git("-C", str(repo), "log", "--format=%h %an  %s", voyage)
    click.echo(f"\nWhat landed on {voyage}, fetched into {repo}:\n\n{landed}\n")
    click.echo(f"Have a look, then sink it:\n  export OCAPTAIN_PROVIDER=local{_next(voyage)}")

"""The verbs: arguments in, calls, printing; nothing else."""

import json
import os
import re
import signal
import sys
from collections.abc import Sequence
from functools import partial
from getpass import getuser
from math import inf
from pathlib import Path
from socket import gethostname
from typing import Any

import click

import ocaptain
from ocaptain.errors import Failure, crash_report, scrub

NEXT = ("status --watch", "logs --follow", "shell", "wait", "fetch", "sink -s")
STATUS = click.Choice(["pending", "in_progress", "completed", "failed"])
PATH = click.Path(path_type=Path)


def _named(ctx: click.Context, param: click.Parameter, words: Sequence[str]) -> str | None:
    """The voyage among these words and, where there may be one, the ship, by its form."""
    may = "SHIP" in str(param.metavar)
    named = {"ship" if may and word.startswith("ship-") else "voyage": word for word in words}
    if len(named) < len(words):
        ctx.fail(f"Got unexpected extra arguments ({' '.join(words)})")
    ctx.params.update(named)
    return named.get("voyage")


PLAN = click.Argument(["plan"], type=PATH)
VOYAGE = click.Argument(["voyage"], nargs=-1, callback=_named, metavar="[VOYAGE]")
FLEET = click.Argument(["voyage"], nargs=-1, callback=_named, metavar="[VOYAGE] [SHIP]")
JSON = click.Option(["--json", "as_json"], is_flag=True, help="Print JSON (docs/json.md).")
WHY = click.Option(["--why"], default="", metavar="TEXT", help="What the journal says of it.")
SHIPS = click.Option(["-n", "--ships"], type=click.IntRange(1, 99), help="How many ships.")
TIMEOUT = click.Option(["-t", "--timeout"], default=inf, help="Seconds to wait at most.")
VM = ("cpu", "memory", "disk", "image", "pool")
PER_VM = [click.Option([f"--{key}"], help="Of each VM, as the provider has it.") for key in VM]


class Verbs(click.Group):
    """The verbs: coroutine functions, which may return an exit status."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """A verb may have two words, such as `tasks add`."""
        words = 2 if " ".join(args[:2]) in self.commands else 1
        return super().resolve_command(ctx, [" ".join(args[:words]), *args[words:]])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb that is meant, to its exit status."""
        work = super().invoke(ctx)
        import asyncio  # which half of the verbs' --help would wait for

        try:
            ctx.exit(asyncio.run(work) or 0)
        except KeyboardInterrupt:
            ctx.exit(130)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(ocaptain.__version__, prog_name="ocaptain")
def cli() -> None:
    """Sail a fleet of coding agents through one plan, onto one git branch.

    A VOYAGE is named by its id or the beginning of it, and may be left out where there is only one.
    """


def main() -> None:
    """Run a verb; exit status 0, 1 expected failure, 2 usage, 3 bug, 4 and 5 of `wait`, 130."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's & has it ignored
    for ending in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(ending) == signal.SIG_DFL:
            signal.signal(ending, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        cli()
    except Failure as failure:
        sys.exit(f"ocaptain: {failure}")
    except Exception as bug:
        what = f"{scrub(repr(bug))}\nThis is a bug in ocaptain, not something that you did"
        click.echo(f"ocaptain: {what}; please report it with {crash_report(bug)}.", err=True)
        sys.exit(3)


async def _find(name: str | None) -> "ocaptain.fleet.voyage.Voyage":
    import ocaptain.config
    import ocaptain.fleet.voyage

    return await ocaptain.fleet.voyage.find(ocaptain.config.load(), name)


def _show(picture: str, value: Any, as_json: bool = False) -> None:
    """Print a value as JSON, or as the function of `view` that `picture` names has it."""
    import ocaptain.terminal

    if as_json:
        click.echo(json.dumps(value, indent=2))
    else:
        ocaptain.terminal.show(getattr(ocaptain.terminal, picture)(value))


# Plans


@cli.command(params=[PLAN, JSON])
async def check(plan: Path, as_json: bool) -> int:
    """Read PLAN and say what it would do, or everything that is wrong with it."""
    import ocaptain.config
    import ocaptain.plan.check

    found = await ocaptain.plan.check.check(plan, ocaptain.config.load())
    _show("report", found.as_json() if as_json else found, as_json)
    if found.faults and not as_json:
        raise Failure("\n".join(found.faults))
    return int(found.plan is None)


@cli.command("plan init", params=[click.Argument(["directory"], type=PATH)])
async def plan_init(directory: Path) -> None:
    """Write a small plan to start from into DIRECTORY."""
    import ocaptain.scaffold

    ocaptain.scaffold.init(directory)
    click.echo(f"wrote a plan; read {directory}/PLAN.md, then: ocaptain check {directory}")


@cli.command("plan skill")
async def plan_skill() -> None:
    """Install the Claude Code skill that leads from a wish to a plan."""
    import ocaptain.scaffold

    click.echo(
        f"wrote {ocaptain.scaffold.install_skill(Path.home())}\nIn Claude Code: /voyage-plan"
    )


# Voyages


@cli.command(params=[PLAN, SHIPS, *PER_VM])
@click.option("--pr", is_flag=True, help="Open a pull request at the end (GitHub; GH_TOKEN).")
@click.option("--wait", "stay", is_flag=True, help="Stay until the voyage has ended.")
async def sail(plan: Path, ships: int | None, stay: bool, pr: bool, **vm: str | None) -> int:
    """Launch a voyage from PLAN, a directory."""
    os.environ.update({f"OCAPTAIN_{key.upper()}": value for key, value in vm.items() if value})
    voyage = await _sail(plan, ships, pr=pr)
    click.echo(f"\n{voyage} is under way. Next:{_next(voyage)}")
    return await _wait(voyage) if stay else 0


async def _sail(plan: Path, ships: int | None, *, pr: bool = False) -> str:
    import ocaptain.config
    import ocaptain.fleet.launch
    import ocaptain.plan.check

    config = ocaptain.config.load()
    found = await ocaptain.plan.check.check(plan, config)
    if found.plan is None:
        raise Failure("\n".join(found.faults))
    return await ocaptain.fleet.launch.sail(
        config, found.plan, ships or found.plan.ships, open_pr=pr
    )


def _next(voyage: str) -> str:
    return "".join(f"\n  ocaptain {verb} {voyage}" for verb in NEXT)


@cli.command(params=[JSON])
async def voyages(as_json: bool) -> None:
    """List the voyages there are."""
    import ocaptain.config
    import ocaptain.fleet.voyage

    _show("voyages", await ocaptain.fleet.voyage.survey(ocaptain.config.load()), as_json)


@cli.command(params=[VOYAGE, JSON])
@click.option("-w", "--watch", is_flag=True, help="Stay, and show it anew every second.")
async def status(voyage: str | None, watch: bool, as_json: bool) -> None:
    """Show a voyage at a glance."""
    import ocaptain.config
    import ocaptain.fleet.voyage

    config = ocaptain.config.load()
    if watch:
        await _wait(voyage)
    else:
        _show("status", await ocaptain.fleet.voyage.look(config, voyage, "status"), as_json)


@cli.command(params=[VOYAGE, JSON])
@click.option("--status", "wanted", type=STATUS, help="Only tasks with this status.")
async def tasks(voyage: str | None, wanted: str | None, as_json: bool) -> None:
    """List the tasks; `tasks add` and `tasks edit` change the list."""
    import ocaptain.config
    import ocaptain.fleet.voyage

    rows = (await ocaptain.fleet.voyage.look(ocaptain.config.load(), voyage, "tasks"))["tasks"]
    _show("tasks", [row for row in rows if wanted in (None, row["status"])], as_json)


def _regex(_ctx: click.Context, _param: click.Parameter, text: str | None) -> str:
    try:
        return re.compile(text or "").pattern
    except re.error as error:
        raise click.BadParameter(f"no regular expression: {error}") from None


@cli.command(params=[VOYAGE, JSON])
@click.option("-s", "--ship", default="", help="Only this ship's, such as ship-0.")
@click.option("-f", "--follow", is_flag=True, help="Go on as it grows.")
@click.option("-g", "--grep", "pattern", callback=_regex, help="Only lines that match this regex.")
@click.option("-n", "--tail", type=int, default=0, help="Only the last N lines.")
async def logs(voyage: str | None, as_json: bool, **wanted: Any) -> None:
    """Print the ships' logs, by time."""

    def show(line: str) -> None:
        at, ship, text = f"{line}  ".split(" ", 2)  # whatever a ship has written there
        if as_json:
            click.echo(json.dumps({"time": at, "ship": ship, "text": text.rstrip()}))
        else:
            click.echo(f"{at[11:19]}Z {ship:<8} {text}".rstrip())

    await (await _find(voyage)).read_logs(wanted, show)


@cli.command(params=[FLEET])
@click.option("--raw", is_flag=True, help="A shell on the ship's VM, or on storage.")
async def shell(voyage: str | None, raw: bool, ship: str | None = None) -> int:
    """Watch the ships at work in tmux: all, or SHIP (ship-0)."""
    return (await _find(voyage)).shell(ship, raw=raw)


async def _wait(voyage: str | None, timeout: float = inf) -> int:
    """Block until the voyage ends: status 0 complete, 4 ended otherwise, 5 timed out."""
    import ocaptain.terminal

    found = await _find(voyage)
    with ocaptain.terminal.Screen(auto_refresh=False) as screen:
        state = (await found.watch("status", screen.show, timeout))["state"]
    return 0 if state == "complete" else 4 if state in ocaptain.terminal.ENDED else 5


cli.command("wait", params=[VOYAGE, TIMEOUT])(_wait)


@cli.command(params=[VOYAGE])
@click.option("--all", "everything", is_flag=True, help="Also wrecks, logs, journal and artifacts.")
@click.option("--into", default=".", type=PATH, help="Your repository.")
async def fetch(voyage: str | None, everything: bool, into: Path) -> None:
    """Bring the voyage's branch into a repository of yours."""
    click.echo(await (await _find(voyage)).fetch(into, everything=everything))


@cli.command(params=[VOYAGE])
@click.option("-s", "--include-storage", is_flag=True, help="Also storage, with all that is on it.")
@click.option("--all", "all_", is_flag=True, help="Every VM of every voyage.")
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
async def sink(voyage: str | None, include_storage: bool, all_: bool, force: bool) -> int:
    """Destroy a voyage's VMs: the ships, or all."""
    import ocaptain.config
    import ocaptain.fleet.voyage

    storage = include_storage or all_
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))  # asyncio's lets a question wait
    found = (
        await ocaptain.fleet.voyage.voyages(ocaptain.config.load())
        if all_
        else [await _find(voyage)]
    )
    for each in found if storage else ():
        if risk := await each.at_risk():
            click.echo(risk)
            if not force and click.confirm("Fetch it first, into the repository here?"):
                await each.fetch(Path(), everything=True)
    doomed = {each: [*each.vms] if storage else each.ship_vms() for each in found}
    names = [vm for vms in doomed.values() for vm in vms]
    told = [*names, "the ships' keys"] if names else ["nothing"]
    click.echo(f"To be destroyed: {', '.join(told)}")
    if names and not force:
        click.confirm("Go on?", abort=True)
    again = "sink -s" if storage else "sink"
    left = [await each.destroy(vms, f"{again} {each.id}") for each, vms in doomed.items()]
    if not any(left):
        click.echo(f"Destroyed {len(names)} VMs.")
    return int(any(left))


# Steering

ORDERS = {
    "pause": "Hand out no more tasks; ships finish theirs, and wait.",
    "resume": "Hand tasks out again; ships get the credentials that are set here.",
    "halt": "Pause, and stop the agents now; their work is kept.",
    "hail MESSAGE": "Tell MESSAGE to SHIP's agent, or to all.",
    "relieve SHIP": "Send SHIP home after its task; its VM is destroyed then.",
    "reinforce": "Restart ships, replace those that are lost, and add more.",
    "retry TASK": "Bring TASK back, which was set aside; or `verify`.",
    "release TASK": "Take TASK from its ship; it is pending again.",
    "tasks add SUBJECT": "Add a task.",
    "tasks edit TASK": "Change TASK, unless it is completed.",
    "fsck": "Look whether all on storage agrees, and mend what does not.",
}
SUBJECT = click.Option(["--subject"], metavar="TEXT", help="What it is.")
FIELDS = [
    click.Option(["-d", "--description"], metavar="TEXT", help="What is to be done."),
    click.Option(["--after"], multiple=True, metavar="ID", help="A task that it waits for."),
    click.Option(["--files"], multiple=True, metavar="PATH", help="What it will touch."),
    click.Option(["--run"], metavar="COMMAND", help="What the shell agent executes."),
]
MORE = {"reinforce": [SHIPS], "tasks add": FIELDS, "tasks edit": [SUBJECT, *FIELDS]}


async def _give(order: str, voyage: str | None, why: str, *, as_json: bool, **fields: Any) -> int:
    """Have a voyage do something, and print what came of it."""
    found = await _find(voyage)
    found.signed = {"by": f"{getuser()}@{gethostname()}", "why": why}
    answer = await getattr(found, order.replace(" ", "_"), partial(found.order, order))(**fields)
    _show("answer", answer, as_json)
    return int(bool(answer.get("faults")))


for usage, about in ORDERS.items():
    order = " ".join(word for word in usage.split() if word.islower())
    last = [click.Argument([word.lower()]) for word in usage.split() if word.isupper()]
    params = [FLEET if order == "hail" else VOYAGE, *last, *MORE.get(order, ()), WHY, JSON]
    cli.add_command(click.Command(order, callback=partial(_give, order), params=params, help=about))


# This machine


@cli.command()
async def doctor() -> int:
    """Say what this machine lacks, and the command that mends it."""
    import ocaptain.config
    import ocaptain.doctor

    found = await ocaptain.doctor.examine(ocaptain.config.load())
    for what, is_there, remedy in found:
        click.echo(f"{'ok' if is_there else 'no'}  {what:<22}{is_there or remedy}")
    return 0 if all(is_there for _, is_there, _ in found) else 1


@cli.command(params=[SHIPS])
async def demo(ships: int | None) -> None:
    """Sail a small voyage on this machine: no account, no token, no model."""
    import ocaptain.git
    import ocaptain.scaffold

    os.environ["OCAPTAIN_PROVIDER"] = "local"
    repo = await ocaptain.scaffold.demo()
    click.echo(f"A repository with a plan in it is at {repo}\n")
    voyage = await _sail(repo / "plan", ships or 3)
    if await _wait(voyage):
        raise Failure("The demo did not come to its end.", hint=f"ocaptain logs {voyage}")
    await (await _find(voyage)).fetch(repo, everything=False)
    landed = await ocaptain.git.git("-C", str(repo), "log", "--format=%h %an  %s", voyage)
    click.echo(f"\nWhat landed on {voyage}, fetched into {repo}:\n\n{landed}\n")
    click.echo(f"Have a look, then sink it:\n  export OCAPTAIN_PROVIDER=local{_next(voyage)}")

"""Commands that launch voyages."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ocaptain.errors import Failure, progress

from .arguments import json_option, print_json, provider_option, ships_option
from .statuses import SUCCESS
from .watching import show_until_end
from .words import words_options

if TYPE_CHECKING:
    from ocaptain.config import Config
    from ocaptain.fleet.launch import SailOutcome
    from ocaptain.fleet.voyage import Voyage
    from ocaptain.plan.words import Words


@click.command()
@words_options
@ships_option
@provider_option
@click.option("--pr", is_flag=True, help="Open a pull request at the end (GitHub; GH_TOKEN).")
@click.option("--cpu", metavar="N", help="CPUs of each VM.")
@click.option("--memory", metavar="SIZE", help="Memory of each VM, such as 8GB.")
@click.option("--disk", metavar="SIZE", help="Disk of each VM, such as 50GB.")
@click.option("--image", metavar="NAME", help="What each VM is made from.")
@click.option("--pool", metavar="NAME", help="Where each VM is placed.")
@click.option("--wait", "stay", is_flag=True, help="Stay until the voyage has ended.")
@json_option
async def sail(
    plan: "Path | Words",
    idle: bool,
    ships: int | None,
    provider: str | None,
    pr: bool,
    cpu: str | None,
    memory: str | None,
    disk: str | None,
    image: str | None,
    pool: str | None,
    stay: bool,
    as_json: bool,
) -> int:
    """Launch a voyage from PLAN, a directory, or from a --task.

    The plan is checked first. Then storage and the ships are made, and set going. Without --ships
    there are as many as the plan recommends.

    Without PLAN one is written: each --task or --file is a task of it, in the repository that you
    are in. If --check is left out, the usual one of the repository is looked for. With --idle there
    is no task yet: the ships wait for `ocaptain tasks add`, and cost nothing meanwhile.

    If the plan's repo is on GitHub and GH_TOKEN is set, what lands is pushed there, to
    refs/ocaptain/VOYAGE, for which no workflow runs. Once the voyage is complete it is pushed to a
    branch, for which workflows do run: docs/security.md says what that means.

    --cpu, --memory, --disk, --image and --pool are for exe.dev, as its `new` takes them:
    docs/exedev.md says more. `hosts` and `local` refuse them.

    --json prints the voyage's id, its VMs and the plan's directory; with --wait, what `wait --json`
    prints."""
    from ocaptain.config import load
    from ocaptain.providers import open_provider

    if idle and stay:
        raise click.UsageError("--idle has no end that --wait could wait for.")
    sizes = {"cpu": cpu, "memory": memory, "disk": disk, "image": image, "pool": pool}
    config = load(overrides={"provider": provider, **sizes})
    if not open_provider(config).sizes:  # a wrong name is refused before anything is written
        _refuse_sizes(config, sizes)
    folder = plan if isinstance(plan, Path) else await write_plan(config, plan, ships)
    try:
        voyage = await check_and_sail(config, folder, ships, open_pr=pr, idle=idle)
    except BaseException:
        if not isinstance(plan, Path):
            _remove_plan(folder)
        raise
    if as_json and not stay:
        print_json(outcome(voyage, folder))
    if not as_json:
        first = f"\n  ocaptain tasks add {voyage.id} SUBJECT" if idle else ""
        click.echo(f"\n{voyage.id} is under way. Next:{first}{next_commands(voyage.id)}")
    if not stay:
        return SUCCESS
    return await show_until_end(voyage, as_json=as_json)


def _remove_plan(folder: Path) -> None:
    """Remove a plan that was written for a voyage that has not sailed."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
    progress(f"The plan in {folder} is removed again.")


def outcome(voyage: "Voyage", plan: Path) -> "SailOutcome":
    """What `sail --json` prints of a voyage from the plan in a directory."""
    return {"voyage": voyage.id, "vms": sorted(voyage.vms), "plan": str(plan.resolve())}


def _refuse_sizes(config: "Config", sizes: Mapping[str, str | None]) -> None:
    """Raise Failure if anything was typed of VMs that are as they are."""
    given = [f"--{key}" for key, value in sizes.items() if value]
    if given:
        raise Failure(
            f"The provider {config.provider} cannot honour {', '.join(given)}: "
            "its machines are as they are.",
            hint="Leave that out, or: export OCAPTAIN_PROVIDER=exedev",
        )


async def write_plan(config: "Config", words: "Words", ships: int | None) -> Path:
    """Write a plan of what was typed, and say where it is. Returns its directory."""
    from ocaptain.plan import words as plans

    written = await plans.write_plan(words, ships, config)
    for sentence in written.news:
        progress(sentence)
    return written.folder


async def check_and_sail(
    config: "Config", plan: Path, ships: int | None, *, open_pr: bool = False, idle: bool = False
) -> "Voyage":
    """Check the plan in a directory, and launch a voyage from it; `idle`, if it has no task yet."""
    from ocaptain.fleet.launch import sail
    from ocaptain.plan.check import check

    report = await check(plan, config, idle=idle)
    if report.plan is None:
        raise Failure("\n".join(report.faults))
    for note in report.notes:
        progress(f"note: {note}")
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

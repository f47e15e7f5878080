"""Commands about this machine."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ocaptain.errors import Failure

from .arguments import json_option, print_json, ships_option
from .sailing import check_and_sail, next_commands
from .statuses import FAILURE, SUCCESS
from .watching import show_until_end

if TYPE_CHECKING:
    from ocaptain.fleet.voyage import Voyage

DEMO_SHIPS = 3
_LEFT = """
To go on looking:  ocaptain status --watch {0}
To end it, and remove all of it:  ocaptain sink -s {0}"""


@click.command()
@json_option
async def doctor(as_json: bool) -> int:
    """Say what this machine lacks, and the command that mends it.

    A line begins with `ok`; or with `no`, and the exit status is 1; or with `--` for what some can
    do without, and who needs it."""
    from ocaptain.config import load
    from ocaptain.doctor import examine

    findings = await examine(load())
    if as_json:
        print_json([finding.as_json() for finding in findings])
    else:
        from ocaptain import terminal

        terminal.show(terminal.findings(findings))
    needed = [finding for finding in findings if finding.is_needed]
    return SUCCESS if all(finding.found for finding in needed) else FAILURE


@click.command()
@ships_option
async def demo(ships: int | None) -> None:
    """Sail a small voyage here: no account, no token, no model.

    Its VMs are directories on this machine. After Ctrl-C it sails on: `sink -s` ends it, and
    removes all that it has made."""
    from ocaptain.dashboard.report import write_report
    from ocaptain.fleet.fetch import fetch
    from ocaptain.git import git

    voyage, repo = await _sail_demo(ships or DEMO_SHIPS)
    try:
        status = await show_until_end(voyage)
    except BaseException:
        click.echo(f"\n{voyage.id} sails on, and {repo} is still there.{_LEFT.format(voyage.id)}")
        raise
    if status != SUCCESS:
        raise Failure("The demo did not come to its end.", hint=f"ocaptain logs {voyage.id}")
    fetched = await fetch(voyage, repo, everything=True, write_report=write_report)
    landed = await git("-C", str(repo), "log", "--format=%h %an  %s", voyage.id)
    click.echo(f"\nWhat landed on {voyage.id}, fetched into {repo}:\n\n{landed}\n")
    click.echo(f"Have a look, then sink it:{next_commands(voyage.id)}\n")
    click.echo(f"To see it in a browser: ocaptain dashboard --open {voyage.id}")
    click.echo(f"The same as a file:     {fetched['report']}")


async def _sail_demo(ships: int) -> "tuple[Voyage, Path]":
    """Make a repository and sail from it; if that fails, nothing is left. Returns both."""
    import shutil  # which `--help` can do without

    from ocaptain import scaffold
    from ocaptain.config import load
    from ocaptain.fleet.remembered import with_provider

    config = with_provider(load(), "local")
    repo = await scaffold.demo()
    click.echo(f"A repository with a plan in it is at {repo}\n")
    try:
        voyage = await check_and_sail(config, repo / "plan", ships)
    except BaseException:
        shutil.rmtree(repo, ignore_errors=True)
        raise
    scaffold.note_demo(config.data_dir, voyage.id, repo)
    return voyage, repo

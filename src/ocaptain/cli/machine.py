"""Commands about this machine."""

import click

from ocaptain.errors import Failure

from .arguments import json_option, print_json, ships_option
from .sailing import check_and_sail, next_commands
from .statuses import FAILURE, SUCCESS
from .watching import show_until_end

DEMO_SHIPS = 3


@click.command()
@json_option
async def doctor(as_json: bool) -> int:
    """Say what this machine lacks, and the command that mends it.

    A line begins with `ok`; or with `no`, and the exit status is 1; or with `--` for what some can
    do without, and who needs it."""
    from ocaptain import terminal
    from ocaptain.config import load
    from ocaptain.doctor import examine

    findings = await examine(load())
    if as_json:
        print_json([finding.as_json() for finding in findings])
    else:
        terminal.show(terminal.findings(findings))
    needed = [finding for finding in findings if finding.is_needed]
    return SUCCESS if all(finding.found for finding in needed) else FAILURE


@click.command()
@ships_option
async def demo(ships: int | None) -> None:
    """Sail a small voyage here: no account, no token, no model.

    Its VMs are directories on this machine."""
    from ocaptain import scaffold
    from ocaptain.config import load
    from ocaptain.fleet.fetch import fetch
    from ocaptain.fleet.remembered import with_provider
    from ocaptain.git import git

    config = with_provider(load(), "local")
    repo = await scaffold.demo()
    click.echo(f"A repository with a plan in it is at {repo}\n")
    voyage = await check_and_sail(config, repo / "plan", ships or DEMO_SHIPS)
    if await show_until_end(voyage) != SUCCESS:
        raise Failure("The demo did not come to its end.", hint=f"ocaptain logs {voyage.id}")
    await fetch(voyage, repo, everything=False)
    landed = await git("-C", str(repo), "log", "--format=%h %an  %s", voyage.id)
    click.echo(f"\nWhat landed on {voyage.id}, fetched into {repo}:\n\n{landed}\n")
    click.echo(f"Have a look, then sink it:{next_commands(voyage.id)}")

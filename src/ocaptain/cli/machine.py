"""Commands about this machine."""

import click

from ocaptain.errors import Failure

from .arguments import ships_option
from .sailing import check_and_sail, next_commands
from .statuses import FAILURE, SUCCESS
from .watching import show_until_end

DEMO_SHIPS = 3


@click.command()
async def doctor() -> int:
    """Say what this machine lacks, and the command that mends it."""
    from ocaptain.config import load
    from ocaptain.doctor import examine

    findings = await examine(load())
    for finding in findings:
        mark = "ok" if finding.found else "no"
        click.echo(f"{mark}  {finding.subject:<22}{finding.found or finding.remedy}")
    return SUCCESS if all(finding.found for finding in findings) else FAILURE


@click.command()
@ships_option
async def demo(ships: int | None) -> None:
    """Sail a small voyage here: no account, no token, no model.

    Its VMs are directories on this machine."""
    from ocaptain import scaffold
    from ocaptain.config import load
    from ocaptain.fleet.fetch import fetch
    from ocaptain.git import git

    config = load(overrides={"provider": "local"})
    repo = await scaffold.demo()
    click.echo(f"A repository with a plan in it is at {repo}\n")
    voyage = await check_and_sail(config, repo / "plan", ships or DEMO_SHIPS)
    if await show_until_end(voyage) != SUCCESS:
        raise Failure("The demo did not come to its end.", hint=f"ocaptain logs {voyage.id}")
    await fetch(voyage, repo, everything=False)
    landed = await git("-C", str(repo), "log", "--format=%h %an  %s", voyage.id)
    click.echo(f"\nWhat landed on {voyage.id}, fetched into {repo}:\n\n{landed}\n")
    click.echo(f"Have a look, then sink it:{next_commands(voyage.id)}")

"""Commands about plans."""

from pathlib import Path

import click

from ocaptain.errors import Failure

from .arguments import PATH, json_option, plan_argument, print_json
from .statuses import FAILURE, SUCCESS


@click.command()
@plan_argument
@json_option
async def check(plan: Path, as_json: bool) -> int:
    """Say what PLAN would do, or all that is wrong with it.

    PLAN is a directory; docs/plans.md describes it. Nothing is made."""
    from ocaptain.config import load
    from ocaptain.plan.check import check as check_plan

    report = await check_plan(plan, load())
    if as_json:
        print_json(report.as_json())
        return FAILURE if report.faults else SUCCESS
    from ocaptain import terminal

    terminal.show(terminal.report(report))
    if report.faults:
        raise Failure("\n".join(report.faults))
    return SUCCESS


@click.command("plan init")
@click.argument("directory", type=PATH)
async def plan_init(directory: Path) -> None:
    """Write a small plan to start from into DIRECTORY.

    DIRECTORY is new, or empty."""
    from ocaptain import scaffold

    scaffold.init(directory)
    click.echo(f"wrote a plan; read {directory}/PLAN.md, then: ocaptain check {directory}")


@click.command("plan skill")
async def plan_skill() -> None:
    """Install the Claude Code skill that writes plans.

    It is written into ~/.claude. In Claude Code, /voyage-plan leads from a wish to a plan."""
    from ocaptain import scaffold

    path = scaffold.install_skill(Path.home())
    click.echo(f"wrote {path}\nIn Claude Code: /voyage-plan")

"""Commands that are orders to a voyage."""

from typing import TYPE_CHECKING

import click

from .arguments import (
    SHIPS,
    Fleet,
    after_option,
    agent_option,
    description_option,
    files_option,
    find_voyage,
    fleet_argument,
    json_option,
    model_option,
    print_json,
    run_option,
    voyage_argument,
    why_option,
)
from .statuses import FAILURE, SUCCESS

if TYPE_CHECKING:
    from ocaptain.fleet.orders import Outcome


def _show(outcome: "Outcome", as_json: bool) -> None:
    if as_json:
        print_json(outcome)
    else:
        from ocaptain import terminal

        terminal.show(terminal.order(outcome))


@click.command()
@voyage_argument
@why_option
@json_option
async def pause(voyage: str | None, why: str, as_json: bool) -> None:
    """Hand out no more tasks; ships finish theirs, and wait."""
    from ocaptain.fleet import orders
    from ocaptain.fleet.voyage import sign

    outcome = await orders.pause(await find_voyage(voyage), sign(why))
    _show(outcome, as_json)


@click.command()
@voyage_argument
@why_option
@json_option
async def halt(voyage: str | None, why: str, as_json: bool) -> None:
    """Pause, and stop the agents now; their work is kept."""
    from ocaptain.fleet import orders
    from ocaptain.fleet.voyage import sign

    outcome = await orders.halt(await find_voyage(voyage), sign(why))
    _show(outcome, as_json)


@click.command()
@voyage_argument
@why_option
@json_option
async def resume(voyage: str | None, why: str, as_json: bool) -> None:
    """Hand out tasks again, after `pause` or `halt`.

    Ships get the credentials that are set here. So it also ends a pause for want of those. Storage
    gets GH_TOKEN, if it had one, and offers GitHub again what that has refused."""
    from ocaptain.fleet import orders
    from ocaptain.fleet.voyage import sign

    outcome = await orders.resume(await find_voyage(voyage), sign(why))
    _show(outcome, as_json)


@click.command()
@fleet_argument
@click.argument("message")
@why_option
@json_option
async def hail(fleet: Fleet, message: str, why: str, as_json: bool) -> None:
    """Tell MESSAGE to the agent of SHIP, or of every ship.

    It says who took it in, and who gets it with the next task."""
    from ocaptain.fleet import orders
    from ocaptain.fleet.voyage import sign

    voyage = await find_voyage(fleet.voyage)
    if as_json:
        print_json(await orders.hail(voyage, sign(why), message, fleet.ship))
    else:
        from ocaptain import terminal

        outcome = await orders.hail(voyage, sign(why), message, fleet.ship, tell=click.echo)
        terminal.show(terminal.hail(outcome))


@click.command()
@voyage_argument
@click.argument("ship")
@why_option
@json_option
async def relieve(voyage: str | None, ship: str, why: str, as_json: bool) -> None:
    """Send SHIP home after its task, and destroy its VM.

    It waits for that. Ctrl-C leaves the order standing; type it again to have the VM destroyed."""
    from ocaptain.fleet import orders
    from ocaptain.fleet.voyage import sign

    outcome = await orders.relieve(await find_voyage(voyage), sign(why), ship)
    _show(outcome, as_json)


@click.command()
@voyage_argument
@click.option("-n", "--ships", type=SHIPS, metavar="N", help="How many to add.")
@click.option("-f", "--force", is_flag=True, help="Also replace what storage has heard lately.")
@why_option
@json_option
async def reinforce(
    voyage: str | None, ships: int | None, force: bool, why: str, as_json: bool
) -> None:
    """Restart ships, replace those that are lost, and add more.

    A ship that can be reached is started again if it has stopped. One that cannot, and that storage
    does not hear either, is lost: a new ship takes its place. So it is with a ship that was sunk.
    Ships that are being made are left alone. --force replaces every ship that cannot be reached
    from here."""
    from ocaptain.fleet import orders
    from ocaptain.fleet.voyage import sign

    found = await find_voyage(voyage)
    outcome = await orders.reinforce(found, sign(why), ships or 0, force=force)
    if as_json:
        print_json(outcome)
    else:
        from ocaptain import terminal

        terminal.show(terminal.reinforce(outcome))


@click.command()
@voyage_argument
@click.argument("task")
@why_option
@json_option
async def retry(voyage: str | None, task: str, why: str, as_json: bool) -> None:
    """Bring back TASK, which was set aside, or `verify`.

    TASK is the task's id. `verify` has verify.sh run again, and repairs begin anew."""
    from ocaptain.fleet import orders
    from ocaptain.fleet.voyage import sign

    outcome = await orders.retry(await find_voyage(voyage), sign(why), task)
    _show(outcome, as_json)


@click.command()
@voyage_argument
@click.argument("task")
@why_option
@json_option
async def release(voyage: str | None, task: str, why: str, as_json: bool) -> None:
    """Take TASK from its ship; it is pending again.

    No attempt is used up."""
    from ocaptain.fleet import orders
    from ocaptain.fleet.voyage import sign

    outcome = await orders.release(await find_voyage(voyage), sign(why), task)
    _show(outcome, as_json)


@click.command("tasks add")
@voyage_argument
@click.argument("subject")
@description_option
@after_option
@files_option
@run_option
@agent_option
@model_option
@why_option
@json_option
async def tasks_add(
    voyage: str | None,
    subject: str,
    description: str | None,
    after: tuple[str, ...],
    files: tuple[str, ...],
    run: str | None,
    agent: str | None,
    model: str | None,
    why: str,
    as_json: bool,
) -> None:
    """Add a task.

    SUBJECT is what it is, in a line. --after and --files may be given more than once. If the
    voyage has no task for AGENT yet, its credentials are brought to all ships."""
    from ocaptain.fleet import orders
    from ocaptain.fleet.voyage import sign

    outcome = await orders.add_task(
        await find_voyage(voyage),
        sign(why),
        subject=subject,
        description=description,
        after=after,
        files=files,
        run=run,
        agent=agent,
        model=model,
    )
    _show(outcome, as_json)


@click.command("tasks edit")
@voyage_argument
@click.argument("task")
@click.option("--subject", metavar="TEXT", help="What it is, in a line.")
@description_option
@after_option
@files_option
@run_option
@agent_option
@model_option
@why_option
@json_option
async def tasks_edit(
    voyage: str | None,
    task: str,
    subject: str | None,
    description: str | None,
    after: tuple[str, ...],
    files: tuple[str, ...],
    run: str | None,
    agent: str | None,
    model: str | None,
    why: str,
    as_json: bool,
) -> None:
    """Change TASK, unless it is completed.

    TASK is the task's id. What is not given stays as it is; but with another AGENT a model that
    the task named goes, unless --model names one. If the voyage has no task for AGENT yet, its
    credentials are brought to all ships.

    --after and --files may be given more than once; `--after ""` has it wait for nothing."""
    from ocaptain.fleet import orders
    from ocaptain.fleet.voyage import sign

    outcome = await orders.edit_task(
        await find_voyage(voyage),
        sign(why),
        task,
        subject=subject,
        description=description,
        after=after,
        files=files,
        run=run,
        agent=agent,
        model=model,
    )
    _show(outcome, as_json)


@click.command()
@voyage_argument
@why_option
@json_option
async def fsck(voyage: str | None, why: str, as_json: bool) -> int:
    """Compare all that storage has, and mend what does not agree.

    Journal, task list and repository are compared. What follows from the journal is mended. All
    else that is wrong is a fault, and with faults the exit status is 1."""
    from ocaptain.fleet import orders
    from ocaptain.fleet.voyage import sign

    outcome = await orders.fsck(await find_voyage(voyage), sign(why))
    if as_json:
        print_json(outcome)
    else:
        from ocaptain import terminal

        terminal.show(terminal.fsck(outcome))
    return FAILURE if outcome["faults"] else SUCCESS

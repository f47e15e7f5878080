"""Commands that fetch what voyages made, and sink them."""

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ocaptain.onboard.text import several

from .arguments import PATH, find_voyage, voyage_argument
from .statuses import FAILURE, INTERRUPTED, SUCCESS

if TYPE_CHECKING:
    from ocaptain.fleet.voyage import Voyage


@click.command()
@voyage_argument
@click.option("--all", "everything", is_flag=True, help="Also wrecks, logs, journal and artifacts.")
@click.option("--into", default=".", type=PATH, metavar="REPO", help="Your repository.")
async def fetch(voyage: str | None, everything: bool, into: Path) -> None:
    """Bring the voyage's branch into a repository of yours.

    The branch is named as the voyage; merging it is yours to do. With --all, wrecks (work that did
    not land) are put under refs/ocaptain/VOYAGE, and all else into a folder VOYAGE."""
    from ocaptain.fleet.fetch import fetch

    click.echo(await fetch(await find_voyage(voyage), into, everything=everything))


@click.command()
@voyage_argument
@click.option("-s", "--include-storage", is_flag=True, help="Also storage, with all that is on it.")
@click.option("--all", "every_voyage", is_flag=True, help="Every VM of every voyage.")
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
async def sink(voyage: str | None, include_storage: bool, every_voyage: bool, force: bool) -> int:
    """Destroy a voyage's VMs: the ships, or all.

    It says what it would destroy, and asks first. If storage is to go, it also says what nobody
    has fetched from there. If a provider is named (OCAPTAIN_PROVIDER), --all is for its voyages
    alone."""
    from ocaptain.config import load
    from ocaptain.fleet import find

    _let_ctrl_c_end_a_question()
    if every_voyage:
        doomed = await find.voyages(load(), confined=True)
    else:
        doomed = [await find_voyage(voyage)]
    with_storage = include_storage or every_voyage
    if with_storage:
        for found in doomed:
            await _say_what_is_at_risk(found, may_ask=not force)
    vms = {found.id: list(found.vms) if with_storage else found.ship_vms() for found in doomed}
    names = [name for fleet in vms.values() for name in fleet]
    if not names:
        click.echo("There is nothing to destroy.")
        return SUCCESS
    click.echo(f"To be destroyed: {', '.join(names)}, the ships' keys")
    if not force:
        click.confirm("Go on?", abort=True)
    verb = "sink -s" if with_storage else "sink"
    survivors = []
    for found in doomed:
        survivors += await found.destroy(vms[found.id], f"{verb} {found.id}")
    if survivors:
        return FAILURE
    click.echo(f"Destroyed {several(len(names), 'VM')}.")
    return SUCCESS


def _let_ctrl_c_end_a_question() -> None:
    """End at Ctrl-C at once: the handler of asyncio would wait for an answer first."""
    signal.signal(signal.SIGINT, lambda *_: sys.exit(INTERRUPTED))


async def _say_what_is_at_risk(voyage: "Voyage", *, may_ask: bool) -> None:
    """Say what storage alone has, and offer to fetch it."""
    from ocaptain.fleet.fetch import at_risk, fetch

    risk = await at_risk(voyage)
    if risk is None:
        return
    click.echo(risk)
    if may_ask and click.confirm("Fetch it first, into the repository here?"):
        await fetch(voyage, Path(), everything=True)

"""Commands that fetch what voyages made, and sink them."""

import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ocaptain.onboard.text import several

from .arguments import PATH, find_voyage, json_option, print_json, voyage_argument
from .statuses import FAILURE, INTERRUPTED, SUCCESS

if TYPE_CHECKING:
    from ocaptain.fleet.sink import Doom
    from ocaptain.fleet.voyage import Voyage


@click.command()
@voyage_argument
@click.option("--all", "everything", is_flag=True, help="Also wrecks, logs, journal and artifacts.")
@click.option("--into", default=".", type=PATH, metavar="REPO", help="Your repository.")
@click.option("-f", "--force", is_flag=True, help="Also if it is another repository.")
@json_option
async def fetch(
    voyage: str | None, everything: bool, into: Path, force: bool, as_json: bool
) -> None:
    """Bring the voyage's branch into a repository of yours.

    The branch is named as the voyage; merging it is yours to do. With --all, wrecks (work that did
    not land) are put under refs/ocaptain/VOYAGE, and all else into a folder ocaptain-ID, which git
    is told to ignore. The report is there, too.

    If the repository lacks the commit at which the voyage began, you are asked first; without a
    terminal that is refused. --force does not ask."""
    from ocaptain.dashboard.report import write_report
    from ocaptain.fleet.fetch import Unrelated
    from ocaptain.fleet.fetch import fetch as bring

    found = await find_voyage(voyage)
    wanted = partial(bring, found, into, everything=everything, write_report=write_report)
    try:
        outcome = await wanted(unrelated=force)
    except Unrelated as doubt:
        if not sys.stdin.isatty():
            raise
        click.echo(str(doubt).partition("\n")[0], err=True)
        before = _let_ctrl_c_end_a_question()
        click.confirm("Bring it here all the same?", abort=True, err=True)
        signal.signal(signal.SIGINT, before)
        outcome = await wanted(unrelated=True)
    if as_json:
        print_json(outcome)
    else:
        click.echo(outcome["message"])


@click.command()
@voyage_argument
@click.option("-s", "--include-storage", is_flag=True, help="Also storage, with all that is on it.")
@click.option("--all", "every_voyage", is_flag=True, help="Every VM of every voyage.")
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@json_option
async def sink(
    voyage: str | None, include_storage: bool, every_voyage: bool, force: bool, as_json: bool
) -> int:
    """Destroy a voyage's VMs: the ships, or all.

    It says what each voyage is at, what would be destroyed and what is lost with that, and asks
    first. If storage stays, `ocaptain reinforce` can make as many ships anew. If it is to go, you
    are told what nobody has fetched from there. If a provider is named (OCAPTAIN_PROVIDER), --all
    is for its voyages alone.

    With --json what it says, and asks, is on stderr."""
    from ocaptain.config import load
    from ocaptain.fleet import find
    from ocaptain.fleet.sink import foresee
    from ocaptain.process import wait_for_all

    if every_voyage and voyage:
        raise click.UsageError(f"--all sinks every voyage. To sink {voyage} alone, leave it out.")
    _let_ctrl_c_end_a_question()
    if every_voyage:
        doomed = await find.voyages(load(), confined=True)
    else:
        doomed = [await find_voyage(voyage)]
    with_storage = include_storage or every_voyage
    looks = [foresee(found, with_storage=with_storage) for found in doomed]
    dooms = await wait_for_all(*looks)
    dooms = [doom for doom in dooms if doom.vms]
    for doom in dooms:
        click.echo("\n".join(doom.sentences), err=as_json)
        if doom.at_risk and not force:
            await _offer_to_fetch(doom.voyage, err=as_json)
    if dooms and not force:
        click.confirm("Go on?", abort=True, err=as_json)
    return await _destroy(dooms, as_json=as_json)


async def _destroy(dooms: "Sequence[Doom]", *, as_json: bool) -> int:
    """Destroy what was told of, and print what came of it. Returns the exit status."""
    from ocaptain.fleet.sink import destroy

    outcomes = [await destroy(doom) for doom in dooms]
    destroyed = [vm for outcome in outcomes for vm in outcome["destroyed"]]
    left = [vm for outcome in outcomes for vm in outcome["left"]]
    if as_json:
        print_json({"destroyed": destroyed, "left": left})
    elif not dooms:
        click.echo("There is nothing to destroy.")
    elif not left:
        click.echo(f"Destroyed {several(len(destroyed), 'VM')}.")
    return FAILURE if left else SUCCESS


def _let_ctrl_c_end_a_question() -> Any:
    """End at Ctrl-C at once: the handler of asyncio would wait for an answer first.

    Returns what Ctrl-C did before."""
    return signal.signal(signal.SIGINT, lambda *_: sys.exit(INTERRUPTED))


async def _offer_to_fetch(voyage: "Voyage", *, err: bool) -> None:
    """Offer to fetch what storage alone has, if there is a repository of the voyage's here."""
    from ocaptain.dashboard.report import write_report
    from ocaptain.fleet.fetch import fetch, related_repository

    repo = await related_repository(voyage, Path())
    if not repo:
        hint = f"ocaptain fetch --all {voyage.id} --into REPO"
        click.echo(f"To fetch it first, into a repository of the voyage's: {hint}", err=err)
    elif click.confirm(f"Fetch it first, into {repo}?", err=err):
        outcome = await fetch(voyage, repo, everything=True, write_report=write_report)
        click.echo(outcome["message"], err=err)

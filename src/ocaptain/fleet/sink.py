"""Sinks voyages: what would be lost with their VMs, and their end."""

from typing import NamedTuple, TypedDict

from ocaptain import scaffold
from ocaptain.errors import Failure, progress
from ocaptain.onboard.protocol import Message, Status
from ocaptain.onboard.text import clean, several

from .fetch import at_risk
from .voyage import Voyage, sign

LOOK_S = 10
"""How long storage may take to say how the voyage stands, in seconds."""


class SinkOutcome(TypedDict):
    """What `sink --json` prints."""

    destroyed: list[str]
    left: list[str]


class Doom(NamedTuple):
    """What is to be destroyed of a voyage, and what people are to know before that."""

    voyage: Voyage
    vms: list[str]
    ships: list[str]
    """Those of them that storage knows as ships."""
    with_storage: bool
    at_risk: bool
    """Whether storage alone has something, as far as that can be seen."""
    sentences: list[str]


async def foresee(voyage: Voyage, *, with_storage: bool) -> Doom:
    """Look what would be lost if a voyage's ships are destroyed, or all its VMs."""
    vms = sorted(voyage.vms) if with_storage else sorted(voyage.ship_vms())
    ships: list[str] = []
    try:
        status = await voyage.ask_status(timeout=LOOK_S)
    except Failure:
        sentences = [f"{voyage.id}  unseen"]
    else:
        standing = f"{voyage.id}  {status['state']}  {status['objective']}"
        sentences = [clean(standing), *map(clean, _at_work(status))]
        ships = [ship["id"] for ship in status["ships"] if voyage.vm(ship["id"]) in vms]
    risk = await at_risk(voyage) if with_storage else None
    if risk:
        sentences.append(risk)
    sentences.append(f"To be destroyed: {', '.join(_things(voyage, vms, with_storage))}")
    if not with_storage and voyage.storage in voyage.vms:
        renewal = voyage.to_type("ocaptain reinforce")
        sentences.append(f"Storage stays, with all that has landed. For new ships: {renewal}")
    return Doom(voyage, vms, ships, with_storage, bool(risk), sentences)


def _at_work(status: Status) -> list[str]:
    """Say whose work is lost."""
    busy = [f"{ship['id']} ({ship['task']})" for ship in status["ships"] if ship["task"]]
    if not busy:
        return []
    count = several(len(busy), "task")
    ships = ", ".join(busy)
    return [f"{count} in progress: {ships}. What is not yet on storage of that is lost."]


def _things(voyage: Voyage, vms: list[str], with_storage: bool) -> list[str]:
    things = [*vms]
    if vms != [voyage.storage]:
        things.append("the ships' keys")
    repo = scaffold.demo_repository(voyage.config.data_dir, voyage.id)
    if repo and with_storage:
        things.append(f"{repo} (the demo's repository)")
    return things


async def destroy(doom: Doom) -> SinkOutcome:
    """Destroy what was foreseen, and with storage the repository that a demo has made."""
    verb = "sink -s" if doom.with_storage else "sink"
    left = await doom.voyage.destroy(doom.vms, f"{verb} {doom.voyage.id}")
    if not doom.with_storage:
        gone = [ship for ship in doom.ships if doom.voyage.vm(ship) not in left]
        await _tell_storage(doom.voyage, gone)
    elif not left:
        scaffold.remove_demo(doom.voyage.config.data_dir, doom.voyage.id)
    return {"destroyed": [vm for vm in doom.vms if vm not in left], "left": left}


async def _tell_storage(voyage: Voyage, ships: list[str]) -> None:
    """Have storage note that these ships are gone; else it would find them lost after a while."""
    if not ships:
        return
    try:
        await voyage.order("sink", Message, sign(), {"ships": ships})
    except Failure as fault:
        progress(f"Storage could not be told, and will find these ships lost: {fault}")

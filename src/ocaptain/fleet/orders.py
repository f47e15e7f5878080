"""The captain's orders to a voyage: a function each, which returns what came of it.

`unheard` has VMs of ships that should have heard of it at once and could not be reached. What
else is not urgent they hear of when they ask storage next."""

import asyncio
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from math import inf
from typing import TypedDict

from ocaptain.errors import Failure, progress
from ocaptain.needs import agent_fault
from ocaptain.onboard.protocol import (
    EditAnswer,
    FsckAnswer,
    HailAnswer,
    Json,
    Message,
    RelieveAnswer,
    Status,
    WakingAnswer,
)
from ocaptain.onboard.storage.github import credential
from ocaptain.onboard.text import several
from ocaptain.ssh import Home, Remote, Unreachable, clean

from .launch import Launch
from .voyage import ANSWER_S, LIB, Signature, Voyage

HEAR_S = 15
"""How long `hail` waits for agents to take the message in."""
KNOCK_S = 5
KNOCK = Remote("touch", Home("voyage/knock"))
"""What has a ship ask storage at once."""
IF_ENDED = "if flock -n ~/voyage/helm.lock true; then exec"
"""What stands before a command for a ship whose helm does not run."""
WRITE_AGENT_ENV = Remote(
    "sh", "-c", "umask 077 && cd ~/voyage && cat >agent_env.new && mv agent_env.new agent_env.json"
)

REPLACE_CREDENTIAL = (
    "cd ~/voyage && test -e credentials || exit 0; "
    "umask 077; cat >credentials.new && mv credentials.new credentials"
)
"""Has a shell on storage take another token for the git host, if it has one."""


class Outcome(TypedDict):
    """What came of an order."""

    message: str
    """A sentence for people."""
    unheard: list[str]


class TaskOutcome(Outcome):
    """What came of adding or changing a task."""

    id: str


class Addressee(TypedDict):
    """A ship that a message is for."""

    id: str
    task: str | None
    hails: int
    """Messages that its agent has not taken in."""


class HailOutcome(Outcome):
    """What came of a message to agents."""

    ships: list[Addressee]


class RelieveOutcome(Outcome):
    """What came of sending a ship home."""

    done: bool


class FsckOutcome(Outcome):
    """What came of looking storage through."""

    faults: list[str]
    mended: list[str]


class ReinforceOutcome(TypedDict):
    """What came of restarting, replacing and adding ships."""

    message: str
    lost: list[str]
    kept: list[str]
    """Ships that are being made, or that storage hears though nobody here does."""
    new: list[str]


async def pause(voyage: Voyage, signature: Signature) -> Outcome:
    """Hand out no more tasks."""
    answer = await voyage.order("pause", Message, signature)
    return {"message": answer["message"], "unheard": []}


async def halt(voyage: Voyage, signature: Signature) -> Outcome:
    """Hand out no more tasks, and stop the agents."""
    answer = await voyage.order("halt", Message, signature)
    unheard = await _knock(voyage, voyage.ship_vms())
    return {"message": answer["message"], "unheard": unheard}


async def resume(voyage: Voyage, signature: Signature) -> Outcome:
    """Hand out tasks again, once ships and storage have the credentials that the captain has now.

    Storage offers the git host again what that has refused."""
    status = await voyage.ask_status()
    unheard: list[str] = []
    lack = voyage.config.lacks_of(status["agents"])
    if lack:
        progress(f"Ships keep the credentials that they have. None are sent from here: {lack}")
    else:
        unheard = await _send_credentials(voyage, status["agents"])
    await _replace_gh_token(voyage)
    answer = await voyage.order("resume", WakingAnswer, signature)
    unheard += await _wake(voyage, answer)
    return {"message": answer["message"], "unheard": sorted({*unheard})}


async def _send_credentials(voyage: Voyage, agents: Iterable[str]) -> list[str]:
    """Give all ships what is set here for these agents, in place of what they have.

    Returns the ships that did not get it."""
    agent_env = json.dumps(voyage.config.env_of(agents)).encode()
    faults = await voyage.run_on(
        voyage.ship_vms(), WRITE_AGENT_ENV, stdin=agent_env, timeout=ANSWER_S
    )
    return list(faults)


async def _replace_gh_token(voyage: Voyage) -> None:
    """Give storage the captain's token for the git host, if both have one."""
    token = voyage.config.gh_token
    if not token:
        return
    replace = voyage.as_harbor("sh", "-c", REPLACE_CREDENTIAL)
    secret = credential(token).encode()
    faults = await voyage.run_on([voyage.storage], replace, stdin=secret, timeout=ANSWER_S)
    for fault in faults.values():
        progress(f"Storage keeps the GH_TOKEN that it has: {fault}")


async def retry(voyage: Voyage, signature: Signature, task: str) -> Outcome:
    """Bring back a task that was set aside, or the verification (`verify`)."""
    answer = await voyage.order("retry", WakingAnswer, signature, {"task": task})
    return {"message": answer["message"], "unheard": await _wake(voyage, answer)}


async def release(voyage: Voyage, signature: Signature, task: str) -> Outcome:
    """Take a task from the ship that has it."""
    answer = await voyage.order("release", Message, signature, {"task": task})
    unheard = await _knock(voyage, voyage.ship_vms())
    return {"message": answer["message"], "unheard": unheard}


async def hail(
    voyage: Voyage,
    signature: Signature,
    message: str,
    ship: str | None = None,
    *,
    tell: Callable[[str], None] = progress,
) -> HailOutcome:
    """Send a message to the agent of a ship, or of all; see for a while whether they take it in.

    `tell` is called with what storage says, before that."""
    fields = {"ship": ship or "", "text": message}
    answer = await voyage.order("hail", HailAnswer, signature, fields)
    tell(clean(answer["message"]))
    unheard = await _knock(voyage, [voyage.vm(ship)] if ship else voyage.ship_vms())
    status = await voyage.ask_status()
    if not _no_agent_has_mail(status):
        progress(f"Waiting up to {HEAR_S} s for who takes it in. Ctrl-C leaves it on its way.")
        status = await voyage.watch(_no_agent_has_mail, HEAR_S)
    addressees: list[Addressee] = [
        {"id": row["id"], "task": row["task"], "hails": row["hails"]}
        for row in status["ships"]
        if ship in (None, row["id"])
    ]
    return {"message": answer["message"], "ships": addressees, "unheard": unheard}


def _no_agent_has_mail(status: Status) -> bool:
    """Whether every agent at work has taken in all that it was told."""
    return not any(ship["hails"] and ship["task"] for ship in status["ships"])


async def add_task(
    voyage: Voyage,
    signature: Signature,
    *,
    subject: str,
    description: str | None = None,
    after: Sequence[str] = (),
    files: Sequence[str] = (),
    run: str | None = None,
    agent: str | None = None,
    model: str | None = None,
) -> TaskOutcome:
    """Add a task."""
    notes = {"run": run, "agent": agent, "model": model}
    fields = _task_fields(subject, description, after, files, notes)
    return await _edit(voyage, signature, "", fields)


async def edit_task(
    voyage: Voyage,
    signature: Signature,
    task: str,
    *,
    subject: str | None = None,
    description: str | None = None,
    after: Sequence[str] = (),
    files: Sequence[str] = (),
    run: str | None = None,
    agent: str | None = None,
    model: str | None = None,
) -> TaskOutcome:
    """Change what is given of a task. An empty id in `after` has it wait for nothing."""
    notes = {"run": run, "agent": agent, "model": model}
    fields = _task_fields(subject, description, after, files, notes)
    return await _edit(voyage, signature, task, fields)


def _task_fields(
    subject: str | None,
    description: str | None,
    after: Sequence[str],
    files: Sequence[str],
    notes: Mapping[str, str | None],
) -> Json:
    """What is given of a task, as a task file has it."""
    metadata: Json = {name: note for name, note in notes.items() if note is not None}
    if files:
        metadata["files"] = list(files)
    fields: Json = {"metadata": metadata}
    if subject is not None:
        fields["subject"] = subject
    if description is not None:
        fields["description"] = description
    if after:
        fields["blockedBy"] = [task for task in after if task]
    return fields


async def _edit(voyage: Voyage, signature: Signature, task: str, fields: Json) -> TaskOutcome:
    """Change a task, or with an empty id add one.

    Ships that lack the credentials of its agent get them."""
    agent = fields["metadata"].get("agent")
    to_equip = await _to_equip(voyage, agent) if agent else []
    request = {"task": task, "fields": fields}
    answer = await voyage.order("edit_task", EditAnswer, signature, request)
    unheard = await _send_credentials(voyage, to_equip) if to_equip else []
    unheard += await _wake(voyage, answer)
    return {"message": answer["message"], "id": answer["id"], "unheard": sorted({*unheard})}


async def _to_equip(voyage: Voyage, agent: str) -> list[str]:
    """Return the agents whose credentials ships need, if a task is to name this one.

    There are none if ships have them. Raises Failure if the agent is none, or could not work."""
    status = await voyage.ask_status()
    if agent in status["agents"]:
        return []
    record = await voyage.ask_voyage_record()
    fault = agent_fault(voyage.config, agent, record["voyage"]["agent_command"])
    if fault:
        raise Failure(f"No ship could do that task: {fault}")
    if voyage.config.env_of([agent]) == voyage.config.env_of([]):
        return []
    # What ships have is replaced as a whole, and the other agents still need theirs.
    lack = voyage.config.lacks_of(status["agents"])
    if lack:
        raise Failure(f"Ships get the credentials of all agents at once. Here some lack: {lack}")
    return [*status["agents"], agent]


async def fsck(voyage: Voyage, signature: Signature) -> FsckOutcome:
    """Have storage compare all that it has, and mend what it can."""
    progress("git reads all that storage has, which may take minutes; the voyage goes on meanwhile")
    answer = await voyage.order("fsck", FsckAnswer, signature, timeout=inf)
    return {
        "message": answer["message"],
        "faults": answer["faults"],
        "mended": answer["mended"],
        "unheard": [],
    }


async def relieve(voyage: Voyage, signature: Signature, ship: str) -> RelieveOutcome:
    """Give a ship nothing more to do, and remove it after its task."""
    retry = f"relieve {voyage.id} {ship}"
    answer = await voyage.order("relieve", RelieveAnswer, signature, {"ship": ship})
    progress(
        f"{answer['message']} Ctrl-C leaves the order standing; to finish it: ocaptain {retry}"
    )
    while not answer["done"]:
        await asyncio.sleep(1)
        try:
            # No new order, and so without an id: storage need not remember that it was asked.
            answer = await voyage.ask("relieve", RelieveAnswer, {"ship": ship})
        except Unreachable:
            continue  # the ship works on, and storage may be back soon
    if await voyage.destroy([voyage.vm(ship)], retry):
        raise Failure(f"{ship} has nothing more to do, and its VM is left.")
    await voyage.forget_ships(signature, [ship])
    message = f"{ship} has gone home, and its VM is destroyed."
    return {"message": message, "done": True, "unheard": []}


async def reinforce(
    voyage: Voyage, signature: Signature, more: int, *, force: bool = False
) -> ReinforceOutcome:
    """Restart ships, replace those that are lost, and add `more`.

    With `force` a ship is lost if it cannot be reached from here, whatever storage hears of it."""
    answer = await voyage.ask_voyage_record()
    ships = {voyage.vm(ship): ship for ship in answer["ships"]}
    being_made, sunk = await _not_to_be_asked(voyage, force=force)
    expected = [vm for vm, ship in ships.items() if ship not in being_made and vm not in sunk]
    silent = await _restart_helms(voyage, expected)
    unreached = [*silent, *sunk]
    missing = len(unreached) + more
    if missing:
        _check_agents(voyage, answer["voyage"]["agents"])
    # Also the VMs of ships that storage has let go, if a reinforcement got no further than that.
    strays = [vm for vm in voyage.ship_vms() if vm not in ships]
    doomed = {*strays, *unreached} & set(voyage.vms)
    progress(await voyage.provider.capacity(more=missing - len(doomed)))
    update = await voyage.replace_ships(
        signature, lost=[ships[vm] for vm in unreached], more=more, force=force
    )
    gone = [voyage.vm(ship) for ship in update["lost"]]
    doomed = {*strays, *gone} & set(voyage.vms)
    await voyage.destroy(sorted(doomed), f"reinforce {voyage.id}")
    made: list[str] = []
    if update["new"]:
        launch = Launch(voyage, answer["voyage"], answer["artifacts"], signature)
        made = await launch.launch(update["new"])
    kept = [*being_made, *update["kept"]]
    outcome = _reinforced(len(ships), len(expected) - len(silent), update["lost"], kept, made)
    outcome["message"] = voyage.to_type(outcome["message"])
    return outcome


def _check_agents(voyage: Voyage, agents: Collection[str]) -> None:
    """Raise Failure if a new ship could not work with these agents."""
    lack = voyage.config.lacks_of(agents)
    if lack:
        raise Failure(f"No ship can be made from here: {lack}")


async def _not_to_be_asked(voyage: Voyage, *, force: bool) -> tuple[list[str], list[str]]:
    """The ships that still have time to call in, unless by `force`; and the VMs of sunk ones."""
    status = await voyage.ask_status()
    starting = [ship["id"] for ship in status["ships"] if ship["state"] == "starting"]
    sunk = [voyage.vm(ship["id"]) for ship in status["ships"] if ship["state"] == "sunk"]
    return [] if force else starting, sunk


def _reinforced(
    before: int, answering: int, lost: Sequence[str], kept: Sequence[str], made: Sequence[str]
) -> ReinforceOutcome:
    """What came of it, if there were so many ships `before`, of which so many answered."""
    count_lost = several(len(lost), "ship")
    count_new = several(len(made), "new ship")
    message = f"{count_lost} lost of {before}; {count_new}."
    if answering:
        count_up = several(answering, "ship")
        message += f" {count_up} answered; helm was started again wherever it had ended."
    if kept:
        message += (
            f" {', '.join(kept)} left alone: being made, or heard by storage."
            " If that is not so: ocaptain reinforce --force"
        )
    return {"message": message, "lost": [*lost], "kept": [*kept], "new": [*made]}


async def _restart_helms(voyage: Voyage, vms: Collection[str]) -> list[str]:
    """Restart helm where it has ended. Returns the VMs that do not answer."""
    restart = Remote(voyage.provider.python, *LIB, "restart-helm")
    faults = await voyage.run_on(vms, restart, retries=ANSWER_S)
    for vm, fault in faults.items():
        progress(f"{vm} does not answer: {fault}")
    return list(faults)


async def _wake(voyage: Voyage, answer: WakingAnswer) -> list[str]:
    """Have those ships ask storage at once that rest. Returns the VMs that could not be told.

    A helm that has ended meanwhile, as when this machine was rebooted, is started again."""
    restart = Remote(voyage.provider.python, *LIB, "restart-helm")
    vms = [voyage.vm(ship) for ship in answer["resting"]]
    faults = await voyage.run_on(vms, Remote("sh", "-c", f"{KNOCK}; {IF_ENDED} {restart}; fi"))
    return list(faults)


async def _knock(voyage: Voyage, vms: Sequence[str]) -> list[str]:
    """Have ships ask storage at once. Returns the VMs that could not be told."""
    faults = await voyage.run_on(vms, KNOCK, timeout=KNOCK_S)
    return list(faults)

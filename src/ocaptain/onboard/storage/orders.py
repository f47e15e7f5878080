"""What the captain may order: each order is a function of a `Call`.

Its answer has `message`, a sentence for people. A request that is sent again under its id does not
get here: serve.py has kept the answer.
"""

from __future__ import annotations

import re

from .. import tasklist
from ..text import several
from . import health, rest
from .agents import agent_of, in_use
from .call import Refused, text
from .claims import task_texts
from .leases import end_claim
from .state import is_complete, starting_ship, voyage_state
from .status import ship_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from ..protocol import (
        Claim,
        EditAnswer,
        Hail,
        HailAnswer,
        Json,
        Message,
        RelieveAnswer,
        ShipRecord,
        Task,
        TaskMetadata,
        UpdateShipsAnswer,
        WakingAnswer,
    )
    from .call import Call

FIELD_EXAMPLES: dict[str, Any] = {
    "subject": "some text",
    "description": "some text",
    "activeForm": "some text",
    "blockedBy": ["1", "2"],
    "metadata": {},
    "files": ["src/a.py"],
    "run": "make",
    "agent": "claude",
    "model": "opus",
}
"""What the captain may set in a task and its metadata, each with a value of the right kind."""
NEVER_EMPTY = {
    "subject": "say in a line what is to be done",
    "run": "say what to execute",
    "agent": "name the one that is to do it",
    "model": "name the one that its agent is to use",
}
"""Fields that say nothing without a word in them, and what to do about that."""
VERIFY_NOTES = ("failed_reason", "repairs", "verify_interrupted_by")
"""What is known of earlier runs of verify.sh."""


# The whole voyage


def pause(call: Call) -> Message:
    """Hand nothing out any more."""
    if not call.meta.get("paused"):
        call.put_meta({"paused": {"state": "paused", "reason": signed(call, "paused")}})
    work_on = at_work(call.live_claims(), "will work on to the end")
    return {"message": over(call) or f"Nothing more is handed out; {work_on}."}


def halt(call: Call) -> Message:
    """Hand nothing out any more, and stop what ships are at."""
    why = signed(call, "halted")
    held = call.live_claims()
    for claim in held:
        end_claim(call, claim, "released", why, "nothing")
    call.put_meta({"paused": {"state": "halted", "reason": why}})
    stop = at_work(held, "will save what is done, and stop")
    return {"message": over(call) or f"Nothing more is handed out; {stop}."}


def at_work(held: Sequence[Claim], then: str) -> str:
    """Say how many ships are at work on claims, and what they do then."""
    return f"{several(len(held), 'ship')} {then}" if held else "no ship is at work"


def over(call: Call) -> str:
    """Return what to say of a pause if the voyage is over; nothing if it is not."""
    state, _ = voyage_state(call)
    if state not in ("complete", "failed"):
        return ""
    return (
        f"The voyage is {state}, and no ship is at work. "
        "What is added or retried from now on waits for: ocaptain resume"
    )


def resume(call: Call) -> WakingAnswer:
    """End a pause or a halt, and forget usage limits.

    Broken ships may try again, and origin is offered again what it refused.

    The message says so if nothing is handed out even then."""
    call.remove_meta("paused")
    if call.meta.get("limits"):
        call.remove_meta("limits")
    if call.meta.get("mirror_refused"):
        call.remove_meta("mirror_refused")
    for name in sorted(call.ships):
        health.forgive(call, name)
    resting = rest.wake(call)
    state, reason = voyage_state(call)
    if state in ("running", "verifying"):
        return {"message": "Tasks are handed out.", "resting": resting}
    why = f"{state}, {reason}" if reason else state
    return {
        "message": f"Nothing is handed out: the voyage is {why}. "
        "To see all: ocaptain status. To bring home what there is: ocaptain fetch",
        "resting": resting,
    }


def signed(call: Call, order: str) -> str:
    """Return what was ordered, by whom and why."""
    by = text(call.request, "by") or "the captain"
    why = text(call.request, "why")
    return f"{order} by {by}: {why}" if why else f"{order} by {by}"


# Ships


def relieve(call: Call) -> RelieveAnswer:
    """Give `ship` nothing more to do."""
    ship = lookup_ship(call)
    name = ship["id"]
    if not ship.get("relieved"):
        call.put_ship({**ship, "relieved": True})
    held = [claim for claim in call.live_claims() if claim["ship"] == name]
    if held and not health.is_lost(call, ship):
        return {"message": f"{name} is relieved once its task is over.", "done": False}
    for claim in held:
        end_claim(call, claim, "expired", f"{name} is lost, and was relieved", "nothing")
    return {"message": f"{name} is relieved.", "done": True}


def sink(call: Call) -> Message:
    """Note of `ships` that their VMs are destroyed; what they held is free for others."""
    why = signed(call, "sunk")
    named = sorted(call.ships.keys() & call.request["ships"])
    sunk = [name for name in named if "sunk" not in call.ships[name]]
    for claim in call.live_claims():
        if claim["ship"] in sunk:
            end_claim(call, claim, "expired", why, "nothing")
    for name in sunk:
        gone: ShipRecord = {
            **rest.awake(call.ships[name]),
            "state": "waiting",
            "claim": None,
            "task": None,
            "subject": None,
            "sunk": call.now,
        }
        call.put_ship(gone)
    return {"message": f"{', '.join(sunk) or 'No ship'} sunk."}


def hail(call: Call) -> HailAnswer:
    """Leave a message, `text`, for the agent of `ship`, or if none is named for all."""
    if not call.voyage["interactive"] and in_use(call) == [call.voyage["agent"]]:
        agent = call.voyage["agent"]
        advice = "change its tasks: ocaptain tasks edit TASK"
        raise Refused("hail", f"the agent {agent} cannot be told anything; {advice}")
    if is_complete(call):
        advice = "to have more done: ocaptain tasks add SUBJECT"
        raise Refused("hail", f"the voyage is complete, and no agent is at work; {advice}")
    if not text(call.request, "text").strip():
        raise Refused("hail", "the message is empty; what is to be told? ocaptain hail MESSAGE")
    ships = [lookup_ship(call)["id"]] if call.request.get("ship") else ship_names(call)
    ships = [name for name in ships if "sunk" not in call.ships[name]]
    if not ships:
        raise Refused("hail", "no ship is there to hear it; for new ones: ocaptain reinforce")
    for name in ships:
        message: Hail = {"ship": name, "text": text(call.request, "text"), "delivered_at": None}
        call.put_hail(str(len(call.hails) + 1), message)
    return {"message": f"The message is on its way to {', '.join(ships)}.", "ships": ships}


def update_ships(call: Call) -> UpdateShipsAnswer:
    """Let the ships go that are `lost`, with what they held, and `add` so many new ones.

    With `replace` one more comes for each that goes. Without `force` those stay that called in
    lately, or are being made. Numbers of new ships are such as none ever had."""
    named = call.ships.keys() & call.request["lost"]
    lost = {name for name in named if may_be_let_go(call, name)}
    add = call.request["add"]
    if call.request.get("replace") is True:
        add += len(lost)
    first = call.meta["next_ship"]
    next_ship = first + add
    new = [f"ship-{number}" for number in range(first, next_ship)]
    for claim in call.live_claims():
        if claim["ship"] in lost:
            end_claim(call, claim, "expired", f"{claim['ship']} is gone")
    for name in sorted(lost):
        call.remove_ship(name)
    for name in new:
        call.put_ship(starting_ship(name, call.moment))
    if lost or new:
        call.put_meta({"next_ship": next_ship})
    left = ", ".join(sorted(lost)) or "No ship"
    joined = ", ".join(new) or "none"
    return {
        "message": f"{left} left, {joined} joined.",
        "lost": sorted(lost),
        "kept": sorted(named - lost),
        "new": new,
    }


def may_be_let_go(call: Call, name: str) -> bool:
    """Whether a ship is lost, as far as storage can hear, or is to go even so."""
    return call.request.get("force") is True or health.is_lost(call, call.ships[name])


def lookup_ship(call: Call) -> ShipRecord:
    """Return the ship that the request names."""
    name = text(call.request, "ship")
    if name not in call.ships:
        hint = likely(name, call.ships) or "to see them: ocaptain status"
        raise Refused("ship", f"there is no ship {name!r}; {hint}")
    return call.ships[name]


def likely(name: str, names: Iterable[str]) -> str:
    """Return a question for what a name that is none may be meant for; empty if nobody can say.

    One with another number is never meant."""
    from difflib import get_close_matches  # few need it

    numbered = [each for each in names if re.findall(r"\d+", each) == re.findall(r"\d+", name)]
    close = get_close_matches(name, numbered, 1, cutoff=0.25 if re.search(r"\d", name) else 0.7)
    return f"did you mean {close[0]}?" if close else ""


# Tasks


def retry(call: Call) -> WakingAnswer:
    """Bring `task` back, which was set aside; or `verify`, which was given up."""
    if call.request.get("task") == "verify":
        if not any(map(call.meta.get, VERIFY_NOTES)):
            state, _ = voyage_state(call)
            raise Refused("task", f"verify.sh was not given up: the voyage is {state}")
        verify_anew(call)
        message = "verify.sh runs again once every task is completed."
        return {"message": message, "resting": rest.wake(call)}
    task = lookup_task(call, text(call.request, "task"))
    state = tasklist.state(task)
    if state != "failed":
        raise Refused("task", f"task {task['id']} is {state}, and was not set aside")
    call.put_task(tasklist.without_notes(task, "failed", "attempts", "interruptedBy"))
    return {"message": f"Task {task['id']} is pending again.", "resting": rest.wake(call)}


def verify_anew(call: Call) -> None:
    """Have verify.sh run again, with all its repairs and interruptions, once all is completed."""
    for name in VERIFY_NOTES:
        call.remove_meta(name)


def release(call: Call) -> Message:
    """Take `task` from the ship that has it."""
    task = lookup_task(call, text(call.request, "task"))
    for claim in call.live_claims():
        if claim["task"] == task["id"]:
            end_claim(call, claim, "released", signed(call, "released"), "nothing")
            return {"message": f"Task {task['id']} is pending again; {claim['ship']} drops it."}
    raise Refused("task", f"no ship has task {task['id']}; it is {tasklist.state(task)}")


def edit_task(call: Call) -> EditAnswer:
    """Change `task` by `fields`; if no task is named, make a new one of them.

    If verify.sh was given up, it runs anew once that is done."""
    fields = call.request["fields"]
    check_fields(fields)
    if call.request.get("task"):
        task = lookup_task(call, text(call.request, "task"))
        check_change(fields)
    else:
        new = tasklist.new_task(tasklist.new_id(call.tasks))
        task = tasklist.annotated(new, {"addedBy": "captain"})
    task_id = task["id"]
    state = tasklist.state(task)
    if state == "completed":
        advice = "to mend what it did, add another: ocaptain tasks add SUBJECT"
        raise Refused("task", f"task {task_id} is completed; {advice}")
    changed = with_notes(call, tasklist.patched(task, task_texts(fields)), planned_notes(fields))
    check_task(call, changed)
    set_blockers(call, changed, fields.get("blockedBy", tasklist.blockers(task)))
    if call.meta.get("failed_reason"):
        verify_anew(call)
    message = f"Task {task_id} is in the list."
    if call.request.get("task"):
        message = f"Task {task_id} is changed."
    if state == "in_progress":
        message = f"Task {task_id} is changed; its ship goes on with it as it was."
    return {"message": message, "id": task_id, "resting": rest.wake(call)}


def check_fields(fields: Json) -> None:
    """Refuse fields of a task, and of its metadata, that are not of the right kind."""
    values = {**fields, **tasklist.metadata(fields)}
    for name, example in FIELD_EXAMPLES.items():
        if name in values and not is_like(example, values[name]):
            raise Refused("task", f"{name} has to be like {example!r}, not {values[name]!r:.60}")
        if name in NEVER_EMPTY and name in values and not values[name].strip():
            raise Refused("task", f"{name} is empty; {NEVER_EMPTY[name]}")
    if not all(tasklist.metadata(fields).get("files") or ["."]):
        raise Refused("task", "files has an empty path")


def check_change(fields: Json) -> None:
    """Refuse a change of a task in which nothing is given."""
    if not fields.keys() - {"metadata"} and not tasklist.metadata(fields):
        advice = "to see what can be: ocaptain tasks edit --help"
        raise Refused("task", f"nothing is given that is to be changed; {advice}")


def check_task(call: Call, task: Task) -> None:
    """Refuse a task that no ship could do: without a word, or for `shell` without a command."""
    if not task["subject"]:
        raise Refused("task", "subject is missing")
    if agent_of(call, task) == "shell" and not tasklist.metadata(task).get("run"):
        advice = "say what to execute: --run COMMAND"
        whose = "the task's" if tasklist.metadata(task).get("agent") else "this voyage's"
        raise Refused("task", f"{whose} agent is `shell`, and the task has no command; {advice}")


def is_like(example: object, value: object) -> bool:
    """Whether a value is of the example's type; of a list, whether there are only texts in it."""
    if isinstance(value, list) and not all(isinstance(item, str) for item in value):
        return False
    return isinstance(value, type(example))


def planned_notes(fields: Json) -> TaskMetadata:
    """Return the metadata that a plan may have, of what the captain sent."""
    given = tasklist.metadata(fields)
    notes: TaskMetadata = {}
    if "files" in given:
        notes["files"] = given["files"]
    if "run" in given:
        notes["run"] = given["run"]
    if "agent" in given:
        notes["agent"] = given["agent"]
    if "model" in given:
        notes["model"] = given["model"]
    return notes


def with_notes(call: Call, task: Task, notes: TaskMetadata) -> Task:
    """Return a task with these notes; with another agent its model goes, unless they name one."""
    noted = tasklist.annotated(task, notes)
    if "model" in notes or agent_of(call, noted) == agent_of(call, task):
        return noted
    return tasklist.without_notes(noted, "model")


def set_blockers(call: Call, task: Task, blockers: list[str]) -> None:
    """Put a task that waits for `blockers`, and tell the others what they block.

    Refuses a blocker that is not there, and a circle."""
    for blocker in blockers:
        lookup_task(call, blocker)
    blocked = tasklist.patched(task, {"blockedBy": blockers})
    tasks = {**call.tasks, task["id"]: blocked}
    try:
        tasklist.chains(tasks)
    except ValueError as circle:
        ring = " → ".join(circle.args[1])
        raise Refused(
            "task", f"these tasks would wait for one another in a circle: {ring}"
        ) from None
    for task_id, blocks in tasklist.dependants(tasks).items():
        listed = tasks[task_id]
        if task_id == task["id"] or {*blocks} != {*(listed.get("blocks") or ())}:
            call.put_task(tasklist.patched(listed, {"blocks": blocks}))


def lookup_task(call: Call, task_id: str) -> Task:
    """Return the task of that id."""
    if task_id not in call.tasks:
        hint = likely(task_id, call.tasks) or "to see them: ocaptain tasks"
        raise Refused("task", f"there is no task {task_id!r}; {hint}")
    return call.tasks[task_id]

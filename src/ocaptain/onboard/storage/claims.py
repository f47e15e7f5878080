"""What ships ask about claims: get one, keep it, give it back, add a task. To land: landing.py."""

from __future__ import annotations

from .. import tasklist
from ..text import clean, several
from . import agents, books, budgets, health, limits, rest, train
from .call import SHORT_LIMIT, Refused, amount, text
from .leases import end_claim, renew, sweep
from .state import (
    all_completed,
    is_being_verified,
    is_complete,
    is_current,
    voyage_state,
    waiting_hails,
    work_ref,
    wrecks,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol import (
        BeatAnswer,
        Claim,
        Json,
        Message,
        NoClaim,
        ShipRecord,
        Task,
        TaskGrant,
        VerificationGrant,
    )
    from .call import Call
    from .health import Cost

COSTS: dict[str, Cost] = {
    "": "trouble",
    "infrastructure": "trouble",
    "refused": "refused",
    "spent": "spent",
}
"""What a release means in the books, by its fault; with any other the agent has failed."""
ADDED_BY_CLAIM = 10
"""How many tasks the agent of one claim may add."""
ADDED_TO_VOYAGE = 30
"""How many all agents may add; in a larger plan, as many as the plan has tasks."""
FILES_LIMIT = 100
"""How many paths an added task may name."""
PATH_LIMIT = 300
"""Characters that are kept of each."""
WORDS_LIMIT = 4_000
"""Characters that are kept of what an agent said last."""
REPAIR = "~/voyage/verify.sh fails on a fresh clone. Mend that; the script itself stays as it is."


# Getting a claim


def claim(call: Call) -> TaskGrant | VerificationGrant | NoClaim:
    """Grant the claim that this run of helm has already, or a new one, if there is one to be had.

    Request: `run_id`; `agents`, which the ship can run, what it `lacks` for others, and digests of
    `credentials`. With `wait` serve.py asks again while there is none to be had. The claim of an
    earlier run of the same ship ends."""
    run_id = text(call.request, "run_id", SHORT_LIMIT)
    agents.note_abilities(call)
    limits.note_credentials(call)
    held = call.held_claim()
    if held and held["run_id"] == run_id:
        renew(call, held)
    elif held:
        end_claim(call, held, "abandoned", f"{call.who} started anew")
    sweep(call)
    granted = call.held_claim() or new_claim(call, run_id)
    if granted is None:
        return no_claim(call)
    rest.note_rest(call, 0.0)
    if granted["task"] is None:
        return {"claim": granted["number"], "head": call.meta["head"], "task": None}
    return describe(call, granted, call.tasks[granted["task"]])


def no_claim(call: Call) -> NoClaim:
    """Say how the voyage stands, and for how long the ship need not ask again."""
    state, reason = voyage_state(call)
    rest_s = rest.allowed_rest(call, state)
    rest.note_rest(call, rest_s)
    return {"claim": None, "state": state, "reason": reason, "rest_s": rest_s}


def new_claim(call: Call, run_id: str) -> Claim | None:
    """Claim the best task, or the verification. Returns None if there is nothing to hand out."""
    ship = call.ships[call.who]
    if not health.takes_tasks(ship) or not health.may_try(call, ship) or call.meta.get("paused"):
        return None
    task_id = None if budgets.none_is_left(call) else next_task(call, ship)
    if task_id is None and not verification_is_due(call):
        return None
    new: Claim = {
        "number": len(call.claims) + 1,
        "ship": call.who,
        "run_id": run_id,
        "state": "live",
        "head": call.meta["head"],
        "tasks": len(call.tasks),
        "claimed_at": call.now,
        "task": task_id,
    }
    if task_id:
        new = budgets.granted(call, new, call.tasks[task_id])
        new["agent"] = agents.agent_of(call, call.tasks[task_id])
        limits.begin_trial(call, ship, new)
        change: Task = {"status": "in_progress", "owner": call.who}
        taken = tasklist.patched(call.tasks[task_id], change)
        call.put_task(tasklist.annotated(taken, {"claim": new["number"]}))
    return renew(call, new)


def next_task(call: Call, ship: ShipRecord) -> str | None:
    """Return the id of the best task of those that the ship can run.

    That at which it failed last is the last resort."""
    tasks = call.task_outlines
    runnable = agents.runnable(call, ship, call.journal.ranking())
    ranked = limits.unlimited(call, ship, runnable)
    failed_at = health.in_trouble_at(ship)
    others = [task_id for task_id in ranked if task_id != failed_at]
    return tasklist.choose(tasks, others) or tasklist.choose(tasks, ranked)


def verification_is_due(call: Call) -> bool:
    """Whether verify.sh is to run now, and no ship is at it."""
    if is_complete(call) or is_being_verified(call) or call.meta.get("failed_reason"):
        return False
    return all_completed(call)


def describe(call: Call, held: Claim, task: Task) -> TaskGrant:
    """Return a claim of a task, with all that a ship needs to work on it."""
    earlier = [c for c in call.claims_of(task["id"]) if c["number"] != held["number"]]
    return {
        "claim": held["number"],
        "head": call.meta["head"],
        "task": task,
        "ref": work_ref(held),
        "landed": [call.tasks[blocker] for blocker in tasklist.blockers(task)],
        "wrecks": wrecks(call, earlier),
        "hails": waiting_hails(call, call.who),
        "budget_usd": held.get("budget_usd"),
        "budget_tokens": held.get("budget_tokens"),
    }


# Keeping it, and giving it back


def beat(call: Call) -> BeatAnswer:
    """Renew a claim, or say why it is lost.

    With `commit`, whose check runs, say whether that goes on; with `wait` it may be long until the
    answer is that it need not."""
    held = own_claim(call)
    if held["state"] == "live":
        renew(call, held)
    sweep(call)
    return {
        "lost": held.get("why"),
        "hails": waiting_hails(call, call.who),
        "checking": is_checking(call, held),
    }


def is_checking(call: Call, held: Claim) -> bool:
    """Whether the commit that the request names is in the train, in its place and not green yet."""
    if call.request.get("commit") is None or "train" not in call.meta:
        return False
    now = train.load(call)
    train.drop_late(call, now)
    train.put(call, now)
    car = train.find(now, held["number"])
    commit = text(call.request, "commit", SHORT_LIMIT)
    return car is not None and car["commit"] == commit and not car["green"]


def release(call: Call) -> Json:
    """Give a claim back: `why`, and whose `fault` it is (protocol.Fault).

    If a credential was refused, `agent` may say whose, if that is not who works on the task."""
    held = own_claim(call)
    refused = text(call.request, "agent", SHORT_LIMIT)
    fault = text(call.request, "fault")
    why = text(call.request, "why") or "no reason given"
    if held["state"] != "live":
        return {}
    if refused:
        held = {**held, "refused": refused}
    cost = COSTS.get(fault, "attempt")
    if cost == "spent" and budgets.is_own(held):
        cost = "attempt"  # as another would spend no less
    end_claim(call, held, "released", why, cost)
    if held["task"] is None and cost == "attempt":
        call.remove_meta("verify_interrupted_by")  # it ran to its end
        if is_current(call, held["head"], held["tasks"]):
            repair(call, why)
    return {}


def repair(call: Call, output: str) -> None:
    """Make a task of what verify.sh printed; if there were enough of those, give the voyage up."""
    limit = call.voyage["max_repairs"]
    number = call.meta.get("repairs", 0) + 1
    if number > limit:
        count = several(limit, "repair task")
        call.put_meta({"failed_reason": f"verify.sh is red after {count}: {output}"})
        return
    call.put_meta({"repairs": number})
    task = tasklist.new_task(tasklist.new_id(call.tasks))
    texts: Task = {
        "subject": f"Make verify.sh pass (repair {number} of {limit})",
        "description": f"{REPAIR}\n\n{output}",
    }
    call.put_task(tasklist.annotated(tasklist.patched(task, texts), {"repair": number}))


# Adding a task


def add(call: Call) -> Message:
    """Bring a `task` that an agent found needs doing into the list."""
    held = own_claim(call)
    check_live(held)
    check_number_added(call, held)
    fields = call.request.get("task")
    if not call.journal.has_room():
        raise Refused("room", "storage has no room for more tasks")
    if not isinstance(fields, dict) or not text(fields, "subject").strip():
        raise Refused("task", "a task needs a subject")
    paths = tasklist.files(fields)[:FILES_LIMIT]
    task = tasklist.new_task(tasklist.new_id(call.tasks))
    worded = tasklist.patched(task, task_texts(fields))
    call.put_task(
        tasklist.annotated(
            worded,
            {
                "files": [clean(path[:PATH_LIMIT]) for path in paths],
                "addedBy": call.who,
                "addedIn": held["number"],
            },
        )
    )
    return {"message": f"Task {task['id']} is in the fleet's list now."}


def check_number_added(call: Call, held: Claim) -> None:
    """Refuse more tasks than agents may add: each costs a session."""
    added_in = [tasklist.metadata(task).get("addedIn") for task in call.task_outlines.values()]
    by_claim = added_in.count(held["number"])
    planned = added_in.count(None)
    advice = "do what is left yourself, or say in your last words what it is"
    if by_claim >= ADDED_BY_CLAIM:
        raise Refused(
            "task", f"this session has added {by_claim} tasks, and may add no more; {advice}"
        )
    if len(added_in) - planned >= max(ADDED_TO_VOYAGE, planned):
        count = len(added_in) - planned
        raise Refused("task", f"agents have added {count} tasks, and may add no more; {advice}")


def task_texts(fields: Json) -> Task:
    """Return the texts of a task that somebody sent, those that there are."""
    texts: Task = {}
    if "subject" in fields:
        texts["subject"] = text(fields, "subject")
    if "description" in fields:
        texts["description"] = text(fields, "description")
    if "activeForm" in fields:
        texts["activeForm"] = text(fields, "activeForm")
    return texts


# The claim that a request is about


def own_claim(call: Call) -> Claim:
    """Return the claim that a request names, with what the request says that it has used.

    The request may also say which hails the agent has taken in: `delivered`, their numbers; its
    `last_words`; and the `reviews` of its work.
    Raises Refused if the claim is not the asking ship's."""
    number = int(amount(call.request, "claim"))
    held = call.claims.get(str(number))
    if held is None or held["ship"] != call.who:
        raise Refused("claim", f"{call.who} has no claim {number}")
    note_delivered(call)
    held = books.note(call, held)
    last_words = text(call.request, "last_words", WORDS_LIMIT)
    if last_words:
        held = {**held, "last_words": last_words}
        call.put_claim(held)
    if "reviews" in call.request:
        from . import reviews  # which few claims have

        held = reviews.note(call, held)
    return held


def note_delivered(call: Call) -> None:
    """Note which of the captain's messages the ship's agent has taken in."""
    numbers = call.request.get("delivered")
    if not isinstance(numbers, list):
        return
    for number in map(str, numbers):
        if number in waiting_hails(call, call.who):
            call.put_hail(number, {**call.hails[number], "delivered_at": call.now})


def check_live(held: Claim) -> None:
    """Refuse what only a claim that holds may do."""
    if held["state"] != "live":
        why = held.get("why", "it has landed")
        raise Refused("lost", f"claim {held['number']} is no longer live: {why}")

"""How work lands: one act that moves the branch and completes the tasks.

If the plan has a check, work lands by the train (train.py): a claim enters, is told on which commit
to put its work, says which commit came of that, and lands it once the check has passed."""

from __future__ import annotations

from .. import tasklist
from . import health, train
from .call import SHORT_LIMIT, Refused, text
from .claims import check_live, claim, own_claim
from .leases import end_claim, renew
from .state import is_current, work_ref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol import (
        Car,
        Claim,
        EnterAnswer,
        LandAnswer,
        LeaveAnswer,
        TaskGrant,
        TaskMetadata,
        VerificationGrant,
    )
    from .call import Call


def land(call: Call) -> LandAnswer:
    """Move the branch to `commit` and complete the claim's task.

    `commit` is null if the task needed no change, and `note` says why. If the claim is of the
    verification, that passed on `commit`: complete the voyage. If the plan has a check, it passed
    on `commit`, which lands as soon as all that is ahead of it does. With `run_id`, grant the
    ship's next claim as well."""
    held = own_claim(call)
    commit = None
    if call.request.get("commit") is not None:
        commit = text(call.request, "commit", SHORT_LIMIT)
    has_landed = held["state"] == "landed" and held["commit"] == commit
    if not has_landed:
        check_live(held)
        held = renew(call, held)
        if held["task"] is None:
            pass_verification(call, held, commit)
            end_landed(call, held, commit)
        elif commit is None:
            complete(call, held, None)
            train.drop(call, held["number"])
        elif call.voyage["check"]:
            pass_check(call, held, commit)
        else:
            check_may_land(call, held, commit)
            complete(call, held, commit)
    return {"head": call.meta["head"], "next": next_claim(call)}


def next_claim(call: Call) -> TaskGrant | VerificationGrant | None:
    """Return what the ship is to do next, if it wants to know and there is something.

    An earlier run of its helm, whose question came late, gets nothing and ends nothing."""
    if call.request.get("run_id") is None:
        return None
    held = call.held_claim()
    if held and held["run_id"] != call.request["run_id"]:
        return None
    granted = claim(call)
    return None if granted["claim"] is None else granted


def complete(call: Call, held: Claim, commit: str | None) -> None:
    """Complete the task of a claim, with what is on the branch by now or, if null, as it is."""
    result: TaskMetadata = {}
    note = text(call.request, "note") if held["ship"] == call.who else ""
    if commit is not None:
        call.put_meta({"head": commit})
        result["commit"] = commit
    if note:
        result["note"] = note
    task = tasklist.without_notes(call.tasks[held["task"] or ""], "commit", "note")
    completed = tasklist.patched(task, {"status": "completed"})
    call.put_task(tasklist.annotated(completed, result))
    end_landed(call, held, commit)


def end_landed(call: Call, held: Claim, commit: str | None) -> None:
    """End a claim that has landed."""
    call.put_claim({**held, "state": "landed", "commit": commit, "ended_at": call.now})
    health.note_success(call, held["ship"])


# Without a check


def check_may_land(call: Call, held: Claim, commit: str) -> None:
    """Refuse a commit that is not to land now, or not as it is."""
    base = text(call.request, "base_commit") or call.meta["head"]
    check_berth(call, held)
    train.grant_berth(call, held)  # who is refused after this can mend its work in peace
    if base != call.meta["head"]:
        raise Refused("stale", "the branch has moved on")
    check_pushed(call, held, commit, base)


def check_berth(call: Call, held: Claim) -> None:
    """Refuse if another claim alone may land for now: it has the berth, and its ship is landing."""
    holder = train.berth_holder(call)
    if holder is None or holder["number"] == held["number"]:
        return
    if call.ships[holder["ship"]]["state"] == "landing":
        refuse_for_berth(holder)


def refuse_for_berth(holder: Claim) -> None:
    """Refuse what has to wait until the holder of the berth has landed."""
    who = f"claim {holder['number']} of {holder['ship']}"
    raise Refused("berth", f"{who} has the berth: nobody else may land for now", holder["ship"])


def check_pushed(call: Call, held: Claim, commit: str, base: str) -> None:
    """Refuse a commit that the claim's work ref is not at, or that is not on top of its base."""
    ref = work_ref(held)
    pushed = call.commit_of(ref)
    if not pushed or pushed != commit:
        raise Refused("ref", f"{ref} is at {pushed or 'nothing'}, not at {commit:.60}")
    if call.git("merge-base", base, pushed) != base:
        raise Refused("stale", "the branch has moved on")


# With a check: the train


def enter(call: Call) -> EnterAnswer:
    """Get a place in the train, and learn on which commit to put the work.

    With `commit`, which is that work on `base_commit`, say that its check begins. The answer has
    another base if that has changed meanwhile."""
    held = passenger(call)
    now = train.load(call)
    train.drop_late(call, now)
    train.line_up(call, now, held["number"])
    train.put(call, now)
    car = train.find(now, held["number"])
    if car and call.request.get("commit") is not None:
        note_commit(call, held, car)
        train.put(call, now)
    if car is None or car["base"] is None:
        raise Refused("place", "its place in the train is not free yet", call.who)
    return {"base": car["base"], "ahead": train.commits_ahead(now, car)}


def passenger(call: Call) -> Claim:
    """Return the live claim that a request names, renewed. Refuse one that lands by no train."""
    held = own_claim(call)
    check_live(held)
    if held["task"] is None or not call.voyage["check"]:
        raise Refused("claim", f"claim {held['number']} needs no place in the train to land")
    return renew(call, held)


def note_commit(call: Call, held: Claim, car: Car) -> None:
    """Note which commit a car's check is of, if it is on the right base."""
    commit = text(call.request, "commit", SHORT_LIMIT)
    base = text(call.request, "base_commit", SHORT_LIMIT)
    if base == car["base"] and commit != car["commit"]:
        check_pushed(call, held, commit, base)
        car.update({"commit": commit, "green": False, "since": call.now})


def pass_check(call: Call, held: Claim, commit: str) -> None:
    """Land a commit whose check has passed, and the green ones behind it.

    Refused as `place` while others are ahead, and as `stale` if its place is gone."""
    now = train.load(call)
    train.drop_late(call, now)
    train.couple(call, now)
    car = train.find(now, held["number"])
    if car is None or car["commit"] != commit:
        train.put(call, now)
        raise Refused("stale", "what it is based on does not land as it was")
    for each in train.note_green(call, now, car):
        complete(call, call.claims[str(each["claim"])], each["commit"])
    train.put(call, now)
    if car in now["cars"]:
        first = call.claims[str(now["cars"][0]["claim"])]
        raise Refused("place", f"task {first['task']} of {first['ship']} is ahead", call.who)


def leave(call: Call) -> LeaveAnswer:
    """Give up the place in the train, and learn whether the commit `on` has landed.

    That is refused as `place` while it may land yet. `why` is `red` if the check has failed on top
    of that commit, `conflict` if the work is in conflict with it, and `berth` if it is to have the
    berth before it goes on, which is refused as `berth` while another has it."""
    held = passenger(call)
    why = text(call.request, "why", SHORT_LIMIT)
    on = text(call.request, "on", SHORT_LIMIT)
    now = train.load(call)
    train.drop_late(call, now, awaited=on)
    if why == "conflict" and train.find(now, held["number"]):
        held = note_overtaken(call, held)
    train.remove(now, held["number"])
    train.put(call, now)
    for car in now["cars"]:
        if on and car["commit"] == on:
            ahead = call.claims[str(car["claim"])]
            what = f"task {ahead['task']} of {ahead['ship']}"
            raise Refused("place", f"{what} may land yet", call.who)
    has_landed = bool(on) and call.git("merge-base", on, call.meta["head"]) == on
    if why == "red" and has_landed:
        note_own_red(call, held)
    elif why == "red":
        held = note_overtaken(call, held)
    elif why == "berth":
        other = train.take_berth(call, held)
        if other:
            refuse_for_berth(other)
    return {"landed": has_landed}


def note_own_red(call: Call, held: Claim) -> None:
    """Note that a check was red by its own work's fault, which nobody has to wait for."""
    now = train.load(call)
    train.fail_check(now)
    train.end_berth(call, held)
    train.put(call, now)


def note_overtaken(call: Call, held: Claim) -> Claim:
    """Note that others' work keeps a claim's own from landing; too often, and it has the berth."""
    times = held.get("overtaken", 0) + 1
    overtaken: Claim = {**held, "overtaken": times}
    call.put_claim(overtaken)
    if times >= train.TIMES_OVERTAKEN:
        train.take_berth(call, overtaken)
    return overtaken


def pass_verification(call: Call, held: Claim, commit: str | None) -> None:
    """Complete the voyage, unless branch or tasks changed since the verification was claimed."""
    head = call.meta["head"]
    if commit != head or not is_current(call, held["head"], held["tasks"]):
        end_claim(call, held, "released", "the branch or the tasks changed meanwhile", "nothing")
        raise Refused("void", "the branch or the tasks changed during the verification")
    call.remove_meta("verify_interrupted_by")
    call.put_meta(
        {
            "verified": {
                "head": head,
                "tasks": len(call.tasks),
                "claim": held["number"],
                "verified_at": call.now,
            }
        }
    )

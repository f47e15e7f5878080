"""How work lands: one act that moves the branch and completes the task."""

from __future__ import annotations

from .. import tasklist
from . import health
from .call import SHORT_LIMIT, Refused, text
from .claims import check_live, own_claim
from .leases import end_claim, renew
from .state import is_current, work_ref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol import Claim, LandAnswer, TaskMetadata
    from .call import Call


def land(call: Call) -> LandAnswer:
    """Move the branch to `commit` and complete the claim's task.

    `commit` is null if the task needed no change, and `note` says why. If the claim is of the
    verification, that passed on `commit`: complete the voyage."""
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
        else:
            complete(call, held, held["task"], commit)
        call.put_claim({**held, "state": "landed", "commit": commit, "ended_at": call.now})
        health.note_success(call, call.who)
    return {"head": call.meta["head"]}


def complete(call: Call, held: Claim, task_id: str, commit: str | None) -> None:
    """Move the branch, if there is something to land, and complete the task."""
    result: TaskMetadata = {}
    note = text(call.request, "note")
    if commit is not None:
        base = text(call.request, "base_commit") or call.meta["head"]
        check_berth(call, held)
        grant_berth(call, held)
        check_base(call, base)
        check_pushed(call, held, commit)
        call.put_meta({"head": commit})
        result["commit"] = commit
    if note:
        result["note"] = note
    task = tasklist.without_notes(call.tasks[task_id], "commit", "note")
    completed = tasklist.patched(task, {"status": "completed"})
    call.put_task(tasklist.annotated(completed, result))


def check_berth(call: Call, held: Claim) -> None:
    """Refuse if another claim alone may land for now: it has the berth, and its ship is landing."""
    berth = call.meta.get("berth")
    if berth is None or berth["claim"] == held["number"] or berth["until"] <= call.meta["clock"]:
        return
    holder = call.claims[str(berth["claim"])]
    if holder["state"] == "live" and call.ships[holder["ship"]]["state"] == "landing":
        who = f"claim {holder['number']} of {holder['ship']}"
        raise Refused("berth", f"{who} has the berth: nobody else may land for now")


def grant_berth(call: Call, held: Claim) -> None:
    """Let nobody else land for now: a ship that is refused then can mend its work in peace."""
    limit_s = call.voyage["time_limit_minutes"] * 60
    call.put_meta({"berth": {"claim": held["number"], "until": call.meta["clock"] + limit_s}})


def check_base(call: Call, base: str) -> None:
    """Refuse work that was rebased onto what is not the branch's head any more."""
    if base != call.meta["head"]:
        raise Refused("stale", "the branch has moved on")


def check_pushed(call: Call, held: Claim, commit: str) -> None:
    """Refuse a commit that the claim's work ref is not at, or that is not based on the head."""
    head = call.meta["head"]
    ref = work_ref(held)
    pushed = call.git("rev-parse", "--verify", f"refs/heads/{ref}")
    if not pushed or pushed != commit:
        raise Refused("ref", f"{ref} is at {pushed or 'nothing'}, not at {commit:.60}")
    if call.git("merge-base", head, pushed) != head:
        raise Refused("stale", "the branch has moved on")


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

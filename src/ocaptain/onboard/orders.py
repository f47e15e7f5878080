"""What the captain may ask of storage."""

from typing import Any

from . import tasklist
from .harbor import Answer, Call, Request, answered, cost, voyage_state, work_refs
from .journal import Journal

RESTING = {"complete": "done", "failed": "done", "paused": "paused"}
TOLD = ("voyage", "name", "objective", "repo", "agent", "created")


def status(call: Call, _request: Request) -> Answer:
    """The voyage at a glance; docs/json.md has the shape."""
    resting = RESTING.get(voyage_state(call)[0], "waiting")
    ships = [ship(call, name, resting) for name in call.voyage["ships"]]
    state, reason = fleet_state(call, ships)
    told = {key: call.voyage[key] for key in TOLD}
    now = {"state": state, "reason": reason, "branch": told["voyage"], "head": call.meta("head")}
    verify, spent = verification(call, state), round(cost(call), 4)
    found = {"tasks": tasklist.counts(call.tasks), "verify": verify, "cost_usd": spent}
    away = {key: call.meta(key) for key in ("mirrored", "pr", "mirror_fault")}
    return {"ok": True, **told, **now, "ships": ships, **found, **away}


def fleet_state(call: Call, ships: list[dict[str, Any]]) -> tuple[str, str | None]:
    """The voyage's state, with what its ships' silence adds to it."""
    state, reason = voyage_state(call)
    states = {ship["state"] for ship in ships}
    if state in ("complete", "failed") or states - {"lost", "starting"}:
        return state, reason
    if "lost" in states:
        return "stalled", "no ship is being heard from"
    return "provisioning", "no ship has called in yet"


def ship(call: Call, name: str, resting: str) -> dict[str, Any]:
    """One ship as it last said of itself, or lost where that is too long ago; `resting` is what the
    state of one is that has nothing to do."""
    said = call.section("ships").get(name, {"state": "starting", "seen": None})
    claims = [claim for claim in call.section("claims").values() if claim["ship"] == name]
    seen_s = None if said["seen"] is None else max(0.0, round(call.now - said["seen"], 1))
    told = {key: said.get(key) or None for key in ("task", "subject", "since", "reason", "until")}
    if seen_s and seen_s > max(call.voyage["lease_seconds"] / 2, 5):
        said, told["reason"] = {"state": "lost"}, f"not heard from for {seen_s:.0f} s"
    spent = round(sum(float(claim.get("cost_usd", 0)) for claim in claims), 4)
    landed = sum(1 for claim in claims if claim["state"] == "landed" and claim["task"])
    counts = {"completed": landed, "cost_usd": spent, "seen_s": seen_s}
    state = resting if said["state"] == "waiting" else said["state"]
    return {"id": name, "state": state, **told, **counts}


def verification(call: Call, state: str) -> str:
    """pending, running, passed or failed."""
    if state == "complete":
        return "passed"
    if any(not claim["task"] for claim in call.live()):
        return "running"
    return "failed" if call.meta("repairs") or call.meta("gave_up") else "pending"


def tasks(call: Call, _request: Request) -> Answer:
    """Every task, in the order of ids; docs/json.md has the shape."""
    listed = sorted(call.tasks.values(), key=lambda task: tasklist.order(task["id"]))
    return {"ok": True, "tasks": [row(call, task) for task in listed]}


def row(call: Call, task: tasklist.Task) -> dict[str, Any]:
    """One task as `tasks --json` has it."""
    notes = tasklist.metadata(task)
    what = {"id": task["id"], "subject": task.get("subject", ""), "status": tasklist.state(task)}
    who = {"owner": task.get("owner"), "blocked_by": tasklist.waiting_for(task, call.tasks)}
    how = {"claim": notes.get("claim"), "attempts": notes.get("attempts", 0)}
    end = {"commit": notes.get("commit"), "reason": notes.get("failed") or notes.get("note")}
    return {**what, **who, **how, **end}


def unfetched(call: Call, _request: Request) -> Answer:
    """What storage alone has: commits on the branch, and `wrecks` by ref, that nobody fetched."""
    home, head = call.meta("fetched", {}), call.meta("head")
    count = call.git("rev-list", "--count", f"{home.get('head') or call.meta('start')}..{head}")
    landed = {str(c["number"]) for c in call.section("claims").values() if c["state"] == "landed"}
    refs = work_refs(call, "work/")
    wrecks = {ref: commit for ref, commit in refs.items() if ref.rpartition("-")[2] not in landed}
    new = {ref: commit for ref, commit in wrecks.items() if home.get(ref) != commit}
    return {"ok": True, "head": head, "commits": int(count or 0), "wrecks": new}


def fetched(call: Call, request: Request) -> Answer:
    """`refs`: what the captain has brought home (`head`, and wrecks by their ref), by commit."""
    call.put("meta", "fetched", {**call.meta("fetched", {}), **request["refs"]})
    return {"ok": True}


OPERATIONS = {f.__name__: f for f in (status, tasks, unfetched, fetched)}


def decide(journal: Journal, voyage: dict[str, Any], who: str, request: Request) -> Answer:
    """Carry out the captain's request, under the lock."""
    call = Call(journal, voyage, who)
    answer = answered(call, OPERATIONS, request)
    call.commit(request)
    return answer

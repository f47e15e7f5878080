"""What the captain may ask of storage: each operation is a function of a `Call`, as in harbor.py,
that returns its answer or raises `Refused`. docs/json.md has the shapes of `status` and `tasks`."""

from . import tasklist
from .harbor import Call, Json, cost, voyage_state, work_refs

RESTING = {"complete": "done", "failed": "done", "paused": "paused"}
VERIFY = {"complete": "passed", "verifying": "running"}
TOLD = ("voyage", "name", "objective", "repo", "agent", "created")


def status(call: Call) -> Json:
    """The voyage at a glance."""
    state, reason = voyage_state(call)
    ships = [ship(call, name, RESTING.get(state, "waiting")) for name in call.voyage["ships"]]
    red = call.meta.get("repairs") or call.meta.get("gave_up")
    verify = VERIFY.get(state) or ("failed" if red else "pending")
    told = {key: call.voyage[key] for key in TOLD}
    branch = {"branch": call.voyage["voyage"], "head": call.meta["head"]}
    found = {"tasks": tasklist.counts(call.tasks), "cost_usd": round(cost(call), 4)}
    now = seen(state, reason, {ship["state"] for ship in ships})
    away = {key: call.meta.get(key) for key in ("mirrored", "pr", "mirror_fault")}
    return {**told, **branch, **found, **now, **away, "verify": verify, "ships": ships}


def seen(state: str, reason: str | None, ships: set[str]) -> dict[str, str | None]:
    """The voyage's state and its reason, with what its ships' silence adds to it."""
    if state in ("complete", "failed") or ships - {"lost", "starting"}:
        return {"state": state, "reason": reason}
    if "lost" in ships:
        return {"state": "stalled", "reason": "no ship is being heard from"}
    return {"state": "provisioning", "reason": "no ship has called in yet"}


def ship(call: Call, name: str, resting: str) -> Json:
    """One ship as it last said of itself, or lost where that is too long ago; `resting` is what the
    state of one is that has nothing to do."""
    said = call.ships.get(name, {"state": "starting", "seen": None})
    told = {key: said.get(key) or None for key in ("task", "subject", "since", "reason", "until")}
    state = resting if said["state"] == "waiting" else said["state"]
    seen_s = None if said["seen"] is None else max(0.0, round(call.now - said["seen"], 1))
    if seen_s and seen_s > max(call.voyage["lease_seconds"] / 2, 5):
        state, told["reason"] = "lost", f"not heard from for {seen_s:.0f} s"
    landed = [c["ship"] for c in call.claims.values() if c["state"] == "landed" and c["task"]]
    counts = {"completed": landed.count(name), "cost_usd": round(cost(call, name), 4)}
    return {"id": name, "state": state, **told, **counts, "seen_s": seen_s}


def tasks(call: Call) -> Json:
    """Every task, in the order of ids."""
    listed = sorted(call.tasks.values(), key=lambda task: tasklist.order(task["id"]))
    return {"tasks": [row(call, task) for task in listed]}


def row(call: Call, task: tasklist.Task) -> Json:
    """One task as `tasks --json` has it."""
    notes = tasklist.metadata(task)
    what = {"id": task["id"], "subject": task.get("subject", ""), "status": tasklist.state(task)}
    who = {"owner": task.get("owner"), "blocked_by": tasklist.waiting_for(task, call.tasks)}
    how = {"claim": notes.get("claim"), "attempts": notes.get("attempts", 0)}
    end = {"commit": notes.get("commit"), "reason": notes.get("failed") or notes.get("note")}
    return {**what, **who, **how, **end}


def unfetched(call: Call) -> Json:
    """What storage alone has: commits on the branch, and `wrecks` by ref, that nobody fetched and
    origin does not have."""
    home, head = call.meta.get("fetched", {}), call.meta["head"]
    safe = [home.get("head"), call.meta.get("mirrored"), call.meta["start"]]
    count = call.git("rev-list", "--count", head, "--not", *filter(None, safe))
    landed = {number for number, claim in call.claims.items() if claim["state"] == "landed"}
    new = sorted(set(work_refs(call, "work/").items()) - set(home.items()))
    wrecks = {ref: commit for ref, commit in new if ref.rpartition("-")[2] not in landed}
    return {"head": head, "commits": int(count or 0), "wrecks": wrecks}


def fetched(call: Call) -> Json:
    """`refs`: what the captain has brought home (`head`, and wrecks by their ref), by commit."""
    call.put("meta", "fetched", {**call.meta.get("fetched", {}), **call.request["refs"]})
    return {}


OPERATIONS = {f.__name__: f for f in (status, tasks, unfetched, fetched)}

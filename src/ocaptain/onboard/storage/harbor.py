"""What ships may ask of storage, and what comes of it.

A request is decided under the journal's lock, from the voyage's state alone: an operation looks at
a `Call`, puts its changes there and returns its answer, or raises `Refused`. All changes of a call,
the clock's and the sweep's among them, become one journal line.

Leases are in seconds of the voyage clock; what people read is UNIX time.
"""

import time
from collections.abc import Iterable
from typing import Any

from .. import tasklist
from ..protocol import VoyageRecord
from ..text import clean, several
from .journal import Journal, Sections, fold

Json = dict[str, Any]
Claim = Json

TEXT_LIMIT, SHORT = 16_000, 100
SHIP_STATES = ("working", "landing", "verifying", "limited")
NO_FAULTS = (None, "", "infrastructure", "refused", "spent")
TEXTS = ("subject", "description", "activeForm")
BLANK: Json = {"subject": "", "description": "", "status": "pending", "blocks": [], "blockedBy": []}
WORK = "--format=%(refname:lstrip=2) %(objectname)"
REPAIR = "~/voyage/verify.sh fails on a fresh clone. Mend that; the script itself stays as it is."


class Refused(Exception):
    """A request that cannot be granted: a code for the program, a sentence for people."""


class Call:
    """One request under the lock: the state as it sees and changes it, and the entries it sets."""

    def __init__(self, journal: Journal, voyage: VoyageRecord, who: str, request: Json) -> None:
        self.journal, self.voyage, self.who, self.request = journal, voyage, who, request
        self.now, self.sets = time.time(), Sections()
        self.sections = {name: dict(entries) for name, entries in journal.sections.items()}
        self.tasks, self.claims = self.sections["tasks"], self.sections["claims"]
        self.ships, self.meta = self.sections["ships"], self.sections["meta"]

    def put(self, section: str, /, **entries: Any) -> None:
        """Set entries of a section; None removes one."""
        self.sets.setdefault(section, {}).update(entries)
        fold(self.sections, {section: entries})

    def put_claim(self, claim: Claim, **fields: Any) -> Claim:
        """Set a claim with these fields changed, and return it so."""
        changed = {**claim, **fields}
        self.put("claims", **{str(claim["number"]): changed})
        return changed

    def put_task(self, task_id: str, notes: Json, **fields: Any) -> None:
        """Set a task, perhaps a new one, with these fields and entries of its metadata changed."""
        task = tasklist.annotated(self.tasks.get(task_id) or {"id": task_id, **BLANK}, **notes)
        self.put("tasks", **{task_id: tasklist.patched(task, **fields)})

    def live(self, ship: str | None = None) -> list[Claim]:
        """Claims that hold, of one ship or of all."""
        claims = self.claims.values()
        return [c for c in claims if c["state"] == "live" and ship in (None, c["ship"])]

    def held(self) -> Claim | None:
        """The claim that the asking ship has, if any: it is one at a time."""
        return next(iter(self.live(self.who)), None)

    def git(self, *words: str) -> str:
        """What a git command on the shared repository prints."""
        return self.journal.git(*words)[1].strip()


# Time: the voyage clock, leases, and the sweep of what has expired


def arrive(call: Call) -> None:
    """Let time pass: the clock moves by the time since any ship last called, within bounds."""
    gap = max(call.now - call.meta.get("last_call_at", call.now), 0)
    passed = min(gap, call.voyage["lease_seconds"] / 4)
    call.put("meta", clock=round(call.meta.get("clock", 0) + passed, 3), last_call_at=call.now)


def renew(call: Call, claim: Claim, **fields: Any) -> Claim:
    """Give a live claim its full lease again."""
    expires = call.meta["clock"] + call.voyage["lease_seconds"]
    return call.put_claim(claim, expires=expires, **fields)


def sweep(call: Call) -> None:
    """Take back what has expired."""
    for held in call.live():
        if held["expires"] < call.meta["clock"]:
            end_claim(call, held, "expired", f"{held['ship']} was not heard from in time")


def end_claim(call: Call, claim: Claim, state: str, why: str, fault: str | None = "") -> None:
    """End a live claim without landing: that uses up an attempt where it is the agent's fault, and
    nothing where it is none (None)."""
    call.put_claim(claim, state=state, why=why)
    if claim["task"]:
        kind, limit = ("attempt", 1) if fault not in NO_FAULTS else ("interruption", 2)
        notes = tasklist.metadata(call.tasks[claim["task"]])
        count = notes.get(f"{kind}s", 0) + (fault is not None)
        given_up = count >= limit * call.voyage["max_attempts"]
        failed = f"after {several(count, kind)}, the last: {why}" if given_up else None
        told = {f"{kind}s": count, "failed": failed}
        call.put_task(claim["task"], told, status="pending", owner=None)


# What ships may ask


def claim(call: Call) -> Json:
    """`run_id`: helm's run id. Answers with the claim that this run has or now gets, or with none."""
    run = text(call.request, "run_id", SHORT)
    held = call.held()
    if held and held["run_id"] != run:
        end_claim(call, held, "abandoned", f"{call.who} started anew")
    elif held:
        renew(call, held)
    sweep(call)
    if mine := call.held() or take(call, run):
        return describe(call, mine)
    state, reason = voyage_state(call)
    return {"claim": None, "state": state, "reason": reason}


def take(call: Call, run: str) -> Claim | None:
    """Make a claim on the best task, or on the verification."""
    relieved = call.ships[call.who].get("relieved")
    if relieved or call.meta.get("paused") or call.meta.get("failed_reason"):
        return None
    task = None if over_budget(call) else tasklist.choose(call.tasks)
    if not task and not (all_completed(call) and voyage_state(call)[0] in ("running", "paused")):
        return None
    new = {"number": len(call.claims) + 1, "ship": call.who, "run_id": run, "state": "live"}
    if task:
        call.put_task(task["id"], {"claim": new["number"]}, status="in_progress", owner=call.who)
    return renew(
        call, {**new, **version(call), "claimed_at": call.now, "task": task and task["id"]}
    )


def over_budget(call: Call) -> tuple[str, str] | None:
    """The state in which a spent budget leaves the voyage, and why."""
    budget, spent = call.voyage["budget_usd"] or float("inf"), cost(call)
    why = f"${spent:.2f} of the budget of ${budget:g} are spent"
    return ("paused", why) if spent >= budget else None


def all_completed(call: Call) -> bool:
    """Whether every task is completed."""
    return all(tasklist.state(task) == "completed" for task in call.tasks.values())


def version(call: Call) -> Json:
    """What a verification is of: the branch's head, and how many tasks there are."""
    return {"head": call.meta["head"], "tasks": len(call.tasks)}


def unchanged(call: Call, seen: Json) -> bool:
    """Whether the version is still the one that a claim, or a verification, has."""
    return version(call).items() <= seen.items()


def describe(call: Call, held: Claim) -> Json:
    """A claim, with all that a ship needs to work on it."""
    task, budget = call.tasks.get(held["task"]), call.voyage["budget_usd"]
    told: Json = {"claim": held["number"], "head": call.meta["head"], "task": task}
    if task:
        landed = [call.tasks[blocker] for blocker in tasklist.blockers(task)]
        tried = [c for c in call.claims.values() if c["task"] == task["id"] and c != held]
        told |= {"ref": ref_of(held), "landed": landed, "wrecks": wrecks(call, tried)}
        told |= {"hails": unheard(call, call.who), "budget_usd": budget and budget - cost(call)}
    return told


def unheard(call: Call, ship: str) -> Json:
    """The captain's messages that a ship's agent has not taken in, by number."""
    hails = call.sections["hails"].items()
    return {n: h["text"] for n, h in hails if h["ship"] == ship and not h["delivered_at"]}


def wrecks(call: Call, claims: Iterable[Claim]) -> list[Json]:
    """What some claims have brought to storage that did not land: each with its `ref`, and the
    `commit` at which that is, the latest first."""
    left = {ref_of(claim): claim for claim in claims if claim["state"] != "landed"}
    found = call.git("for-each-ref", WORK, "refs/heads/work/") if left else ""
    refs = dict(line.split() for line in found.splitlines())
    return [{**left[r], "ref": r, "commit": refs[r]} for r in reversed(left) if r in refs]


def beat(call: Call) -> Json:
    """`claim`: renews it, or says why it is `lost`; takes in `state`, `reason`, `until`."""
    held = own_claim(call)
    if held["state"] == "live":
        renew(call, held)
    sweep(call)
    return {"lost": held.get("why"), "hails": unheard(call, call.who)}


def land(call: Call) -> Json:
    """`claim`, `commit`: move the branch there and complete the task, in one.

    `commit` is null where nothing had to change, and `note` says why. For a verification it is the
    head that passed."""
    held, commit = own_claim(call), call.request.get("commit")
    commit = commit if commit is None else text(call.request, "commit", SHORT)
    if held["state"] != "landed" or held["commit"] != commit:
        held = renew(call, own_claim(call, live=True))
        finish = complete if held["task"] else pass_verification
        finish(call, held, commit)
        call.put_claim(held, state="landed", commit=commit, ended_at=call.now)
    return {"head": call.meta["head"]}


def complete(call: Call, held: Claim, commit: str | None) -> None:
    """Move the branch, where there is something to land, and complete the task."""
    if commit is not None:
        admit(call, held, commit, text(call.request, "base_commit") or call.meta["head"])
        call.put("meta", head=commit)
    note = text(call.request, "note") or None
    call.put_task(held["task"], {"commit": commit, "note": note}, status="completed")


def admit(call: Call, held: Claim, commit: str, base: str) -> None:
    """Refuse a landing that is not next: somebody has the berth, head moved, or the ref differs.

    Whoever is refused for head or ref has the berth then, and in peace can rebase and push."""
    berth, clock = call.meta.get("berth", {"claim": None, "until": 0}), call.meta["clock"]
    holder, until = berth["claim"], berth["until"]
    landing = [c["number"] for c in call.live() if call.ships[c["ship"]]["state"] == "landing"]
    if holder != held["number"] and holder in landing and until > clock:
        raise Refused("berth", f"claim {holder} has the berth")
    call.put(
        "meta",
        berth={"claim": held["number"], "until": clock + call.voyage["time_limit_minutes"] * 60},
    )
    head, ref = call.meta["head"], ref_of(held)
    if base == head:
        pushed = call.git("rev-parse", "--verify", f"refs/heads/{ref}")
        if not pushed or pushed != commit:
            raise Refused("ref", f"{ref} is at {pushed or 'nothing'}, not at {commit:.60}")
        if call.git("merge-base", head, pushed) == head:
            return
    raise Refused("stale", "the branch has moved on")


def pass_verification(call: Call, held: Claim, commit: str | None) -> None:
    """The voyage is complete, unless the branch or the tasks changed under the verification."""
    if commit != call.meta["head"] or not unchanged(call, held):
        end_claim(call, held, "released", "the branch or the tasks changed meanwhile")
        raise Refused("void", "the branch or the tasks changed during the verification")
    call.put("meta", verified={**version(call), "verified_at": call.now, "claim": held["number"]})


def release(call: Call) -> Json:
    """Give a claim back: `why`, and the `fault`: the agent's, or one of NO_FAULTS, of which refused
    (by the agent's API) stops the voyage."""
    held, fault = own_claim(call), text(call.request, "fault")
    why = text(call.request, "why") or "no reason given"
    if held["state"] == "live":
        end_claim(call, held, "released", why, fault)
        if fault == "refused":
            call.put("meta", paused={"state": "paused", "reason": why})
        if fault not in NO_FAULTS and not held["task"] and unchanged(call, held):
            repair(call, why)
    return {}


def repair(call: Call, output: str) -> None:
    """A red verification makes a task that carries its output, as often as the voyage allows."""
    count, limit = call.meta.get("repairs", 0) + 1, call.voyage["max_repairs"]
    if count > limit:
        repairs = several(limit, "repair task")
        call.put("meta", failed_reason=f"verify.sh is red after {repairs}: {output}")
        return
    call.put("meta", repairs=count)
    what = {"subject": f"Make verify.sh pass (repair {count} of {limit})"}
    what["description"] = f"{REPAIR}\n\n{output}"
    call.put_task(tasklist.new_id(call.tasks), {"repair": count}, **what)


def add(call: Call) -> Json:
    """`claim`, `task`: a task that an agent found needs doing comes into the list."""
    held, given = own_claim(call, live=True), call.request.get("task")
    if not call.journal.has_room():
        raise Refused("room", "storage has no room for more tasks")
    if not isinstance(given, dict) or not text(given, "subject").strip():
        raise Refused("task", "a task needs a subject")
    files = [clean(path[:300]) for path in tasklist.files(given)[:100]]
    notes = {"files": files, "addedBy": call.who, "addedIn": held["number"]}
    call.put_task(new := tasklist.new_id(call.tasks), notes, **texts(given))
    return {"message": f"Task {new} is in the fleet's list now."}


def texts(given: Json) -> dict[str, str]:
    """The texts of a task that somebody gave."""
    return {key: text(given, key) for key in TEXTS if key in given}


# What operations share


def own_claim(call: Call, *, live: bool = False) -> Claim:
    """The claim that a request names, which must be the asking ship's, and `live` where that is
    asked for; it may bring its cost by now, and in `delivered` the numbers of the captain's messages
    that its agent has taken in."""
    number = int(amount(call.request, "claim"))
    held = call.claims.get(str(number))
    if not held or held["ship"] != call.who:
        raise Refused("claim", f"{call.who} has no claim {number}")
    took = call.request.get("delivered")
    for hail in map(str, took if isinstance(took, list) else []):
        if hail in unheard(call, call.who):
            call.put("hails", **{hail: {**call.sections["hails"][hail], "delivered_at": call.now}})
    spent = max(amount(call.request, "cost_usd"), held.get("cost_usd", 0))
    held = call.put_claim(held, cost_usd=spent) if spent else held
    if live and held["state"] != "live":
        why = held.get("why", "it has landed")
        raise Refused("lost", f"claim {number} is no longer live: {why}")
    return held


def see(call: Call) -> None:
    """Keep what a ship says of itself, and that it was heard now."""
    held = call.held() or {"number": None, "task": None}
    said, task = text(call.request, "state"), call.tasks.get(held["task"], {})
    at_work = said if said in SHIP_STATES else "working" if task else "verifying"
    doing = {"state": at_work if held["number"] else "waiting", "claim": held["number"]}
    before = call.ships[call.who]
    since = before["since"] if doing.items() <= before.items() else call.now
    about = {
        "task": held["task"],
        "subject": task.get("subject"),
        "since": since,
        "last_seen_at": call.now,
    }
    told = {"reason": text(call.request, "reason")[:500], "until": amount(call.request, "until")}
    call.put("ships", **{call.who: {**before, **doing, **about, **told}})


def cost(call: Call) -> float:
    """What the voyage has cost so far, in USD, as the agents' reports have it."""
    return sum(float(claim.get("cost_usd", 0)) for claim in call.claims.values())


def voyage_state(call: Call) -> tuple[str, str | None]:
    """The voyage's state and, where there is one, the reason for it."""
    live, completed = call.live(), all_completed(call)
    if completed and unchanged(call, call.meta.get("verified", {})):
        return "complete", None
    if call.meta.get("failed_reason"):
        return "failed", call.meta["failed_reason"]
    if any(not claim["task"] for claim in live):
        return "verifying", None
    if not live and not completed and not any(tasklist.ready(call.tasks, call.tasks)):
        return "failed", "; ".join(set_aside(call).values()) or "no task can be claimed"
    paused = call.meta.get("paused")
    return (
        over_budget(call) or (paused and (paused["state"], paused["reason"])) or ("running", None)
    )


def set_aside(call: Call) -> dict[str, str]:
    """Why each task failed that did, by its id."""
    failed = [task for task in call.tasks.values() if tasklist.state(task) == "failed"]
    return {t["id"]: f"task {t['id']} {tasklist.metadata(t)['failed']}" for t in failed}


def ref_of(held: Claim) -> str:
    """The work ref of a claim."""
    return f"work/{held['task']}-{held['number']}"


def text(given: Json, key: str, most: int = TEXT_LIMIT) -> str:
    """A text that a ship sent: anything else is empty, too much is cut, no control characters."""
    value = given.get(key)
    return clean(value[-most:], keep="\n\t") if isinstance(value, str) else ""


def amount(given: Json, key: str) -> float:
    """A number, not negative, that a ship sent: anything else is 0."""
    value = given.get(key)
    return float(value) if isinstance(value, (int, float)) and 0 <= value < 1e12 else 0.0


OPERATIONS = {f.__name__: f for f in (claim, beat, land, release, add)}

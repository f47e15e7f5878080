"""What ships may ask of storage, and what comes of it.

A request is decided under the journal's lock, from the voyage's state alone: an operation looks at
a `Call`, puts its changes there and returns its answer, or raises `Refused`. All changes of a call,
the clock's and the sweep's among them, become one journal line.

Leases are in seconds of the voyage clock; what people read is UNIX time.
"""

import time
from collections.abc import Mapping
from typing import Any

from . import tasklist
from .journal import Journal, Sections
from .tasklist import Task
from .text import clean

Answer = dict[str, Any]
Request = dict[str, Any]
Claim = dict[str, Any]

KEPT_ANSWERS = 16
TEXT_LIMIT = 16_000
SHIP_STATES = ("working", "landing", "verifying", "limited")
NO_FAULTS = ("", "infrastructure", "refused", "spent")
REPAIR = (
    "All tasks are completed, but the plan's verify.sh fails on a fresh clone of the branch. Mend "
    "what it finds; the script (~/voyage/verify.sh) is the captain's and stays as it is.\n\n"
)


class Refused(Exception):
    """A request that cannot be granted: a code for the program, a sentence for people."""


def refusal(code: str, error: str) -> Answer:
    """The answer to what cannot be granted."""
    return {"ok": False, "code": code, "error": error}


class Call:
    """One request under the lock: the state that it sees, and the entries that it sets."""

    def __init__(self, journal: Journal, voyage: dict[str, Any], who: str) -> None:
        self.journal, self.voyage, self.who = journal, voyage, who
        self.now = time.time()
        self.sets: Sections = {}
        self._merged: Sections = {}

    def section(self, name: str) -> dict[str, Any]:
        """All entries of a section, this call's own changes included."""
        return self._merged.get(name, self.journal.sections[name])

    def put(self, name: str, key: str, value: Any) -> None:
        """Set an entry; None removes it."""
        self.sets.setdefault(name, {})[key] = value
        merged = self._merged.setdefault(name, dict(self.journal.sections[name]))
        merged[key] = value
        if value is None:
            del merged[key]

    def meta(self, name: str, default: Any = None) -> Any:
        """One entry of the voyage's own state."""
        return self.section("meta").get(name, default)

    @property
    def tasks(self) -> dict[str, Task]:
        """The task list by id."""
        return self.section("tasks")

    def put_task(self, task: Task) -> None:
        """Set a task."""
        self.put("tasks", task["id"], task)

    def live(self, ship: str | None = None) -> list[Claim]:
        """Claims that hold, of one ship or of all."""
        claims = self.section("claims").values()
        return [c for c in claims if c["state"] == "live" and ship in (None, c["ship"])]

    def put_claim(self, claim: Claim, **fields: Any) -> Claim:
        """Set a claim with these fields changed, and return it so."""
        changed = {**claim, **fields}
        self.put("claims", str(claim["number"]), changed)
        return changed

    def commit(self, request: Request) -> None:
        """Make the changes, in one."""
        if self.sets:
            change = {"op": request["op"], "claim": int(amount(request, "claim")) or None}
            self.journal.commit(self.who, change, self.sets)

    def git(self, *words: str) -> str:
        """What a git command on the shared repository prints, empty where it fails."""
        from . import process  # which takes longer to import than most calls take

        return process.run(["git", "-C", self.journal.repo, *words]).out.strip()


# Time: the voyage clock, leases, and the sweep of what has expired


def arrive(call: Call) -> None:
    """Let time pass: the clock moves by the time since any ship last called, within bounds."""
    gap = min(max(call.now - call.meta("called", call.now), 0), call.voyage["lease_seconds"] / 4)
    call.put("meta", "clock", round(call.meta("clock", 0) + gap, 3))
    call.put("meta", "called", call.now)


def renew(call: Call, claim: Claim, **fields: Any) -> Claim:
    """Give a live claim its full lease again."""
    expires = call.meta("clock") + call.voyage["lease_seconds"]
    return call.put_claim(claim, expires=expires, **fields)


def sweep(call: Call) -> None:
    """Take back what has expired."""
    for claim in call.live():
        if claim["expires"] < call.meta("clock"):
            end_claim(call, claim, "expired", f"{claim['ship']} was not heard from in time")


def end_claim(call: Call, claim: Claim, state: str, why: str, fault: str = "") -> None:
    """End a live claim without landing; that uses up an attempt where it is the agent's fault."""
    call.put_claim(claim, state=state, why=why)
    if claim["task"]:
        kind, limit = ("interruptions", 2) if fault in NO_FAULTS else ("attempts", 1)
        task = tasklist.patched(call.tasks[claim["task"]], status="pending", owner=None)
        count = tasklist.metadata(task).get(kind, 0) + 1
        given_up = count >= limit * call.voyage["max_attempts"]
        failed = f"after {count} {kind}, the last: {why}" if given_up else None
        call.put_task(tasklist.annotated(task, **{kind: count, "failed": failed}))


# What ships may ask


def claim(call: Call, request: Request) -> Answer:
    """`run`: helm's run id. Answers with the claim that this run has or now gets, or with none."""
    run, mine = text(request, "run"), None
    for held in call.live(call.who):
        if held["run"] == run:
            mine = renew(call, held)
        else:
            end_claim(call, held, "abandoned", f"{call.who} started anew")
    sweep(call)
    mine = mine or take(call, run)
    if mine:
        return describe(call, mine)
    state, reason = voyage_state(call)
    return {"ok": True, "claim": None, "state": state, "reason": reason}


def take(call: Call, run: str) -> Claim | None:
    """Make a claim on the best task, or on the verification."""
    due = verification_is_due(call)
    barred = due or call.meta("gave_up") or held_back(call)
    task = None if barred else tasklist.choose(call.tasks, ranking(call))
    if not task and not due:
        return None
    number = call.meta("claims", 0) + 1
    call.put("meta", "claims", number)
    new = {"number": number, "ship": call.who, "run": run, "state": "live"}
    seen = {"base": call.meta("head"), "tasks": len(call.tasks), "at": call.now}
    if task:
        task = tasklist.patched(task, status="in_progress", owner=call.who)
        call.put_task(tasklist.annotated(task, claim=number))
    return renew(call, {**new, **seen, "task": task and task["id"]})


def ranking(call: Call) -> list[str]:
    """The order in which tasks are handed out, kept for as long as the list is the same."""
    if len(call.meta("ranking", ())) != len(call.tasks):
        call.put("meta", "ranking", tasklist.ranking(call.tasks))
    return list(call.meta("ranking"))


def held_back(call: Call) -> str | None:
    """Why no task is handed out now; None where tasks are."""
    budget, spent = call.voyage["budget_usd"], cost(call)
    if budget and spent >= budget:
        return f"${spent:.2f} of the budget of ${budget:g} are spent"
    why: str | None = call.meta("paused")
    return why


def verification_is_due(call: Call) -> bool:
    """Whether all tasks are completed, and neither verified nor being verified nor given up."""
    idle = not call.live() and not call.meta("gave_up")
    return idle and all_completed(call) and not verified(call)


def all_completed(call: Call) -> bool:
    """Whether every task is completed."""
    return all(tasklist.state(task) == "completed" for task in call.tasks.values())


def verified(call: Call) -> bool:
    """Whether verify.sh passed on just this head with just these tasks, all completed."""
    passed = (call.meta("head"), len(call.tasks))
    found = call.meta("verified") or {}
    return (found.get("head"), found.get("tasks")) == passed and all_completed(call)


def describe(call: Call, held: Claim) -> Answer:
    """A claim, with all that a ship needs to work on it."""
    answer = {"ok": True, "claim": held["number"], "head": call.meta("head"), "task": None}
    if not held["task"]:
        return answer
    task, budget = call.tasks[held["task"]], call.voyage["budget_usd"]
    landed = [call.tasks[blocker] for blocker in tasklist.blockers(task)]
    told = {"ref": ref_of(held), "landed": landed, "wrecks": wrecks(call, task["id"])}
    return {**answer, "task": task, **told, "budget_usd": budget and budget - cost(call)}


def wrecks(call: Call, task_id: str) -> list[dict[str, Any]]:
    """What earlier claims on a task left behind: work refs that did not land, the latest first."""
    ended = [c for c in call.section("claims").values() if c["task"] == task_id and "why" in c]
    refs = work_refs(call, f"work/{task_id}-*") if ended else {}
    return [
        {**claim, "ref": ref, "commit": refs[ref], "finished": claim.get("finished") == refs[ref]}
        for claim, ref in ((claim, ref_of(claim)) for claim in reversed(ended))
        if ref in refs
    ]


def work_refs(call: Call, pattern: str) -> dict[str, str]:
    """Work refs that exist, and their commits."""
    wanted = ("--format=%(refname:lstrip=2) %(objectname)", f"refs/heads/{pattern}")
    return dict(line.split() for line in call.git("for-each-ref", *wanted).splitlines())


def beat(call: Call, request: Request) -> Answer:
    """`claim`: renews it, or says why it is `lost`; takes in `state`, `reason`, `until`.

    `finished` is the commit with which the agent's part of the task is done: should this ship be
    lost before it lands, the next can land that without an agent."""
    held = own_claim(call, request)
    if held["state"] == "live":
        renew(call, held, finished=text(request, "finished") or held.get("finished"))
    sweep(call)
    return {"ok": True, "lost": held.get("why")}


def land(call: Call, request: Request) -> Answer:
    """`claim`, `commit`: move the branch there and complete the task, in one.

    `commit` is null where nothing had to change, and `note` says why. For a verification it is the
    head that passed."""
    held, commit = own_claim(call, request), request.get("commit")
    commit = commit if commit is None else text(request, "commit")
    if held["state"] != "landed" or held["commit"] != commit:
        held = renew(call, must_be_live(held), finished=commit or "")
        if not held["task"]:
            pass_verification(call, held, commit)
        else:
            complete(call, held, commit, request)
        call.put_claim(held, state="landed", commit=commit, ended=call.now)
    return {"ok": True, "head": call.meta("head")}


def complete(call: Call, held: Claim, commit: str | None, request: Request) -> None:
    """Move the branch, where there is something to land, and complete the task."""
    if commit is not None:
        admit(call, held, commit, text(request, "base") or call.meta("head"))
        call.put("meta", "head", commit)
    task = tasklist.patched(call.tasks[held["task"]], status="completed")
    note = text(request, "note") or None
    call.put_task(tasklist.annotated(task, commit=commit, note=note))


def admit(call: Call, held: Claim, commit: str, base: str) -> None:
    """Refuse a landing that is not next: somebody has the berth, head moved, or the ref differs.

    Whoever is refused for head or ref has the berth then, and in peace can rebase and push."""
    head, (holder, until) = call.meta("head"), call.meta("berth", (0, 0))
    ships, others = call.section("ships"), [c for c in call.live() if c != held]
    landing = [c["number"] for c in others if ships[c["ship"]]["state"] == "landing"]
    if holder in landing and until > call.meta("clock"):
        raise Refused("berth", f"claim {holder} has the berth")
    limit = call.voyage["time_limit_minutes"] * 60
    call.put("meta", "berth", (held["number"], call.meta("clock") + limit))
    pushed = call.git("rev-parse", "--verify", f"refs/heads/{ref_of(held)}") if base == head else ""
    if base == head and (not pushed or pushed != commit):
        raise Refused("ref", f"{ref_of(held)} is at {pushed or 'nothing'}, not at {commit:.60}")
    if base != head or call.git("merge-base", head, pushed) != head:
        raise Refused("stale", "the branch has moved on")


def pass_verification(call: Call, held: Claim, commit: Any) -> None:
    """The voyage is complete, unless the branch or the tasks changed under the verification."""
    if commit != call.meta("head") or changed_since(call, held):
        end_claim(call, held, "released", "the branch or the tasks changed meanwhile")
        raise Refused("void", "the branch or the tasks changed during the verification")
    found = {"head": commit, "tasks": len(call.tasks), "at": call.now, "claim": held["number"]}
    call.put("meta", "verified", found)


def changed_since(call: Call, held: Claim) -> bool:
    """Whether the branch or the set of tasks changed since a claim was made."""
    return (held["base"], held["tasks"]) != (call.meta("head"), len(call.tasks))


def release(call: Call, request: Request) -> Answer:
    """Give a claim back: `why`, and the `fault`: the agent's, or one of NO_FAULTS, of which refused
    (by the agent's API) stops the voyage."""
    held, fault = own_claim(call, request), text(request, "fault")
    why = text(request, "why") or "no reason given"
    if held["state"] == "live":
        end_claim(call, held, "released", why, fault)
        if fault == "refused":
            call.put("meta", "paused", why)
        if fault not in NO_FAULTS and not held["task"] and not changed_since(call, held):
            repair(call, why)
    return {"ok": True}


def repair(call: Call, output: str) -> None:
    """A red verification makes a task that carries its output, as often as the voyage allows."""
    count, limit = call.meta("repairs", 0) + 1, call.voyage["repairs"]
    if count > limit:
        call.put("meta", "gave_up", f"verify.sh is red after {limit} repair tasks: {output}")
        return
    call.put("meta", "repairs", count)
    subject = f"Make verify.sh pass (repair {count} of {limit})"
    put_new(call, {"subject": subject, "description": REPAIR + output}, {"repair": count})


def add(call: Call, request: Request) -> Answer:
    """`claim`, `task`: a task that an agent found needs doing comes into the list."""
    held, given = must_be_live(own_claim(call, request)), request.get("task")
    if not isinstance(given, dict) or not text(given, "subject").strip():
        raise Refused("task", "a task needs a subject")
    notes = {"files": tasklist.files(given), "addedBy": call.who, "addedIn": held["number"]}
    return {"ok": True, "say": f"Task {put_new(call, given, notes)} is in the fleet's list now."}


def put_new(call: Call, given: Task, notes: dict[str, Any]) -> str:
    """Put a new task into the list, and return its id."""
    known: Task = {
        k: text(given, k) for k in ("subject", "description", "activeForm") if k in given
    }
    task_id = tasklist.new_id(call.tasks)
    links = {"status": "pending", "blocks": [], "blockedBy": [], "metadata": notes}
    call.put_task({"id": task_id, "description": "", **known, **links})
    return task_id


# What operations share


def own_claim(call: Call, request: Request) -> Claim:
    """The claim that a request names, which must be the asking ship's, with its cost by now."""
    number = int(amount(request, "claim"))
    held: Claim | None = call.section("claims").get(str(number))
    if not held or held["ship"] != call.who:
        raise Refused("claim", f"{call.who} has no claim {number}")
    spent = max(amount(request, "cost_usd"), held.get("cost_usd", 0))
    return call.put_claim(held, cost_usd=spent) if spent else held


def must_be_live(held: Claim) -> Claim:
    """Refuse what only a live claim may do."""
    if held["state"] != "live":
        why = held.get("why", "it has landed")
        raise Refused("lost", f"claim {held['number']} is no longer live: {why}")
    return held


def see(call: Call, request: Request) -> None:
    """Keep what a ship says of itself, and that it was heard now."""
    before = call.section("ships").get(call.who, {})
    held = next(iter(call.live(call.who)), {"task": None, "number": None})
    said = text(request, "state")
    at_work = said if said in SHIP_STATES else "working" if held["task"] else "verifying"
    state = at_work if held["number"] else "waiting"
    same = (before.get("state"), before.get("claim")) == (state, held["number"])
    subject = call.tasks.get(held["task"] or "", {}).get("subject")
    record = {"id": call.who, "state": state, "claim": held["number"], "task": held["task"]}
    told = {"reason": text(request, "reason")[:500], "until": amount(request, "until")}
    seen = {"since": before["since"] if same else call.now, "seen": call.now, "subject": subject}
    call.put("ships", call.who, {**record, **told, **seen})


def cost(call: Call) -> float:
    """What the voyage has cost so far, in USD, as the agents' reports have it."""
    return sum(float(claim.get("cost_usd", 0)) for claim in call.section("claims").values())


def voyage_state(call: Call) -> tuple[str, str | None]:
    """The voyage's state and, where there is one, the reason for it."""
    live = call.live()
    if verified(call):
        return "complete", None
    if call.meta("gave_up"):
        return "failed", call.meta("gave_up")
    if not live and not tasklist.any_ready(call.tasks) and not verification_is_due(call):
        return "failed", stopped_by(call.tasks)
    if any(not claim["task"] for claim in live):
        return "verifying", None
    return ("paused" if held_back(call) else "running"), held_back(call)


def stopped_by(tasks: dict[str, Task]) -> str:
    """Which tasks keep a voyage from its end."""
    failed = [task for task in tasks.values() if tasklist.state(task) == "failed"]
    named = [f"task {task['id']} {tasklist.metadata(task)['failed']}" for task in failed]
    return "; ".join(named) or "no task can be claimed"


def ref_of(held: Claim) -> str:
    """The work ref of a claim."""
    return f"work/{held['task']}-{held['number']}"


def text(given: Request, key: str) -> str:
    """A text that a ship sent: anything else is empty, too much is cut, no control characters."""
    value = given.get(key)
    return clean(value[-TEXT_LIMIT:], keep="\n\t") if isinstance(value, str) else ""


def amount(given: Request, key: str) -> float:
    """A number, not negative, that a ship sent: anything else is 0."""
    value = given.get(key)
    return float(value) if isinstance(value, (int, float)) and 0 <= value < 1e12 else 0.0


OPERATIONS = {f.__name__: f for f in (claim, beat, land, release, add)}


def waits(answer: Answer) -> bool:
    """Whether a request that is answered so may have a better answer later."""
    return answer.get("claim", 0) is None or answer.get("code") == "berth"


def decide(
    journal: Journal, voyage: dict[str, Any], who: str, request: Request, *, again: bool = False
) -> Answer:
    """Decide a ship's request under the lock, and make its change; a repeated one makes none, nor
    does one that is decided `again`, and still in vain."""
    call = Call(journal, voyage, who)
    request_id = text(request, "id") if request["op"] not in ("claim", "beat") else ""
    answers = call.section("answers").get(who, {})
    if request_id in answers:
        return dict(answers[request_id])
    arrive(call)
    answer = answered(call, OPERATIONS, request)
    if again and waits(answer):
        return answer
    see(call, request)
    if request_id and not waits(answer):
        kept = [*answers.items(), (request_id, answer)][-KEPT_ANSWERS:]
        call.put("answers", who, dict(kept))
    call.commit(request)
    return answer


def answered(call: Call, operations: Mapping[str, Any], request: Request) -> Answer:
    """What an operation answers, or why it is refused."""
    try:
        return dict(operations[request["op"]](call, request))
    except Refused as why:
        return refusal(*why.args)

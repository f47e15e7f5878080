"""Holds repository, task list, journal and what `status` said against each other, in the end.

It shares no code with harbor. Each check yields a sentence for everything that is not as promised.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby, pairwise

from tests.support.audit import ENDS, JOURNAL_CHECKS, Record, Step, heads_of, parsed, task_status
from tests.support.captain import Json
from tests.support.lines import raw_lines
from tests.support.machine import Trouble

from .lookout import Look, Lookout
from .tasks import ATTEMPTS, SHARED
from .victim import WHY, Victim

STANDING = ("stalled", "failed", "paused", "halted")
"""States in which a voyage does not go on by itself."""


@dataclass(frozen=True)
class Evidence(Record):
    """All that is held against each other: also what was seen, and `planned`, the tasks that have
    to be there, with the names of their files. `green` are the commits on which a check has passed;
    None if the plan has no check."""

    lookout: Lookout = field(kw_only=True)
    planned: dict[str, str] = field(kw_only=True)
    green: set[str] | None = field(default=None, kw_only=True)

    @property
    def victim(self) -> Victim:
        """The voyage, as one to which all sorts of things were done."""
        return self.lookout.victim


def gather(lookout: Lookout, planned: dict[str, str], green: set[str] | None = None) -> Evidence:
    """What there is at the end of a voyage."""
    victim = lookout.victim
    raw = raw_lines(victim.storage)
    return Evidence(victim, raw, parsed(raw), lookout=lookout, planned=planned, green=green)


# At the end


def all_is_done(evidence: Evidence) -> Iterator[str]:
    """Every task that was planned or added is there, completed, and every claim has ended."""
    tasks = evidence.final["tasks"]
    if lost := evidence.planned.keys() - tasks.keys():
        yield f"tasks that are lost: {sorted(lost)}"
    for task_id, task in tasks.items():
        if task_status(task) != "completed":
            yield f"task {task_id} is {task_status(task)} at the end"
    for claim in evidence.final["claims"].values():
        if claim["state"] not in ENDS:
            yield f"claim {claim['number']} is {claim['state']} at the end"


def end_is_verified(evidence: Evidence) -> Iterator[str]:
    """The voyage is complete by a verification of this very head, with these tasks."""
    meta = evidence.final["meta"]
    verified = meta.get("verified") or {}
    if verified.get("head") != meta["head"] or verified.get("tasks") != len(
        evidence.final["tasks"]
    ):
        yield f"what was verified is {verified}, and the head {meta['head']}"
    claim = evidence.final["claims"].get(str(verified.get("claim")), {})
    if claim.get("task") is not None or claim.get("state") != "landed":
        yield "the verification has no claim that landed"
    marker = evidence.victim.storage / "artifacts" / "voyage-complete.marker"
    if not marker.exists() or json.loads(marker.read_bytes()) != verified:
        yield "voyage-complete.marker is not what was verified"


def no_ship_sets_tasks_aside(evidence: Evidence) -> Iterator[str]:
    """No task was set aside for interruptions that all came from one ship; agents' failures are
    their own."""
    for step in evidence.steps():
        for task_id, task in step.after["tasks"].items():
            notes = task.get("metadata", {})
            before = step.before["tasks"].get(task_id, {}).get("metadata", {})
            is_news = notes.get("failed") and not before.get("failed")
            if is_news and notes.get("attempts", 0) < ATTEMPTS:
                yield from interrupted_by_one(step, task_id)


def interrupted_by_one(step: Step, task_id: str) -> Iterator[str]:
    claims = step.after["claims"].values()
    ships = {claim["ship"] for claim in claims if claim["task"] == task_id}
    if len(ships) == 1:
        yield f"{step}: task {task_id} was set aside because of {ships.pop()} alone"


def branch_went_forward(evidence: Evidence) -> Iterator[str]:
    """The branch went from each of the journal's heads to the next, which descends from it, and was
    at no commit that brought no task's file."""
    git = evidence.victim.git
    heads = heads_of(evidence)
    reflog = git("log", "-g", "--format=%H", evidence.branch, "--").splitlines()
    moves = [head for head, _ in groupby(reversed(reflog))]
    if moves != heads:
        yield f"the branch's reflog has {len(moves)} heads, the journal {len(heads)}"
    for before, after in pairwise(moves):
        if git("merge-base", before, after) != before:
            yield f"the branch went from {before} to {after}, which does not descend from it"
    commits = {task["metadata"].get("commit") for task in evidence.final["tasks"].values()}
    if strange := set(heads[1:]) - commits:
        yield f"the branch was at commits that completed no task: {sorted(strange)}"


def work_is_there(evidence: Evidence) -> Iterator[str]:
    """Each task's file is in the tree, and its line once in the file that all append to."""
    victim = evidence.victim
    files = victim.git("ls-tree", "--name-only", f"{evidence.branch}:done").splitlines()
    lines = Counter(victim.git("show", f"{evidence.branch}:{SHARED}").split())
    for task_id, name in evidence.planned.items():
        if f"{name}.txt" not in files:
            yield f"done/{name}.txt, of task {task_id}, is not on the branch"
        if lines[name] != 1:
            yield f"{SHARED} has {lines[name]} lines of task {task_id}"


def work_refs_keep_all(evidence: Evidence) -> Iterator[str]:
    """Every commit that a work ref was ever seen at is there, on the branch or in a ref's log."""
    seen = evidence.lookout.refs
    kept = set(evidence.victim.git("rev-list", "--all", "--reflog").split())
    for ref, commit in sorted(seen):
        if commit not in kept:
            yield f"{ref} was at {commit}, which nothing leads to now"
    refs = evidence.victim.work_refs()
    for ref in sorted({ref for ref, _ in seen} - refs.keys()):
        yield f"{ref} was there, and is gone"


# The train


def nothing_lands_unchecked(evidence: Evidence) -> Iterator[str]:
    """A check has passed on each commit that landed, as it is on the branch; so it ran on top of
    just what the branch has before it."""
    if evidence.green is None:
        return
    for task_id, task in evidence.final["tasks"].items():
        commit = task.get("metadata", {}).get("commit")
        if commit and commit not in evidence.green:
            yield f"task {task_id} landed with {commit}, on which no check has passed"


def train_of(state: dict[str, Json]) -> Json:
    """The train as the journal has it."""
    train: Json = state["meta"].get("train") or {"cars": [], "queue": []}
    return train


def train_is_in_order(evidence: Evidence) -> Iterator[str]:
    """Each car is a live claim's, and based on the branch's head or what is ahead of it."""
    for step in evidence.steps():
        train = train_of(step.after)
        places = [*(car["claim"] for car in train["cars"]), *train["queue"]]
        if len(set(places)) != len(places):
            yield f"{step}: a claim is in the train twice: {places}"
        for number in places:
            if step.after["claims"].get(str(number), {}).get("state") != "live":
                yield f"{step}: claim {number} is in the train, and not live"
        ahead = step.after["meta"]["head"]
        for car in train["cars"]:
            if car["base"] != ahead:
                yield f"{step}: claim {car['claim']} is based on {car['base']}, not on {ahead}"
            ahead = car["commit"]


def only_what_is_green_lands(evidence: Evidence) -> Iterator[str]:
    """The branch moves over the first cars alone, each of which was green; the last one to turn
    green is the asker's."""
    for step in evidence.steps():
        head = step.after["meta"]["head"]
        has_moved = step.before["meta"].get("head") not in (None, head)
        if has_moved and evidence.green is not None:
            yield from passed_over(step, head)


def passed_over(step: Step, head: str) -> Iterator[str]:
    for car in train_of(step.before)["cars"]:
        if not car["green"] and car["claim"] != step.line.get("claim"):
            yield f"{step}: {head} landed past claim {car['claim']}, which was not green"
        if car["commit"] == head:
            return
    yield f"{step}: {head} landed, and was not in the train"


def nobody_waits_at_the_end(evidence: Evidence) -> Iterator[str]:
    """The train is empty."""
    train = train_of(evidence.final)
    if train["cars"] or train["queue"]:
        yield f"at the end there is a train: {train}"


# What the captain saw


@dataclass(frozen=True)
class Moment:
    """What a status has to say when the journal has this size in bytes."""

    size: int
    status: Json
    is_complete: bool


def status_was_true(evidence: Evidence) -> Iterator[str]:
    """Each status is that of the journal at some moment between the question and the answer, and
    never says what was not so."""
    moments = list(moments_of(evidence))
    for look in evidence.lookout.looks:
        yield from look_was_true(look, moments)


def moments_of(evidence: Evidence) -> Iterator[Moment]:
    """Every moment of the journal."""
    size = 0
    for raw, step in zip(evidence.raw, evidence.steps(), strict=False):
        size += len(raw)
        yield moment(size, step.after)


def moment(size: int, state: dict[str, Json]) -> Moment:
    """What a status has to say of a state."""
    tasks = state["tasks"].values()
    statuses = Counter(task_status(task) for task in tasks)
    names = ("pending", "in_progress", "completed", "failed")
    ships = {name: ship["task"] for name, ship in state["ships"].items() if ship["task"]}
    head = state["meta"]["head"]
    verified = state["meta"].get("verified") or {}
    status = {
        "tasks": {"total": len(tasks), **{name: statuses[name] for name in names}},
        "head": head,
        "ships": ships,
    }
    is_done = statuses["completed"] == len(tasks) == verified.get("tasks")
    return Moment(size, status, is_done and verified.get("head") == head)


def look_was_true(look: Look, moments: list[Moment]) -> Iterator[str]:
    """One status against the journal's moments while it was asked for."""
    status = look.status
    if status is None:
        if look.done.status != 1 or not look.done.err.startswith("ocaptain: "):
            yield f"status exited {look.done.status}: {look.done.err[-300:]!r}"
        return
    shown = {
        "tasks": status["tasks"],
        "head": status["head"],
        "ships": {ship["id"]: ship["task"] for ship in status["ships"] if ship["task"]},
    }
    possible = moments_within(look, moments)
    if shown not in [moment.status for moment in possible]:
        yield f"status said what was not so: {shown}, where the journal had {possible[-1].status}"
    if status["state"] == "complete" and not any(moment.is_complete for moment in possible):
        yield "status said complete before it was"


def moments_within(look: Look, moments: list[Moment]) -> list[Moment]:
    """The moments between question and answer, and the last before the question."""
    before = [moment for moment in moments if moment.size <= look.size_before]
    within = [m for m in moments if look.size_before < m.size <= look.size_after]
    return [*before[-1:], *within]


def who_stands_still_is_told_what_to_type(evidence: Evidence) -> Iterator[str]:
    """A voyage that does not go on by itself says which command moves it on."""
    for look in evidence.lookout.looks:
        status = look.status or {}
        if status.get("state") in STANDING and not status["next"]:
            yield f"status said {status['state']} and not what to type: {status['reason']}"


def orders_were_obeyed(evidence: Evidence) -> Iterator[str]:
    """No order was a bug, each is in the journal with who and why, and fsck finds nothing."""
    for done in evidence.victim.ordered:
        was_refused = done.status == 1 and "\nocaptain: " in f"\n{done.err}"
        if done.status != 0 and not was_refused:
            yield f"{' '.join(done.words)} exited {done.status}: {done.err[-300:]!r}"
    for line in evidence.lines:
        if "by" in line and line.get("why") != WHY:
            yield f"line {line['seq']}: {line['op']} does not say why"
    done = evidence.victim.order("fsck")
    faults = json.loads(done.out)["faults"] if done.status == 0 else [done.err]
    yield from (f"fsck: {fault}" for fault in faults)


CHECKS: tuple[Callable[[Evidence], Iterator[str]], ...] = (
    *JOURNAL_CHECKS,
    all_is_done,
    end_is_verified,
    branch_went_forward,
    work_is_there,
    work_refs_keep_all,
    no_ship_sets_tasks_aside,
    nothing_lands_unchecked,
    train_is_in_order,
    only_what_is_green_lands,
    nobody_waits_at_the_end,
    who_stands_still_is_told_what_to_type,
    orders_were_obeyed,
    status_was_true,
)


def audit(evidence: Evidence) -> Iterator[str]:
    """Every violation there is."""
    for check in CHECKS:
        try:
            yield from check(evidence)
        except Trouble as trouble:
            yield f"{check.__name__}: {trouble}"

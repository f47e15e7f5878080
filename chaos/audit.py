"""Holds repository, task list, journal and what `status` said against each other.

It reads the journal's raw lines, the task files and git's own records, and shares no code with
harbor. Each check yields a sentence for everything that is not as promised.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise

from bench.world import Trouble

from .fleet import WHY, Fleet, Json
from .tasks import SHARED
from .watch import Look, Watch

ENDS = ("landed", "released", "expired", "abandoned")


@dataclass
class State:
    """The fold of the journal's first lines, up to the byte `size`."""

    size: int
    sections: dict[str, Json]


@dataclass
class Evidence:
    """All that is held against each other."""

    fleet: Fleet
    watch: Watch
    planned: dict[str, str]
    """Tasks that have to be there, with the names of their files."""
    raw: list[bytes]
    lines: list[Json] = field(default_factory=list)

    @property
    def final(self) -> dict[str, Json]:
        """The state that the whole journal makes."""
        return folded(self.lines)

    @property
    def branch(self) -> str:
        """The full name of the branch."""
        return f"refs/heads/{self.fleet.id}"


def gather(fleet: Fleet, watch: Watch, planned: dict[str, str]) -> Evidence:
    """What there is at the end of a voyage."""
    raw = (fleet.storage / "journal.jsonl").read_bytes().splitlines(keepends=True)
    found = Evidence(fleet, watch, planned, raw)
    for line in raw:
        with suppress(ValueError):
            found.lines.append(json.loads(line))
    return found


def folded(lines: list[Json]) -> dict[str, Json]:
    """The sections that these lines make, from nothing."""
    sections: dict[str, Json] = {}
    for line in lines:
        for name, entries in line["set"].items():
            section = sections.setdefault(name, {})
            section.update(entries)
            for key in [key for key, value in entries.items() if value is None]:
                del section[key]
    return sections


def status_of(task: Json) -> str:
    """A task's state as people are told it."""
    return "failed" if task.get("metadata", {}).get("failed") else str(task["status"])


# The journal


def journal_is_whole(found: Evidence) -> Iterator[str]:
    """Every line parses, and they are numbered through."""
    if len(found.lines) != len(found.raw):
        yield f"{len(found.raw) - len(found.lines)} lines of the journal do not parse"
    numbers = [line["seq"] for line in found.lines]
    if numbers != list(range(1, len(numbers) + 1)):
        yield "the journal's lines are not numbered through"


def claims_take_turns(found: Evidence) -> Iterator[str]:
    """A task and a ship have one live claim at a time, and a claim that has ended stays so."""
    claims: dict[str, Json] = {}
    for line in found.lines:
        for number, claim in line["set"].get("claims", {}).items():
            was = claims.get(number, {}).get("state", "live")
            if was != "live" and claim["state"] != was:
                yield f"line {line['seq']}: claim {number} was {was}, and is {claim['state']}"
            if number not in claims and int(number) != len(claims) + 1:
                yield f"line {line['seq']}: claim {number} comes after {len(claims)} claims"
            claims[number] = claim
        live = [claim for claim in claims.values() if claim["state"] == "live"]
        for what in ("task", "ship"):
            held = Counter(claim[what] for claim in live)
            for name in [name for name, times in held.items() if times > 1]:
                yield f"line {line['seq']}: {held[name]} live claims for {what} {name}"


def tasks_complete_once(found: Evidence) -> Iterator[str]:
    """A task becomes completed once, by the line that lands its claim, and stays so."""
    done: dict[str, tuple[str, str | None]] = {}
    for line in found.lines:
        landed = {
            claim["task"]
            for claim in line["set"].get("claims", {}).values()
            if claim["state"] == "landed"
        }
        for task_id, task in line["set"].get("tasks", {}).items():
            now = (status_of(task), task.get("metadata", {}).get("commit"))
            if done.get(task_id, now) != now:
                yield f"line {line['seq']}: task {task_id} was completed, and now is {now}"
            if now[0] == "completed" and task_id not in done:
                done[task_id] = now
                if task_id not in landed:
                    yield f"line {line['seq']}: task {task_id} is completed without a landing"


# At the end


def all_is_done(found: Evidence) -> Iterator[str]:
    """Every task that was planned or added is there, completed, and landed by one claim."""
    tasks, claims = found.final["tasks"], found.final["claims"].values()
    if lost := found.planned.keys() - tasks.keys():
        yield f"tasks that are lost: {sorted(lost)}"
    landed = Counter(c["task"] for c in claims if c["state"] == "landed" and c["task"])
    for task_id, task in tasks.items():
        if status_of(task) != "completed":
            yield f"task {task_id} is {status_of(task)} at the end"
        elif landed[task_id] != 1:
            yield f"task {task_id} is completed, and {landed[task_id]} claims on it landed"
    for claim in claims:
        if claim["state"] not in ENDS:
            yield f"claim {claim['number']} is {claim['state']} at the end"


def files_follow(found: Evidence) -> Iterator[str]:
    """Task files say what the journal says, and there are no others."""
    on_disk, tasks = found.fleet.tasks(), found.final["tasks"]
    for task_id in sorted(on_disk.keys() | tasks.keys()):
        if on_disk.get(task_id) != tasks.get(task_id):
            yield f"{task_id}.json is not what the journal has"


def end_is_verified(found: Evidence) -> Iterator[str]:
    """The voyage is complete by a verification of this very head, with these tasks."""
    meta, tasks = found.final["meta"], found.final["tasks"]
    verified = meta.get("verified") or {}
    if (verified.get("head"), verified.get("tasks")) != (meta["head"], len(tasks)):
        yield f"what was verified is {verified}, and the head {meta['head']}"
    claim = found.final["claims"].get(str(verified.get("claim")), {})
    if claim.get("task") is not None or claim.get("state") != "landed":
        yield "the verification has no claim that landed"
    marker = found.fleet.storage / "artifacts" / "voyage-complete.marker"
    if not marker.exists() or json.loads(marker.read_bytes()) != verified:
        yield "voyage-complete.marker is not what was verified"


# Git


def branch_is_the_journals(found: Evidence) -> Iterator[str]:
    """The branch went from head to head as the journal has it, and each descends from the last."""
    heads = [
        line["set"]["meta"]["head"] for line in found.lines if "head" in line["set"].get("meta", {})
    ]
    steps = [head for at, head in enumerate(heads) if head not in heads[at - 1 : at]]
    log = found.fleet.git("log", "-g", "--format=%H", found.branch, "--").splitlines()[::-1]
    moved = [head for at, head in enumerate(log) if head not in log[at - 1 : at]]
    if moved != steps:
        yield f"the branch's reflog has {len(moved)} heads, the journal {len(steps)}"
    if found.fleet.git("rev-parse", found.branch) != steps[-1]:
        yield "the branch is not where the journal's last head is"
    for before, after in pairwise(moved):
        if found.fleet.git("merge-base", before, after) != before:
            yield f"the branch went from {before} to {after}, which does not descend from it"


def commits_land_once(found: Evidence) -> Iterator[str]:
    """Each completed task's commit is on the branch, once, and brought the task's file; and every
    commit on the branch was brought by some task."""
    start, head = found.lines[0]["set"]["meta"]["head"], found.final["meta"]["head"]
    on_branch = set(found.fleet.git("rev-list", head).split())
    landed = {i: t["metadata"].get("commit") for i, t in found.final["tasks"].items()}
    commits = Counter(commit for commit in landed.values() if commit)
    for task_id, commit in landed.items():
        if commit and (commit not in on_branch or commits[commit] > 1):
            yield f"the commit of task {task_id} is not on the branch once: {commit}"
    heads = found.fleet.git("log", "-g", "--format=%H", found.branch, "--").split()
    if strange := set(heads) - {start, *commits}:
        yield f"the branch was at commits that completed no task: {sorted(strange)}"


def work_is_there(found: Evidence) -> Iterator[str]:
    """Each task's file is in the tree, and its line once in the file that all append to."""
    show = found.fleet.git("ls-tree", "--name-only", f"{found.branch}:done").splitlines()
    lines = Counter(found.fleet.git("show", f"{found.branch}:{SHARED}").split())
    for task_id, name in found.planned.items():
        if f"{name}.txt" not in show:
            yield f"done/{name}.txt, of task {task_id}, is not on the branch"
        if lines[name] != 1:
            yield f"{SHARED} has {lines[name]} lines of task {task_id}"


def work_refs_keep_all(found: Evidence) -> Iterator[str]:
    """Every commit that a work ref was ever seen at is there, on the branch or in a ref's log."""
    kept = set(found.fleet.git("rev-list", "--all", "--reflog").split())
    for ref, commit in sorted(found.watch.refs):
        if commit not in kept:
            yield f"{ref} was at {commit}, which nothing leads to now"
    refs = found.fleet.work_refs()
    for ref in sorted({ref for ref, _ in found.watch.refs} - refs.keys()):
        yield f"{ref} was there, and is gone"


def git_is_sound(found: Evidence) -> Iterator[str]:
    """`git fsck` finds nothing wrong."""
    try:
        found.fleet.git("fsck", "--full", "--strict", "--no-dangling", "--no-progress")
    except Trouble as why:
        yield str(why)


# What the captain saw


def status_was_true(found: Evidence) -> Iterator[str]:
    """Each status is that of the journal at some moment between the question and the answer, and
    never says what was not so."""
    sizes, states = [0], list[Json]()
    sections: dict[str, Json] = {}
    for raw, line in zip(found.raw, found.lines, strict=False):
        sizes.append(sizes[-1] + len(raw))
        for name, entries in line["set"].items():
            sections[name] = {**sections.get(name, {}), **entries}
        states.append(summary(sections))
    for look in found.watch.looks:
        yield from look_was_true(look, sizes, states)


def look_was_true(look: Look, sizes: list[int], states: list[Json]) -> Iterator[str]:
    """One status against the states of the journal in its time."""
    seen, done = look.seen, look.done
    if seen is None:
        if done.status != 1 or not done.err.startswith("ocaptain: "):
            yield f"status exited {done.status}: {done.err[-300:]!r}"
        return
    then = [s for s, size in zip(states, sizes[1:], strict=True) if size <= look.after]
    first = sum(size <= look.before for size in sizes[1:]) - 1
    shown = {"tasks": seen["tasks"], "head": seen["head"], "ships": shown_ships(seen)}
    possible = then[max(first, 0) :]
    if not any(shown == {key: state[key] for key in shown} for state in possible):
        yield f"status said what was not so: {shown}, where the journal had {possible[-1]}"
    if seen["state"] == "complete" and not any(state["complete"] for state in possible):
        yield "status said complete before it was"


def summary(sections: dict[str, Json]) -> Json:
    """What a status has to say of a state."""
    tasks, meta = sections["tasks"], sections["meta"]
    states = Counter(map(status_of, tasks.values()))
    names = ("pending", "in_progress", "completed", "failed")
    verified = meta.get("verified") or {}
    done = states["completed"] == len(tasks) and verified.get("tasks") == len(tasks)
    ships = {name: ship["task"] for name, ship in sections.get("ships", {}).items() if ship}
    return {
        "tasks": {"total": len(tasks), **{name: states[name] for name in names}},
        "head": meta["head"],
        "ships": {name: task for name, task in ships.items() if task},
        "complete": done and verified.get("head") == meta["head"],
    }


def shown_ships(seen: Json) -> dict[str, str]:
    """Which ship a status says is at which task."""
    return {ship["id"]: ship["task"] for ship in seen["ships"] if ship["task"]}


def orders_were_obeyed(found: Evidence) -> Iterator[str]:
    """No order was a bug, each is in the journal with who and why, and fsck finds nothing."""
    for done in found.fleet.ordered:
        if done.status and (done.status != 1 or "\nocaptain: " not in f"\n{done.err}"):
            yield f"{' '.join(done.words)} exited {done.status}: {done.err[-300:]!r}"
    for line in found.lines:
        if "by" in line and line.get("why") != WHY:
            yield f"line {line['seq']}: {line['op']} does not say why"
    done = found.fleet.order("fsck")
    faults = json.loads(done.out)["faults"] if done.status == 0 else [done.err]
    yield from (f"fsck: {fault}" for fault in faults)


CHECKS: tuple[Callable[[Evidence], Iterator[str]], ...] = (
    journal_is_whole,
    claims_take_turns,
    tasks_complete_once,
    all_is_done,
    files_follow,
    end_is_verified,
    branch_is_the_journals,
    commits_land_once,
    work_is_there,
    work_refs_keep_all,
    git_is_sound,
    orders_were_obeyed,
    status_was_true,
)


def audit(found: Evidence) -> Iterator[str]:
    """Every violation there is."""
    for check in CHECKS:
        try:
            yield from check(found)
        except Trouble as why:
            yield f"{check.__name__}: {why}"

"""An audit of a voyage that trusts none of ocaptain's code: raw journal, task files, repository.

Each check yields a sentence for everything that is not as promised."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.support.captain import Json, Voyage
from tests.support.lines import raw_lines
from tests.support.machine import Trouble

State = dict[str, Json]

ENDS = ("landed", "released", "expired", "abandoned")
NOTHING: State = {"tasks": {}, "claims": {}, "ships": {}, "answers": {}, "meta": {}}


@dataclass(frozen=True)
class Step:
    """A line of the journal, and the state before and after it."""

    line: Json
    before: State
    after: State

    def __str__(self) -> str:
        return f"line {self.line['seq']}"


@dataclass(frozen=True)
class Record:
    """What a voyage has left behind up to now; `raw` are all lines of the journal, `lines` those
    that parse."""

    voyage: Voyage
    raw: list[bytes]
    lines: list[Json] = field(default_factory=list)

    @property
    def final(self) -> State:
        """The state that the whole journal makes."""
        state = NOTHING
        for line in self.lines:
            state = state_after(line, state)
        return state

    @property
    def branch(self) -> str:
        """The full name of the branch."""
        return f"refs/heads/{self.voyage.id}"

    def steps(self) -> Iterator[Step]:
        """The journal, line by line."""
        state = NOTHING
        for line in self.lines:
            after = state_after(line, state)
            yield Step(line, state, after)
            state = after


def state_after(line: Json, state: State) -> State:
    """Apply a line of the journal to a state, which stays as it is."""
    after = dict(state)
    for name, entries in line["set"].items():
        section = {**after.get(name, {}), **entries}
        after[name] = {key: value for key, value in section.items() if value is not None}
    return after


def record_of(voyage: Voyage) -> Record:
    """Read a voyage's journal, as far as it is whole: a line without an end was no change yet."""
    raw = [line for line in raw_lines(voyage.storage) if line.endswith(b"\n")]
    return Record(voyage, raw, parsed(raw))


def parsed(raw: list[bytes]) -> list[Json]:
    """Lines of the journal, those that parse."""
    lines = []
    for line in raw:
        with suppress(ValueError):
            lines.append(json.loads(line))
    return lines


def present(voyage: Voyage) -> State:
    """The state that a voyage's journal makes."""
    return record_of(voyage).final


def live(state: State) -> list[Json]:
    """Claims that hold."""
    return [claim for claim in state["claims"].values() if claim["state"] == "live"]


def task_status(task: Json) -> str:
    """A task's status as people are told it."""
    return "failed" if task.get("metadata", {}).get("failed") else str(task["status"])


# The journal


def journal_is_whole(record: Record) -> Iterator[str]:
    """Every line parses, and they are numbered through."""
    if len(record.lines) != len(record.raw):
        yield f"{len(record.raw) - len(record.lines)} lines of the journal do not parse"
    numbers = [line["seq"] for line in record.lines]
    if numbers != list(range(1, len(numbers) + 1)):
        yield "the journal's lines are not numbered through"


def claims_take_turns(record: Record) -> Iterator[str]:
    """A task and a ship have one live claim at a time."""
    for step in record.steps():
        claims = live(step.after)
        yield from twice(step, "ship", [claim["ship"] for claim in claims])
        yield from twice(step, "task", [str(claim["task"]) for claim in claims])


def twice(step: Step, what: str, names: list[str]) -> Iterator[str]:
    """A sentence for each name that is there more than once."""
    for name, times in Counter(names).items():
        if times > 1:
            yield f"{step}: {times} live claims for {what} {name}"


def claims_stay(record: Record) -> Iterator[str]:
    """Claims are numbered through, keep what they are about, and stay ended once they have."""
    for step in record.steps():
        numbers = list(step.after["claims"])
        if numbers != [str(1 + n) for n in range(len(numbers))]:
            yield f"{step}: claims are not numbered through"
        for number, claim in step.before["claims"].items():
            yield from claim_stays(step, claim, step.after["claims"].get(number, {}))


def claim_stays(step: Step, claim: Json, later: Json) -> Iterator[str]:
    state = later.get("state")
    if claim["state"] not in ("live", state) or state not in ("live", *ENDS):
        yield f"{step}: claim {claim['number']} was {claim['state']}, and is {state}"
    for key in ("ship", "task", "run_id"):
        if later.get(key) != claim[key]:
            yield f"{step}: claim {claim['number']} has another {key}"


def tasks_stay(record: Record) -> Iterator[str]:
    """No task vanishes, and what is completed stays so, with the commit that it landed."""
    for step in record.steps():
        for task_id, task in step.before["tasks"].items():
            later = step.after["tasks"].get(task_id)
            if later is None:
                yield f"{step}: task {task_id} is gone"
            elif task["status"] == "completed" and completion(later) != completion(task):
                yield f"{step}: task {task_id} was completed, and now is {completion(later)}"


def completion(task: Json) -> tuple[str, Any]:
    return task_status(task), task.get("metadata", {}).get("commit")


def tasks_follow_claims(record: Record) -> Iterator[str]:
    """Tasks in progress are those that are claimed, and completed are those that landed, once."""
    for step in record.steps():
        tasks = step.after["tasks"]
        claims = [claim for claim in step.after["claims"].values() if claim["task"]]
        held = sorted(claim["task"] for claim in claims if claim["state"] == "live")
        landed = sorted(claim["task"] for claim in claims if claim["state"] == "landed")
        if held != sorted(i for i, task in tasks.items() if task["status"] == "in_progress"):
            yield f"{step}: claimed are {held}, and other tasks are in progress"
        if landed != sorted(i for i, task in tasks.items() if task["status"] == "completed"):
            yield f"{step}: landed have {landed}, and other tasks are completed"


# What follows from it


def files_follow(record: Record) -> Iterator[str]:
    """Task files say what the journal says, and there are no others."""
    files = {}
    for path in record.voyage.task_files.glob("[!.]*.json"):
        with suppress(ValueError):
            files[path.stem] = json.loads(path.read_bytes())
    tasks = record.final["tasks"]
    for task_id in sorted(files.keys() | tasks.keys()):
        if files.get(task_id) != tasks.get(task_id):
            yield f"{task_id}.json is not what the journal has"


def marker_follows(record: Record) -> Iterator[str]:
    """The mark of a complete voyage is there if it was verified."""
    if record.voyage.is_complete() != ("verified" in record.final["meta"]):
        yield "voyage-complete.marker is not what the journal has"


def branch_follows(record: Record) -> Iterator[str]:
    """The branch is at the journal's last head, and has all that came before, in that order."""
    heads = heads_of(record)
    branch = record.voyage.git("rev-list", "--first-parent", "--reverse", record.branch).split()
    if branch[-1] != heads[-1]:
        yield "the branch is not where the journal's last head is"
    if [commit for commit in branch if commit in heads] != heads:
        yield "the branch does not have all of the journal's heads in their order"
    if record.voyage.git("rev-list", "--min-parents=2", f"{heads[0]}..{record.branch}"):
        yield "there is a merge on the branch"


def heads_of(record: Record) -> list[str]:
    """Where the branch was one after the other, as the journal has it."""
    heads = [line["set"].get("meta", {}).get("head") for line in record.lines]
    return list(dict.fromkeys(head for head in heads if head))


def commits_land_once(record: Record) -> Iterator[str]:
    """Each completed task's commit is on the branch, once."""
    on_branch = set(record.voyage.git("rev-list", "--first-parent", record.branch).split())
    landed = {i: task["metadata"].get("commit") for i, task in record.final["tasks"].items()}
    commits = Counter(commit for commit in landed.values() if commit)
    for task_id, commit in landed.items():
        if commit and (commit not in on_branch or commits[commit] > 1):
            yield f"the commit of task {task_id} is not on the branch once: {commit}"


def no_work_lands_twice(record: Record) -> Iterator[str]:
    """No two commits of the branch bring the same files to the same contents."""
    start = record.lines[0]["set"]["meta"]["head"]
    commits = f"{start}..{record.branch}"
    log = record.voyage.git("log", "--format=", "--raw", "--no-abbrev", commits)
    changes = Counter(tuple(line.split()[3:]) for line in log.splitlines() if line)
    for change, times in changes.items():
        if times > 1:
            yield f"{times} commits bring {change}"


def finished_work_is_kept(record: Record) -> Iterator[str]:
    """The commits with which ships were done are there, if their work refs are."""
    refs = record.voyage.work_refs()
    for claim in record.final["claims"].values():
        ref = f"refs/heads/work/{claim['task']}-{claim['number']}"
        if claim.get("finished") and ref in refs:
            with_type = f"{claim['finished']}^{{commit}}"
            try:
                record.voyage.git("cat-file", "-e", with_type)
            except Trouble as trouble:
                yield str(trouble)


def git_is_sound(record: Record) -> Iterator[str]:
    """`git fsck` finds nothing wrong."""
    try:
        report = record.voyage.git("fsck", "--full", "--strict", "--no-dangling", "--no-progress")
    except Trouble as trouble:
        yield str(trouble)
        return
    yield from (line for line in report.splitlines() if not line.startswith("notice:"))


Check = Callable[[Record], Iterator[str]]

JOURNAL_CHECKS: tuple[Check, ...] = (
    journal_is_whole,
    claims_take_turns,
    claims_stay,
    tasks_stay,
    tasks_follow_claims,
    files_follow,
    marker_follows,
    branch_follows,
    commits_land_once,
    finished_work_is_kept,
    git_is_sound,
)


def assert_nothing_lost(voyage: Voyage) -> None:
    """Fail unless every promise about tasks and commits was kept, from the first line on.

    No task vanished or was completed twice, no claim or ship had what another held, the branch only
    went forward, and all that was named or pushed is still in the repository."""
    record = record_of(voyage)
    checks = (*JOURNAL_CHECKS, no_work_lands_twice)
    assert [violation for check in checks for violation in check(record)] == []


def assert_status_true(voyage: Voyage) -> Json:
    """Ask for the status, and fail unless it is what the files said before or after; the status."""
    for _ in range(20):
        before = truth(present(voyage))
        status = voyage.status()
        if before == truth(present(voyage)):
            break
    tasks = status["tasks"]
    shown = {
        "total": tasks["total"],
        "pending": tasks["pending"] + tasks["failed"],
        "in_progress": tasks["in_progress"],
        "completed": tasks["completed"],
        "head": status["head"],
        "complete": status["state"] == "complete",
    }
    assert shown == before, status
    holders = {claim["ship"]: claim["task"] for claim in live(present(voyage))}
    for ship in status["ships"]:
        if ship["task"]:
            assert holders.get(ship["id"]) == ship["task"], status
    return status


def truth(state: State) -> Json:
    """What a status has to say of a state."""
    statuses = Counter(task["status"] for task in state["tasks"].values())
    head = state["meta"]["head"]
    verified = state["meta"].get("verified", {})
    is_verified = verified.get("head") == head and verified.get("tasks") == len(state["tasks"])
    return {
        "total": len(state["tasks"]),
        "pending": statuses["pending"],
        "in_progress": statuses["in_progress"],
        "completed": statuses["completed"],
        "head": head,
        "complete": is_verified,
    }

"""The journal, what follows from it, and the repository, held against each other."""

from __future__ import annotations

from collections import Counter

from ..text import several
from .journal import Damaged
from .parts import part_faults

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..protocol import Car, FsckAnswer, Json, Sections, Train
    from .call import Call
    from .journal import Journal

GIT_SAYS_LIMIT = 1000
"""Characters that are shown of what git fsck prints."""


def fsck(call: Call) -> FsckAnswer:
    """Write anew what follows from the journal, and return what of it is wrong even then.

    `mended` has what was wrong and is not any more. git has not looked yet: that may take long, and
    nobody should have to wait for it."""
    faults: list[str] = []
    sections = call.journal.sections
    note_misplaced_branch(call)
    try:
        sections = call.journal.reread()
    except Damaged as damage:
        faults.append(f"{damage}; state.json has what came of it")
    if sections != call.journal.sections:
        (call.journal.folder / "state.json").unlink(missing_ok=True)
        call.journal.note("removed state.json, which was not what the journal makes")
    faults.extend(claim_faults(sections))
    faults.extend(branch_faults(call, sections))
    if "train" in sections["meta"]:
        faults.extend(train_faults(call, sections, sections["meta"]["train"]))
    return {"message": summary(faults), "faults": faults, "mended": call.journal.notes}


def with_repository(journal: Journal, answer: Json) -> Json:
    """Return an answer of `fsck` with what git says of the repository besides. This needs no lock,
    and takes as long as git takes to read all that there is."""
    of_parts = [*part_faults(journal)]
    if of_parts:
        of_parts = [*part_faults(journal)]  # a part may have been made or compressed meanwhile
    faults = [*answer["faults"], *of_parts, *repository_faults(journal)]
    return {**answer, "message": summary(faults), "faults": faults}


def summary(faults: list[str]) -> str:
    """Return how many faults there are, in a sentence."""
    return f"{several(len(faults), 'fault')}." if faults else "All is sound."


def note_misplaced_branch(call: Call) -> None:
    """Note if the branch is not where the journal has it; `reread` puts it there."""
    branch = call.git("rev-parse", f"refs/heads/{call.journal.voyage}")
    head = call.meta["head"]
    if branch != head:
        call.journal.note(f"put the branch back to {head}, from {branch or 'nowhere'}")


def claim_faults(sections: Sections) -> Iterator[str]:
    """Yield each task that is in progress, or completed, without exactly one claim that says so."""
    counts = Counter((claim["task"], claim["state"]) for claim in sections["claims"].values())
    for task_id, task in sections["tasks"].items():
        status = task["status"]
        live = counts[task_id, "live"]
        landed = counts[task_id, "landed"]
        if live != (1 if status == "in_progress" else 0):
            yield f"task {task_id} is {status}, and {live} of its claims are live"
        if landed != (1 if status == "completed" else 0):
            yield f"task {task_id} is {status}, and {landed} of its claims are landed"


def branch_faults(call: Call, sections: Sections) -> Iterator[str]:
    """Yield each commit that landed, and that the branch does not have."""
    meta = sections["meta"]
    commits = set(call.git("rev-list", meta["head"], f"^{meta['start']}").split())
    for claim in sections["claims"].values():
        has_landed = claim["state"] == "landed" and claim["task"] is not None
        if has_landed and claim["commit"] is not None and claim["commit"] not in commits:
            yield f"the branch lacks {claim['commit']}, with which task {claim['task']} landed"


def train_faults(call: Call, sections: Sections, train: Train) -> Iterator[str]:
    """Yield what of the train is not as landings leave it."""
    places = [*(car["claim"] for car in train["cars"]), *train["queue"]]
    for number, times in Counter(places).items():
        if times > 1:
            yield f"claim {number} is {times} times in the train"
        held = sections["claims"].get(str(number))
        if held is None or held["state"] != "live" or held["task"] is None:
            yield f"claim {number} is in the train, and is no live claim of a task"
    most = call.voyage["landing_window"]
    if not 1 <= train["window"] <= most:
        yield f"the train has room for {train['window']:g} cars, where 1 to {most} are possible"
    ahead: str | None = sections["meta"]["head"]
    for car in train["cars"]:
        if car["base"] != ahead:
            yield f"the car of claim {car['claim']} is based on {car['base']}, and not on {ahead}"
        yield from commit_faults(call, car)
        ahead = car["commit"]


def commit_faults(call: Call, car: Car) -> Iterator[str]:
    """Yield what is wrong with the commit that a car's check is of."""
    name = f"the car of claim {car['claim']}"
    commit = car["commit"]
    base = car["base"]
    if commit is None:
        if car["green"]:
            yield f"{name} is green, and has no commit"
        return
    if call.git("cat-file", "-t", commit) != "commit":
        yield f"{name} has the commit {commit}, which repo.git lacks"
    elif base is None or call.git("merge-base", base, commit) != base:
        yield f"{name} has the commit {commit}, which is not on top of {base}"


def repository_faults(journal: Journal) -> Iterator[str]:
    """Yield what git says if it cannot read all that it keeps, twice: what a push or a landing had
    half written at the first look is whole at the second."""
    from .. import process

    argv = ["git", "-C", str(journal.repo), "fsck", "--connectivity-only", "--no-dangling"]
    done = process.run(argv)
    if done.status:
        done = process.run(argv)
    if done.status:
        words = " ".join((done.stdout + done.stderr).split())
        yield f"repo.git: git fsck says: {words[:GIT_SAYS_LIMIT]}"

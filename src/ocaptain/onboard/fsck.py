"""`ocaptain fsck`: journal, task list and repository against each other."""

from collections.abc import Iterator

from .harbor import Call, Json
from .journal import Damaged


def fsck(call: Call) -> Json:
    """Write anew what follows from the journal; what else is wrong are `faults`, and what was wrong
    and is not any more is `mended`."""
    branch, faults = call.git("rev-parse", f"refs/heads/{call.journal.voyage}"), list[str]()
    if branch != call.meta["head"]:
        call.journal.note(f"put the branch back to {call.meta['head']}, from {branch or 'nowhere'}")
    try:
        if (whole := call.journal.reread()) != call.journal.sections:
            call.tasks, call.claims, call.meta = whole["tasks"], whole["claims"], whole["meta"]
            (call.journal.folder / "state.json").unlink(missing_ok=True)
            call.journal.note("removed state.json, which was not what the journal makes")
    except Damaged as why:
        faults.append(f"{why}; state.json has what came of it")
    faults += [*claims(call), *repository(call)]
    found = f"{len(faults)} faults" if faults else "All is sound"
    return {"say": f"{found}.", "faults": faults, "mended": call.journal.notes}


def claims(call: Call) -> Iterator[str]:
    """Whether one claim holds each task in progress, and one landed each that is completed."""
    for task in call.tasks.values():
        mine = [claim["state"] for claim in call.claims.values() if claim["task"] == task["id"]]
        for state, status in (("live", "in_progress"), ("landed", "completed")):
            if mine.count(state) != (task["status"] == status):
                told = f"task {task['id']} is {task['status']}"
                yield f"{told}, and {mine.count(state)} of its claims are {state}"


def repository(call: Call) -> Iterator[str]:
    """Whether the branch has every commit that landed, and git can read all that it keeps."""
    there = call.git("rev-list", call.meta["head"], f"^{call.meta['start']}").split()
    for claim in call.claims.values():
        if claim["state"] == "landed" and claim["task"] and claim["commit"] not in (None, *there):
            yield f"the branch lacks {claim['commit']}, with which task {claim['task']} landed"
    status, out, err = call.journal.git("fsck", "--connectivity-only", "--no-dangling")
    if status:
        yield f"repo.git: git fsck says: {' '.join((out + err).split())[:1000]}"

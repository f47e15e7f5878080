"""The task list: pure functions over task dicts in Claude Code's own format.

A task is patched, never rebuilt, so that fields which ocaptain does not know survive. What
ocaptain adds is in `metadata`: see protocol.TaskMetadata.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any, Literal

    from .protocol import Task, TaskCounts, TaskMetadata, TaskOutline, Tasks, TaskState

    Budget = Literal["budget_usd", "budget_tokens"]
    """What a budget is called, be it the voyage's, a task's or a claim's."""

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def order(task_id: str) -> tuple[int, str]:
    """Sort key of ids: numbers by their value first, then names."""
    return (int(task_id), "") if task_id.isdecimal() else (1 << 62, task_id)


def new_id(tasks: Tasks) -> str:
    """Return the next free number, as Claude Code numbers its tasks."""
    numbers = [int(task_id) for task_id in tasks if task_id.isdecimal()]
    return str(max(numbers, default=0) + 1)


# One task. Its fields may be of any kind that a plan has.


def new_task(task_id: str) -> Task:
    """Return a pending task without a word in it."""
    return {
        "id": task_id,
        "subject": "",
        "description": "",
        "status": "pending",
        "blocks": [],
        "blockedBy": [],
    }


def patched(task: Task, fields: Task) -> Task:
    """Return a copy of `task` with these fields."""
    return {**task, **fields}


def annotated(task: Task, notes: TaskMetadata) -> Task:
    """Return a copy of `task` with these entries of its metadata."""
    return {**task, "metadata": {**metadata(task), **notes}}


def without_owner(task: Task) -> Task:
    """Return a copy of `task` that nobody has."""
    copy = task.copy()
    copy.pop("owner", None)
    return copy


def without_notes(task: Task, *names: str) -> Task:
    """Return a copy of `task` without these entries of its metadata."""
    notes: Any = {name: note for name, note in metadata(task).items() if name not in names}
    return {**task, "metadata": notes}


def metadata(task: Mapping[str, object]) -> TaskMetadata:
    """Return the task's metadata, empty if it has none."""
    notes: Any = task.get("metadata")
    if not isinstance(notes, dict):
        return {}
    return notes  # type: ignore[return-value]  # of any kind that a plan has


def outline(task: Task) -> TaskOutline:
    """Return of a task what the list as a whole depends on: no texts, but whether it can be claimed
    and what its rank is.

    Thousands of these are held by each who waits. So there is no id, for it is the key, and no
    status if the task is pending."""
    notes: Any = metadata(task)
    kept: Any = {
        name: notes[name] for name in ("failed", "files", "addedIn", "agent") if name in notes
    }
    short: TaskOutline = {}
    if task.get("status", "pending") != "pending":
        short["status"] = task["status"]
    if blockers(task):
        short["blockedBy"] = blockers(task)
    if kept:
        short["metadata"] = kept
    return short


def claim_number(task: Task) -> int | None:
    """Return the number of the claim that had the task last; None if none ever had."""
    return _whole_number(metadata(task).get("claim"))


def attempts(task: Task) -> int:
    """Return how many attempts at the task have failed."""
    return _whole_number(metadata(task).get("attempts")) or 0


def interrupted_by(task: Task) -> list[str]:
    """Return the ships that attempts at the task were interrupted on, once for each."""
    ships: Any = metadata(task).get("interruptedBy")
    if not isinstance(ships, list):
        return []
    return [ship for ship in ships if isinstance(ship, str)]


def _whole_number(note: object) -> int | None:
    """Return a note that ocaptain makes; a plan may have one of another kind by the same name."""
    return note if isinstance(note, int) else None


def files(task: Mapping[str, object]) -> list[str]:
    """Return the paths that the task says it will touch."""
    paths: Any = metadata(task).get("files")
    if not isinstance(paths, list):
        return []
    return [path.rstrip("/") for path in paths if isinstance(path, str)]


def budget(task: Task, name: Budget) -> float | None:
    """Return what one attempt at the task may spend, in USD or tokens; None if it does not say."""
    limit: Any = metadata(task).get(name)
    is_number = isinstance(limit, (int, float)) and not isinstance(limit, bool)
    return float(limit) if is_number and limit > 0 else None


def agent(task: Mapping[str, object], usual: str) -> str:
    """Return who is to do the task: whom it names, else the usual one."""
    name: Any = metadata(task).get("agent")
    return name if name and isinstance(name, str) else usual


def model(task: Mapping[str, object], usual_agent: str, usual: str | None) -> str | None:
    """Return the model that the task is for, of its agent; None: that agent's own choice.

    The usual one is a model of the usual agent's, and means nothing to others."""
    name: Any = metadata(task).get("model")
    if name and isinstance(name, str):
        return name
    return usual if agent(task, usual_agent) == usual_agent else None


def state(task: TaskOutline) -> TaskState:
    """Return the task's status, or `failed` if it was set aside. Its file says `pending` then."""
    if metadata(task).get("failed"):
        return "failed"
    return task.get("status", "pending")


def blockers(task: TaskOutline) -> list[str]:
    """Return the ids of the tasks that must be completed before this one."""
    return task.get("blockedBy") or []


# The list


def waiting_for(task: TaskOutline, tasks: Tasks) -> list[str]:
    """Return the blockers of `task` that are not completed; unknown ones never are."""
    return [b for b in blockers(task) if b not in tasks or state(tasks[b]) != "completed"]


def ready(tasks: Tasks, ids: Iterable[str]) -> Iterator[TaskOutline]:
    """Yield those of some tasks that can be claimed: pending, with all blockers completed."""
    for task_id in ids:
        task = tasks[task_id]
        if state(task) == "pending" and not waiting_for(task, tasks):
            yield task


def dependants(tasks: Tasks) -> dict[str, list[str]]:
    """Return for each id the ids of the tasks that wait for it directly."""
    waiting: dict[str, list[str]] = {task_id: [] for task_id in tasks}
    for task_id, task in tasks.items():
        for blocker in blockers(task):
            waiting.setdefault(blocker, []).append(task_id)
    return waiting


def named_agents(tasks: Iterable[TaskOutline]) -> list[str]:
    """Return the agents that some tasks name, in alphabetical order."""
    return sorted({agent(task, "") for task in tasks} - {""})


def chains(tasks: Tasks) -> dict[str, int]:
    """Return for each id the number of tasks on the longest chain that starts with it.

    Raises graphlib.CycleError, a ValueError, if tasks block one another in a circle."""
    below = dependants(tasks)
    length = dict.fromkeys(below, 1)
    missing = {task_id: len(waiting) for task_id, waiting in below.items()}
    known = [task_id for task_id, count in missing.items() if count == 0]
    for task_id in known:  # which grows meanwhile
        for blocker in blockers(tasks.get(task_id, {})):
            length[blocker] = max(length[blocker], length[task_id] + 1)
            missing[blocker] -= 1
            if missing[blocker] == 0:
                known.append(blocker)
    if len(known) < len(below):
        from graphlib import TopologicalSorter  # which takes longer than all of this

        TopologicalSorter(below).prepare()
    return length


def longest_chain(tasks: Tasks) -> list[str]:
    """Return the longest chain of tasks that are not completed, the first to be done first."""
    left = {task_id: task for task_id, task in tasks.items() if state(task) != "completed"}
    length = chains(left)
    below = dependants(left)
    chain: list[str] = []
    following: Iterable[str] = left
    while candidates := sorted(following, key=order):
        chain.append(max(candidates, key=lambda task_id: length[task_id]))
        following = below[chain[-1]]
    return chain


def ranking(tasks: Tasks) -> list[str]:
    """Return all ids in the order in which tasks are handed out.

    The longest chain goes first, then most dependants, then the id. The order changes with the
    list alone, not with what becomes of the tasks."""
    length = chains(tasks)
    below = dependants(tasks)

    def rank(task_id: str) -> tuple[int, int, tuple[int, str]]:
        return -length[task_id], -len(below[task_id]), order(task_id)

    return sorted(tasks, key=rank)


def choose(tasks: Tasks, ranked: Iterable[str]) -> str | None:
    """Return the id of the task to claim next, of all in the order of their rank: the first that is
    ready, but one that shares files with work in progress only if there is nothing else."""
    started = [task for task in tasks.values() if task.get("status") == "in_progress"]
    touching = [task for task in started if files(task)]
    fallback = None
    for task in ready(tasks, ranked):
        if not share_files(task, touching):
            return task["id"]
        fallback = fallback or task["id"]
    return fallback


def share_files(task: TaskOutline, others: Iterable[TaskOutline]) -> bool:
    """Whether `task` will touch a path, or something below a path, that one of `others` will."""
    mine = [f"{path}/" for path in files(task)]
    theirs = [f"{path}/" for other in others for path in files(other)]
    return any(a.startswith(b) or b.startswith(a) for a in mine for b in theirs)


def counts(tasks: Tasks) -> TaskCounts:
    """Return how many tasks there are, in all and by state."""
    states = [state(task) for task in tasks.values()]
    return {
        "total": len(states),
        "pending": states.count("pending"),
        "in_progress": states.count("in_progress"),
        "completed": states.count("completed"),
        "failed": states.count("failed"),
    }

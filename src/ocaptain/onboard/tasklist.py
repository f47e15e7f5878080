"""The task list: pure functions over task dicts in Claude Code's own format.

A task is patched, never rebuilt, so that fields which ocaptain does not know survive.
What ocaptain adds is in `metadata`: `claim`, `attempts`, `interruptions`, `commit`, `failed`,
`note`, `repair`, `addedBy`.
"""

import re
from collections.abc import Iterable, Iterator
from graphlib import TopologicalSorter
from typing import Any, cast

from .protocol import Task, TaskMetadata, Tasks

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def order(task_id: str) -> tuple[int, str]:
    """Sort key of ids: numbers by their value first, then names."""
    return (int(task_id), "") if task_id.isdecimal() else (1 << 62, task_id)


def metadata(task: Task) -> TaskMetadata:
    """Return the task's metadata, empty if it has none."""
    metadata: Any = task.get("metadata")
    return cast(TaskMetadata, metadata if isinstance(metadata, dict) else {})


def files(task: Task) -> list[str]:
    """Paths that the task says it will touch."""
    paths: Any = metadata(task).get("files")
    return [p.rstrip("/") for p in paths if isinstance(p, str)] if isinstance(paths, list) else []


def patched(task: Task, **fields: Any) -> Task:
    """A copy of `task` with these fields; a field that is None is left out."""
    return cast(Task, _without_none({**task, **fields}))


def annotated(task: Task, **notes: Any) -> Task:
    """A copy of `task` with these entries of its metadata; an entry that is None is left out."""
    metadata_ = cast(TaskMetadata, _without_none({**metadata(task), **notes}))
    return {**task, "metadata": metadata_}


def _without_none(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}


def state(task: Task) -> str:
    """pending, in_progress, completed, or failed: set aside, though Claude's file says pending."""
    return "failed" if metadata(task).get("failed") else str(task.get("status", "pending"))


def blockers(task: Task) -> list[str]:
    """Ids of the tasks that must be completed before this one."""
    return task.get("blockedBy") or []


def waiting_for(task: Task, tasks: Tasks) -> list[str]:
    """Blockers of `task` that are not completed (unknown ones never are)."""
    return [b for b in blockers(task) if b not in tasks or state(tasks[b]) != "completed"]


def ready(tasks: Tasks, ids: Iterable[str]) -> Iterator[Task]:
    """Those of some tasks that can be claimed: they are pending, with all blockers completed."""
    pending = (tasks[task_id] for task_id in ids if state(tasks[task_id]) == "pending")
    return (task for task in pending if not waiting_for(task, tasks))


def dependants(tasks: Tasks) -> dict[str, list[str]]:
    """For each id the ids of the tasks that wait for it directly."""
    found: dict[str, list[str]] = {task_id: [] for task_id in tasks}
    for task_id, task in tasks.items():
        for blocker in blockers(task):
            found.setdefault(blocker, []).append(task_id)
    return found


def chains(tasks: Tasks) -> dict[str, int]:
    """For each id the number of tasks on the longest chain that starts with it.

    Raises graphlib.CycleError, a ValueError, where tasks block one another in a circle."""
    below, length = dependants(tasks), dict[str, int]()
    for task_id in TopologicalSorter(below).static_order():
        length[task_id] = 1 + max((length[d] for d in below[task_id]), default=0)
    return length


def share_files(task: Task, others: Iterable[Task]) -> bool:
    """Whether `task` will touch a path, or something below a path, that one of `others` will."""
    theirs = [f"{path}/" for other in others for path in files(other)]
    mine = [f"{path}/" for path in files(task)]
    return any(a.startswith(b) or b.startswith(a) for a in mine for b in theirs)


def ranking(tasks: Tasks) -> list[str]:
    """All ids in the order in which tasks are handed out: longest chain first, then most
    dependants, then id. It changes with the list alone, not with what becomes of the tasks."""
    length, below = chains(tasks), dependants(tasks)
    return sorted(tasks, key=lambda i: (-length[i], -len(below[i]), order(i)))


def choose(tasks: Tasks) -> Task | None:
    """The task to claim next, None where there is none: the first in order, but one that shares
    files with work in progress only when there is nothing else."""
    busy = [t for t in tasks.values() if t.get("status") == "in_progress" and files(t)]
    free = ready(tasks, ranking(tasks))
    return min(free, key=lambda task: share_files(task, busy), default=None)


def counts(tasks: Tasks) -> dict[str, int]:
    """How many tasks there are, in all and by state."""
    states = [state(task) for task in tasks.values()]
    names = ("pending", "in_progress", "completed", "failed")
    return {"total": len(states), **{name: states.count(name) for name in names}}


def new_id(tasks: Tasks) -> str:
    """The next free number, as Claude Code numbers its tasks."""
    return str(1 + max((int(i) for i in tasks if i.isdecimal()), default=0))

"""The tasks of a plan: files in Claude Code's own format, checked by plain code and only patched.

Source of the format: what Claude Code keeps in `~/.claude/tasks/LIST/ID.json`.
"""

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from .onboard.tasklist import ID
from .plan import Fault, Findings, read_object

Task = dict[str, Any]
Tasks = dict[str, Task]

_BACK = {"blockedBy": "blocks", "blocks": "blockedBy"}
_OURS = {"attempts", "claim", "commit", "failed", "sweeps"}


def read_tasks(root: Path, agent: str, findings: Findings) -> Tasks:
    """The tasks of the plan in `root` by id, numbers first; `agent` is the one they are for.

    Each has a description, a status, `blocks` and `blockedBy`, whatever its file left out."""
    tasks: Tasks = {}
    stems = [path.stem for path in root.glob("tasks/*.json") if path.name[0] != "."]
    if not stems:
        findings.faults.append(Fault("tasks/", "is missing, or has no task like tasks/1.json"))
    for stem in sorted(stems, key=_by_number):
        with findings.reading(_file(stem)):
            tasks[stem] = _patched(read_object(root / _file(stem)))
    ids = [task.get("id") for task in tasks.values()]
    for stem, task in tasks.items():
        faults = _shape_faults(stem, task, ids, agent)
        findings.faults += [Fault(_file(stem), message) for message in faults]
    _complete_edges(tasks)
    findings.faults += [*_edge_faults(tasks, stems), *_cycle_faults(tasks)]
    return tasks


def _file(stem: str) -> str:
    return f"tasks/{stem}.json"


def _by_number(stem: str) -> str:
    return stem.zfill(64) if stem.isdecimal() else stem


def _patched(raw: Task) -> Task:
    """`raw` as Claude Code would have written it; what is wrong in it stays as it is."""
    task = {"description": "", "status": "pending", **raw}
    if "title" in task and "subject" not in task:
        task["subject"] = task.pop("title")
    if "id" in task:
        task["id"] = _as_id(task["id"])
    for key in _BACK:
        if isinstance(task.get(key), list):
            task[key] = [_as_id(value) for value in task[key]]
    return task


def _as_id(value: Any) -> Any:
    return str(value) if type(value) is int else value


def _shape_faults(stem: str, task: Task, ids: list[Any], agent: str) -> list[str]:
    given = task.get("metadata", {})
    metadata = given if isinstance(given, dict) else {}
    task_id, ours = task.get("id", stem), ", ".join(sorted(_OURS & metadata.keys()))
    wrong = {
        "its name is no task id (letters, digits, '-', '_', '.')": not _is_id(stem),
        "has no id": "id" not in task,
        f"id {task_id!r} is not the file's name": task_id != stem,
        f"id {task_id!r} is in more than one file": ids.count(task_id) > 1,
        "has no subject, or one that is no text": not _is_filled(task.get("subject")),
        "description is not a string": not isinstance(task["description"], str),
        f"status is {task['status']!r}, not 'pending'": task["status"] != "pending",
        "blocks is not a list of task ids": not _is_strings(task.get("blocks", [])),
        "blockedBy is not a list of task ids": not _is_strings(task.get("blockedBy", [])),
        "metadata is not an object": metadata is not given,
        "metadata.files is not a list of paths": not _is_strings(metadata.get("files", [])),
        "metadata.run is not a command": not _is_filled(metadata.get("run", "true")),
        "lacks metadata.run, which the shell agent executes": (
            agent == "shell" and "run" not in metadata
        ),
        f"metadata has {ours}, which only a voyage writes": bool(ours),
    }
    return [message for message, is_so in wrong.items() if is_so]


def _is_id(text: str) -> bool:
    # Ids become parts of git refs (work/ID-CLAIM), which may not look like these.
    return bool(ID.fullmatch(text)) and ".." not in text and not text.endswith((".", ".lock"))


def _is_filled(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_strings(value: Any) -> bool:
    return isinstance(value, list) and all(_is_filled(item) for item in value)


def _complete_edges(tasks: Tasks) -> None:
    """Derive each `blocks` and `blockedBy` that was not given, or is of no use."""
    given = {key: {i: t[key] for i, t in tasks.items() if _is_strings(t.get(key))} for key in _BACK}
    for task_id, task in tasks.items():
        for key, back in _BACK.items():
            if task_id not in given[key]:
                task[key] = [o for o, ids in given[back].items() if task_id in ids and o != task_id]


def _edge_faults(tasks: Tasks, known: list[str]) -> Iterator[Fault]:
    """Faults in `blocks` and `blockedBy`; `known` has the ids of unreadable tasks as well."""
    edges = [(key, i, other) for key in _BACK for i in tasks for other in tasks[i][key]]
    for key, task_id, other in edges:
        if other == task_id:
            yield Fault(_file(task_id), f"{key} has the task itself in it")
        elif other not in known:
            kind = "blocker" if key == "blockedBy" else "task in blocks,"
            yield Fault(_file(task_id), f'unknown {kind} "{other}"')
        elif other in tasks and task_id not in tasks[other][_BACK[key]]:
            lack = f'{_BACK[key]} of {_file(other)} lacks "{task_id}"'
            yield Fault(_file(task_id), f'{key} has "{other}", but {lack}')


def _cycle_faults(tasks: Tasks) -> Iterator[Fault]:
    """One fault for each of the circles of blockers that share no task."""
    befores = {task_id: task["blockedBy"] for task_id, task in tasks.items()}
    graph = {i: [b for b in befores[i] if b in tasks and b != i] for i in tasks}
    while graph:
        try:
            return TopologicalSorter(graph).prepare()
        except CycleError as error:
            ring = error.args[1]
        yield Fault(_file(ring[0]), f"is in a circle of blockers: {' → '.join(ring)}")
        graph = {i: [b for b in graph[i] if b not in ring] for i in graph if i not in ring}

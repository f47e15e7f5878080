"""The tasks of a plan: files in Claude Code's own format, which are checked and only patched.

Source of the format: what Claude Code keeps in `~/.claude/tasks/LIST/ID.json`.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from .graph import circles
from .onboard.tasklist import ID, order
from .plan import Report, Text, read_object, validated

Task = dict[str, Any]
Tasks = dict[str, Task]

BACK = {"blockedBy": "blocks", "blocks": "blockedBy"}


class Fields:
    """What a task file may hold; each annotation is what its value must be."""

    id: str
    subject: Text
    description: str = ""
    status: str = "pending"
    blocks: list[Text] | None = None
    blockedBy: list[Text] | None = None  # noqa: N815 - Claude Code's name for it
    metadata: dict[str, Any] | None = None


class Metadata:
    """What ocaptain reads of a task's metadata."""

    files: list[Text] | None = None
    run: Text | None = None


def read_tasks(root: Path, agent: str, report: Report) -> Tasks:
    """The tasks of the plan in `root` by id, numbers first; `agent` is the one they are for.

    Each has a description, a status, `blocks` and `blockedBy`, whatever its file left out."""
    tasks: Tasks = {}
    stems = sorted((path.stem for path in root.glob("tasks/[!.]*.json")), key=order)
    with report.reading("tasks/"):
        if not stems:
            raise ValueError("is missing, or has no task like tasks/1.json")
    for stem in stems:
        with report.reading(_file(stem)):
            tasks[stem] = _checked(stem, read_object(root / _file(stem)), agent, report)
    _link(tasks, stems, report)
    for ring in circles({task_id: task["blockedBy"] for task_id, task in tasks.items()}):
        report.faults.append(f"{_file(ring[0])}: is in a circle of blockers: {' → '.join(ring)}")
    return tasks


def _file(stem: str) -> str:
    return f"tasks/{stem}.json"


def _checked(stem: str, task: Task, agent: str, report: Report) -> Task:
    """`task` as Claude Code would have written it, without what is at fault in it."""
    if "title" in task and "subject" not in task:
        task["subject"] = task.pop("title")
    sound = validated(Fields, task, _file(stem), report)
    metadata, status = sound.get("metadata", {}), sound.get("status", "pending")
    validated(Metadata, metadata, f"{_file(stem)}: metadata", report)
    # Ids become parts of git refs (work/ID-CLAIM), which may not look like these.
    usable = ID.fullmatch(stem) and ".." not in stem and not stem.endswith((".", ".lock"))
    wrong = {
        "its name is no task id (letters, digits, '-', '_', '.')": not usable,
        f"id {sound.get('id')!r} is not the file's name": sound.get("id", stem) != stem,
        f"status is {status!r}, not 'pending'": status != "pending",
        "lacks metadata.run, which the shell agent executes": (
            agent == "shell" and "run" not in metadata
        ),
    }
    report.faults += [f"{_file(stem)}: {message}" for message, is_so in wrong.items() if is_so]
    unknown = {key: value for key, value in task.items() if key not in Fields.__annotations__}
    return sound | unknown


def _link(tasks: Tasks, stems: Collection[str], report: Report) -> None:
    """Derive each `blocks` and `blockedBy` that was not given; where both were, they must agree."""
    given = {key: {i: task[key] for i, task in tasks.items() if key in task} for key in BACK}
    edges = [(key, i, other) for key in BACK for i in given[key] for other in given[key][i]]
    for key, task_id, other in edges:
        back = BACK[key]
        with report.reading(f'{_file(task_id)}: "{key}"'):
            if other not in stems:
                raise ValueError(f'there is no task "{other}"')
            if task_id not in given[back].get(other, [task_id]):
                raise ValueError(f'has "{other}", but "{back}" of {_file(other)} lacks "{task_id}"')
        if other in tasks and other not in given[back]:
            tasks[other].setdefault(back, []).append(task_id)
    for task in tasks.values():
        task.update({key: task.get(key, []) for key in BACK})

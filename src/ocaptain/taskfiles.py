"""The tasks of a plan: files in Claude Code's own format, which are checked and only patched.

Source of the format: what Claude Code keeps in `~/.claude/tasks/LIST/ID.json`.
"""

from pathlib import Path
from typing import Any

from .graph import circles
from .onboard.tasklist import ID, Task, order
from .plan import Report, Text, read_object, validated

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


def read_tasks(root: Path, agent: str, report: Report) -> list[Task]:
    """The tasks of the plan in `root` by their ids, numbers first; `agent` is who they are for.

    Each has a description, a status, `blocks` and `blockedBy`, whatever its file left out."""
    tasks: dict[str, Task] = {}
    stems = sorted((path.stem for path in root.glob("tasks/[!.]*.json")), key=order)
    if not stems:
        report.faults.append("tasks/: is missing, or has no task like tasks/1.json")
    for stem in stems:
        with report.reading(_file(stem)):
            tasks[stem] = _checked(stem, read_object(root / _file(stem)), agent, report)
    _link(tasks, stems, report)
    for ring in circles({task_id: task["blockedBy"] for task_id, task in tasks.items()}):
        report.faults.append(f"{_file(ring[0])}: is in a circle of blockers: {' → '.join(ring)}")
    return list(tasks.values())


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
    idle = agent == "shell" and "run" not in metadata
    wrong = {
        "its name is no task id (letters, digits, '-', '_', '.')": not usable,
        f"id {sound.get('id')!r} is not the file's name": sound.get("id", stem) != stem,
        f"status is {status!r}, not 'pending'": status != "pending",
        "lacks metadata.run, which the shell agent executes": idle,
    }
    report.faults += [f"{_file(stem)}: {message}" for message, is_so in wrong.items() if is_so]
    unknown = {key: value for key, value in task.items() if key not in Fields.__annotations__}
    return sound | unknown


def _link(tasks: dict[str, Task], stems: list[str], report: Report) -> None:
    """Derive each `blocks` and `blockedBy` that was not given; where both were, they must agree."""
    for key, back in BACK.items():
        derived: dict[str, list[str]] = {stem: [] for stem in stems}
        for task_id, other in [(i, other) for i in tasks for other in tasks[i].get(key, [])]:
            with report.reading(f'{_file(task_id)}: "{key}"'):
                if other not in derived:
                    raise ValueError(f'there is no task "{other}"')
                derived[other].append(task_id)
                if task_id not in tasks.get(other, {}).get(back, [task_id]):
                    lacks = f'"{back}" of {_file(other)} lacks "{task_id}"'
                    raise ValueError(f'has "{other}", but {lacks}')
        for task_id, task in tasks.items():
            task.setdefault(back, derived[task_id])

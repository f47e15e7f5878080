"""Reading a plan and checking it, before anything is made: every fault in one go.

Source of the tasks' format: what Claude Code keeps in `~/.claude/tasks/LIST/ID.json`.
"""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_type_hints

import msgspec

from .config import Config
from .graph import circles, longest_chain, max_parallel, overlaps, reach
from .onboard.tasklist import ID, Task, blockers, order
from .plan import Plan, Report, Settings, Text
from .source import locate
from .ssh import run

PARTS = {"spec": "spec.md", "verify": "verify.sh", "setup": "setup.sh"}


class Fields:
    """What a task file may hold; each annotation is what its value must be."""

    id: str
    subject: Text
    description: str = ""
    status: Literal["pending"] = "pending"
    blocks: list[Text] | None = None
    blockedBy: list[Text] | None = None  # noqa: N815 - Claude Code's name for it
    metadata: dict[str, Any] | None = None


class Metadata:
    """What ocaptain reads of a task's metadata."""

    files: list[Text] | None = None
    run: Text | None = None


async def check(path: Path, config: Config) -> Report:
    """Read and check the plan in the directory `path`; nothing is changed or created."""
    if not path.is_dir():
        return Report(faults=[f"{path}: is not a directory (`ocaptain plan init DIR` makes one)"])
    report = Report()
    found = _settings(path, report)
    for part, name in PARTS.items():
        with report.reading(name):
            if part != "setup" or (path / name).exists():
                found[part] = _text(path / name)
                await _parse(found[part] if name.endswith(".sh") else "")
    found["tasks"] = _tasks(path, found.get("agent", ""), report)
    with report.reading('voyage.json: "check"'):
        await _parse(found.get("check", ""))
    if lacking := config.lacks(found.get("agent", "shell")):
        report.faults.append(f'voyage.json: "agent": {lacking}')
    with report.reading('voyage.json: "repo"'):
        if repo := found.get("repo"):
            found["source"] = await locate(repo, found.get("branch"), config.gh_token, report.notes)
    if not report.faults:
        _look_ahead(found, config, report)
    return report


async def _parse(script: str) -> None:
    """Raise ValueError if bash cannot parse `script`."""
    result = await run(["bash", "-n"], stdin=script.encode(), env={"LC_ALL": "C"})
    if result.status:
        said = os.fsdecode(result.err).partition("\n")[0].partition(": ")[2]
        raise ValueError(f"is no valid shell: {said}")


def _look_ahead(found: dict[str, Any], config: Config, report: Report) -> None:
    """Make a plan of what was found, and report what it would do."""
    headings = re.findall(r"^#+[ \t]+(.+?)[ \t#]*$", found["spec"], re.M)
    found["objective"] = found["objective"] or [*headings, found["name"]][0]
    ships = found.get("recommended_ships")
    report.plan = plan = Plan(**found, ships=ships or config.default_ships)
    graph = {task["id"]: blockers(task) for task in plan.tasks}
    reached, report.tasks, report.recommended_ships = reach(graph), len(graph), ships
    report.longest_chain, report.max_parallel = longest_chain(graph), max_parallel(reached)
    report.overlaps = list(overlaps(reached, plan.tasks))
    same = "touch the same files and could run at once"
    report.notes += [f"tasks {one} and {two} {same}" for one, two in report.overlaps]
    if ships and ships > (most := report.max_parallel):
        report.notes.append(f"{ships} ships are recommended, but only {most} tasks can run at once")


# Files


def _text(path: Path) -> str:
    text = path.read_text("utf-8-sig") if path.is_file() else ""
    if not text.strip():
        raise ValueError("is missing or empty")
    return text


def _object(path: Path) -> dict[str, Any]:
    """The JSON object in `path`, sure to survive being written again."""
    value = msgspec.convert(json.loads(_text(path)), dict[str, Any])
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    return value


def _sound(shape: type, raw: Mapping[str, Any], where: str, report: Report) -> dict[str, Any]:
    """What `raw` gives of the fields of `shape`, with their defaults; a null is as good as none.

    What does not fit its field's annotation is left out, and is at fault."""
    given, sound = {**vars(shape), **raw}, {}
    for key, kind in get_type_hints(shape, include_extras=True).items():
        with report.reading(f'{where}: "{key}"'):
            if key not in given:
                raise ValueError("is missing")
            sound[key] = msgspec.convert(given[key], kind)
    return {key: value for key, value in sound.items() if value is not None}


def _settings(root: Path, report: Report) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    with report.reading("voyage.json"):
        raw = _object(root / "voyage.json")
        settings = _sound(Settings, raw, "voyage.json", report)
        for key in raw.keys() - get_type_hints(Settings):
            report.notes.append(f'voyage.json: "{key}" is no key of ocaptain\'s, and ignored')
    return settings


# Tasks


def _tasks(root: Path, agent: str, report: Report) -> list[Task]:
    """The tasks by their ids, numbers first; `agent` is who they are for.

    Each has a description, a status, `blocks` and `blockedBy`, whatever its file left out."""
    tasks: dict[str, Task] = {}
    stems = sorted((path.stem for path in root.glob("tasks/[!.]*.json")), key=order)
    if not stems:
        report.faults.append("tasks/: is missing, or has no task like tasks/1.json")
    for stem in stems:
        with report.reading(_file(stem)):
            tasks[stem] = _task(stem, _object(root / _file(stem)), agent, report)
    _link(tasks, stems, report)
    with report.reading("tasks/"):
        for ring in circles({task_id: task["blockedBy"] for task_id, task in tasks.items()}):
            told = " → ".join(ring)
            report.faults.append(f"{_file(ring[0])}: is in a circle of blockers: {told}")
    return list(tasks.values())


def _file(stem: str) -> str:
    return f"tasks/{stem}.json"


def _task(stem: str, task: Task, agent: str, report: Report) -> Task:
    """`task` as Claude Code would have written it, without what is at fault in it."""
    if "title" in task and "subject" not in task:
        task["subject"] = task.pop("title")
    sound = _sound(Fields, task, _file(stem), report)
    metadata = sound.get("metadata", {})
    _sound(Metadata, metadata, f"{_file(stem)}: metadata", report)
    # Ids become parts of git refs (work/ID-CLAIM), which may not look like these.
    usable = ID.fullmatch(stem) and ".." not in stem and not stem.endswith((".", ".lock"))
    idle = agent == "shell" and "run" not in metadata
    wrong = {
        "its name is no task id (letters, digits, '-', '_', '.')": not usable,
        f"id {sound.get('id')!r} is not the file's name": sound.get("id", stem) != stem,
        "lacks metadata.run, which the shell agent executes": idle,
    }
    report.faults += [f"{_file(stem)}: {message}" for message, is_so in wrong.items() if is_so]
    return sound | {key: task[key] for key in task if key not in Fields.__annotations__}


def _link(tasks: dict[str, Task], stems: list[str], report: Report) -> None:
    """Derive each `blocks` and `blockedBy` that was not given; where both were, they must agree."""
    edges = [(one, two) for two, task in tasks.items() for one in task.get("blockedBy", ())]
    edges += [(one, two) for one, task in tasks.items() for two in task.get("blocks", ())]
    ends: dict[str, dict[str, list[str]]] = {i: {"blocks": [], "blockedBy": []} for i in stems}
    for one, two in edges:
        for end, key, other in ((one, "blocks", two), (two, "blockedBy", one)):
            if end not in ends:
                report.faults.append(f'{_file(other)}: there is no task "{end}"')
            elif other not in tasks.get(end, {}).get(key, [other]):
                report.faults.append(f'{_file(end)}: "{key}" lacks "{other}", whose file has it')
            else:
                ends[end][key].append(other)
    for task_id in tasks:
        tasks[task_id] = {**ends[task_id], **tasks[task_id]}

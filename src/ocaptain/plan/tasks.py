"""The task files of a plan: each in itself, and the links between them.

Source of their format: what Claude Code keeps in `~/.claude/tasks/LIST/ID.json`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import msgspec

from ocaptain.onboard.protocol import Task
from ocaptain.onboard.tasklist import ID, order
from ocaptain.onboard.text import several

from .hints import TASK_KEYS, meant, question
from .plan import Amount, Text, Tokens
from .reading import Findings, Json, read_object, sound_fields

UNFIT_FOR_GIT = re.compile(r"\.\.|\.$|\.lock$")
"""What no git ref may have in it. Ids become parts of refs: work/ID-CLAIM."""

NO_ID = (
    "its name is no task id. Use letters, digits, '-', '_' and '.', but no '..', "
    "and neither '.' nor '.lock' at the end"
)


class Fields(msgspec.Struct):
    """What a task file may hold; each annotation is what its value must be."""

    id: str
    subject: Text
    description: str = ""
    status: Literal["pending"] = "pending"
    blocks: list[Text] | None = None
    blockedBy: list[Text] | None = None  # noqa: N815 - Claude Code's name for it
    metadata: dict[str, Any] | None = None


class Link(NamedTuple):
    """Two tasks of which one waits for the other, by their ids."""

    blocker: str
    blocked: str


class Metadata(msgspec.Struct):
    """What ocaptain reads of a task's metadata."""

    files: list[Text] | None = None
    run: Text | None = None
    budget_usd: Amount | None = None
    budget_tokens: Tokens | None = None
    agent: Text | None = None
    model: Text | None = None


LINKS = ("blocks", "blockedBy")
KNOWN = {*Fields.__struct_fields__, "activeForm", "owner"}
READ_OF_METADATA = (
    "metadata.files",
    "metadata.run",
    "metadata.agent",
    "metadata.model",
    "metadata.budget_usd",
    "metadata.budget_tokens",
    *LINKS,
)
"""What a key of metadata may be meant for; others there are the plan's own."""


def read_tasks(
    folder: Path, agent: str | None, findings: Findings, *, idle: bool = False
) -> list[Task]:
    """Read the tasks in the order of their ids; `agent` is who they are for.

    There are none in a plan that is `idle`, and some in any other. Each has a description, a
    status, `blocks` and `blockedBy`, whatever its file left out."""
    ids = sorted((path.stem for path in folder.glob("[!.]*.json")), key=order)
    if not ids and not idle:
        findings.fault("tasks/", "holds no task file, such as tasks/1.json")
    if ids and idle:
        findings.fault("tasks/", "holds tasks: leave out --idle")
    tasks: dict[str, Task] = {}
    for task_id in ids:
        # A file that cannot be read is still a task that others may wait for.
        tasks[task_id] = {}
        with findings.reading(file_of(task_id)):
            given = read_object(folder / f"{task_id}.json")
            tasks[task_id] = check_task(task_id, given, agent, findings)
    findings.notes += unknown_fields(tasks)
    links = links_between(tasks)
    for task_id, fault in link_faults(tasks, links):
        findings.fault(file_of(task_id), fault)
    for circle in circles(links):
        path = " → ".join([*circle, circle[0]])
        findings.fault(file_of(circle[0]), f"is in a circle of blockers: {path}")
    return with_links(tasks, links)


def file_of(task_id: str) -> str:
    """How faults name a task's file."""
    return f"tasks/{task_id}.json"


# A task in itself


def check_task(task_id: str, given: Json, agent: str | None, findings: Findings) -> Task:
    """Return a task as Claude Code would have written it, without what is at fault in it."""
    place = file_of(task_id)
    if "title" in given and "subject" not in given:  # as plans of the original tool have it
        given["subject"] = given.pop("title")
    fields = sound_fields(Fields, with_text_ids(given), place, findings)
    for key in LINKS:
        if key in fields:
            fields[key] = list(dict.fromkeys(fields[key]))
    metadata = fields.get("metadata", {})
    sound_fields(Metadata, metadata, f"{place}: metadata", findings)
    if not ID.fullmatch(task_id) or UNFIT_FOR_GIT.search(task_id):
        findings.fault(place, NO_ID)
    if fields.get("id", task_id) != task_id:
        findings.fault(place, f'"id" is "{fields["id"]}", but the file\'s name says "{task_id}"')
    if metadata.get("agent", agent) == "shell" and "run" not in metadata:
        findings.fault(place, 'metadata: "run" is missing, which the shell agent executes')
    unknown = {key: given[key] for key in given if key not in Fields.__struct_fields__}
    return cast(Task, {**fields, **unknown})


def with_text_ids(given: Json) -> Json:
    """Return a task's fields with text for ids that are whole numbers in its file."""
    ids: Json = {}
    if "id" in given:
        ids["id"] = _text_id(given["id"])
    for key in LINKS:
        value = given.get(key)
        if value == []:
            ids[key] = None  # which says no more than a file that leaves it out
        elif isinstance(value, list):
            ids[key] = [_text_id(task_id) for task_id in value]
    return {**given, **ids}


def _text_id(value: object) -> object:
    return str(value) if type(value) is int else value


def unknown_fields(tasks: Mapping[str, Task]) -> Iterator[str]:
    """Yield a note for each field that ocaptain does not know, with the files that have it, and
    what it may be meant for."""
    places: dict[str, list[str]] = {}
    for task_id, task in tasks.items():
        for field in _unknown_in(task):
            places.setdefault(field, []).append(file_of(task_id))
    for field, (first, *others) in places.items():
        more = f" and {several(len(others), 'other')}" if others else ""
        hint = question(meant(field.rpartition(".")[2], TASK_KEYS))
        yield f'{first}{more}: "{field}" means nothing to ocaptain{hint}'


def _unknown_in(task: Task) -> Iterator[str]:
    for key, value in task.items():
        if value is not None and key not in KNOWN:
            yield key
    for key in task.get("metadata", {}):
        # Anything may be kept there; but not what belongs elsewhere, or is mistyped.
        if key not in Metadata.__struct_fields__ and meant(key, TASK_KEYS) in READ_OF_METADATA:
            yield f"metadata.{key}"


# Links


def links_between(tasks: Mapping[str, Task]) -> list[Link]:
    """Return all links, each once, whichever of the two tasks' files says so."""
    links = []
    for task_id, task in tasks.items():
        for blocked in task.get("blocks", []):
            links.append(Link(task_id, blocked))
        for blocker in task.get("blockedBy", []):
            links.append(Link(blocker, task_id))
    return list(dict.fromkeys(links))


def with_links(tasks: Mapping[str, Task], links: Sequence[Link]) -> list[Task]:
    """Return the tasks with `blocks` and `blockedBy`, derived if they were not given."""
    blocks: dict[str, list[str]] = {}
    blocked_by: dict[str, list[str]] = {}
    for blocker, blocked in links:
        blocks.setdefault(blocker, []).append(blocked)
        blocked_by.setdefault(blocked, []).append(blocker)
    return [
        {
            **task,
            "blocks": task.get("blocks", blocks.get(task_id, [])),
            "blockedBy": task.get("blockedBy", blocked_by.get(task_id, [])),
        }
        for task_id, task in tasks.items()
    ]


def link_faults(tasks: Mapping[str, Task], links: Sequence[Link]) -> Iterator[tuple[str, str]]:
    """Yield ids of tasks, and what is wrong with their links: one end is missing, or if a plan
    gives both, they do not agree."""
    for blocker, blocked in links:
        if blocker not in tasks:
            yield blocked, f'"blockedBy" names task "{blocker}", and there is no {file_of(blocker)}'
        elif blocked not in tasks:
            yield blocker, f'"blocks" names task "{blocked}", and there is no {file_of(blocked)}'
        elif blocked not in tasks[blocker].get("blocks", [blocked]):
            yield blocker, one_sided("blocks", blocked, "blockedBy", blocker)
        elif blocker not in tasks[blocked].get("blockedBy", [blocker]):
            yield blocked, one_sided("blockedBy", blocker, "blocks", blocked)


def one_sided(key: str, other: str, other_key: str, task_id: str) -> str:
    """The fault of a link that only the file at its other end has."""
    return f'"{key}" lacks "{other}", though "{other_key}" in {file_of(other)} has "{task_id}"'


def circles(links: Sequence[Link]) -> Iterator[list[str]]:
    """Yield circles of tasks that block one another, none with a task of another.

    Each begins with the first of its tasks."""
    rest = list(links)
    while circle := circle_in(rest):
        start = circle.index(min(circle, key=order))
        yield circle[start:] + circle[:start]
        rest = [link for link in rest if not {*link} & {*circle}]


def circle_in(links: Sequence[Link]) -> list[str]:
    """Return the tasks of a circle, each followed by one that waits for it; empty if there is
    none."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for blocker, blocked in links:
        sorter.add(blocked, blocker)
    try:
        sorter.prepare()
    except CycleError as error:
        _, circle = error.args  # which begins and ends with the same task
        return list(circle[1:])
    return []

"""Task files: what is at fault in each, and in the links between them."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.plans import break_plan, checked, faults, patch, sound, task, write

NO_ID = (
    "its name is no task id. Use letters, digits, '-', '_' and '.', but no '..', "
    "and neither '.' nor '.lock' at the end"
)

# One row for each way in which it can be broken: which file, what it holds instead (fields to
# change, or the whole content), and the faults that must be reported, no more and no fewer.
BROKEN: dict[str, tuple[str, Any, list[str]]] = {
    "task that does not parse": (
        "tasks/3.json",
        '{"id": "3" 7}',
        [
            "tasks/3.json: is not JSON: Expecting ',' delimiter: line 1 column 12 (char 11)",
        ],
    ),
    "task that is a number": (
        "tasks/3.json",
        "3",
        ["tasks/3.json: has to be an object, {…}, not 3"],
    ),
    "task that is not UTF-8": (
        "tasks/3.json",
        b'{"id": "\xff"}',
        ["tasks/3.json: is not UTF-8: byte 0xff at position 8"],
    ),
    "task with half a character": (
        "tasks/3.json",
        {"description": "\ud83d"},
        ["tasks/3.json: holds half a character: '\\ud83d'"],
    ),
    "task with a number that is none": (
        "tasks/3.json",
        {"metadata": {"run": "true", "weight": float("nan")}},
        ["tasks/3.json: Out of range float values are not JSON compliant"],
    ),
    "task without an id": ("tasks/3.json", {"id": ...}, ['tasks/3.json: "id" is missing']),
    "task with another id than its file": (
        "tasks/3.json",
        {"id": "4"},
        ['tasks/3.json: "id" is "4", but the file\'s name says "3"'],
    ),
    "id used twice": (
        "tasks/3.json",
        {"id": "2"},
        [
            'tasks/3.json: "id" is "2", but the file\'s name says "3"',
        ],
    ),
    "id that is a list": (
        "tasks/3.json",
        {"id": ["3"]},
        ['tasks/3.json: "id": has to be text, not ["3"]'],
    ),
    "id that git would refuse": (
        "tasks/a..b.json",
        task("a..b"),
        [f"tasks/a..b.json: {NO_ID}"],
    ),
    "id that git takes for a lock": (
        "tasks/a.lock.json",
        task("a.lock"),
        [
            f"tasks/a.lock.json: {NO_ID}",
        ],
    ),
    "no subject": (
        "tasks/3.json",
        {"subject": ...},
        ['tasks/3.json: "subject" is missing'],
    ),
    "subject that is no text": (
        "tasks/3.json",
        {"subject": 7},
        ['tasks/3.json: "subject": has to be some text, not 7'],
    ),
    "fields of the wrong type": (
        "tasks/3.json",
        {"description": ["x"], "blocks": "10", "blockedBy": [1.5], "metadata": "x"},
        [
            'tasks/3.json: "description": has to be text, not ["x"]',
            'tasks/3.json: "blocks": has to be a list of texts, not "10"',
            'tasks/3.json: "blockedBy": has to be a list of texts, not [1.5]',
            'tasks/3.json: "metadata": has to be an object, {…}, not "x"',
            'tasks/3.json: metadata: "run" is missing, which the shell agent executes',
        ],
    ),
    "metadata of the wrong type": (
        "tasks/3.json",
        {"metadata": {"files": "a.py", "run": 7, "budget_usd": 0}},
        [
            'tasks/3.json: metadata: "files": has to be a list of texts, not "a.py"',
            'tasks/3.json: metadata: "run": has to be some text, not 7',
            (
                'tasks/3.json: metadata: "budget_usd": '
                "has to be a number over 0 and up to 1,000,000, not 0"
            ),
        ],
    ),
    "nothing to run": (
        "tasks/3.json",
        {"metadata": {}},
        ['tasks/3.json: metadata: "run" is missing, which the shell agent executes'],
    ),
    "task that is done": (
        "tasks/3.json",
        {"status": "completed"},
        ['tasks/3.json: "status": has to be "pending", not "completed"'],
    ),
    "unknown blocker": (
        "tasks/3.json",
        {"blockedBy": ["1", "9"]},
        ['tasks/3.json: "blockedBy" names task "9", and there is no tasks/9.json'],
    ),
    "unknown task in blocks": (
        "tasks/3.json",
        {"blocks": ["10", "9"]},
        ['tasks/3.json: "blocks" names task "9", and there is no tasks/9.json'],
    ),
    "task that blocks itself": (
        "tasks/3.json",
        {"blockedBy": ["1", "3"]},
        ["tasks/3.json: is in a circle of blockers: 3 → 3"],
    ),
    "circle": (
        "tasks/1.json",
        {"blockedBy": ["10"]},
        ["tasks/1.json: is in a circle of blockers: 1 → 2 → 10 → 1"],
    ),
    "blocks without blockedBy": (
        "tasks/2.json",
        {"blocks": ["10", "3"]},
        ['tasks/3.json: "blockedBy" lacks "2", though "blocks" in tasks/2.json has "3"'],
    ),
    "blockedBy without blocks": (
        "tasks/1.json",
        {"blocks": ["2"]},
        ['tasks/1.json: "blocks" lacks "3", though "blockedBy" in tasks/3.json has "1"'],
    ),
}


@pytest.mark.parametrize(("name", "change", "expected"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_task(plan: Path, name: str, change: Any, expected: list[str]):
    """Each way of breaking a task is reported with its file, and with nothing else."""
    break_plan(plan, name, change)
    report = checked(plan)
    assert report.faults == expected
    assert report.plan is None


def test_task_nested_without_end(plan: Path):
    """JSON nested beyond what Python can read is a fault of its file."""
    write(plan, "tasks/3.json", "[" * 100_000)
    assert [fault.partition(":")[0] for fault in faults(plan)] == ["tasks/3.json"]


@pytest.mark.parametrize("directory", [True, False])
def test_no_tasks(plan: Path, directory: bool):
    """A plan without tasks, or without the directory for them, is at fault."""
    for path in (plan / "tasks").iterdir():
        path.unlink()
    if not directory:
        (plan / "tasks").rmdir()
    assert faults(plan) == ["tasks/: holds no task file, such as tasks/1.json"]


def test_tasks_are_patched_not_rebuilt(plan: Path):
    """Plans of the original tool are read, and unknown fields are kept."""
    old = {
        "id": "3",
        "title": "Old",
        "assignee": None,
        "blockedBy": ["1"],
        "metadata": {"run": "x"},
    }
    write(plan, "tasks/3.json", old)
    voyage = sound(plan)
    assert voyage.tasks[2] == {
        "id": "3",
        "subject": "Old",
        "description": "",
        "status": "pending",
        "assignee": None,
        "blockedBy": ["1"],
        "blocks": ["10"],
        "metadata": {"run": "x"},
    }


@pytest.mark.parametrize("side", ["blocks", "blockedBy"])
def test_edges_from_one_side(plan: Path, side: str):
    """Where a plan gives only one of `blocks` and `blockedBy`, the other is derived from it."""
    given = {
        "blocks": {"1": ["2", "3"], "2": ["10"], "3": ["10"], "10": []},
        "blockedBy": {"1": [], "2": ["1"], "3": ["1"], "10": ["2", "3"]},
    }
    for task_id in given[side]:
        write(plan, f"tasks/{task_id}.json", task(task_id, **{side: given[side][task_id]}))
    voyage = sound(plan)
    assert {task["id"]: task["blocks"] for task in voyage.tasks} == given["blocks"]
    assert {task["id"]: task["blockedBy"] for task in voyage.tasks} == given["blockedBy"]


def test_an_empty_list_says_nothing(plan: Path):
    """It is as good as none, on either side, also beside a list on the other."""
    for task_id, blockers in {"1": [], "2": ["1"], "3": ["1"], "10": ["2", "3"]}.items():
        write(plan, f"tasks/{task_id}.json", task(task_id, blockedBy=blockers, blocks=[]))
    voyage = sound(plan)
    assert [task["blocks"] for task in voyage.tasks] == [["2", "3"], ["10"], ["10"], []]
    assert [task["blockedBy"] for task in voyage.tasks] == [[], ["1"], ["1"], ["2", "3"]]


def test_null_says_nothing(plan: Path):
    """It is as good as a field that is not there, unless that has to be."""
    nothing = dict.fromkeys(["description", "status", "blocks", "activeForm", "dependencies"])
    write(plan, "tasks/3.json", task("3", **nothing, blockedBy=["1"]))
    patch(plan, "voyage.json", recommended_ships=1, max_attempts=None, objective=None)
    report = checked(plan)
    assert (report.faults, report.notes) == ([], [])
    assert report.plan
    assert report.plan.max_attempts == 3
    assert report.plan.tasks[2]["description"] == ""
    write(plan, "tasks/3.json", task("3", subject=None))
    assert faults(plan) == ['tasks/3.json: "subject" is missing']


def test_ids_may_be_numbers(plan: Path):
    """They are written as text, as Claude Code does; twice the same is once."""
    write(plan, "tasks/3.json", task("3", id=3, blockedBy=[1, "1"], blocks=[10, 10]))
    voyage = sound(plan)
    third = voyage.tasks[2]
    assert (third["id"], third["blockedBy"], third["blocks"]) == ("3", ["1"], ["10"])


def test_unknown_fields_are_noted(plan: Path):
    """Once for each, with its files, and with what it may be meant for."""
    patch(plan, "voyage.json", recommended_ships=1)
    odd = {"depends_on": ["1"], "descripton": "x", "colour": "red", "activeForm": "Doing"}
    write(plan, "tasks/2.json", task("2", **odd))
    write(plan, "tasks/3.json", task("3", depends_on=["1"]))
    metadata = {"run": "true", "file": ["x"], "dependencies": ["1"], "estimate": 3}
    write(plan, "tasks/10.json", task("10", metadata=metadata))
    report = checked(plan)
    assert report.faults == []
    assert report.notes == [
        'tasks/2.json and 1 other: "depends_on" means nothing to ocaptain; is "blockedBy" meant?',
        'tasks/2.json: "descripton" means nothing to ocaptain; is "description" meant?',
        'tasks/2.json: "colour" means nothing to ocaptain',
        'tasks/10.json: "metadata.file" means nothing to ocaptain; is "metadata.files" meant?',
        'tasks/10.json: "metadata.dependencies" means nothing to ocaptain; is "blockedBy" meant?',
    ]

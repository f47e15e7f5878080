"""What a coding agent is told."""

import os

import pytest

from ocaptain.onboard.protocol import Task
from ocaptain.onboard.ship import prompt
from ocaptain.onboard.ship.stock import Finding
from tests.support.ship import a_grant, a_voyage

TASK: Task = {"id": "7", "subject": "Paint the hull", "description": "Twice.", "metadata": {}}


def titles(message: str) -> list[str]:
    """The headings of a message."""
    return [line for line in message.splitlines() if line.startswith("# ")]


def test_the_first_message_has_all_that_the_task_needs():
    """Objective, spec, task, what it builds on, earlier attempts, the check, and the rules."""
    voyage = a_voyage(objective="A new ship", spec="It floats.\n", check="make test")
    grant = a_grant({**TASK, "metadata": {"files": ["hull.c", "paint.c"]}})
    grant["landed"] = [
        {"id": "3", "subject": "Build it", "metadata": {"commit": "c0ffee" * 7}},
        {"id": "4", "subject": "Buy paint", "metadata": {"note": "there is some"}},
    ]
    grant["wrecks"] = [
        {"ref": "work/7-2", "commit": "", "number": 2, "ship": "ship-1", "why": "it rained"}
    ]
    message = prompt.first(voyage, grant)
    assert titles(message) == [
        "# The objective of the voyage",
        "# The spec",
        "# Your task: 7. Paint the hull",
        "# Files that it is expected to touch",
        "# Tasks that it builds on, on the branch already",
        "# Earlier attempts at it that did not land",
        "# The plan's check, run before every landing",
        "# How this works",
    ]
    assert "hull.c, paint.c" in message
    assert "- 3. Build it: commit c0ffeec0ffee\n- 4. Buy paint: there is some" in message
    assert "git fetch origin work/7-2" in message
    assert "given up because: it rained" in message


def test_what_there_is_nothing_of_is_not_mentioned():
    """A first attempt at the first task is told of no other."""
    message = prompt.first(a_voyage(objective="A new ship"), a_grant(TASK))
    assert titles(message) == [
        "# The objective of the voyage",
        "# Your task: 7. Paint the hull",
        "# How this works",
    ]


def test_an_agent_is_warned_of_what_github_refuses():
    """If the voyage goes there: one file that is too large keeps all of it from being pushed."""
    grant = a_grant(TASK)
    on_github = prompt.first(a_voyage(origin="https://github.com/owner/name.git"), grant)
    assert "a file of more than 100 MB" in on_github
    assert "GitHub" not in prompt.first(a_voyage(origin=None), grant)


def test_a_commit_names_voyage_ship_and_task():
    """Its first line is the task's, on one line and not too long."""
    voyage = a_voyage(voyage="voyage-1f")
    message = prompt.commit_message(voyage, "ship-2", {"id": "7", "subject": "Paint\n" + "x" * 90})
    assert message.splitlines()[0] == "Paint " + "x" * 66
    assert message.splitlines()[2:] == ["Voyage: voyage-1f", "Ship: ship-2", "Task: 7"]
    assert prompt.commit_message(voyage, "ship-2", {"id": "7"}).startswith("Task 7\n")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("NO CHANGE: it is there", "it is there"),
        ("I looked.\n\n**NO CHANGE:** it is there.\n", "it is there."),
        ("> `NO CHANGE: it is there`", "it is there"),
        ("NO CHANGE: once\nNO CHANGE: twice", "twice"),
        ("You said that I should answer NO CHANGE: only if none is needed", None),
        ("NO CHANGE:", None),
        ("NO CHANGE: \nthe next line", None),
        ("NO CHANGE: **", None),
        ("", None),
    ],
)
def test_what_is_stated(said: str, reason: str | None):
    """A word of the agent's counts in a line of its own, with a reason."""
    assert prompt.stated(prompt.NO_CHANGE, said) == reason


def test_what_was_found_is_told_in_one_message():
    """Each kind has its words, with the names in lines of their own."""
    found = [
        Finding("operation", ("a b",), "merge"),
        Finding("refused", (os.fsdecode(b"\xff"),), "error: no"),
    ]
    text = prompt.unfit("voyage-1", found)
    assert text.startswith(
        "git is still in the middle of a merge that you began. In conflict:\n\na b"
    )
    assert "git cannot add these:\n\n\ufffd\n\nIt says:\n\nerror: no\n" in text
    assert prompt.left(found[:1]) == "it has left git in the middle of something: a b"

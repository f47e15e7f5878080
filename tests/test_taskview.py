"""Tasks, as lines of text."""

import time

import pytest

from ocaptain import taskview
from ocaptain.fleet.tasks import TaskShown
from ocaptain.onboard.protocol import TaskRow, Used
from tests.support.documented import example
from tests.support.rendered import lines


def used(tokens: int) -> Used:
    """So many tokens of each kind."""
    return {
        "input_tokens": tokens,
        "output_tokens": tokens,
        "cache_read_tokens": tokens,
        "cache_write_tokens": tokens,
        "api_s": 0.0,
    }


@pytest.fixture
def rows() -> list[TaskRow]:
    """A completed task, and one that waits."""
    rows: list[TaskRow] = example("tasks")
    return rows


@pytest.fixture
def shown() -> TaskShown:
    """A task that has landed at the second attempt, an hour ago."""
    shown: TaskShown = example("tasks show")
    shown["since"] = time.time() - 3_600
    return shown


def test_the_list(rows: list[TaskRow]):
    """One a line; what was set aside comes with its reason, and with what brings it back."""
    rows[1]["subject"] = "Write the page"
    rows[1]["status"] = "failed"
    rows[1]["reason"] = "status 3"
    assert lines(taskview.tasks(rows, rows), 120) == [
        "id  status     time   owner   blocked by  commit   subject",
        "1   completed  1m38s  ship-0              8c1f0b6  Say how to build it",
        "3   failed                    2                    Write the page (status 3)",
        "→ ocaptain retry 3",
        "2 tasks: 1 completed, 1 failed",
    ]


def test_reasons_wrap(rows: list[TaskRow]):
    """No part of them is cut off, however narrow the terminal is."""
    rows[0]["reason"] = "nothing had to change, for all of it was there already"
    shown = lines(taskview.tasks(rows, rows))
    words = " ".join(line[shown[0].index("subject") :] for line in shown)
    assert "(nothing had to change, for all of it was there already)" in words
    assert max(map(len, shown)) <= 80


def test_how_many_there_are_of_each_kind(rows: list[TaskRow]):
    """What can be claimed is told from what waits, and how long the longest has run."""
    done, blocked = rows
    ready: TaskRow = {**blocked, "blocked_by": []}
    busy: TaskRow = {**ready, "status": "in_progress", "since": time.time() - 98}
    longer: TaskRow = {**busy, "since": time.time() - 245}
    assert taskview.summary([done, blocked, ready, ready, busy, longer]) == (
        "6 tasks: 1 completed, 2 running (the longest for 4m05s), 2 ready, 1 blocked"
    )
    assert taskview.summary([done]) == "1 task: 1 completed"
    assert taskview.summary([]) == "no tasks"


def test_one_task(shown: TaskShown):
    """All that became of it, on 80 columns."""
    assert lines(taskview.task(shown, utc=True)) == [
        "2  Say what is where  completed  in 1m38s, 1h00m ago",
        "owner      ship-0",
        "agent      claude",
        "waits for  1 Say how to build it (completed)",
        "then       3 Join the pages (pending)",
        "files      docs/layout.md",
        "cost       $0.42",
        "",
        "Name each folder, and say in a line what is in it.",
        "",
        "attempts",
        "1  released  ship-1, claude at 2026-11-22 18:21Z for 12s  $0.02",
        "   why: ship-1: no space left on device",
        "3  landed  ship-0, claude at 2026-11-22 18:22Z for 1m38s  $0.40  8c1f0b6",
        "   said: docs/layout.md names each folder.",
        "   transcript: 48 kB (--claim 3)",
        "   review: codex approves 5d0a7e3  9.5k tokens  Each folder is named, and there",
        "   is nothing else.",
        "→ ocaptain transcript 2",
        "",
        "landed  1 file, +24 -0 lines",
        "  8c1f0b6  Say what is where",
        "  docs/layout.md  +24  -0",
        "",
        "log",
        "2026-11-22 18:24:18Z ship-0   [2] landed 8c1f0b6a4de2",
        "→ ocaptain logs --task 2",
    ]


def test_a_command_is_shown_as_it_was_written(shown: TaskShown):
    """Line by line, for joined it would not be the same command."""
    shown["run"] = "cat >hello <<'END'\nhello\nEND\n"
    text = lines(taskview.task(shown))
    first = text.index("run        cat >hello <<'END'")
    assert [line.strip() for line in text[first + 1 : first + 3]] == ["hello", "END"]


def test_hints_name_the_voyage_that_had_to_be_named(shown: TaskShown):
    """Typed as they stand, they mean the same voyage."""
    shown["status"] = "failed"
    assert lines(taskview.task(shown, "upgrade"))[-2:] == [
        "→ ocaptain logs upgrade --task 2",
        "→ ocaptain retry upgrade 2",
    ]


def test_a_task_that_nobody_has_begun(shown: TaskShown):
    """What there is nothing to say of has no line."""
    shown.update({"status": "pending", "since": None, "took_s": None, "owner": None})
    shown.update({"claims": [], "landed": None, "log": [], "dependants": [], "blockers": []})
    shown.update({"files": [], "description": "", "cost_usd": 0, "commit": None})
    shown["usage"] = used(0)
    assert lines(taskview.task(shown)) == [
        "2  Say what is where  ready",
        "agent  claude",
        "cost   $0.00",
    ]


def test_tokens_stand_for_dollars_that_an_agent_does_not_tell(shown: TaskShown):
    """Of the task as of each attempt at it; what an agent has told in dollars stays so."""
    first, second = shown["claims"]
    shown["cost_usd"] = second["cost_usd"] = 0.0
    shown["usage"] = used(300_000)
    second["usage"] = [{"model": "gpt", "cost_usd": None, **used(300)}]
    text = "\n".join(lines(taskview.task(shown, utc=True)))
    assert "cost       1.2M tokens" in text
    assert "for 1m38s  1.2k tokens  8c1f0b6" in text
    assert f"for 12s  ${first['cost_usd']:.2f}" in text


def test_nothing_in_a_task_steers_the_terminal(shown: TaskShown):
    """Agents and plans may write what they like; markup is text, too."""
    hostile = "\x1b[2J[red]gone[/red]\u202e"
    shown["subject"] = shown["description"] = hostile
    shown["claims"][0]["last_words"] = shown["claims"][0]["reason"] = hostile
    shown["log"][0]["text"] = hostile
    text = "\n".join(lines(taskview.task(shown)))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert text.count("[red]gone[/red]") == 5

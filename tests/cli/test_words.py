"""Saying what is to be done instead of naming a plan."""

from pathlib import Path

import pytest

from tests.support.shell import Shell


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "What is to be done? Name a PLAN, or say it: --task TEXT."),
        (["--check", "true"], "What is to be done?"),
        (["plan", "--task", "x"], "--task is for a voyage without PLAN"),
        (["plan", "--file", "-"], "--file is for a voyage without PLAN"),
        (["plan", "--model", "m"], "--model is for a voyage without PLAN"),
        (["--idle", "--task", "x"], "--idle sails without a task"),
        (["--idle", "--wait"], "--idle has no end that --wait could wait for"),
        (["--task", "x", "--budget", "0"], "0 is not in the range"),
        (["--file", "nowhere"], "'nowhere' does not exist"),
    ],
)
def test_what_cannot_be_meant_is_refused(shell: Shell, words: list[str], complaint: str):
    """With a usage error, before anything is written."""
    done = shell.type("sail", *words)
    assert (done.status, done.out) == (2, "")
    assert complaint in done.err
    assert not (shell.home / ".local").exists()


def test_the_plan_that_was_written_is_checked_as_any(shell: Shell, plan: Path):
    """It says where that is; if it is at fault nothing is made, and the plan goes again."""
    (shell.home / "long.md").write_text("# Mend the login\n\nAll of it.\n")
    typed = ["--task", "Tidy up", "--file", str(shell.home / "long.md"), "--file", "-"]
    done = shell.type("sail", *typed, "--repo", str(plan.parent), stdin="Write docs\n")
    folder = shell.home / ".local/share/ocaptain/plans/tidy-up"
    assert done.status == 1
    assert f"The plan is in {folder}\n" in done.err
    assert 'ocaptain: voyage.json: "agent": ' in done.err
    assert f"The plan in {folder} is removed again.\n" in done.err
    assert not folder.exists()
    assert not shell.vms.exists()


def test_a_file_that_is_no_text(shell: Shell, plan: Path):
    """It is named."""
    (shell.home / "picture").write_bytes(b"\xff\xfe")
    done = shell.type("sail", "--file", str(shell.home / "picture"), "--repo", str(plan.parent))
    assert (done.status, done.err) == (1, f"ocaptain: {shell.home}/picture is not UTF-8.\n")

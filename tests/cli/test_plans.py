"""Checking plans, and making one to start from."""

import json
import re
from pathlib import Path

import pytest

from tests.support.shell import Shell, write


def test_check_says_what_a_sound_plan_would_do(shell: Shell, plan: Path):
    """Tasks, how many at once, the longest chain and the ships; nothing is made."""
    done = shell.type("check", str(plan))
    assert (done.status, done.err) == (0, "")
    facts = dict(re.findall(r"^(\S.*?)  +(.+)$", done.out, re.M))
    assert "small: Do little" in facts["plan"]
    assert facts["tasks"].startswith("2, at most 1 ")
    assert facts["longest chain"].startswith("2: 1 → 2")
    assert facts["ships"].startswith("3")
    assert not shell.vms.exists()


def test_check_shows_every_fault_at_once(shell: Shell, broken: Path):
    """One a line on stderr, each with its file; exit status 1, and stdout has only notes."""
    done = shell.type("check", str(broken))
    assert done.status == 1
    assert all(line.startswith("note: ") for line in done.out.splitlines())
    faults = done.err.removeprefix("ocaptain: ").splitlines()
    assert sorted(fault.partition(":")[0] for fault in faults) == [
        "tasks/2.json",
        "verify.sh",
        "voyage.json",
    ]
    assert "line 1 column" in done.err
    assert (
        'there is no agent "hal"; there are acp, claude, claude-acp, codex, gemini, opencode, shell'
        in done.err
    )


def test_check_json_is_json_also_where_there_are_faults(
    shell: Shell, plan: Path, request: pytest.FixtureRequest
):
    """A program reads the faults from stdout; the exit status is the same."""
    done = shell.type("check", str(plan), "--json")
    assert (done.status, done.err, json.loads(done.out)["faults"]) == (0, "", [])
    request.getfixturevalue("broken")
    done = shell.type("check", str(plan), "--json")
    assert (done.status, done.err, len(json.loads(done.out)["faults"])) == (1, "", 3)


def test_sail_creates_nothing_for_a_broken_plan(shell: Shell, broken: Path):
    """It checks first, and tells the same faults."""
    done = shell.type("sail", str(broken))
    assert (done.status, done.out) == (1, "")
    assert done.err == shell.type("check", str(broken)).err
    assert not shell.vms.exists()
    assert not list((shell.root / "run").rglob("*"))


def test_a_plan_that_is_not_there(shell: Shell):
    """It is named, and so is what makes one."""
    for verb in ("check", "sail"):
        done = shell.type(verb, "nowhere")
        assert done.status == 1
        assert done.err == (
            "ocaptain: nowhere: is not a directory (`ocaptain plan init DIR` makes one)\n"
        )


def test_plan_init_makes_a_plan_that_passes_check_and_never_writes_over_one(
    shell: Shell, plan: Path
):
    """The second time it changes nothing, with exit status 1."""
    done = shell.type("plan", "init", "mine")
    assert (done.status, done.err) == (0, "")
    assert done.out.endswith("read mine/PLAN.md, then: ocaptain check mine\n")
    voyage = shell.home / "mine" / "voyage.json"
    write(voyage, {**json.loads(voyage.read_text()), "repo": str(plan.parent)})
    shell.program("claude", "#!/bin/sh\n")
    assert shell.type("check", "mine", CLAUDE_CODE_OAUTH_TOKEN="sk-ant-oat01-0").status == 0
    before = voyage.read_text()
    done = shell.type("plan", "init", "mine")
    assert (done.status, done.out) == (1, "")
    assert done.err == "ocaptain: mine exists and is not an empty directory.\nName a new one.\n"
    assert voyage.read_text() == before


def test_plan_skill_installs_it_for_claude_code(shell: Shell):
    """It lies where Claude Code looks, and one learns what to type there."""
    done = shell.type("plan", "skill")
    skill = shell.home / ".claude" / "skills" / "voyage-plan" / "SKILL.md"
    assert done.out.splitlines()[0] == f"wrote {skill}"
    assert "/voyage-plan" in done.out
    assert "name: voyage-plan" in skill.read_text()

"""A plan that is written from what was typed."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from ocaptain.config import Config, load
from ocaptain.errors import Failure
from ocaptain.plan.check import check
from ocaptain.plan.plan import Plan, Report
from ocaptain.plan.words import Words, Written, subject_of, write_plan
from tests.support.plans import TOKEN, git

LONG = "# Mend the login\n\nIt takes any password.\nIt should take the right one.\n"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Settings of somebody with a token."""
    return load({"HOME": str(tmp_path), "CLAUDE_CODE_OAUTH_TOKEN": TOKEN})


@pytest.fixture
def written(config: Config, repo: Path) -> Any:
    """Write a plan for the repository."""

    def write(*tasks: str, ships: int | None = None, **more: Any) -> Written:
        words = Words(tasks=tasks, **{"repo": str(repo), **more})
        return asyncio.run(write_plan(words, ships, config))

    return write


def report(plan: Written, config: Config, *, idle: bool = False) -> Report:
    return asyncio.run(check(plan.folder, config, idle=idle))


def sound(plan: Written, config: Config, *, idle: bool = False) -> Plan:
    checked = report(plan, config, idle=idle)
    assert checked.plan, checked.faults
    return checked.plan


def test_each_text_is_a_task(written, config: Config, repo: Path):
    """Its first line is the subject; all of it is what the agent is told, if there is more."""
    plan = sound(written("Tidy up", LONG, "Write docs", "Bump"), config)
    assert [task["subject"] for task in plan.tasks] == [
        "Tidy up",
        "Mend the login",
        "Write docs",
        "Bump",
    ]
    assert plan.tasks[0]["description"] == ""
    assert plan.tasks[1]["description"] == LONG.strip()
    assert (plan.name, plan.objective) == ("tidy-up", "Tidy up, and 3 other tasks")
    assert (plan.agent, plan.ships, plan.source.path) == ("claude", 3, repo)
    assert plan.objective in plan.artifacts["spec.md"]


def test_as_many_ships_as_have_something_to_do(written, config: Config):
    """Unless the captain says how many."""
    assert sound(written("One"), config).ships == 1
    plan = written("One", ships=5)
    assert sound(plan, config).ships == 5
    assert report(plan, config).notes[-1].startswith("5 ships are recommended, but only 1 ")


def test_the_shell_runs_what_is_typed(written, config: Config):
    """For that agent a task is a command."""
    [task] = sound(written("make fmt\n", agent="shell"), config).tasks
    assert (task["subject"], task["metadata"]) == ("make fmt", {"run": "make fmt"})


def test_the_usual_check_is_taken_and_told(written, config: Config, repo: Path):
    """It is also what verifies the whole; what is named goes before it."""
    (repo / "Makefile").write_text("test:\n\ttrue\n")
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "Test")
    plan = written("One")
    assert "ships run `make test` (Makefile)" in plan.news[0]
    assert sound(plan, config).check == "make test"
    assert sound(plan, config).artifacts["verify.sh"].endswith("\nmake test\n")
    named = written("One", check="true", verify="make all", model="opus", budget_usd=2.5)
    settings = sound(named, config)
    assert named.news == [f"The plan is in {named.folder}"]
    assert (settings.check, settings.model, settings.budget_usd) == ("true", "opus", 2.5)
    assert settings.artifacts["verify.sh"].endswith("\nmake all\n")


def test_without_a_check_that_is_said(written, config: Config):
    """In the verification too, which then always passes; of code elsewhere nobody can know."""
    plan = written("One")
    assert plan.news[0].startswith("Nothing is run before a landing: no check was found in ")
    assert sound(plan, config).check is None
    assert "nothing to verify" in sound(plan, config).artifacts["verify.sh"]
    elsewhere = written("One", repo="owner/name")
    assert "the repository is not here to look" in elsewhere.news[0]
    assert json.loads((elsewhere.folder / "voyage.json").read_text())["repo"] == "owner/name"


def test_a_plan_without_a_task_is_for_idle_ships(written, config: Config):
    """It is sound for `--idle` alone, and one with tasks is not."""
    plan = written()
    assert report(plan, config).faults[0].startswith("tasks/: holds no task file")
    idle = sound(plan, config, idle=True)
    assert (idle.name, idle.objective) == ("code", "Tasks as they come, for code")
    assert (idle.tasks, idle.ships) == ([], 3)
    faults = report(written("One"), config, idle=True).faults
    assert faults == ["tasks/: holds tasks: leave out --idle"]


def test_plans_have_a_folder_each(written, config: Config):
    """Named after the first task, in any script; the next of that name gets a number."""
    names = [
        written(text).folder.name for text in ("Größe ändern!", "Größe ändern", "?!", "x" * 99)
    ]
    assert names == ["größe-ändern", "größe-ändern-2", "voyage", "x" * 40]
    assert written("Add a parser for dates, and one for whole calendars").folder.name == (
        "add-a-parser-for-dates-and-one-for"
    )


def test_the_checkout_is_that_which_one_is_in(written, config: Config, repo: Path):
    """Somewhere below it is as good, and the plan names it wherever it is sailed from."""
    (repo / "deep").mkdir()
    plan = written("One", repo=str(repo / "deep"))
    assert json.loads((plan.folder / "voyage.json").read_text())["repo"] == str(repo)
    bare = repo.parent / "bare.git"
    git(repo, "clone", "-q", "--bare", ".", str(bare))
    assert sound(written("One", repo=str(bare)), config).source.path


def test_outside_of_a_repository_nothing_is_written(written, config: Config, tmp_path: Path):
    """It says where that is, and how to name one; nor is a task that says nothing."""
    with pytest.raises(Failure, match=r"is in no git repository\.\ncd into yours, or name it"):
        written("One", repo=str(tmp_path))
    with pytest.raises(Failure, match="A task says nothing"):
        written("One", " \n##\n")
    assert not (config.data_dir / "plans").exists()


def test_a_subject_fits_a_line():
    """It is cut between words, and has no marks of a heading."""
    assert subject_of("\n\n## Mend\tit ##\nmore") == "Mend it"
    assert subject_of("word " * 40) == "word " * 14 + "…"
    assert subject_of("x" * 100) == "x" * 72 + " …"

"""Background jobs: by whom they are done, and what becomes of each step."""

import fcntl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ocaptain.onboard.process import kill_marked, marked
from ocaptain.onboard.protocol import Meta
from ocaptain.onboard.storage import background
from ocaptain.onboard.storage.job import Step
from tests.support.machine import until
from tests.support.rules import rule
from tests.support.storage import Sail, Storage, task

# Who does them


@rule("R108")
def test_whoever_was_killed_is_replaced_by_the_next_call(sail: Sail, mark: str):
    """After a reboot of storage, for one."""
    storage = sail(task("1"), notify="true", lease_seconds=4)
    for _ in range(2):
        storage.ask_process("captain", "status")
        assert until(lambda: len(marked(mark)) == 1)
        for pid in marked(mark):
            subprocess.run(["kill", "-9", str(pid)], check=True)
        assert until(lambda: not marked(mark))


@rule("R108")
def test_without_notify_nothing_lingers(sail: Sail, mark: str):
    """No call leaves a process behind."""
    storage = sail(task("1"))
    storage.ask_process("ship-0", "claim", run_id="r")
    storage.ask_process("captain", "status")
    assert marked(mark) == set()


def test_a_job_that_somebody_is_at_is_left_alone(sail: Sail):
    """Whoever comes later goes away at once."""
    storage = sail(task("1"), notify="false")
    with (storage.folder / "notify.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = storage.journal_file.read_bytes()
        background.main(storage.home, "notify")
    assert storage.journal_file.read_bytes() == before


def spoil_outlines(storage: Storage) -> Path:
    """Have a state.json in which the list of tasks cannot be read. Returns its path."""
    storage.write_state(storage.sections())
    path = storage.folder / "state.json"
    whole = path.read_bytes()
    begins = whole.index(b'{"1":{')
    path.write_bytes(whole[:begins] + b"x" + whole[begins + 1 :])
    return path


@rule("R7")
def test_a_job_that_finds_state_json_spoilt_does_without_it(sail: Sail, mark: str):
    """Whoever asked gets the answer, and the next look is at the journal."""
    storage = sail(task("1"), notify="true")
    path = spoil_outlines(storage)
    assert storage.ask_process("ship-0", "beat", claim=7)["code"] == "claim"
    assert not path.exists()
    assert until(lambda: len(marked(mark)) == 1)
    kill_marked(mark)
    path = spoil_outlines(storage)
    background.main(storage.home, "notify")
    assert not path.exists()


# What becomes of a step


def did(storage: Storage, action: Callable[[], Meta | None], *, is_last: bool) -> tuple[bool, Any]:
    """Whether a step of the mirror went well, and what it has set in `meta`."""
    step = Step(action, "no luck", {"repairs": 1})
    before = len(storage.lines())
    with (journal := storage.journal()).locked():
        pass
    went_well = background.do_step(journal, "mirror", step, is_last=is_last)
    return went_well, [line["set"]["meta"] for line in storage.lines()[before:]]


def fail() -> Meta:
    """Fail as a git host does."""
    raise OSError("it is\ndown")


@pytest.mark.parametrize("is_last", [False, True])
def test_a_step_that_goes_well_is_over(sail: Sail, is_last: bool):
    """Its outcome and what it returned are noted; what stands there already is not noted again."""
    storage = sail(task("1"))
    both = {"repairs": 1, "mirrored": "x"}
    assert did(storage, lambda: {"mirrored": "x"}, is_last=is_last) == (True, [both])
    assert did(storage, lambda: None, is_last=is_last) == (True, [])


def test_a_step_that_fails_is_not_over_before_it_is_given_up(sail: Sail):
    """Its fault is noted, on one line, until another step goes well."""
    storage = sail(task("1"))
    fault = {"mirror_fault": "no luck: it is down"}
    assert did(storage, fail, is_last=False) == (False, [fault])
    assert did(storage, fail, is_last=False) == (False, [])
    assert did(storage, fail, is_last=True) == (False, [{"repairs": 1}])
    assert did(storage, lambda: None, is_last=False) == (True, [{"mirror_fault": None}])

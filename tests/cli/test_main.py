"""Ends that nobody wants: bugs, interrupts, readers that are gone."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.shell import Shell, write


def test_a_bug_is_reported_as_one(shell: Shell, plan: Path):
    """Exit status 3, two lines and a file for the report, without what is secret."""
    bug = (
        "import ocaptain.plan.check\n"
        "ocaptain.plan.check.read_tasks = lambda *_, **__: {}['hush-hush-hush']\n"
    )
    write(shell.root / "bug" / "sitecustomize.py", bug)
    broken = {"PYTHONPATH": str(shell.root / "bug"), "GH_TOKEN": "hush-hush-hush"}
    done = shell.type("check", str(plan), **broken)
    assert (done.status, done.out) == (3, "")
    assert "This is a bug in ocaptain, not something that you did" in done.err
    assert len(done.err.splitlines()) == 2
    [report] = (shell.home / ".local" / "state" / "ocaptain").iterdir()
    assert str(report) in done.err
    assert "KeyError" in report.read_text()
    assert "Traceback" in report.read_text()
    assert "hush" not in done.err + report.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_ends_with_130(shell: Shell, plan: Path, number: signal.Signals):
    """Ctrl-C, a kill and a closed terminal alike: no traceback, and nothing goes on."""
    shell.program("git", "#!/bin/sh\necho $$ >~/git-runs\nexec sleep 600\n")
    child = shell.start("check", str(plan), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    seen = shell.home / "git-runs"
    wait_for(lambda: seen.exists() and seen.read_text().endswith("\n"))
    child.send_signal(number)
    out, err = child.communicate(timeout=10)
    assert (child.returncode, out, err.strip()) == (130, b"", b"")
    wait_for(lambda: not Path("/proc", seen.read_text().strip()).exists())


INTERRUPTED = """\
import os, signal, sys

class Finder:
    def find_spec(name, *_):
        if name == "{module}":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder)
"""


@pytest.mark.parametrize("module", ["click", "asyncio", "ocaptain.plan.check"])
def test_an_interrupt_that_comes_early_shows_nothing(shell: Shell, plan: Path, module: str):
    """Also while the program is being loaded: then Python would show where it was."""
    write(shell.root / "early" / "sitecustomize.py", INTERRUPTED.format(module=module))
    done = shell.type("check", str(plan), PYTHONPATH=str(shell.root / "early"))
    assert done.status in (130, -signal.SIGINT)
    assert (done.out, done.err) == ("", "")


def test_ctrl_c_at_a_question_is_no_answer(shell: Shell):
    """It ends with 130, and nothing is destroyed."""
    ship = shell.vm("voyage-111111111111-ship0")
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with shell.start("sink", **pipes) as child:
        assert child.stdout
        assert b"unseen" in child.stdout.readline()
        assert b"To be destroyed" in child.stdout.readline()
        time.sleep(0.3)
        child.send_signal(signal.SIGINT)
        assert child.wait(10) == 130
        assert child.stderr
        assert b"Traceback" not in child.stderr.read()
    assert ship.exists()


@pytest.mark.parametrize("words", [["--help"], ["check", "PLAN"], ["check", "PLAN", "--json"]])
def test_a_reader_that_is_gone_is_no_bug(shell: Shell, plan: Path, words: list[str]):
    """`ocaptain … | head -1` ends without a word, and is no success."""
    words = [str(plan) if word == "PLAN" else word for word in words]
    reader, writer = os.pipe()
    os.close(reader)
    child = shell.start(*words, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    _, err = child.communicate(timeout=30)
    assert err == b""
    assert child.returncode in (1, 141)


def wait_for(condition: Any, seconds: float = 10) -> None:
    """Wait for something; it has to come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.02)

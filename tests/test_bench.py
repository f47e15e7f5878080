"""Every measurement of script/bench runs: a figure that cannot be had is found out here."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.__main__ import MEASUREMENTS
from bench.effort import Effort
from bench.table import Row, Target, markdown, text

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_measurement(tools: None, name: str):
    """As little as there is to measure gives rows that can be shown."""
    rows = list(MEASUREMENTS[name](Effort.SMOKE))
    assert rows
    assert all(sample > 0 for row in rows for sample in row.samples)
    assert text(rows)


def test_command_line():
    """The table is printed, with the machine that it was measured on."""
    done = run("--smoke", "help")
    assert (done.returncode, done.stderr) == (0, "bench: help …\n")
    assert "cores" in done.stdout
    assert "ocaptain --help" in done.stdout


def test_an_unknown_name():
    """A measurement that there is not is refused with the names of all."""
    done = run("--smoke", "nothing")
    assert done.returncode == 2
    assert f"no nothing; there is: {', '.join(MEASUREMENTS)}" in done.stderr


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m bench WORDS`."""
    argv = [sys.executable, "-m", "bench", *words]
    return subprocess.run(argv, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True)


def test_a_missed_target_is_marked():
    """A median beyond its target is MISSED, and one that meets it is met."""
    slow = Row("slow", [2.0, 3.0, 9.0], "s", Target(1.0))
    fast = Row("fast", [0.5], "s", Target(1.0))
    assert [slow.missed, fast.missed] == [True, False]
    assert slow.cells() == ("slow", "≤ 1 s", "3 s (2-9, of 3)", "", "MISSED")
    assert markdown(["what"], [["fast"]]) == "| what |\n| --- |\n| fast |"

"""What the integration tests show of a command that does not end."""

import subprocess
import sys

import pytest

from tests.support.captain import Captain
from tests.support.commands import await_end

HANGS = """
import time
def hang_here():
    print("so far", flush=True)
    time.sleep(60)
hang_here()
"""


def test_a_command_that_hangs_shows_where(captain: Captain, capsys):
    """The stacks of a Python command that does not end in time are shown, with what it wrote."""
    with pytest.raises(subprocess.TimeoutExpired):
        captain.sh([sys.executable, "-c", HANGS], timeout=1)
    shown = capsys.readouterr().err
    assert "so far" in shown
    assert "in hang_here" in shown


def test_a_command_that_was_only_started_shows_where(captain: Captain, capsys):
    """So are those of one that a test waits for later."""
    child = subprocess.Popen(
        [sys.executable, "-c", HANGS],
        env=captain.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with pytest.raises(subprocess.TimeoutExpired):
        await_end(child, 1)
    assert "in hang_here" in capsys.readouterr().err


def test_a_command_that_does_not_abort_is_killed(captain: Captain, capsys):
    """A command that ignores the request to abort is killed, and what it wrote is shown."""
    with pytest.raises(subprocess.TimeoutExpired):
        captain.sh(["sh", "-c", "trap '' ABRT; echo so far; exec sleep 60"], timeout=1)
    assert "so far" in capsys.readouterr().err

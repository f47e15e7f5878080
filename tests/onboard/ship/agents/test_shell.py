"""The agent that runs a command."""

from ocaptain.onboard.ship.agents import AGENTS
from tests.support.ship import JOB

shell = AGENTS["shell"]


def test_shell_runs_the_tasks_command_and_gets_no_secret():
    """`metadata.run` is what bash runs, with nothing of the captain's."""
    assert shell.command(JOB) == ["bash", "-c", "make it"]
    assert shell.environment(JOB) == {}
    assert shell.missing({}) is None
    assert shell.message("hello", "mark") is None


def test_shell_output_is_logged_line_by_line():
    """Every line with something on it is a text, whatever its bytes."""
    printed = [b"one\n", b"\n", b"\xff two  \r\n"]
    texts = [event.text for line in printed for event in shell.events(line)]
    assert texts == ["one", "\ufffd two"]

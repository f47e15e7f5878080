"""What is said while somebody waits."""

import asyncio
import io
import sys

import pytest

from ocaptain.errors import progress
from ocaptain.patience import told_if_slow


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


async def wait(*, after_s: float, say: str = "") -> None:
    """Wait for two rounds of the loop, or until something is said."""
    async with told_if_slow("asking exedev …", after_s):
        await asyncio.sleep(0.01)
        if say:
            progress(say)


def test_what_takes_long_is_told_on_a_terminal_until_it_ends(monkeypatch: pytest.MonkeyPatch):
    """What else is said meanwhile begins a line of its own; what is quick is not told."""
    said = Terminal()
    monkeypatch.setattr(sys, "stderr", said)
    asyncio.run(wait(after_s=60))
    assert said.getvalue() == ""
    asyncio.run(wait(after_s=0))
    assert said.getvalue() == "asking exedev …\r\x1b[2K"
    asyncio.run(wait(after_s=0, say="hosts: one is left out"))
    assert said.getvalue().endswith("…\r\x1b[2Khosts: one is left out\n")
    monkeypatch.setenv("TERM", "dumb")
    asyncio.run(wait(after_s=0))
    assert said.getvalue().endswith("\nasking exedev …\n")


def test_a_file_gets_no_word_of_waiting(capsys: pytest.CaptureFixture[str]):
    """Whoever reads it later waits for nothing."""
    asyncio.run(wait(after_s=0))
    assert capsys.readouterr().err == ""

"""Signals that come while a verb runs."""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from ocaptain.cli.interrupts import cancelling

ALL = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def nothing_is_changed() -> Iterator[None]:
    """Each test leaves signals as pytest has them; tests may run under nohup, which ignores one."""
    before = [signal.getsignal(number) for number in ALL]
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL
    signal.signal(signal.SIGHUP, before[-1])
    assert [signal.getsignal(number) for number in ALL] == before


def undone(first: signal.Signals, second: signal.Signals) -> bool:
    """Whether a verb that is interrupted finishes what it has to undo, if a second signal comes."""
    ends = []

    async def verb() -> None:
        try:
            signal.raise_signal(first)
            await asyncio.sleep(60)
        finally:
            signal.raise_signal(second)
            await asyncio.sleep(0.01)
            ends.append("undone")

    with pytest.raises(KeyboardInterrupt), cancelling():
        asyncio.run(verb())
    return ends == ["undone"]


def test_a_second_ctrl_c_ends_at_once():
    """Whoever types it will not wait for what has to be undone, whatever came first."""
    assert not any(undone(first, signal.SIGINT) for first in ALL)


def test_a_second_kill_does_not():
    """Nor does the second SIGHUP of a terminal that is closed, or one kind after the other."""
    polite = (signal.SIGTERM, signal.SIGHUP)
    assert all(undone(first, second) for first in polite for second in polite)


def test_what_is_to_be_ignored_stays_so():
    """Under nohup a closed terminal ends nothing."""

    async def verb() -> str:
        signal.raise_signal(signal.SIGHUP)
        await asyncio.sleep(0.01)
        return "done"

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with cancelling():
        assert asyncio.run(verb()) == "done"
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def closed() -> Iterator[int]:
    """A terminal that was closed."""
    outside, inside = os.openpty()
    os.close(outside)
    yield inside
    os.close(inside)


async def tidy(output: int) -> None:
    """Write what gives a screen back."""
    os.write(output, b"\x1b[?25h")


def test_a_terminal_that_was_closed_is_an_interrupt(closed: int):
    """Whoever shows something tidies the screen in the end, which fails then; that is no bug."""
    with pytest.raises(KeyboardInterrupt), cancelling(outputs=[closed]):
        asyncio.run(tidy(closed))


def test_a_disk_that_fails_is_none(closed: int):
    """The same error of the system's is told as it is, if the outputs are a file and a terminal
    that is there still."""
    pair = os.openpty()
    null = os.open(os.devnull, os.O_WRONLY)
    with pytest.raises(OSError, match="Input/output"), cancelling(outputs=[null, *pair]):
        asyncio.run(tidy(closed))
    for descriptor in (null, *pair):
        os.close(descriptor)

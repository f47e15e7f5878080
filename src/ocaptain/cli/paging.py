"""Prints what may be longer than the screen: by way of a pager then, as git does.

$PAGER names it, and `cat` or nothing in it means none; without it, it is less."""

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from queue import Full, Queue
from threading import Thread
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import RenderableType

NO_PAGER = ("", "cat")
LESS = "-FRX"
"""What less is told if LESS is not set, as by git: colours, and no screen of its own."""
AHEAD = 1_000
"""How many lines may be read before the pager takes them."""
LOOK_S = 0.1


def show(content: "RenderableType") -> None:
    """Print something that rich renders."""
    from ocaptain import terminal

    with paged() as say:
        for row in terminal.rendered(content):
            say(row)


@contextmanager
def paged() -> Iterator[Callable[[str], None]]:
    """Have lines printed that come one by one.

    What it yields raises BrokenPipeError once somebody has left the pager. Until then it does not
    end, and Ctrl-C is the pager's."""
    if not is_wanted():
        yield click.echo
        return
    pages = Pages(shutil.get_terminal_size().lines)
    try:
        yield pages.add
    finally:
        pages.close()


def is_wanted() -> bool:
    """Whether there is a person at a terminal, who wants a pager."""
    at_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    wants_one = os.environ.get("PAGER", "less") not in NO_PAGER
    return at_terminal and wants_one and os.environ.get("TERM") != "dumb"


class Pages:
    """Lines that are held until there are too many for a screen; a pager gets them then."""

    def __init__(
        self, height: int, page: Callable[[Iterable[str]], None] = click.echo_via_pager
    ) -> None:
        """`page` shows lines, each with its end, until somebody leaves it."""
        self._height = height
        self._page = page
        self._held: list[str] = []
        self._lines: Queue[str | None] = Queue(AHEAD)
        self._pager: Thread | None = None

    def add(self, line: str) -> None:
        """Take in a line. Raises BrokenPipeError if the pager has ended."""
        if self._pager:
            self._give(line)
            return
        self._held.append(line)
        if len(self._held) >= self._height:
            self._start()

    def close(self) -> None:
        """Print what is held; or wait until somebody leaves the pager."""
        if not self._pager:
            for line in self._held:
                click.echo(line)
            return
        with suppress(BrokenPipeError):
            self._give(None)
        self._pager.join()
        signal.signal(signal.SIGINT, self._at_ctrl_c)

    def _start(self) -> None:
        os.environ.setdefault("LESS", LESS)
        self._at_ctrl_c = signal.signal(signal.SIGINT, lambda *_: None)
        self._pager = Thread(target=self._page, args=[self._all_lines()], daemon=True)
        self._pager.start()

    def _all_lines(self) -> Iterator[str]:
        for line in self._held:
            yield f"{line}\n"
        while (new := self._lines.get()) is not None:
            yield f"{new}\n"

    def _give(self, line: str | None) -> None:
        while self._pager and self._pager.is_alive():
            try:
                self._lines.put(line, timeout=LOOK_S)
            except Full:
                continue
            return
        raise BrokenPipeError

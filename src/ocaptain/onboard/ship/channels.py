"""Ways to storage that stay open between questions: to start harbor is most of a question's work.

A channel is an SSH command that runs harbor. It takes a question, and the next one once that is
answered. harbor waits a while for another one, and ends then; so a channel is used again only if
it was used a moment ago.
"""

import json
import os
import select
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from subprocess import PIPE, STDOUT

from .. import process
from ..protocol import Json

ANSWER_S = 90.0
"""Seconds that a question may take, waits at storage included."""
REUSE_S = 5.0
"""For how long after an answer a channel takes another question: harbor waits longer (LINGER_S)."""
READ_BYTES = 65_536
WORDS_LIMIT = 300
"""Characters that are told of what came in an answer's place."""


class Unreachable(OSError):
    """Storage did not answer."""


class Channel:
    """A command that runs, and answers questions: for each line a line of JSON."""

    def __init__(self, command: Sequence[str]) -> None:
        """Run the command. Raises OSError if there is no such program."""
        self.command = command
        self.answered_at = 0.0
        """When it gave its last answer, in seconds of time.monotonic."""
        self._child = process.start(command, stdin=PIPE, stdout=PIPE, stderr=STDOUT)
        self._unread = b""

    def exchange(self, line: str) -> Json:
        """Send a line, and return the answer. Raises Unreachable.

        stdin stays open: its end tells harbor that we died."""
        ends = time.monotonic() + ANSWER_S
        printed = b""
        with suppress(OSError):  # what it has printed says why
            process.feed(self._child, line.encode() + b"\n")
        while output := self._next_line(ends):
            answer = _parsed(output)
            if answer is not None:
                self.answered_at = time.monotonic()
                return answer
            printed = output
        raise Unreachable(printed.decode(errors="replace").strip()[:WORDS_LIMIT] or "no answer")

    def _next_line(self, ends: float) -> bytes:
        """Return the next line; at the end of them or of the time, what there is of it."""
        pipe = self._child.stdout
        while pipe and b"\n" not in self._unread:
            is_ready, _, _ = select.select([pipe], [], [], max(0.0, ends - time.monotonic()))
            data = os.read(pipe.fileno(), READ_BYTES) if is_ready else b""
            if not data:
                break
            self._unread += data
        line, newline, self._unread = self._unread.partition(b"\n")
        return line + newline

    def is_fresh(self) -> bool:
        """Whether it takes another question."""
        return time.monotonic() - self.answered_at < REUSE_S

    def close(self) -> None:
        """End it."""
        self._child.kill()
        # Leaving the block closes the pipes, of which one may be broken, and waits.
        with suppress(OSError), self._child:
            pass


class Channels:
    """As many channels as are needed at once: several threads of a ship ask at the same time."""

    def __init__(self) -> None:
        self._idle: list[Channel] = []
        self._lock = threading.Lock()

    def exchange(self, command: Sequence[str], line: str) -> Json:
        """Send a line to a command that runs, or else is started, and return its answer.

        Raises Unreachable."""
        channel = self._take(command)
        if channel:
            with suppress(Unreachable):  # it may have ended meanwhile
                return self._ask(channel, line)
        return self._ask(opened(command), line)

    def close(self) -> None:
        """End all that wait for a question."""
        with self._lock:
            idle, self._idle = self._idle, []
        for channel in idle:
            channel.close()

    def _take(self, command: Sequence[str]) -> Channel | None:
        """Return a channel that takes a question, if there is one. End those that do no more."""
        with self._lock:
            fresh = [each for each in self._idle if each.is_fresh()]
            stale = [each for each in self._idle if each not in fresh]
            taken = next((each for each in fresh if each.command == command), None)
            self._idle = [each for each in fresh if each is not taken]
        for channel in stale:
            channel.close()
        return taken

    def _ask(self, channel: Channel, line: str) -> Json:
        try:
            answer = channel.exchange(line)
        except BaseException:
            channel.close()
            raise
        with self._lock:
            self._idle.append(channel)
        return answer


def exchange(command: Sequence[str], line: str) -> Json:
    """Run the command, send it a line, and return the answer that it prints.

    This is for who has one question only. Raises Unreachable."""
    channel = opened(command)
    try:
        return channel.exchange(line)
    finally:
        channel.close()


def opened(command: Sequence[str]) -> Channel:
    """Return a new channel. Raises Unreachable if the command cannot be run."""
    try:
        return Channel(command)
    except OSError as error:
        raise Unreachable(str(error)) from None


def _parsed(output: bytes) -> Json | None:
    """Return the answer in a line. A banner, or another server's JSON, has no `ok` and is none."""
    with suppress(ValueError, RecursionError):
        answer = json.loads(output)
        if isinstance(answer, dict) and "ok" in answer:
            return answer
    return None

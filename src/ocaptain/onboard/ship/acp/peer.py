"""The agent's end of the protocol: its process, and JSON-RPC 2.0 over its stdin and stdout."""

import json
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from queue import SimpleQueue
from subprocess import PIPE, TimeoutExpired
from typing import IO, Any, NamedTuple

from ... import process
from ...protocol import Json

LINE_LIMIT = 16_000_000
"""Bytes of a line that are read at once; what is longer is no message."""
DRAIN_S = 1.0
"""Seconds to go on reading what it said, once it has ended; others may have its pipes open."""
UNKNOWN_METHOD = -32601


class Entry(NamedTuple):
    """Something that came in: from helm, from the agent, or what it complains of."""

    source: str
    """`helm`, `agent` or `complaint`."""
    body: Any
    """A message or, of a complaint, a line; None if no more will come from there."""
    peer: "Peer | None" = None
    """The process of the agent that it came from."""


Inbox = SimpleQueue[Entry]


class Peer:
    """An agent's process. What it says goes into an inbox."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str | None], inbox: Inbox) -> None:
        """Start it. Raises OSError if there is no such program."""
        self._child = process.start(argv, env, stdin=PIPE, stdout=PIPE, stderr=PIPE)
        self._inbox = inbox
        self._last_id = 0
        self._readers = [
            self._listen(self._read_messages, self._child.stdout),
            self._listen(self._read_complaints, self._child.stderr),
        ]

    def request(self, method: str, params: Json) -> int:
        """Ask for something. Returns the number that its answer will have."""
        self._last_id += 1
        self._send({"id": self._last_id, "method": method, "params": params})
        return self._last_id

    def notify(self, method: str, params: Json) -> None:
        """Let it know something that has no answer."""
        self._send({"method": method, "params": params})

    def answer(self, number: Any, result: Json) -> None:
        """Answer what the agent has asked."""
        self._send({"id": number, "result": result})

    def refuse(self, number: Any, method: str) -> None:
        """Say that we do not do what the agent has asked."""
        error = {"code": UNKNOWN_METHOD, "message": f"Method not found: {method}"}
        self._send({"id": number, "error": error})

    def end(self, wait_s: float) -> int:
        """Close its stdin; kill it if it goes on after that. Returns its exit status.

        What it started in its session ends with it."""
        with suppress(OSError):
            if self._child.stdin:
                self._child.stdin.close()
        with suppress(TimeoutExpired):
            self._child.wait(wait_s)
        with suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        status = self._child.wait()
        for reader in self._readers:
            reader.join(DRAIN_S)
        return status

    def _send(self, message: Json) -> None:
        line = json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n"
        with suppress(OSError):  # it is dead, then, and its stdout says so
            process.feed(self._child, line)

    def _listen(self, read: Any, stream: "IO[bytes] | None") -> threading.Thread:
        thread = threading.Thread(target=read, args=[stream], daemon=True)
        thread.start()
        return thread

    def _read_messages(self, stdout: IO[bytes]) -> None:
        with stdout:
            while line := stdout.readline(LINE_LIMIT):
                message = decoded(line)
                if isinstance(message, dict):
                    self._inbox.put(Entry("agent", message, self))
                else:
                    self._complain(line)
        self._inbox.put(Entry("agent", None, self))

    def _read_complaints(self, stderr: IO[bytes]) -> None:
        with stderr:
            while line := stderr.readline(LINE_LIMIT):
                self._complain(line)

    def _complain(self, line: bytes) -> None:
        text = line.decode(errors="replace").strip()
        if text:
            self._inbox.put(Entry("complaint", text, self))


def read_helm(stdin: IO[bytes], inbox: Inbox) -> None:
    """Put what helm says into the inbox, until it closes our stdin."""
    while line := stdin.readline():
        message = decoded(line)
        if isinstance(message, dict):
            inbox.put(Entry("helm", message))
    inbox.put(Entry("helm", None))


def decoded(line: bytes) -> Any:
    """Return what a line of JSON says; None if it is none."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None

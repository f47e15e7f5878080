"""The bridge in this process, with agents that are small programs or the real ones."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue, SimpleQueue
from typing import Any

from ocaptain.onboard.ship.acp.bridge import Bridge
from ocaptain.onboard.ship.acp.orders import Orders, Patience
from ocaptain.onboard.ship.acp.peer import Entry, Inbox

PEER = """
import json, sys, time

def send(**message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)

def get():
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    return json.loads(line)

def expect(method):
    message = get()
    assert message.get("method") == method, message
    return message

def reply(to, **result):
    send(id=to["id"], result=result)

def fail(to, code, message, data=None):
    send(id=to["id"], error={"code": code, "message": message, "data": data})

def update(kind, **more):
    params = {"sessionId": "s", "update": {"sessionUpdate": kind, **more}}
    send(method="session/update", params=params)

def say(text, message="m"):
    update("agent_message_chunk", messageId=message, content={"type": "text", "text": text})

def initialize(steers=False, **can):
    reply(
        expect("initialize"),
        protocolVersion=1,
        agentCapabilities=can,
        _meta={"steering": {"supported": steers}},
    )

def opened(steers=False, **can):
    initialize(steers, **can)
    reply(expect("session/new"), sessionId="s")

def ask(method, **params):
    send(id="ask", method=method, params=params)
    return get()

def done(prompt, **more):
    reply(prompt, stopReason="end_turn", **more)

"""

QUICK = Patience(answer_s=1.0, cancel_s=0.3, close_s=0.2, exit_s=0.2)
"""What takes seconds takes tenths."""
ENOUGH = Patience(answer_s=20.0, cancel_s=5.0, close_s=5.0, exit_s=5.0)
WAIT_S = 20.0


class Bridged:
    """A bridge at work: what it is told, and what it says."""

    def __init__(self, orders: Orders, private: Path, patience: Patience) -> None:
        self._inbox: Inbox = SimpleQueue()
        self._events: Queue[dict[str, Any]] = Queue()
        self.status: int | None = None
        bridge = Bridge(orders, self._inbox, self._events.put, private, patience)
        self._thread = threading.Thread(target=self._run, args=[bridge], daemon=True)
        self._thread.start()

    def _run(self, bridge: Bridge) -> None:
        self.status = bridge.run()

    def say(self, text: str, mark: str = "first") -> None:
        """Tell it something, as helm does."""
        self._inbox.put(Entry("helm", {"say": text, "mark": mark}))

    def until(self, kind: str, wait_s: float = WAIT_S) -> list[dict[str, Any]]:
        """Its events up to the next of a kind; signs of life are left out."""
        events: list[dict[str, Any]] = []
        while not events or events[-1]["kind"] != kind:
            try:
                event = self._events.get(timeout=wait_s)
            except Empty:
                raise AssertionError(f"no {kind} after {events}") from None
            if event["kind"] != "alive":
                events.append(event)
        return events

    def turn(self, text: str = "go", mark: str = "first") -> list[dict[str, Any]]:
        """Tell it something, and return what it says until the turn is over."""
        self.say(text, mark)
        return self.until("end")

    def exited(self, wait_s: float = WAIT_S) -> int | None:
        """The status with which it ends by itself."""
        self._thread.join(wait_s)
        return self.status

    def close(self) -> int | None:
        """Close its stdin. Returns its exit status."""
        self._inbox.put(Entry("helm", None))
        return self.exited()


@contextmanager
def bridged(
    program: str, tmp_path: Path, patience: Patience = ENOUGH, **orders: Any
) -> Iterator[Bridged]:
    """A bridge to an agent that is a small program, which has the functions above."""
    argv = [sys.executable, "-c", PEER + program]
    bridge = Bridged(Orders(command=argv, **orders), tmp_path, patience)
    yield bridge
    bridge.close()

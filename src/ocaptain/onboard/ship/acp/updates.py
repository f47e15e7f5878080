"""An agent's session/update notifications as lines for the log."""

import time
from collections.abc import Iterator
from typing import Any

from ...protocol import Json

GIST = ("command", "cmd", "file_path", "filePath", "path", "pattern", "url", "query")
"""Arguments that say best what a tool call does."""
LIFE_PERIOD_S = 5.0
"""Seconds between signs of life while the agent thinks or writes."""
AT_WORK = (
    "agent_message_chunk",
    "agent_thought_chunk",
    "tool_call",
    "tool_call_update",
    "plan",
)
"""Updates that only an agent sends that has heard what it was told."""


class Updates:
    """Gathers what an agent says piece by piece."""

    def __init__(self) -> None:
        self._message_id: Any = None
        self._words = ""
        self._tools: dict[str, Json] = {}
        self._told: set[str] = set()
        self._lived_at = 0.0

    def take(self, update: Json) -> Iterator[Json]:
        """Take in an update. Yields our events."""
        match update:
            case {"sessionUpdate": "agent_message_chunk", "content": {"text": str(text)}}:
                yield from self._say(update.get("messageId"), text)
            case {"sessionUpdate": "tool_call" | "tool_call_update", "toolCallId": str(name)}:
                yield from self.flush()
                yield from self._do(name, update)
        yield from self._live()

    def flush(self) -> Iterator[Json]:
        """Yield what was said and is not told yet."""
        words = self._words.strip()
        self._words = ""
        if words:
            yield {"kind": "text", "words": words}

    def end_turn(self) -> Iterator[Json]:
        """Yield what is left of a turn."""
        yield from self.flush()
        for name in list(self._tools):
            yield from self._tell(name)
        self._tools.clear()
        self._told.clear()

    def _say(self, message_id: Any, text: str) -> Iterator[Json]:
        if message_id != self._message_id:
            yield from self.flush()
            self._message_id = message_id
        self._words += text

    def _do(self, name: str, update: Json) -> Iterator[Json]:
        given = {key: value for key, value in update.items() if value}
        call = self._tools.setdefault(name, {})
        call.update(given)
        is_over = call.get("status") in ("completed", "failed")
        if _argument(call) or is_over:  # some agents give the place first, and the input later
            yield from self._tell(name)
        if is_over:
            del self._tools[name]
            self._told.discard(name)
            if call["status"] == "failed":
                yield {"kind": "tool", "text": f"failed: {_line(call)}"}

    def _tell(self, name: str) -> Iterator[Json]:
        if name not in self._told:
            self._told.add(name)
            yield {"kind": "tool", "text": _line(self._tools[name])}

    def _live(self) -> Iterator[Json]:
        """Show now and then that something goes on."""
        now = time.monotonic()
        if now - self._lived_at > LIFE_PERIOD_S:
            self._lived_at = now
            yield {"kind": "alive"}


def _line(call: Json) -> str:
    """Return what a tool call does, in a line."""
    title = str(call.get("title") or call.get("kind") or "tool")
    gist = _gist(call)
    return title if gist in title else f"{title}: {gist}"


def _gist(call: Json) -> str:
    """Return what says best what a tool call does: its input, else where it is at work."""
    argument = _argument(call)
    match call:
        case {"locations": [{"path": str(path)}, *_]} if not argument:
            return path
    return argument


def _argument(call: Json) -> str:
    """Return the part of its input that says best what a tool call does."""
    match call:
        case {"rawInput": dict(given)}:
            for name in GIST:
                value = given.get(name)
                if value and isinstance(value, str | list):
                    return value if isinstance(value, str) else " ".join(map(str, value))
    return ""

"""What a command did, and what a check may raise."""

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any


class Differs(Exception):
    """Something was seen that is not as expected."""


class Unknown(Exception):
    """It could not be seen."""


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    status: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        """All that it wrote."""
        return (self.out + b"\n" + self.err).decode(errors="replace")

    @property
    def summary(self) -> str:
        """Its exit status and the last line that it wrote, safe for a terminal."""
        last_line = self.text.strip().rpartition("\n")[2]
        shown = "".join(char if char.isprintable() else " " for char in last_line)
        return f"exit status {self.status}: {shown[-200:] or 'nothing'}"

    @property
    def documents(self) -> list[dict[str, Any]]:
        """The JSON objects that it wrote, to either stream."""
        return json_objects(self.out) + json_objects(self.err)

    @property
    def errors(self) -> list[dict[str, Any]]:
        """Those objects with which the lobby refuses."""
        return [document for document in self.documents if document.keys() == {"error"}]

    @property
    def is_refused(self) -> bool:
        """Whether the lobby did not do it."""
        return self.status != 0 or bool(self.errors)

    @property
    def answer(self) -> dict[str, Any]:
        """The lobby's one answer. Raises Differs if it refused, or gave none."""
        if self.is_refused or not self.documents:
            raise Differs(self.summary)
        return self.documents[0]


def json_objects(text: bytes) -> list[dict[str, Any]]:
    """Return the JSON objects in a text: it is one, or has one a line."""
    for parts in ([text], text.splitlines()):
        with suppress(ValueError):
            values = [json.loads(part) for part in parts]
            return [value for value in values if isinstance(value, dict)]
    return []

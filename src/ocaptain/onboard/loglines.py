"""What kinds of line there are in a ship's log, so that they can be told apart at a glance."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    Kind = Literal["trouble", "success", "step", "tool", "speech"]

TASK = re.compile(r"\[[\w-]+\] ")
TROUBLE = re.compile(
    r"gives up|the claim is lost|is in conflict|cannot land|storage (refuses|cannot|is out)"
    r"|git cannot|sshfs |(check|verify\.sh) exited [^0]|what is done so far could not"
)
SUCCESS = re.compile(r"landed [0-9a-f]{12}$|completed without a change|verify\.sh exited 0$")
STEP = re.compile(
    r"claims it: |verifies |check exited 0$|runs it again|goes on with |ship-\d+ is under way"
)
TOOL = re.compile(r"(mcp__\w+|Task|Bash|Read|Write|Edit|Glob|Grep|Web[A-Z]\w+|[A-Z]\w+[A-Z]\w+): ")
"""Claude Code's tools have such names; what else an agent says begins in other ways."""


def kind_of(text: str) -> Kind:
    """Return what kind of line this is, without its time and ship: by how helm writes them.

    An agent may say what looks like helm's own; nothing but a colour depends on it."""
    start = TASK.match(text)
    place = start.end() if start else 0
    if TROUBLE.match(text, place):
        return "trouble"
    if SUCCESS.match(text, place):
        return "success"
    if STEP.match(text, place):
        return "step"
    if TOOL.match(text, place):
        return "tool"
    return "speech"

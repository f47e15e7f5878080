"""What an agent's program has written down of its work, as the captain is shown it.

The lines are those of Claude Code 2.1.330's session files, as seen. What is of another kind than is
known here is left out, and what a ship has sent may be anything."""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from rich.console import Group
from rich.padding import Padding
from rich.text import Text

from .errors import Failure
from .onboard.protocol import TRANSCRIPT_LIMIT
from .onboard.ship.agents.claude import gist
from .onboard.text import clean
from .times import clock

if TYPE_CHECKING:
    from .fleet.transcripts import Transcript

Kind = Literal["told", "thinks", "says", "does", "result", "fault", "note"]

LINE_LIMIT = 2_000_000
"""Bytes of a line that are read at once: twice what ships send."""
UNPACKED_LIMIT = 4 * TRANSCRIPT_LIMIT
"""Bytes that one may have. Lines are short, so that a ship's own limit is below this."""
SHOWN_LINES: Mapping[Kind, int] = {"told": 60, "thinks": 20, "does": 20, "result": 12, "fault": 40}
"""How many lines are shown of what may be long; all of what is not here."""
SHOWN_COLUMNS = 2_000
STYLES: Mapping[Kind, str] = {
    "told": "bold magenta",
    "thinks": "dim",
    "says": "bold green",
    "does": "bold cyan",
    "fault": "bold red",
    "note": "yellow",
}
FAINT = ("thinks", "result")
NOTHING = "There is nothing in it that can be shown: --raw has it as it is."


class Block(NamedTuple):
    """Something that was said or done."""

    kind: Kind
    text: str
    head: str = ""
    """What stands beside the kind."""
    time: str = ""
    """RFC 3339; empty if nobody says when."""


# From bytes to blocks


def lines(packed: bytes, limit: int = UNPACKED_LIMIT) -> Iterator[bytes]:
    """Yield the lines of a transcript, each with its end.

    Raises Failure if it is damaged, or has more bytes than `limit`."""
    unpacked = 0
    try:
        with gzip.open(BytesIO(packed)) as file:
            while line := file.readline(LINE_LIMIT):
                unpacked += len(line)
                if unpacked > limit:
                    raise Failure("The transcript is larger than any that a ship may send.")
                yield line
    except (OSError, EOFError, zlib.error) as fault:
        raise Failure(f"The transcript is damaged: {fault}") from None


def blocks(of_lines: Iterable[bytes]) -> Iterator[Block]:
    """Yield what the lines of a transcript say."""
    for line in of_lines:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict):
            time = record.get("timestamp")
            for block in _blocks(record):
                yield block._replace(time=time if isinstance(time, str) else "")


def _blocks(record: dict[str, Any]) -> Iterator[Block]:
    match record:
        case {"type": "ocaptain", "cut_bytes": int(count)}:
            yield Block("note", f"{count / 1e6:.1f} MB that stood here are not kept")
        case {"type": "user", "message": {"content": str(text)}}:
            yield Block("told", text)
        case {"type": "user", "message": {"content": [*parts]}}:
            for part in parts:
                yield from _heard(part)
        case {"type": "assistant", "message": {"content": [*parts]}}:
            for part in parts:
                yield from _said(part)
        case {"type": "system", "content": str(text)}:
            yield Block("note", text)


def _heard(part: Any) -> Iterator[Block]:
    match part:
        case {"type": "text", "text": str(text)}:
            yield Block("told", text)
        case {"type": "tool_result"}:
            kind: Kind = "fault" if part.get("is_error") is True else "result"
            yield Block(kind, _words(part.get("content")))
        case {"type": str(kind_of_part)}:
            yield Block("told", f"({kind_of_part})")


def _said(part: Any) -> Iterator[Block]:
    match part:
        case {"type": "text", "text": str(text)}:
            yield Block("says", text)
        case {"type": "thinking", "thinking": str(text)} if text:
            yield Block("thinks", text)
        case {"type": "tool_use", "name": str(name), "input": {**arguments}}:
            yield Block("does", _arguments(arguments), name)


def _words(content: Any) -> str:
    """The text of a tool's result; a picture and the like in a word."""
    if isinstance(content, str):
        return content
    words = []
    for part in content if isinstance(content, list) else ():
        match part:
            case {"type": "text", "text": str(text)}:
                words.append(text)
            case {"type": str(kind)}:
                words.append(f"({kind})")
    return "\n".join(words)


def _arguments(arguments: Mapping[Any, Any]) -> str:
    """What a tool is called with: first what says best what it does, then all else by name."""
    first = gist(arguments)
    rows = [first]
    for name, value in arguments.items():
        if value == first:
            continue
        text = value if isinstance(value, str) else json.dumps(value)
        rows.append(f"{name}:\n{text}" if "\n" in text else f"{name}: {text}")
    return "\n".join(filter(None, rows))


# From blocks to what is shown


def view(found: "Transcript", voyage: str | None = None, *, utc: bool = False) -> Group:
    """Return a claim's transcript for rich to show; `utc`: with times in UTC. Raises Failure.

    `voyage` is what the voyage was named by, if it had to be."""
    state = f"claim {found.claim} of {found.ship}, {found.state}"
    head = Text.assemble((clean(f"{found.task}  {found.subject}"), "bold"), f"  {clean(state)}")
    named = f" {voyage}" if voyage else ""
    hints = []
    for other in found.others:
        command = f"ocaptain transcript{named} {found.task} --claim {other}"
        hints.append(Text(f"→ {command}", "bold"))
    return Group(head, *hints, *rendered(found.packed, utc=utc))


def rendered(packed: bytes, *, utc: bool = False) -> list[Text | Padding]:
    """Return a transcript for rich to show; `utc`: with times in UTC. Raises Failure."""
    shown: list[Text | Padding] = []
    for block in blocks(lines(packed)):
        if block.kind != "result":
            shown.append(_head(block, utc=utc))
        style = "dim" if block.kind in FAINT else ""
        shown.append(Padding(Text("\n".join(_body(block)), style), (0, 0, 0, 2)))
    return shown or [Text(NOTHING)]


def as_text(packed: bytes, *, utc: bool = False) -> str:
    """Return a transcript as plain text. Raises Failure."""
    rows = []
    for block in blocks(lines(packed)):
        if block.kind != "result":
            rows.append(_head(block, utc=utc).plain)
        rows += [f"  {row}" for row in _body(block)]
    return "\n".join(rows or [NOTHING])


def _head(block: Block, *, utc: bool) -> Text:
    time = _clock(block.time, utc=utc)
    words = clean(f"{block.kind} {block.head}").strip()
    return Text.assemble((f"{time} ".lstrip(), "dim"), (words, STYLES[block.kind]))


def _clock(time: str, *, utc: bool) -> str:
    try:
        epoch = datetime.fromisoformat(time).timestamp()
    except (ValueError, OverflowError):
        return ""
    return clock(epoch, utc=utc, seconds=True)


def _body(block: Block) -> list[str]:
    """The lines of a block, without what could steer the terminal; of many the first."""
    rows = clean(block.text, keep="\n\t").strip("\n").split("\n")
    limit = SHOWN_LINES.get(block.kind, len(rows))
    shown = [row[:SHOWN_COLUMNS].rstrip() for row in rows[:limit]]
    if len(rows) > limit:
        shown.append(f"… and {len(rows) - limit} lines more")
    return shown

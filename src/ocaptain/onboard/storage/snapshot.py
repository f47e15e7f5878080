"""state.json: what the journal's lines make up to one of them, so that a call need not read all.

It is a cache, and may be deleted at any time. Each task, claim, hail and set of answers has a line
of its own. So have the places where a section's lines begin, and the outlines of all tasks, and of
all claims. The last line but one, the index, has all else: what is small, and where the lines of
places and outlines begin. The last line says where the index begins. What is not in the index is
read if somebody wants it.
"""

from __future__ import annotations

import json
import os
from collections.abc import MutableMapping

from .. import tasklist

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from typing import IO, Any

    from ..protocol import Claim, ClaimOutline, Hail, Json, Sections

    Entry = Any
    AnyMapping = MutableMapping[str, Entry]
else:
    AnyMapping = MutableMapping

UNSOUND = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What comes of reading JSON that is not what was written."""
LAST_LINE = b"%020d\n"
LINE_BYTES = 4_000
"""How much is read at first of a line."""
NOWHERE = -1
"""The place of what is not in state.json, but has come after what is."""


class Spoilt(Exception):
    """state.json is not as it was written. Without it, all there is can be read anew."""


class Entries(AnyMapping):
    """A section's entries by name, in the order in which they came.

    Those that are in state.json are read when somebody wants them."""

    def __init__(
        self,
        snapshot: Snapshot | None = None,
        section: str = "",
        places_in_use: Mapping[str, int] | None = None,
    ) -> None:
        """`places_in_use` says where the lines begin, in the snapshot, of those entries that may
        change again."""
        self._snapshot = snapshot
        self._section = section
        self._places_in_use = dict(places_in_use or {})
        self.in_use = set(self._places_in_use)
        self._all_places: dict[str, int] | None = None if snapshot else {}
        self._values: dict[str, Any] = {}
        self._outlines: dict[str, Any] | None = None if snapshot else {}

    def __getitem__(self, key: str) -> Entry:
        if key not in self._values:
            self._values[key] = self._read(key)
        return self._values[key]

    def __setitem__(self, key: str, value: Entry) -> None:
        self._values[key] = value
        self.in_use.add(key)
        if self._all_places is not None:
            self._all_places.setdefault(key, NOWHERE)
        if self._outlines is not None:
            self._outlines[key] = value

    def __delitem__(self, key: str) -> None:
        del self._places[key]
        self._places_in_use.pop(key, None)
        self._values.pop(key, None)
        self.in_use.discard(key)
        if self._outlines is not None:
            del self._outlines[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: object) -> bool:
        return key in self._values or key in self._places

    def copy(self) -> Entries:
        """Return entries that can be changed without these."""
        twin = Entries(self._snapshot, self._section, self._places_in_use)
        twin.in_use = self.in_use.copy()
        twin._all_places = None if self._all_places is None else self._all_places.copy()
        twin._values = self._values.copy()
        twin._outlines = None if self._outlines is None else self._outlines.copy()
        return twin

    @property
    def outlines(self) -> dict[str, Any]:
        """All entries, of which some lack what is not looked for among all."""
        if self._outlines is None:
            written = self._snapshot.outlines(self._section) if self._snapshot else {}
            self._outlines = {**written, **self._values}
            if self._all_places is not None:
                removed = self._outlines.keys() - self._all_places.keys()
                for key in removed:
                    del self._outlines[key]
        return self._outlines

    @property
    def _places(self) -> dict[str, int]:
        """Where the lines of all entries begin in the snapshot."""
        if self._all_places is None:
            self._all_places = self._snapshot.places(self._section) if self._snapshot else {}
            for key in self._values:
                self._all_places.setdefault(key, NOWHERE)
        return self._all_places

    def _place(self, key: str) -> int:
        """Return where an entry's line begins. Raises KeyError if there is no such entry."""
        if key in self._places_in_use:
            return self._places_in_use[key]
        return self._places[key]

    def line(self, key: str) -> bytes:
        """Return an entry as state.json has it."""
        if key in self._values:
            return json.dumps([key, self._values[key]]).encode() + b"\n"
        return self._line(key)

    def _read(self, key: str) -> Entry:
        place = self._place(key)
        try:
            name, value = json.loads(self._line(key))
        except (OSError, *UNSOUND):
            raise Spoilt(f"no entry at {place}") from None
        if name != key:
            raise Spoilt(f"{name!r:.60} at {place}, not {key!r}")
        return value

    def _line(self, key: str) -> bytes:
        if self._snapshot is None:
            raise KeyError(key)
        return self._snapshot.line(self._place(key))


class Snapshot:
    """A state.json that is open. What is in it does not change: a new one replaces it."""

    def __init__(self, path: Path) -> None:
        """Raises OSError, or one of UNSOUND if it is not as it was written."""
        self._file = os.open(path, os.O_RDONLY)
        self.size = os.fstat(self._file).st_size
        last = len(LAST_LINE % 0)
        place = int(os.pread(self._file, last, self.size - last))
        index: Json = json.loads(os.pread(self._file, self.size - place - last, place))
        self.boot: str = index["boot"]
        self.head: str = index["head"]
        self.seq: int = index["seq"]
        self.offset: int = index["offset"]
        self.stamps: list[int] = index["stamps"]
        self.ranking: list[str] | None = index["ranking"]
        self.named_agents: list[str] | None = index["named_agents"]
        self._index = index
        self._outlines: dict[str, dict[str, Any]] = {}

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            os.close(self._file)

    def sections(self) -> Sections:
        """Return the state that there was."""
        return {
            "tasks": self._entries("tasks"),
            "claims": self._entries("claims"),
            "ships": self._index["ships"],
            "hails": self._entries("hails"),
            "answers": self._entries("answers"),
            "meta": self._index["meta"],
        }

    def line(self, place: int) -> bytes:
        """Return the line that begins there."""
        size = LINE_BYTES
        read = os.pread(self._file, size, place)
        while b"\n" not in read and len(read) == size:
            size *= 8
            read = os.pread(self._file, size, place)
        return read[: read.find(b"\n") + 1]

    def places(self, section: str) -> dict[str, int]:
        """Return where the lines of a section's entries begin, in their order. Raises Spoilt."""
        return self._line_of("places", section)

    def outlines(self, section: str) -> dict[str, Any]:
        """Return the outlines of a section's entries. Raises Spoilt."""
        if section not in self._outlines:
            outlines = self._line_of("outlines", section)
            if section == "tasks":
                put_ids(outlines)
            self._outlines[section] = outlines
        return self._outlines[section]

    def _line_of(self, what: str, section: str) -> dict[str, Any]:
        try:
            place, size = self._index[what][section]
            line = json.loads(os.pread(self._file, size, place))
        except (OSError, OverflowError, *UNSOUND):
            line = None
        if not isinstance(line, dict):
            raise Spoilt(f"no {what} of {section}")
        return line

    def _entries(self, section: str) -> Entries:
        return Entries(self, section, self._index["in_use"][section])


def put_ids(outlines: dict[str, Any]) -> None:
    """Put their ids into outlines of tasks. Raises Spoilt if they are none."""
    try:
        for task_id, outline in outlines.items():
            outline["id"] = task_id
    except TypeError:
        raise Spoilt("outlines that are none") from None


def write_snapshot(
    file: IO[bytes], sections: Sections, stamps: dict[str, int], index: Json
) -> None:
    """Write a state.json. `index` says of which lines of which journal it is."""
    places = {}
    in_use = {}
    outlines = {}
    whole: Any = sections
    for section, is_in_use in IN_USE.items():
        entries: Entries = whole[section]
        written = write_entries(file, entries)
        used = [key for key in entries.in_use if is_in_use(entries[key])]
        in_use[section] = {key: written[key] for key in used}
        places[section] = write_line(file, written)
    for section, outline in OUTLINES.items():
        outlined = {key: outline(value) for key, value in whole[section].outlines.items()}
        outlines[section] = write_line(file, outlined)
    index = {
        **index,
        "stamps": [stamps[task_id] for task_id in sections["tasks"]],
        "ships": sections["ships"],
        "meta": sections["meta"],
        "places": places,
        "in_use": in_use,
        "outlines": outlines,
    }
    place, _ = write_line(file, index)
    file.write(LAST_LINE % place)


def write_line(file: IO[bytes], value: object) -> tuple[int, int]:
    """Write a line of JSON. Returns where it begins, and its size in bytes."""
    place = file.tell()
    size = file.write(json.dumps(value, separators=(",", ":")).encode() + b"\n")
    return place, size


def write_entries(file: IO[bytes], entries: Entries) -> dict[str, int]:
    """Write a line for each entry. Returns where each begins."""
    places = {}
    place = file.tell()
    for key in entries:
        places[key] = place
        place += file.write(entries.line(key))
    return places


def claim_outline(claim: Claim) -> ClaimOutline:
    """Return what is looked for among all claims."""
    short: ClaimOutline = {
        "number": claim["number"],
        "ship": claim["ship"],
        "task": claim["task"],
        "state": claim["state"],
    }
    if "cost_usd" in claim:
        short["cost_usd"] = claim["cost_usd"]
    if "usage" in claim:
        short["usage"] = claim["usage"]
    return short


def holds(claim: Claim) -> bool:
    """Whether a claim is live."""
    return claim["state"] == "live"


def is_on_its_way(hail: Hail) -> bool:
    """Whether a hail has not been taken in."""
    return not hail["delivered_at"]


def never(_: Json) -> bool:
    """Nobody asks which of the tasks, or of the answers, are in use."""
    return False


OUTLINES: dict[str, Callable[[Any], Any]] = {"tasks": tasklist.outline, "claims": claim_outline}
"""What is looked for among all entries of a section."""
IN_USE: dict[str, Callable[[Any], bool]] = {
    "tasks": never,
    "claims": holds,
    "hails": is_on_its_way,
    "answers": never,
}
"""Which entries may change again, by the sections that have a line for each."""

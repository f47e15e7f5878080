"""The voyage's state on storage's own disk: one journal, and the files that follow from it.

A line of `journal.jsonl`, fsynced, *is* a change: it holds the new contents of every entry that it
sets. State is the fold of all lines, sections of named entries:

    tasks    by id: the task, as in its file        claims   by number: every one there ever was
    ships    by id: what a ship last said           hails    by number: the captain's messages
    answers  by asker: the last few, by request id  meta     clock, head, berth, verified …

Task files, ship files, the branch and the completion marker are written after the line, and can be
written again from it: what a crash left undone is done by the next call. There is one way from
lines to state and files, `_catch_up`, for a change of one's own as for what others left behind.
`state.json` is the fold up to some line, so that a call need not read the whole journal; it may be
deleted at any time.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..files import write
from ..protocol import VoyageRecord
from ..text import utc

Sections = dict[str, dict[str, Any]]

SECTIONS = ("tasks", "claims", "ships", "hails", "answers", "meta")
SNAPSHOT_BYTES = 64_000
ROOM = 500_000_000
UNSOUND = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What comes of reading JSON that is not what was written."""


class Damaged(SystemExit):
    """The journal does not parse before its last line, or git cannot follow: no crash does that.

    Whoever asks gets no answer, but this on stderr: a ship waits for better times."""


class Journal:
    """State under `home`, the home directory of the user that harbor runs as.

    Only what runs inside `with journal.locked()` may look at `sections` or call `commit`."""

    def __init__(self, home: Path, voyage: str) -> None:
        self.voyage, self.folder = voyage, home / "voyage"
        self.tasks_folder = home / ".claude" / "tasks" / f"{voyage}-tasks"
        self.repo = self.folder / "repo.git"
        self.sections: Sections = {name: {} for name in SECTIONS}
        self.notes = list[str]()
        self.lines, self._boot = self.folder / "journal.jsonl", boot_id()
        self._stamps: dict[str, int] = {}
        self._seq = self._offset = self._lock = 0

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the one lock, with everything done that an earlier call left undone."""
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        with os.fdopen(lock):
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._lock, first = lock, not self._offset
            if first:
                self._load_snapshot()
            self._catch_up()
            if first:
                self._restore_tasks()
            yield

    def commit(self, who: str, change: dict[str, Any], sets: Sections) -> None:
        """Make one change: `sets` has the new entries (None removes one), `change` what it was."""
        ns = time.time_ns()
        line = {"seq": self._seq + 1, "time": utc(ns / 1e9), "ns": ns, "who": who, **change}
        with self.lines.open("ab") as file:
            file.write(json.dumps({**line, "set": sets}, separators=(",", ":")).encode() + b"\n")
        self._catch_up()

    def grown(self) -> bool:
        """Whether anybody else made a change since this object last had the lock."""
        return self.lines.stat().st_size != self._offset

    def has_room(self) -> bool:
        """Whether the disk has room for more than what voyages cannot do without."""
        disk = os.statvfs(self.folder)
        return disk.f_bavail * disk.f_frsize >= ROOM

    def git(self, *words: str) -> tuple[int, str, str]:
        """Run git on the shared repository: its exit status, what it printed, what it said."""
        from .. import process  # which takes longer to import than most calls take

        # It has the lock too: should we be killed, the next call waits for its end.
        return process.run(["git", "-C", self.repo, *words], pass_fds=[self._lock])

    # From the journal to state, and to what follows from it

    def _catch_up(self) -> None:
        """Take in what is new in the journal, and write whatever is behind.

        How far that has come stands in the lock file, with the boot in which it was: only the
        journal is synced, so what followed before a reboot may be lost, and follows again."""
        told, _, boot = os.pread(self._lock, 100, 0).partition(b" ")
        followed = int(told) if told.isdigit() and boot == self._boot else -1
        known, looked_at = self._seq, self._offset
        behind = [sets for sets in self._new_changes() if self._seq > followed]
        if not known <= followed <= self._seq:
            behind = [self.sections]
        for entry in {(name, key) for sets in behind for name in sets for key in sets[name]}:
            self._write(*entry)
        if behind:
            os.pwrite(self._lock, b"%020d %s" % (self._seq, self._boot), 0)
        if self._offset // SNAPSHOT_BYTES > looked_at // SNAPSHOT_BYTES:
            state = (self.sections, self._stamps, self._seq, self._offset)
            write(self.folder / "state.json", state)

    def _new_changes(self) -> Iterator[Sections]:
        """What lines since the last look set; a torn last one is cut off, it never was a change."""
        with self.lines.open("a+b") as file:
            file.seek(self._offset)
            os.fsync(file.fileno())  # whoever wrote a line may have been killed before this
            for raw in file:
                try:
                    line = json.loads(raw if raw.endswith(b"\n") else b"")
                    if line["seq"] != self._seq + 1:
                        raise LookupError
                    fold(self.sections, line["set"])
                    self._stamps |= dict.fromkeys(line["set"].get("tasks", ()), line["ns"])
                except UNSOUND as why:
                    if file.read(1) or not isinstance(why, ValueError):
                        raise Damaged(f"journal.jsonl: damaged after change {self._seq}") from None
                    self.note(f"cut off a torn line of the journal, after change {self._seq}")
                    file.truncate(self._offset)
                    return
                self._seq, self._offset = line["seq"], self._offset + len(raw)
                yield line["set"]

    def _load_snapshot(self) -> None:
        with suppress(OSError, *UNSOUND), self.lines.open("rb") as lines:
            sections, stamps, seq, offset = json.loads((self.folder / "state.json").read_bytes())
            lines.seek(offset - 1)
            following = b'\n{"seq":%d,' % (seq + 1)
            # Otherwise it is not of this journal, which has it all.
            if sections.keys() == {*SECTIONS} and lines.read(len(following)) in (b"\n", following):
                self.sections, self._stamps, self._seq, self._offset = sections, stamps, seq, offset

    def _write(self, name: str, key: str) -> None:
        """Write what follows from an entry."""
        value: Any = self.sections[name].get(key)
        if name == "tasks":
            write(self.tasks_folder / f"{key}.json", value, self._stamps[key])
        elif name == "ships":
            write(self.folder / "ships" / f"{key}.json", value)
        elif name == "claims" and value["task"]:  # the work ref that it may push, for git's hook
            allowed = self.folder / "allowed" / value["ship"] / "refs" / "heads" / "work"
            allowed.mkdir(parents=True, exist_ok=True)
            (allowed / f"{value['task']}-{key}").touch()
        elif (name, key) == ("meta", "verified"):
            write(self.folder / "artifacts" / "voyage-complete.marker", value)
        elif (name, key) == ("meta", "head"):
            self._move_branch(f"refs/heads/{self.voyage}", value)

    def _move_branch(self, ref: str, commit: str) -> None:
        for left in (f"{ref}.lock", "HEAD.lock"):  # by a crash: only we take these
            (self.repo / left).unlink(missing_ok=True)
        status, _, said = self.git("update-ref", "-m", "landed", ref, commit)
        if status:
            raise Damaged(f"the branch cannot follow the journal: {said.strip()}")

    def _restore_tasks(self) -> None:
        """Put back every task file that is not as its last change left it."""
        seen = {file.stem: file.lstat().st_mtime_ns for file in self.tasks_folder.glob("*.json")}
        for task_id in self.sections["tasks"]:
            if seen.get(task_id) != self._stamps[task_id]:
                self.note(f"restored {task_id}.json, which was not as ocaptain had left it")
                self._write("tasks", task_id)

    def reread(self) -> Sections:
        """The state that all lines make, with all that follows from it written anew."""
        fresh = Journal(self.folder.parent, self.voyage)
        fresh._lock = self._lock
        os.ftruncate(self._lock, 0)
        fresh._catch_up()
        return fresh.sections

    def note(self, text: str) -> None:
        """Add a line to harbor's own log, if there is room."""
        self.notes.append(text)
        with suppress(OSError), (self.folder / "logs" / "harbor.log").open("a") as file:
            file.write(f"{utc(time.time())} {text}\n")


def open_voyage(home: Path) -> tuple[Journal, VoyageRecord]:
    """The journal of the voyage that lives in this home directory, and voyage.json."""
    voyage = json.loads((home / "voyage" / "voyage.json").read_text())
    return Journal(home, voyage["voyage"]), voyage


def fold(sections: Sections, sets: Sections) -> None:
    """Set entries of `sections` to what `sets` has; None removes one."""
    for name, entries in sets.items():
        for key, value in entries.items():
            sections[name][key] = value
            if value is None:
                del sections[name][key]


def boot_id() -> bytes:
    """What tells one boot of this machine from the next (random(4))."""
    return Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()

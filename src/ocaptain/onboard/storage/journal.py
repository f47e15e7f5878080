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

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from ..files import write
from ..text import utc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ..process import Done
    from ..protocol import Claim, Json, Sections, VoyageRecord

    Changes = dict[str, dict[str, Any]]
    """New entries by their sections and names; None removes an entry."""

SECTIONS = ("tasks", "claims", "ships", "hails", "answers", "meta")
SNAPSHOT_BYTES = 64_000
"""How much the journal grows until state.json is written again."""
SPARE_BYTES = 500_000_000
"""Free disk that is kept for what voyages cannot do without: claims, beats and landings."""
UNSOUND = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What comes of reading JSON that is not what was written."""


class Damaged(SystemExit):
    """The journal does not parse before its last line, or git cannot follow: no crash does that.

    Whoever asks gets no answer, but this on stderr: a ship waits for better times."""


class Journal:
    """State under `home`, the home directory of the user that harbor runs as.

    Only what runs inside `with journal.locked()` may look at `sections` or call `commit`."""

    def __init__(
        self,
        home: Path,
        voyage: str,
        clock: Callable[[], float] = time.time,
        *,
        boot: bytes | None = None,
        snapshot_bytes: int = SNAPSHOT_BYTES,
        spare_bytes: int = SPARE_BYTES,
    ) -> None:
        """`clock` tells UNIX time; `boot` one boot of this machine from the next."""
        self.voyage = voyage
        self.clock = clock
        self.folder = home / "voyage"
        self.tasks_folder = home / ".claude" / "tasks" / f"{voyage}-tasks"
        self.repo = self.folder / "repo.git"
        self.lines = self.folder / "journal.jsonl"
        self.sections: Sections = {
            "tasks": {},
            "claims": {},
            "ships": {},
            "hails": {},
            "answers": {},
            "meta": {},
        }
        self.notes: list[str] = []
        self._boot = boot or boot_id()
        self._snapshot_bytes = snapshot_bytes
        self._spare_bytes = spare_bytes
        self._stamps: dict[str, int] = {}
        self._seq = 0
        self._offset = 0
        self._lock = 0

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the one lock, with everything done that an earlier call left undone."""
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        with os.fdopen(lock):
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._lock = lock
            is_first = self._offset == 0
            if is_first:
                self._load_snapshot()
            self._catch_up()
            if is_first:
                self._restore_tasks()
            yield

    def commit(self, who: str, change: Json, sets: Changes) -> None:
        """Make one change: `sets` has the new entries, `change` says what it was."""
        ns = int(self.clock() * 1e9)
        line = {
            "seq": self._seq + 1,
            "time": utc(ns / 1e9),
            "ns": ns,
            "who": who,
            **change,
            "set": sets,
        }
        with self.lines.open("ab") as file:
            file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        self._catch_up()

    def grown(self) -> bool:
        """Whether anybody else made a change since this object last had the lock."""
        return self.lines.stat().st_size != self._offset

    def has_room(self) -> bool:
        """Whether the disk has room for more than what voyages cannot do without."""
        disk = os.statvfs(self.folder)
        return disk.f_bavail * disk.f_frsize >= self._spare_bytes

    def git(self, *words: str) -> Done:
        """Run git on the shared repository."""
        from .. import process  # which takes longer to import than most calls take

        # It has the lock too: should we be killed, the next call waits for its end.
        return process.run(["git", "-C", self.repo, *words], pass_fds=[self._lock])

    # From the journal to state, and to what follows from it

    def _catch_up(self) -> None:
        """Take in what is new in the journal, and write whatever is behind."""
        known = self._seq
        looked_at = self._offset
        followed = self._followed()
        whole: Any = self.sections
        behind = [sets for sets in self._new_changes() if self._seq > followed]
        if not known <= followed <= self._seq:
            behind = [whole]
        for section, key in {(name, key) for sets in behind for name in sets for key in sets[name]}:
            self._write(section, key)
        if behind:
            os.pwrite(self._lock, b"%020d %s" % (self._seq, self._boot), 0)
        if self._offset // self._snapshot_bytes > looked_at // self._snapshot_bytes:
            snapshot = (self.sections, self._stamps, self._seq, self._offset)
            write(self.folder / "state.json", snapshot, indent=None)

    def _followed(self) -> int:
        """Return up to which change all that follows was written; -1 if nobody knows.

        That stands in the lock file, with the boot in which it was: only the journal is synced, so
        what followed before a reboot may be lost, and follows again."""
        seq, _, boot = os.pread(self._lock, 100, 0).partition(b" ")
        return int(seq) if seq.isdigit() and boot == self._boot else -1

    def _new_changes(self) -> Iterator[Changes]:
        """Yield what lines since the last look set, and take it in.

        A torn last line is cut off: it never was a change."""
        with self.lines.open("a+b") as file:
            file.seek(self._offset)
            os.fsync(file.fileno())  # whoever wrote a line may have been killed before this
            for raw in file:
                try:
                    line = self._take_in(raw)
                except UNSOUND as error:
                    is_torn = isinstance(error, ValueError) and not file.read(1)
                    if not is_torn:
                        raise Damaged(f"journal.jsonl: damaged after change {self._seq}") from None
                    self.note(f"cut off a torn line of the journal, after change {self._seq}")
                    file.truncate(self._offset)
                    return
                self._seq = line["seq"]
                self._offset += len(raw)
                yield line["set"]

    def _take_in(self, raw: bytes) -> Json:
        """Fold a line into the state. Raises ValueError if it is torn, or another of UNSOUND."""
        line: Json = json.loads(raw if raw.endswith(b"\n") else b"")
        if line["seq"] != self._seq + 1:
            raise LookupError
        fold(self.sections, line["set"])
        for task_id in line["set"].get("tasks", ()):
            self._stamps[task_id] = line["ns"]
        return line

    def _load_snapshot(self) -> None:
        """Begin with state.json, if it is of this journal; otherwise the journal has it all."""
        with suppress(OSError, *UNSOUND), self.lines.open("rb") as lines:
            sections, stamps, seq, offset = json.loads((self.folder / "state.json").read_bytes())
            lines.seek(offset - 1)
            following = b'\n{"seq":%d,' % (seq + 1)
            is_of_this_journal = lines.read(len(following)) in (b"\n", following)
            if is_of_this_journal and sections.keys() == {*SECTIONS}:
                self.sections = sections
                self._stamps = stamps
                self._seq = seq
                self._offset = offset

    def _write(self, section: str, key: str) -> None:
        """Write what follows from an entry."""
        sections: Any = self.sections
        value = sections[section].get(key)
        if section == "tasks":
            write(self.tasks_folder / f"{key}.json", value, ns=self._stamps[key])
        elif section == "ships":
            write(self.folder / "ships" / f"{key}.json", value)
        elif section == "claims" and value["task"]:
            self._allow_pushes(key, value)
        elif (section, key) == ("meta", "verified"):
            write(self.folder / "artifacts" / "voyage-complete.marker", value)
        elif (section, key) == ("meta", "head"):
            self._move_branch(f"refs/heads/{self.voyage}", value)

    def _allow_pushes(self, number: str, claim: Claim) -> None:
        """Write the work ref that a claim's ship may push to, for git's hook."""
        allowed = self.folder / "allowed" / claim["ship"] / "refs" / "heads" / "work"
        allowed.mkdir(parents=True, exist_ok=True)
        (allowed / f"{claim['task']}-{number}").touch()

    def _move_branch(self, ref: str, commit: str) -> None:
        for leftover in (f"{ref}.lock", "HEAD.lock"):  # of a crash: only we take these
            (self.repo / leftover).unlink(missing_ok=True)
        done = self.git("update-ref", "-m", "landed", ref, commit)
        if done.status:
            raise Damaged(f"the branch cannot follow the journal: {done.stderr.strip()}")

    def _restore_tasks(self) -> None:
        """Put back every task file that is not as its last change left it."""
        paths = self.tasks_folder.glob("*.json")
        stamps = {path.stem: path.lstat().st_mtime_ns for path in paths}
        for task_id in self.sections["tasks"]:
            if stamps.get(task_id) != self._stamps[task_id]:
                self.note(f"restored {task_id}.json, which was not as ocaptain had left it")
                self._write("tasks", task_id)

    def reread(self) -> Sections:
        """Return the state that all lines make, with all that follows from it written anew."""
        fresh = Journal(self.folder.parent, self.voyage, self.clock, boot=self._boot)
        fresh._lock = self._lock
        os.ftruncate(self._lock, 0)
        fresh._catch_up()
        return fresh.sections

    def note(self, text: str) -> None:
        """Add a line to harbor's own log, if there is room."""
        self.notes.append(text)
        with suppress(OSError), (self.folder / "logs" / "harbor.log").open("a") as file:
            file.write(f"{utc(self.clock())} {text}\n")


def open_voyage(home: Path, clock: Callable[[], float] = time.time) -> tuple[Journal, VoyageRecord]:
    """Return the journal of the voyage that lives in this home directory, and voyage.json."""
    voyage: VoyageRecord = json.loads((home / "voyage" / "voyage.json").read_text())
    return Journal(home, voyage["voyage"], clock), voyage


def fold(sections: Sections, sets: Changes) -> None:
    """Set entries of `sections` to what `sets` has."""
    state: Any = sections
    for name, entries in sets.items():
        for key, value in entries.items():
            state[name][key] = value
            if value is None:
                del state[name][key]


def boot_id() -> bytes:
    """Return what tells one boot of this machine from the next (random(4))."""
    return Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()

"""The voyage's state on storage's own disk: one journal, and the files that follow from it.

A line of `journal.jsonl`, fsynced, *is* a change: it holds the new contents of every entry that it
sets. State is the fold of all lines, sections of named entries:

    tasks    by id: the task, as in its file        claims   by number: every one there ever was
    ships    by id: what a ship last said           hails    by number: the captain's messages
    answers  by asker: the last few, by request id  meta     clock, head, berth, verified …

Task files, ship files, the branch and the completion marker are written after the line, and can be
written again from it: what a crash left undone is done by the next call. There is one way from
lines to state and files, `_catch_up`, for a change of one's own as for what others left behind.
`state.json` is the fold up to some line, so that a call need not read the whole journal
(snapshot.py). A call reads it, and the lines since, before it takes the lock; under the lock it
reads what came meanwhile.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from .. import tasklist
from ..text import utc
from .following import Damaged as Damaged
from .following import follow
from .snapshot import UNSOUND as UNSOUND
from .snapshot import Entries, Snapshot, Spoilt, write_snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import IO, Any

    from ..process import Done
    from ..protocol import Json, Moment, Sections, VoyageRecord

    Changes = dict[str, dict[str, Any]]
    """New entries by their sections and names; None removes an entry."""

SECTIONS = ("tasks", "claims", "ships", "hails", "answers", "meta")
SNAPSHOT_BYTES = 64_000
"""How much the journal grows, at least, until state.json is written again."""
SNAPSHOT_SHARE = 32
"""It also has to grow by this part of state.json's own size."""
PART_BYTES = 64_000_000
PART_SHARE = 4
"""The journal is begun anew when it is as long as that, and as so many times state.json."""
RELISTING = ("edit_task",)
"""Operations that may change the order of tasks or whom they name, apart from those that make new
ones."""
SPARE_BYTES = 500_000_000
"""Free disk that is kept for what voyages cannot do without: claims, beats and landings."""
HEAD_BYTES = 30
BOOT_DIGITS = 8
"""How much of a boot's id ships' records have: its end."""


class Journal:
    """State under `home`, the home directory of the user that harbor runs as.

    Only what runs inside `with journal.locked()` may look at `sections` or call `commit`."""

    def __init__(
        self,
        home: Path,
        voyage: str,
        clock: Callable[[], float] = time.time,
        awake: Callable[[], float] = time.monotonic,
        *,
        boot: bytes | None = None,
        snapshot_bytes: int = SNAPSHOT_BYTES,
        part_bytes: int = PART_BYTES,
        spare_bytes: int = SPARE_BYTES,
    ) -> None:
        """`clock` tells UNIX time, `awake` the seconds that this machine was awake since it
        booted; `boot` tells one boot from the next."""
        self.voyage = voyage
        self.clock = clock
        self.awake = awake
        self.folder = home / "voyage"
        self.tasks_folder = home / ".claude" / "tasks" / f"{voyage}-tasks"
        self.repo = self.folder / "repo.git"
        self.lines = self.folder / "journal.jsonl"
        self.sections = no_entries()
        self.stamps: dict[str, int] = {}
        self.notes: list[str] = []
        self._boot = boot or boot_id()
        self._snapshot_bytes = snapshot_bytes
        self._part_bytes = part_bytes
        self._spare_bytes = spare_bytes
        self._draft = self.folder / ".state.json.new"
        self._ranking: list[str] | None = None
        self._named_agents: list[str] | None = None
        self._head = b""
        self._seq = 0
        self._offset = 0
        self._new: list[tuple[int, Changes]] = []
        self._next_snapshot = 0
        self._lock = -1

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the one lock, with everything done that an earlier call left undone."""
        is_first = self._offset == 0
        self.look()
        doubtful = self._touched_tasks(self.sections["tasks"]) if is_first else []
        seq_before = self._seq
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        with os.fdopen(lock):
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._lock = lock
            try:
                self._catch_up()
                self._restore_tasks(doubtful)
                seq_before = self._seq
                yield
            finally:
                self._lock = -1
        if self._seq > seq_before and self._offset >= self._next_snapshot:
            self._write_snapshot()

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

    def look(self) -> list[Changes]:
        """Take in what is new in the journal, without the lock. Returns what it sets."""
        seq = self._seq
        with suppress(FileNotFoundError), self.lines.open("rb") as file:
            self._begin(file)
            with suppress(*UNSOUND):  # of a line that is being written: the lock tells
                self._read(file)
        whole: Any = self.sections
        has_skipped = self._seq - len(self._new) > seq
        return [whole] if has_skipped else [sets for number, sets in self._new if number > seq]

    def keep_up(self) -> None:
        """Take in what is new, for one who looks on for hours, and never takes the lock."""
        self.look()
        self._new.clear()

    def moment(self) -> Moment:
        """Return this moment, as neither sleep nor a jump of the clock can falsify it."""
        boot = self._boot.decode()[-BOOT_DIGITS:]
        return {"boot": boot, "awake_s": round(self.awake(), 3)}

    def ranking(self) -> list[str]:
        """Return all tasks in the order in which they are handed out."""
        if self._ranking is None:
            tasks: Any = self.sections["tasks"]
            self._ranking = tasklist.ranking(tasks.outlines)
        return self._ranking

    def named_agents(self) -> list[str]:
        """Return the agents that tasks name."""
        if self._named_agents is None:
            tasks: Any = self.sections["tasks"]
            self._named_agents = tasklist.named_agents(tasks.outlines.values())
        return self._named_agents

    def has_room(self) -> bool:
        """Whether the disk has room for more than what voyages cannot do without."""
        disk = os.statvfs(self.folder)
        return disk.f_bavail * disk.f_frsize >= self._spare_bytes

    def git(self, *words: str) -> Done:
        """Run git on the shared repository."""
        from .. import process  # which takes longer to import than most calls take

        # It has the lock too: should we be killed, the next call waits for its end.
        lock = [] if self._lock < 0 else [self._lock]
        return process.run(["git", "-C", self.repo, *words], pass_fds=lock)

    # From the journal to state, and to what follows from it

    def _catch_up(self) -> None:
        """Take in what is new in the journal, and write whatever is behind."""
        with self.lines.open("a+b") as file:
            self._begin(file)
            self._read_to_the_end(file)
            followed = self._followed()
            if followed < self._seq:
                os.fsync(file.fileno())  # whoever wrote a line may have been killed before this
        known = self._seq - len(self._new)
        whole: Any = self.sections
        behind: list[Any] = [sets for number, sets in self._new if number > followed]
        if not known <= followed <= self._seq:
            behind = [whole]
        for section, key in {(name, key) for sets in behind for name in sets for key in sets[name]}:
            follow(self, section, key)
        if followed != self._seq:
            self._note_followed(self._seq)
        self._new.clear()

    def _note_followed(self, seq: int) -> None:
        os.pwrite(self._lock, b"%020d %s" % (seq, self._boot), 0)

    def _followed(self) -> int:
        """Return up to which change all that follows was written; -1 if nobody knows.

        That stands in the lock file, with the boot in which it was: only the journal is synced, so
        what followed before a reboot may be lost, and follows again."""
        seq, _, boot = os.pread(self._lock, 100, 0).partition(b" ")
        return int(seq) if seq.isdigit() and boot == self._boot else -1

    def _begin(self, file: IO[bytes]) -> None:
        """Begin anew, with state.json if it is of this journal, unless we have begun with it."""
        head = head_of(file)
        if self._offset and head == self._head:
            return
        self._head = head
        self.sections = no_entries()
        self.stamps = {}
        self._ranking = None
        self._named_agents = None
        self._seq = 0
        self._offset = 0
        self._new.clear()
        self._next_snapshot = self._snapshot_bytes
        with suppress(OSError, Spoilt, *UNSOUND):
            snapshot = Snapshot(self.folder / "state.json")
            if self._is_of(snapshot, file):
                self._begin_with(snapshot)

    def _is_of(self, snapshot: Snapshot, file: IO[bytes]) -> bool:
        """Whether a state.json is of this journal, and was made in this boot: it is not synced."""
        following = b'\n{"seq":%d,' % (snapshot.seq + 1)
        file.seek(snapshot.offset - 1)
        goes_on = file.read(len(following)) in (b"\n", following)
        is_alike = snapshot.head.encode() == self._head
        return goes_on and is_alike and snapshot.boot.encode() == self._boot

    def _begin_with(self, snapshot: Snapshot) -> None:
        sections = snapshot.sections()
        self.stamps = dict(zip(sections["tasks"], snapshot.stamps, strict=True))
        self.sections = sections
        self._ranking = snapshot.ranking
        self._named_agents = snapshot.named_agents
        self._seq = snapshot.seq
        self._offset = snapshot.offset
        self._wait_with_snapshot(snapshot.size)

    def _wait_with_snapshot(self, size: int) -> None:
        """Let the journal grow from here before state.json, of so many bytes, is written again."""
        growth = self._snapshot_bytes + size // SNAPSHOT_SHARE
        self._next_snapshot = self._offset + growth

    def _read(self, file: IO[bytes]) -> None:
        """Take in the lines since the last look. Raises one of UNSOUND at what is none."""
        file.seek(self._offset)
        for raw in file:
            sets = self._take_in(raw)
            self._offset += len(raw)
            self._new.append((self._seq, sets))

    def _read_to_the_end(self, file: IO[bytes]) -> None:
        """Take in the lines since the last look. A torn last one is cut off: it never was a change.

        Raises Damaged if another cannot be read."""
        try:
            self._read(file)
        except UNSOUND as error:
            file.seek(self._offset)
            file.readline()
            is_torn = isinstance(error, ValueError) and not file.read(1)
            if not is_torn:
                raise Damaged(f"journal.jsonl: damaged after change {self._seq}") from None
            self.note(f"cut off a torn line of the journal, after change {self._seq}")
            file.truncate(self._offset)

    def _take_in(self, raw: bytes) -> Changes:
        """Fold a line into the state. Raises ValueError if it is torn, or another of UNSOUND."""
        line: Json = json.loads(raw if raw.endswith(b"\n") else b"")
        sets: Changes = line["set"]
        is_sum = self._offset == 0 and line.get("op") == "sum"
        if is_sum:
            self._seq = line["seq"] - 1
        if line["seq"] != self._seq + 1:
            raise LookupError
        tasks = self.sections["tasks"]
        has_new = any(task_id not in tasks for task_id in sets.get("tasks", ()))
        if has_new or line.get("op") in RELISTING:
            self._ranking = None
            self._named_agents = None
        fold(self.sections, sets)
        if is_sum:
            self.stamps = line["stamps"]
            sets = {}
        for task_id in sets.get("tasks", ()):
            self.stamps[task_id] = line["ns"]
        self._seq = line["seq"]
        return sets

    def _write_snapshot(self) -> None:
        """Write state.json, unless somebody is at it. Without room for it there will be later."""
        try:
            with suppress(OSError), self._snapshots_lock(fcntl.LOCK_NB):
                with self.lines.open("rb") as file:
                    is_still_ours = head_of(file) == self._head
                if is_still_ours:
                    self._draft_snapshot(self._head, self._seq, self._offset)
                    self._draft.rename(self.folder / "state.json")
        except Spoilt:
            self.forget()

    @contextmanager
    def _snapshots_lock(self, flags: int = 0) -> Iterator[None]:
        """Write state.json alone. This is a lock on the directory. Raises OSError with LOCK_NB."""
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | flags)
            yield
        finally:
            os.close(folder)

    def _draft_snapshot(self, head: bytes, seq: int, offset: int) -> None:
        """Write what state.json is to be, for the journal that begins with `head`."""
        index = {
            "boot": self._boot.decode(),
            "head": head.decode(),
            "seq": seq,
            "offset": offset,
            "ranking": self._ranking,
            "named_agents": self.named_agents(),
        }
        with self._draft.open("wb") as file:
            write_snapshot(file, self.sections, self.stamps, index)
            self._wait_with_snapshot(file.tell())

    # The journal's older parts

    def is_long(self) -> bool:
        """Whether it is worth while to begin the journal anew."""
        size = self.lines.stat().st_size
        state = 0
        with suppress(FileNotFoundError):
            state = (self.folder / "state.json").stat().st_size
        return size > max(self._part_bytes, PART_SHARE * state)

    def sum_up(self) -> None:
        """Begin the journal anew with a line that has the whole state. What it was is kept beside.

        Killed anywhere in this, there is the one journal or the other."""
        seq = self._seq + 1
        ns = int(self.clock() * 1e9)
        line = {
            "seq": seq,
            "time": utc(ns / 1e9),
            "ns": ns,
            "who": "harbor",
            "op": "sum",
            "claim": None,
            "stamps": self.stamps,
            "set": self.sections,
        }
        new = self.folder / ".journal.jsonl.new"
        with new.open("wb") as file:
            file.write(json.dumps(line, separators=(",", ":"), default=dict).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        first = int(self._head.partition(b":")[2])
        with self._snapshots_lock():
            self._draft_snapshot(b'{"seq":%d' % seq, seq, size)
            with suppress(FileExistsError):  # of a sum that was killed: the same file
                os.link(self.lines, self.folder / f"journal-{first}.jsonl")
            new.rename(self.lines)
            self._draft.rename(self.folder / "state.json")
        sync(self.folder)
        self._note_followed(seq)  # there is nothing new
        self._catch_up()

    def _touched_tasks(self, task_ids: Iterable[str]) -> list[str]:
        """Return those of some tasks whose files are not as their last changes left them.

        To list the folder would take half as long again as to look at each by its name."""
        try:
            folder = os.open(self.tasks_folder, os.O_RDONLY)
        except FileNotFoundError:
            return [*task_ids]
        try:
            stamps = self.stamps
            return [name for name in task_ids if mtime_ns(folder, name) != stamps.get(name)]
        finally:
            os.close(folder)

    def _restore_tasks(self, doubtful: Iterable[str]) -> None:
        """Put back those of some task files that are not as their last changes left them."""
        for task_id in self._touched_tasks(doubtful):
            if task_id in self.sections["tasks"]:
                self.note(f"restored {task_id}.json, which was not as ocaptain had left it")
                follow(self, "tasks", task_id)

    def forget(self) -> None:
        """Do without state.json from here on: the journal has it all."""
        (self.folder / "state.json").unlink(missing_ok=True)
        self._offset = 0

    def reread(self) -> Sections:
        """Return the state that all lines make, with all that follows from it written anew."""
        fresh = Journal(self.folder.parent, self.voyage, self.clock, boot=b"none, for state.json")
        fresh._lock = self._lock
        os.ftruncate(self._lock, 0)
        fresh._catch_up()
        self._note_followed(fresh._seq)
        return fresh.sections

    def note(self, text: str) -> None:
        """Add a line to harbor's own log, if there is room."""
        self.notes.append(text)
        with suppress(OSError), (self.folder / "logs" / "harbor.log").open("a") as file:
            file.write(f"{utc(self.clock())} {text}\n")


def open_voyage(
    home: Path,
    clock: Callable[[], float] = time.time,
    awake: Callable[[], float] = time.monotonic,
) -> tuple[Journal, VoyageRecord]:
    """Return the journal of the voyage that lives in this home directory, and voyage.json."""
    voyage: VoyageRecord = json.loads((home / "voyage" / "voyage.json").read_text())
    return Journal(home, voyage["voyage"], clock, awake), voyage


def head_of(file: IO[bytes]) -> bytes:
    """Return what tells a file of the journal from others: the number of its first line."""
    return os.pread(file.fileno(), HEAD_BYTES, 0).partition(b",")[0]


def sync(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def no_entries() -> Sections:
    """Return the state before the first line."""
    return {
        "tasks": Entries(),
        "claims": Entries(),
        "ships": {},
        "hails": Entries(),
        "answers": Entries(),
        "meta": {},
    }


def fold(sections: Sections, sets: Changes) -> None:
    """Set entries of `sections` to what `sets` has."""
    state: Any = sections
    for name, entries in sets.items():
        for key, value in entries.items():
            state[name][key] = value
            if value is None:
                del state[name][key]


def mtime_ns(folder: int, task_id: str) -> int | None:
    """Return when a task's file was changed, in an open folder; None if there is none."""
    try:
        return os.lstat(f"{task_id}.json", dir_fd=folder).st_mtime_ns
    except OSError:
        return None


def boot_id() -> bytes:
    """Return what tells one boot of this machine from the next (random(4))."""
    return Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()

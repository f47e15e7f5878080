"""The voyage's state on storage's own disk: one journal, and the files that follow from it.

A line of `journal.jsonl`, fsynced, *is* a change: it holds the new contents of every entry that it
sets. State is the fold of all lines, sections of named entries:

    tasks    by id: the task, as in its file        claims   by number: every one there ever was
    ships    by id: what a ship last said           answers  by asker: the last few, by request id
    meta     clock, head, berth, verified …

Task files, ship files, the branch and the completion marker are written after the line, and can be
written again from it: what a crash left undone is done by the next call. `state.json` is the fold
up to some line, so that a call need not read the whole journal; it may be deleted at any time.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .text import utc

Sections = dict[str, dict[str, Any]]

SECTIONS = ("tasks", "claims", "ships", "answers", "meta")
SNAPSHOT_BYTES = 64_000


class Damaged(Exception):
    """The journal does not parse before its last line, or git cannot follow: no crash does that."""


class Journal:
    """State under `home`, the home directory of the user that harbor runs as.

    Only what runs inside `with journal.locked()` may look at `sections` or call `commit`."""

    def __init__(self, home: Path, voyage: str) -> None:
        self.voyage, self.folder = voyage, home / "voyage"
        self.tasks_folder = home / ".claude" / "tasks" / f"{voyage}-tasks"
        self.repo = self.folder / "repo.git"
        self.sections: Sections = {name: {} for name in SECTIONS}
        self._lines = self.folder / "journal.jsonl"
        self._stamps: dict[str, int] = {}
        self._seq = self._offset = self._snapshot_offset = self._applied = self._lock = 0
        self._behind: set[tuple[str, str]] = set()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the one lock, with everything done that an earlier call left undone."""
        with (self.folder / "lock").open("a+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._lock = lock.fileno()
            self._load()
            yield

    def commit(self, who: str, change: dict[str, Any], sets: Sections) -> None:
        """Make one change: `sets` has the new entries (None removes one), `change` what it was."""
        ns = time.time_ns()
        line = {"seq": self._seq + 1, "time": utc(ns / 1e9), "ns": ns, "who": who, **change}
        line["set"] = sets
        raw = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        with self._lines.open("ab") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        self._offset += len(raw)
        self._fold(line)
        self._follow()
        if self._offset - self._snapshot_offset > SNAPSHOT_BYTES + self._snapshot_offset // 20:
            self._save_snapshot()

    def grown(self) -> bool:
        """Whether anybody else made a change since this object last had the lock."""
        return self._lines.stat().st_size != self._offset

    # From the journal to state

    def _load(self) -> None:
        first = not self._offset
        if first:
            self._load_snapshot()
        (told, _, boot), known = (self.folder / "lock").read_bytes().partition(b" "), self._seq
        # Only the journal is synced: what followed before a reboot may be lost, and follows again.
        applied = int(told) if told.isdigit() and boot == boot_id() else 0
        self._applied = applied if applied >= known else 0
        for line in self._new_lines():
            self._fold(line)
        if not known <= applied <= self._seq:
            self._behind = {(name, key) for name in SECTIONS for key in self.sections[name]}
        if first:
            self._restore_tasks()
        if self._behind:
            self._follow()

    def _new_lines(self) -> Iterator[dict[str, Any]]:
        """Lines since the last look; a torn last one is cut off, for it never was a change."""
        with self._lines.open("a+b") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(self._offset)
            os.fsync(file.fileno())  # whoever wrote a line may have been killed before this
            for raw in file:
                try:
                    line = json.loads(raw if raw.endswith(b"\n") else b"")
                except ValueError:
                    if self._offset + len(raw) < size:
                        raise Damaged(f"damaged after change {self._seq}") from None
                    self.note(f"cut off a torn line of the journal, after change {self._seq}")
                    file.truncate(self._offset)
                    return
                self._offset += len(raw)
                yield line

    def _fold(self, line: dict[str, Any]) -> None:
        self._seq = line["seq"]
        for name, entries in line["set"].items():
            for key, value in entries.items():
                self.sections[name][key] = value
                if value is None:
                    del self.sections[name][key]
                if name == "tasks":
                    self._stamps[key] = line["ns"]
                if self._seq > self._applied:
                    self._behind.add((name, key))

    def _load_snapshot(self) -> None:
        with suppress(OSError, ValueError, KeyError, TypeError):  # then the journal has it all
            state = json.loads((self.folder / "state.json").read_bytes())
            known = [state[key] for key in ("sections", "stamps", "seq", "offset")]
            if known[-1] <= self._lines.stat().st_size:
                self.sections, self._stamps, self._seq, self._offset = known
                self._snapshot_offset = self._offset

    def _save_snapshot(self) -> None:
        state = {"sections": self.sections, "stamps": self._stamps, "seq": self._seq}
        write(self.folder / "state.json", {**state, "offset": self._offset})
        self._snapshot_offset = self._offset

    # From state to what follows from it

    def _follow(self) -> None:
        """Write the files and the ref that are behind; how far they are stands in the lock file."""
        for name, key in self._behind:
            self._write(name, key, self.sections[name].get(key))
        self._behind.clear()
        with (self.folder / "lock").open("r+b") as file:
            file.write(b"%020d %s" % (self._seq, boot_id()))
        self._applied = self._seq

    def _write(self, name: str, key: str, value: Any) -> None:
        if name == "tasks":
            write(self.tasks_folder / f"{key}.json", value, self._stamps[key])
        if name == "ships":
            write(self.folder / "ships" / f"{key}.json", value)
        if name == "claims" and value["task"]:  # the work ref that it may push, for git's hook
            allowed = self.folder / "allowed" / value["ship"] / "refs" / "heads" / "work"
            allowed.mkdir(parents=True, exist_ok=True)
            (allowed / f"{value['task']}-{key}").touch()
        if (name, key) == ("meta", "verified"):
            write(self.folder / "artifacts" / "voyage-complete.marker", value)
        if (name, key) == ("meta", "head"):
            from . import process  # which takes longer to import than most calls take

            ref = f"refs/heads/{self.voyage}"
            for left in (f"{ref}.lock", "HEAD.lock"):  # by a crash: only we take these
                (self.repo / left).unlink(missing_ok=True)
            update = ["git", "-C", self.repo, "update-ref", "-m", "landed", ref, value]
            # It has the lock too: should we be killed, the next call waits for its end.
            if (done := process.run(update, pass_fds=[self._lock])).status:
                raise Damaged(f"the branch cannot follow the journal: {done.err.strip()}")

    def _restore_tasks(self) -> None:
        """Put back every task file that is not as its last change left it."""
        self.tasks_folder.mkdir(parents=True, exist_ok=True)
        with os.scandir(self.tasks_folder) as listing:
            seen = {file.name: file.stat(follow_symlinks=False).st_mtime_ns for file in listing}
        for task_id in self.sections["tasks"]:
            known = ("tasks", task_id) in self._behind
            if seen.get(f"{task_id}.json") != self._stamps[task_id] and not known:
                self.note(f"restored {task_id}.json, which was not as ocaptain had left it")
                self._behind.add(("tasks", task_id))

    def note(self, text: str) -> None:
        """Add a line to harbor's own log."""
        with (self.folder / "logs" / "harbor.log").open("a", encoding="utf-8") as file:
            file.write(f"{utc(time.time())} {text}\n")


def boot_id() -> bytes:
    """What tells one boot of this machine from the next (random(4))."""
    return Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()


def write(path: Path, value: Any, ns: int | None = None) -> None:
    """Replace a file's contents by `value` as JSON, or remove it where that is None: all or
    nothing, though not for good before the disk is synced. `ns`: its mtime, in ns since 1970."""
    new = path.with_name(f".{path.name}.new")
    if value is None:
        path.unlink(missing_ok=True)
    else:
        new.write_text(json.dumps(value, indent=None if path.name == "state.json" else 2))
        if ns is not None:
            os.utime(new, ns=(ns, ns))
        new.rename(path)

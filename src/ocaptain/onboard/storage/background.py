"""What harbor does beside its answers: background jobs, each by one detached process at a time.

What a job does next follows from the journal alone, so it does not matter which call started its
process, or when that was killed. `meta` says how far the job is, and its fault why no further.
"""

from __future__ import annotations

import fcntl
import time

from ..text import one_line
from . import mirror, notify, upkeep
from .job import USUAL_TIMING, Rejected
from .journal import UNSOUND, open_voyage
from .snapshot import Spoilt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Literal

    from ..protocol import Meta, VoyageRecord
    from .job import Step, Timing
    from .journal import Journal

    FaultKey = Literal["mirror_fault", "notify_fault", "upkeep_fault"]

FAULT_LIMIT = 500


class Job:
    """A kind of background work."""

    def __init__(
        self,
        next_step: Callable[[Journal, VoyageRecord, Timing], Step | None],
        fault_key: FaultKey,
    ) -> None:
        """`next_step` looks, under the lock, what there is to do, if anything. `fault_key` is the
        entry of `meta` that says why the last attempt failed."""
        self.next_step = next_step
        self.fault_key: FaultKey = fault_key


JOBS = {
    "mirror": Job(mirror.next_step, "mirror_fault"),
    "notify": Job(notify.next_step, "notify_fault"),
    "upkeep": Job(upkeep.next_step, "upkeep_fault"),
}


def start_due_jobs(home: Path, journal: Journal, voyage: VoyageRecord) -> None:
    """Start a process for each job that has something to do, unless it has one.

    This looks at the journal outside the lock, as it was at the last answer: `main` looks again."""
    for name, job in JOBS.items():
        try:
            check_free(lock_path(journal, name))
            if job.next_step(journal, voyage, USUAL_TIMING):
                start_job(home, lock_path(journal, name), name)
        except OSError:  # somebody is at it, or there is no room: a later call will
            pass
        except Spoilt:
            journal.forget()


def start_job(home: Path, lock: Path, name: str) -> None:
    """Start the process of a job, with nothing of this one's: no lock, no pipe, no session.

    Raises OSError if there is one, or if that fails."""
    check_free(lock)
    from .. import process  # which takes longer to import than most calls take

    process.start_detached(home, "background.out", "background", name)


def check_free(lock: Path) -> None:
    """Raise OSError if a job's process holds this lock."""
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)


def lock_path(journal: Journal, name: str) -> Path:
    """Return the file that a job's process holds a lock on."""
    return journal.folder / f"{name}.lock"


def main(
    home: Path,
    name: str,
    timing: Timing = USUAL_TIMING,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.time,
    awake: Callable[[], float] = time.monotonic,
) -> None:
    """Do a job to its end, unless another process is at it."""
    journal, voyage = open_voyage(home, clock, awake)
    with lock_path(journal, name).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        try:
            do_steps(journal, voyage, name, timing, sleep)
        except Spoilt:  # the next call starts this again
            journal.forget()


def do_steps(
    journal: Journal,
    voyage: VoyageRecord,
    name: str,
    timing: Timing,
    sleep: Callable[[float], None],
) -> None:
    """Do step after step, until nothing is left to do or too many have failed in a row."""
    failures = 0
    while failures < timing.attempts:
        with journal.locked():
            step = JOBS[name].next_step(journal, voyage, timing)
        if not step:
            return
        is_last = failures + 1 == timing.attempts
        if do_step(journal, name, step, is_last=is_last):
            failures = 0
        else:
            failures += 1
            sleep(timing.retry_pause_s)  # after the last one too, for calls would start it again


def do_step(journal: Journal, name: str, step: Step, *, is_last: bool) -> bool:
    """Do a step and note in `meta` what comes of it. Returns whether it went well."""
    from http.client import HTTPException  # which only a job needs, and calls need not wait for

    from ..redaction import without_passwords

    try:
        news = step.action()
    except (OSError, HTTPException, *UNSOUND) as error:
        fault = one_line(without_passwords(f"{step.failure}: {error}"), FAULT_LIMIT)
        given_up: Meta = step.outcome if is_last else {}
        refused: Meta = error.news if isinstance(error, Rejected) else {}
        note(journal, name, {**given_up, **refused}, fault)
        return False
    note(journal, name, {**step.outcome, **(news or {})}, None)
    return True


def note(journal: Journal, name: str, news: Meta, fault: str | None) -> None:
    """Set the job's fault and entries of `meta`, that one perhaps among them, as far as they are
    not so already."""
    entries = {JOBS[name].fault_key: fault, **news}
    with journal.locked():
        meta = journal.sections["meta"]
        change = {key: value for key, value in entries.items() if meta.get(key) != value}
        if change:
            journal.commit("harbor", {"op": name, "claim": None}, {"meta": change})

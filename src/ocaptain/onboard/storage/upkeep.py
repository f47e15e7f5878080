"""The background job that keeps storage small. It throws nothing away.

A long journal is begun anew with a line that sums it up, what it was is kept beside it, compressed,
and git's loose objects, a file each, are packed."""

from __future__ import annotations

from functools import partial

from .job import Step
from .parts import compress, plain_parts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from ..protocol import VoyageRecord
    from .job import Timing
    from .journal import Journal

LOOSE_OBJECTS = 6_700
"""As many are left to be, which is git's own limit (gc.auto)."""
SAMPLE = "17"
"""The folder of 256 by which git estimates how many there are: names are random."""
LEFTOVERS = (".tmp-*", "tmp_*")
"""What a packing that was killed leaves in objects/pack. Pushes come in elsewhere."""


def next_step(journal: Journal, _voyage: VoyageRecord, _timing: Timing) -> Step | None:
    """Return how to make storage smaller, if that is worth while."""
    if journal.is_long():
        return Step(partial(sum_up, journal), "journal not summed up", {})
    for part in plain_parts(journal):
        return Step(partial(compress, part), f"{part.name} not compressed", {})
    if has_many_loose_objects(journal.repo):
        return Step(partial(pack, journal.repo), "repository not packed", {})
    return None


def sum_up(journal: Journal) -> None:
    """Begin the journal anew, unless somebody else did."""
    with journal.locked():
        if journal.is_long():
            journal.sum_up()


def has_many_loose_objects(repo: Path) -> bool:
    """Whether the repository has about as many as git would pack by itself."""
    sample = repo / "objects" / SAMPLE
    return sample.exists() and len([*sample.iterdir()]) > LOOSE_OBJECTS / 256


def pack(repo: Path) -> None:
    """Pack all loose objects, reachable or not, and small packs with them.

    Packs that came before are removed once what was in them is on the disk in another. Pushes and
    fetches may go on meanwhile. Raises OSError with what git said."""
    from .. import process

    for pattern in LEFTOVERS:
        for path in (repo / "objects" / "pack").glob(pattern):
            path.unlink()
    repack = ["git", "-C", str(repo), "repack", "-d", "-q", "--geometric=2"]
    done = process.run(["nice", "-n", "19", *repack])
    if done.status:
        raise OSError(done.stderr.strip() or f"git repack ended with status {done.status}")
    if has_many_loose_objects(repo):
        raise OSError("git repack left many loose objects")

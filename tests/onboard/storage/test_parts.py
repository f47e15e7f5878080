"""The journal begun anew, and what becomes of its older parts."""

import gzip
from pathlib import Path

import pytest

from ocaptain.onboard.storage import parts
from ocaptain.onboard.storage.journal import Journal
from tests.support.crashes import each_crash, recovered
from tests.support.rules import rule
from tests.support.storage import VOYAGE, Sail, Storage, assert_sound, task


def sum_up(storage: Storage) -> None:
    """Begin the journal anew."""
    with (journal := storage.journal()).locked():
        journal.sum_up()


def compress(storage: Storage) -> None:
    """Compress the journal's older parts."""
    for part in parts.plain_parts(storage.journal()):
        parts.compress(part)


def names(storage: Storage) -> list[str]:
    """The files that the journal is in."""
    return sorted(path.name for path in storage.folder.glob("journal*"))


@rule("R1", "R3")
def test_a_crash_anywhere_in_a_sum_leaves_one_journal_or_the_other(sail: Sail, tmp_path: Path):
    """Killed at any step, all lines are there, the state is the same, and it can be done again."""
    storage = sail(task("1"), task("2"))
    storage.claim("ship-0")
    before = storage.sections()
    outcomes = set()
    for crashed in each_crash(storage, sum_up, tmp_path):
        assert recovered(crashed) == before
        outcomes.add(len(crashed.lines()))
        sum_up(crashed)
        compress(crashed)
        assert recovered(crashed) == before
        assert crashed.lines()[: len(storage.lines())] == storage.lines()
        assert crashed.claim("ship-1")["task"]["id"] == "2"
    count = len(storage.lines())
    assert outcomes == {count, count + 1}


@rule("R3")
def test_a_crash_anywhere_in_a_compression_loses_no_line(sail: Sail, tmp_path: Path):
    """Killed at any step, an older part is there, plain or compressed or both."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    sum_up(storage)
    lines = storage.lines()
    for crashed in each_crash(storage, compress, tmp_path):
        assert crashed.lines() == lines
        assert not list(parts.part_faults(crashed.journal()))
        compress(crashed)
        assert names(crashed) == ["journal-1.jsonl.gz", "journal.jsonl"]
        assert crashed.lines() == lines


@rule("R7", "R3")
def test_a_voyage_goes_on_after_a_sum(sail: Sail):
    """Whatever comes before and after a sum, state, files and all lines agree, and nothing is
    written again that was not touched."""
    storage = sail(task("1"), task("2"), task("3"))
    standing = storage.journal()
    with standing.locked():
        pass
    for number in range(3):
        storage.finish(f"ship-{number}")
        sum_up(storage)
        compress(storage)
        assert_sound(storage)
    assert names(storage) == [
        "journal-1.jsonl.gz",
        "journal-5.jsonl.gz",
        "journal-8.jsonl.gz",
        "journal.jsonl",
    ]
    state = storage.sections()
    with standing.locked():
        assert standing.sections == state
    (storage.folder / "state.json").unlink()
    assert recovered(storage) == storage.sections()
    with Journal(storage.home, VOYAGE, storage.time, boot=b"another").locked():
        pass
    assert_sound(storage)
    assert storage.order("fsck")["message"] == "All is sound."
    assert storage.harbor_log() == ""


@rule("R10", "R3")
def test_who_waits_hears_of_a_sum(sail: Sail):
    """A journal that is looked at without the lock goes on with the one that was begun anew."""
    storage = sail(task("1"), task("2"))
    standing = storage.journal()
    with standing.locked():
        pass
    assert standing.look() == []
    sum_up(storage)
    assert standing.look() != []
    storage.claim("ship-0")
    assert [*standing.look()[0]["claims"]] == ["1"]


@rule("R3")
def test_only_a_long_journal_is_summed_up(sail: Sail):
    """It is long if it is longer than a limit, and than its state several times over."""
    storage = sail(task("1", files=["x" * 5_000]))
    size = storage.journal_file.stat().st_size

    def is_long(part_bytes: int) -> bool:
        return Journal(storage.home, VOYAGE, part_bytes=part_bytes).is_long()

    assert [is_long(size - 1), is_long(size)] == [True, False]
    sum_up(storage)
    assert not is_long(100)


@rule("R81", "R3")
@pytest.mark.parametrize("spoil", ["cut", "other", "gone"])
def test_fsck_names_an_older_part_that_is_damaged(sail: Sail, spoil: str):
    """The state does not depend on it, but a line of the journal is lost."""
    storage = sail(task("1"))
    for _ in range(2):
        storage.claim("ship-0")
        sum_up(storage)
        compress(storage)
    first = storage.folder / "journal-1.jsonl.gz"
    if spoil == "cut":
        first.write_bytes(first.read_bytes()[:-20])
    elif spoil == "other":
        first.write_bytes(
            gzip.compress(gzip.decompress(first.read_bytes()).replace(b"Do 1", b"Do 2"))
        )
    else:
        first.unlink()
    (fault,) = storage.order("fsck")["faults"]
    assert fault.startswith({"cut": "journal-1.jsonl.gz: damaged"}.get(spoil, "journal-"))
    assert storage.claim("ship-1")["ok"]

"""What keeps storage small."""

import subprocess
from pathlib import Path

import pytest

from ocaptain.onboard.storage import background, upkeep
from ocaptain.onboard.storage.job import Timing
from ocaptain.onboard.storage.journal import Journal
from tests.support.rules import rule
from tests.support.storage import VOYAGE, Sail, Storage, assert_sound, git, task


def objects(repo: Path) -> set[str]:
    """All objects that git finds, reachable or not."""
    listed = git(repo, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)")
    return set(listed.splitlines())


def fill(storage: Storage, count: int) -> None:
    """Have about so many loose objects, that nothing names."""
    contents = "\n\n".join(f"{number}" for number in range(count))
    marks = [f"blob\ndata {len(each)}\n{each}\n" for each in contents.split("\n\n")]
    git(storage.repo, "-c", f"fastimport.unpackLimit={count + 1}", "fast-import", "--quiet",
        stdin="".join(marks))  # fmt: skip


@rule("R57")
def test_packing_keeps_every_object_and_every_reflog(sail: Sail):
    """What is on no branch any more, and what nothing ever named, is packed like all else."""
    storage = sail(task("1"), task("2"))
    claim = storage.claim("ship-0")
    for _ in range(3):
        storage.push(claim["ref"], storage.start)
    lost = storage.push(claim["ref"])
    git(storage.repo, "update-ref", "-d", f"refs/heads/{claim['ref']}")
    fill(storage, 300)
    before = objects(storage.repo)
    reflog = git(storage.repo, "reflog", VOYAGE)
    upkeep.pack(storage.repo)
    assert lost in before
    assert objects(storage.repo) == before
    assert git(storage.repo, "count-objects") == "0 objects, 0 kilobytes"
    assert git(storage.repo, "reflog", VOYAGE) == reflog
    fill(storage, 400)
    upkeep.pack(storage.repo)
    assert objects(storage.repo) > before
    assert_sound(storage)


@rule("R57")
def test_what_a_killed_packing_left_is_removed(sail: Sail):
    """Half a pack of the last time takes no room for ever."""
    storage = sail(task("1"))
    packs = storage.repo / "objects" / "pack"
    for name in ("tmp_pack_x", ".tmp-99-pack-x.pack"):
        (packs / name).write_text("half")
    upkeep.pack(storage.repo)
    assert not [path for path in packs.iterdir() if "tmp" in path.name]


@rule("R57")
def test_a_repository_that_cannot_be_packed_says_why(sail: Sail):
    """git's own words are the fault."""
    storage = sail(task("1"))
    (storage.repo / "config").write_text("[core")
    with pytest.raises(OSError, match="bad config"):
        upkeep.pack(storage.repo)


@rule("R57")
def test_pushes_go_on_while_packing(sail: Sail, tmp_path: Path):
    """A push and a clone in the middle of it come to their ends, and nothing is missing."""
    storage = sail(task("1"))
    allowed = storage.claim("ship-0")["ref"]
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(storage.repo), str(clone))
    fill(storage, 3_000)
    repack = ["git", "-C", str(storage.repo), "repack", "-d", "-q", "--geometric=2"]
    with subprocess.Popen(repack) as packing:
        commits: list[str] = []
        while packing.poll() is None or not commits:
            git(clone, "commit", "-q", "--allow-empty", "-m", "more")
            git(clone, "push", "-q", "origin", f"HEAD:{allowed}", OCAPTAIN_SHIP="ship-0")
            commits.append(git(clone, "rev-parse", "HEAD"))
    assert packing.returncode == 0
    assert git(storage.repo, "rev-parse", allowed) == commits[-1]
    git(storage.repo, "fsck", "--connectivity-only", "--no-dangling")


@rule("R3", "R57")
def test_the_job_does_what_is_due_and_ends(sail: Sail):
    """A long journal is summed up, its part compressed, many loose objects are packed; then there
    is nothing to do."""
    storage = sail(*(task(str(number)) for number in range(1, 4)))
    fill(storage, 256 * 40)
    for _ in range(40):
        storage.ask("ship-0", "beat", claim=None)
    journal = Journal(storage.home, VOYAGE, storage.time, part_bytes=2_000)
    with journal.locked():
        assert upkeep.next_step(journal, storage.voyage, Timing())
    background.do_steps(journal, storage.voyage, "upkeep", Timing(attempts=1), lambda _: None)
    assert upkeep.next_step(journal, storage.voyage, Timing()) is None
    assert (storage.folder / "journal-1.jsonl.gz").exists()
    assert git(storage.repo, "count-objects") == "0 objects, 0 kilobytes"
    assert_sound(storage)
    assert "upkeep_fault" not in storage.sections()["meta"]

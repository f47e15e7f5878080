"""Files that git calls changed, though nobody has changed them."""

import os

import pytest

from tests.support.rules import rule
from tests.support.storage import VOYAGE, git
from tests.support.yard import Yard

WINDOWS = "a\r\nb\r\n"
NAMES = ["w1.txt", "w2 ü.txt"]


@pytest.fixture
def phantom(yard: Yard) -> Yard:
    """A clone of a branch with files that `git add` would write otherwise."""
    yard.land(**{".gitattributes": "*.txt text eol=crlf\n"})
    for name in NAMES:
        (yard.other / name).write_bytes(WINDOWS.encode())
        blob = git(yard.other, "hash-object", "-w", "--no-filters", name)
        git(yard.other, "update-index", "--add", "--cacheinfo", f"100644,{blob},{name}")
    git(yard.other, "commit", "-q", "-m", "As Windows has it")
    git(yard.other, "push", "-q", "origin", VOYAGE)
    yard.begin("work/1-1")
    return yard


def touch(yard: Yard) -> None:
    """What makes git look at contents, though they are what they were."""
    for name in NAMES:
        os.utime(yard.path / name, (1, 1))


def landed(yard: Yard) -> list[str]:
    """The paths that the work changes on the branch."""
    names = git(yard.path, "diff", "--name-only", "-z", yard.clone.upstream, "HEAD")
    return [name for name in names.split("\0") if name]


@rule("R121")
def test_a_task_begins_clean(phantom: Yard):
    """An agent's own git sees no change, and adds none."""
    assert git(phantom.path, "status", "--porcelain") == ""
    phantom.commit("Mine", note="hi")
    assert phantom.ready() == ["Mine"]
    assert landed(phantom) == ["note"]


@rule("R121")
def test_what_nobody_changed_does_not_land(phantom: Yard):
    """Whatever made git look: only what the agent has changed is committed, and rebased."""
    touch(phantom)
    assert phantom.ready() == []
    touch(phantom)
    phantom.write("note", "hi")
    phantom.land(other="x")
    assert phantom.ready() == ["Rest"]
    assert landed(phantom) == ["note"]
    assert (phantom.path / "w1.txt").read_bytes() == WINDOWS.encode()


@rule("R121")
def test_what_nobody_changed_is_not_saved(phantom: Yard):
    """A snapshot has none of it either, and leaves the tree alone."""
    touch(phantom)
    phantom.work.save("work/1-1", [])
    assert git(phantom.bare, "for-each-ref", "refs/heads/work") == ""
    phantom.write("note", "hi")
    phantom.work.save("work/1-1", [])
    saved = git(phantom.bare, "diff", "--name-only", "work/1-1~1", "work/1-1")
    assert saved == "note"
    assert (phantom.path / "w1.txt").stat().st_mtime == 1


@rule("R121")
def test_what_an_agent_changed_lands(phantom: Yard):
    """An edit lands, as git writes it; so does a file that was made executable."""
    phantom.path.joinpath("w1.txt").write_bytes(b"a\r\nc\r\n")
    (phantom.path / NAMES[1]).chmod(0o755)
    assert phantom.ready() == ["Rest"]
    assert landed(phantom) == sorted(NAMES)


@rule("R121")
def test_what_an_agent_staged_lands(phantom: Yard):
    """Line endings are put right if that is what the task is about."""
    git(phantom.path, "add", "--renormalize", ".")
    assert phantom.ready() == ["Rest"]
    assert landed(phantom) == sorted(NAMES)


@rule("R121")
def test_ships_do_not_conflict_over_line_endings(phantom: Yard):
    """Where one put them right and another changed a line, both land."""
    (phantom.path / "w1.txt").write_bytes(b"a\r\nb\r\nmine\r\n")
    git(phantom.other, "add", "--renormalize", ".")
    phantom.land()
    assert phantom.ready() == ["Rest"]
    assert git(phantom.path, "show", "HEAD:w1.txt").split() == ["a", "b", "mine"]

"""Large files of Git LFS, with the real one."""

import hashlib

import pytest

from ocaptain.onboard.ship import lfs
from tests.support.rules import rule
from tests.support.storage import git
from tests.support.yard import Yard

OLD, NEW = "old contents\n", "new contents\n"


def object_id(contents: str) -> str:
    return hashlib.sha256(contents.encode()).hexdigest()


def pointer(contents: str) -> str:
    """What git-lfs commits for these contents."""
    oid, size = object_id(contents), len(contents)
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n"


@pytest.fixture
def large(yard: Yard) -> Yard:
    """A clone of a branch with a large file."""
    attributes = "*.psd filter=lfs diff=lfs merge=lfs -text\n"
    yard.land(**{".gitattributes": attributes, "big.psd": pointer(OLD)})
    yard.make()
    yard.begin("work/1-1")
    return yard


def finish(yard: Yard) -> str:
    """The subjects of what lands, after all that the agent has done."""
    yard.commit_rest()
    assert yard.rebase() == []
    return git(yard.path, "log", "--format=%s", f"{yard.clone.upstream}..HEAD")


def found(yard: Yard) -> lfs.Faults:
    return lfs.faults(yard.clone.git, yard.clone.upstream)


@rule("R123")
def test_ships_have_pointers(large: Yard):
    """A clone needs no server, though no object is anywhere."""
    assert (large.path / "big.psd").read_text() == pointer(OLD)
    large.land(**{"big.psd": pointer(NEW)})
    large.begin("work/2-2")
    assert (large.path / "big.psd").read_text() == pointer(NEW)
    assert finish(large) == ""
    assert found(large) == lfs.Faults([], [])


@rule("R123")
def test_contents_are_committed_as_a_pointer(large: Yard):
    """And their object is kept; who lands is told that nobody else has it."""
    large.write("big.psd", NEW)
    assert finish(large) == "Rest"
    assert git(large.path, "show", "HEAD:big.psd") + "\n" == pointer(NEW)
    oid = object_id(NEW)
    kept = large.path / ".git" / "lfs" / "objects" / oid[:2] / oid[2:4] / oid
    assert kept.read_text() == NEW
    assert found(large) == lfs.Faults(whole=[], stranded=["big.psd"])


@rule("R123")
def test_contents_that_set_up_has_fetched_are_no_change(large: Yard):
    """They stay in the tree, and the branch keeps the pointer."""
    large.write("big.psd", OLD)
    assert finish(large) == ""


@rule("R123")
def test_objects_are_brought_to_the_server_that_the_repository_names(large: Yard):
    """Then the work may land."""
    server = large.root / "server.git"
    git(large.root, "init", "-q", "--bare", str(server))
    large.write(".lfsconfig", f"[lfs]\n\turl = file://{server}\n")
    large.write("big.psd", NEW)
    assert finish(large) == "Rest"
    assert found(large) == lfs.Faults([], [])
    oid = object_id(NEW)
    assert (server / "lfs" / "objects" / oid[:2] / oid[2:4] / oid).read_text() == NEW


@rule("R123")
def test_contents_that_an_agent_committed_are_found(large: Yard):
    """Also if its git knows of no filter; a pointer that only has another name is no fault, nor is
    an empty file."""
    git(large.path, "mv", "big.psd", "moved.psd")
    large.commit("Mine", **{"whole.psd": NEW, "empty.psd": "", "plain.txt": NEW})
    assert found(large) == lfs.Faults(whole=["whole.psd"], stranded=[])

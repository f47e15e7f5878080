"""Lines of a conflict that are left in files."""

import os

import pytest

from tests.support.rules import rule
from tests.support.storage import VOYAGE, git
from tests.support.yard import Yard

MARKED = "<<<<<<< ours\nmine\n=======\ntheirs\n>>>>>>> theirs\n"


@rule("R134")
@pytest.mark.parametrize("left", ["<<<<<<< HEAD\n", ">>>>>>> 1f2e3d (Theirs)\r\n", ">>>>>>>\n"])
def test_half_of_the_markers_are_markers(yard: Yard, left: str):
    """Whichever of them was forgotten."""
    yard.write("new", f"a\n{left}b\n")
    assert yard.found() == [("markers", ("new",))]


@pytest.mark.parametrize(
    "text", ["Title\n=======\n", ">>>>>> six\n", "> >>>>>>> quoted\n", "a\0" + MARKED]
)
def test_what_only_looks_like_a_marker(yard: Yard, text: str):
    """Headings, quotes and binary files are no conflicts."""
    yard.write("new", text)
    assert yard.found() == []


@rule("R135")
def test_marker_lines_that_a_file_had_before(yard: Yard):
    """A page about merging may be changed, renamed, and be in conflict like any other."""
    yard.land(page=f"{MARKED}start\n")
    yard.begin("work/1-1")
    yard.commit("Mine", page=f"{MARKED}mine\n")
    assert yard.found() == []
    yard.land(page=f"{MARKED}theirs\n")
    assert yard.rebase() == ["page"]
    yard.write("page", f"{MARKED}mine\n<<<<<<< HEAD\ntheirs\n")
    assert yard.found() == [("markers", ("page",))]
    yard.write("page", f"{MARKED}mine and theirs\n")
    assert yard.ready() == ["Mine"]
    git(yard.path, "mv", "page", "moved")
    assert yard.found() == []


def test_markers_of_another_size(yard: Yard):
    """The attribute `conflict-marker-size` is heeded."""
    yard.land(attributes="")
    sizes = "*.rst conflict-marker-size=12\n*.md conflict-marker-size=2\n"
    yard.write(".gitattributes", sizes)
    yard.write("a.rst", "<<<<<<< seven\n")
    yard.write("b.rst", f"{'<' * 12} HEAD\n")
    yard.write("c.md", "<< HEAD\n")
    assert yard.found() == [("markers", ("b.rst", "c.md"))]


@rule("R134")
@pytest.mark.parametrize("left", ["||||||| base\n", "=======\n"])
def test_what_parts_the_sides_is_a_marker_in_a_file_in_conflict(yard: Yard, left: str):
    """Other files may have such lines."""
    yard.commit("Mine", poem="mine\n")
    yard.land(poem="theirs\n")
    assert yard.rebase() == ["poem"]
    yard.write("poem", f"mine\n{left}theirs\n")
    assert yard.found() == [("markers", ("poem",))]


def test_a_name_that_is_no_text(yard: Yard):
    """Bytes that no encoding has are a name like any other."""
    name = os.fsdecode(b"odd\xff name")
    (yard.path / name).write_text(MARKED)
    assert yard.found() == [("markers", (name,))]
    (yard.path / name).write_text("x")
    yard.commit_rest()
    assert "odd" in git(yard.path, "ls-tree", "--name-only", "HEAD")


def test_a_landing_of_others_is_no_leftover(yard: Yard):
    """What the agent merged from the branch by itself is not its own change."""
    yard.commit("Mine", a="a")
    yard.land(page=MARKED)
    git(yard.path, "fetch", "-q", "origin")
    git(yard.path, "merge", "-q", f"origin/{VOYAGE}")
    assert yard.found() == []


@rule("R134")
def test_markers_that_come_from_the_agents_own_branch(yard: Yard):
    """A merge that is not committed yet makes them no lines of the file's own."""
    git(yard.path, "checkout", "-q", "-b", "side")
    yard.commit("Side", page=MARKED)
    git(yard.path, "checkout", "-q", "work/1-1")
    git(yard.path, "merge", "-q", "--no-commit", "--no-ff", "side")
    assert yard.found() == [("markers", ("page",))]

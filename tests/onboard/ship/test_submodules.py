"""A clone's submodules follow the branch."""

from pathlib import Path

import pytest

from ocaptain.onboard.ship import submodules
from tests.support.rules import rule
from tests.support.storage import git
from tests.support.yard import Yard

ALLOWED = ("-c", "protocol.file.allow=always")


class Library:
    """A repository that is a submodule on the branch, checked out in the ship's clone."""

    def __init__(self, yard: Yard) -> None:
        self.yard, self.path = yard, yard.root / "library"
        git(yard.root, "init", "-q", str(self.path))
        self.first = self.publish("1")
        git(yard.other, *ALLOWED, "submodule", "--quiet", "add", str(self.path), "sub")
        yard.land()
        yard.begin("work/1-1")
        self.populate()
        yard.clone.keep()

    @property
    def here(self) -> Path:
        """The submodule in the ship's clone."""
        return self.yard.path / "sub"

    def populate(self) -> None:
        """What `setup.sh` does, or an agent."""
        git(self.yard.path, *ALLOWED, "submodule", "--quiet", "update", "--init")

    def publish(self, text: str) -> str:
        """A new commit in the library."""
        (self.path / "version").write_text(text)
        git(self.path, "add", "-A")
        git(self.path, "commit", "-q", "-m", text)
        return git(self.path, "rev-parse", "HEAD")

    def bump(self, commit: str) -> None:
        """Another ship lands another version."""
        sub = self.yard.other / "sub"
        git(sub, "fetch", "-q", "origin")
        git(sub, "checkout", "-q", commit)
        self.yard.land()

    def landed(self) -> str:
        """The commit that the agent's work has for the submodule."""
        return git(self.yard.path, "rev-parse", "HEAD:sub")


@pytest.fixture
def library(yard: Yard) -> Library:
    return Library(yard)


@rule("R122")
def test_a_bump_that_landed_is_not_moved_back(yard: Yard, library: Library):
    """The next task has the new version checked out, and lands nothing of the old."""
    second = library.publish("2")
    library.bump(second)
    yard.begin("work/2-2")
    assert (library.here / "version").read_text() == "2"
    yard.write("a", "a")
    assert yard.ready() == ["Rest"]
    assert library.landed() == second
    assert git(yard.path, "diff", "--name-only", "HEAD~1") == "a"


@rule("R122")
def test_what_an_agent_left_in_a_submodule_is_gone(yard: Yard, library: Library):
    """A submodule begins as fresh as the clone: version, files, excludes, stash and settings."""
    own = submodules.own_folder(yard.clone.git, library.here)
    excluded = (own / "info" / "exclude").read_text()
    (own / "info" / "exclude").write_text("hidden\n")
    git(library.here, "config", "user.email", "agent@example.com")
    (library.here / "version").write_text("stashed")
    git(library.here, "stash", "-q")
    (library.here / "hidden").write_text("x")
    git(library.here, "commit", "-q", "--allow-empty", "-m", "Only here")
    (own / "index.lock").touch()
    yard.begin("work/2-2")
    assert git(library.here, "rev-parse", "HEAD") == library.first
    assert git(library.here, "stash", "list") == ""
    assert git(library.here, "status", "--porcelain") == ""
    assert (own / "info" / "exclude").read_text() == excluded
    assert not (library.here / "hidden").exists()
    assert "agent@example.com" not in (own / "config").read_text()
    assert git(yard.path, "status", "--porcelain") == ""


@rule("R122")
def test_a_submodule_that_cannot_follow_is_left_empty_in_the_end(yard: Yard, library: Library):
    """First a fresh clone is due. If its set-up has not the commit either, the submodule is empty,
    and nothing that is done in the clone moves it."""
    sub = yard.other / "sub"
    git(sub, "commit", "-q", "--allow-empty", "-m", "Nowhere else")
    lost = git(sub, "rev-parse", "HEAD")
    yard.land()
    with pytest.raises(OSError, match="submodules cannot follow the branch: sub"):
        yard.begin("work/2-2")
    yard.clone.make()
    git(yard.path, *ALLOWED, "clone", "-q", str(library.path), "sub")
    yard.clone.keep()
    yard.begin("work/2-2")
    assert yard.said == ["submodules whose commit cannot be fetched are empty: sub"]
    assert list(library.here.iterdir()) == []
    yard.write("a", "a")
    assert yard.ready() == ["Rest"]
    assert library.landed() == lost


@rule("R122")
def test_a_submodule_that_an_agent_checked_out_follows_too(yard: Yard, library: Library):
    """It stays, for the next task may need it."""
    yard.make()
    yard.begin("work/2-2")
    library.populate()
    second = library.publish("2")
    library.bump(second)
    yard.begin("work/3-3")
    assert git(library.here, "rev-parse", "HEAD") == second


@rule("R122")
def test_a_submodule_that_left_the_branch_is_gone(yard: Yard, library: Library):
    """As in a fresh clone."""
    git(yard.other, "rm", "-q", "-f", "sub")
    yard.land()
    yard.begin("work/2-2")
    assert not library.here.exists()


@rule("R122")
def test_no_other_repository_is_taken_for_a_submodule(yard: Yard, library: Library):
    """Where its link was made to lead elsewhere, nothing there is touched."""
    mine = yard.root / "mine"
    git(yard.root, "init", "-q", str(mine))
    (mine / ".git" / "precious").touch()
    (library.here / ".git").write_text(f"gitdir: {mine}/.git\n")
    with pytest.raises(OSError, match="submodules cannot follow"):
        yard.begin("work/2-2")
    assert (mine / ".git" / "precious").exists()

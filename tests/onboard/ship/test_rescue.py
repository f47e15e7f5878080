"""Whatever an agent does to git's folder, what it made in the tree lands or is kept."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ocaptain.onboard.ship.stock import findings
from ocaptain.onboard.ship.work import Work
from tests.support.rules import rule
from tests.support.storage import git
from tests.support.yard import Yard


def removed(directory: Path) -> None:
    shutil.rmtree(directory)


def a_file(directory: Path) -> None:
    shutil.rmtree(directory)
    directory.write_text("nothing\n")


def emptied(directory: Path) -> None:
    shutil.rmtree(directory)
    directory.mkdir()


def begun_anew(directory: Path) -> None:
    shutil.rmtree(directory)
    git(directory.parent, "init", "-q")


def committed_anew(directory: Path) -> None:
    begun_anew(directory)
    git(directory.parent, "add", "a", "b", "poem")
    git(directory.parent, "commit", "-q", "-m", "All of it")


def cloned_from_elsewhere(directory: Path) -> None:
    elsewhere = directory.parent.parent.parent / "elsewhere"
    git(elsewhere.parent, "init", "-q", str(elsewhere))
    (elsewhere / "theirs").write_text("theirs\n")
    git(elsewhere, "add", "-A")
    git(elsewhere, "commit", "-q", "-m", "Theirs")
    git(elsewhere, "tag", "-a", "-m", "Theirs", "v1")
    shutil.rmtree(directory)
    git(elsewhere.parent, "clone", "-q", "--no-checkout", str(elsewhere), "copy")
    (elsewhere.parent / "copy" / ".git").rename(directory)


def linked(directory: Path) -> None:
    away = directory.parent.parent / "away"
    directory.rename(away)
    directory.symlink_to(away)


def separate(directory: Path) -> None:
    git(directory.parent, "init", "-q", f"--separate-git-dir={directory.parent.parent}/away")


def no_objects(directory: Path) -> None:
    shutil.rmtree(directory / "objects")


def emptied_objects(directory: Path) -> None:
    no_objects(directory)
    (directory / "objects").mkdir()


def no_head(directory: Path) -> None:
    (directory / "HEAD").unlink()


def broken_head(directory: Path) -> None:
    (directory / "HEAD").write_text("<<<<<<< ours\n")


def lost_head(directory: Path) -> None:
    (directory / "HEAD").write_text(f"{'1' * 40}\n")


def broken_index(directory: Path) -> None:
    (directory / "index").write_bytes(b"DIRC, once")


def no_refs(directory: Path) -> None:
    shutil.rmtree(directory / "refs")


def broken_config(directory: Path) -> None:
    (directory / "config").write_text("[[[")


BREAK: list[Callable[[Path], None]] = [
    *(removed, a_file, emptied, begun_anew, committed_anew, cloned_from_elsewhere, linked),
    *(separate, no_objects, emptied_objects, no_head, broken_head, lost_head, broken_index),
    *(no_refs, broken_config),
]


@rule("R151")
@pytest.mark.parametrize("spoil", BREAK)
def test_what_is_in_the_tree_lands_whatever_became_of_gits_folder(
    yard: Yard, spoil: Callable[[Path], None]
):
    """Committed or not, with what others landed meanwhile; what the set-up ignores stays out."""
    with (yard.path / ".git" / "info" / "exclude").open("a") as file:
        file.write("cache/\n")
    yard.clone.keep()
    yard.begin("work/1-1")
    yard.write("cache/warm", "warm\n")
    yard.commit("Mine", a="a\n", poem="mine\n")
    yard.write("b", "b\n")
    (yard.path / "gone").unlink()
    yard.land(theirs="theirs\n")
    spoil(yard.path / ".git")
    stock = yard.work.take_stock()
    assert findings(stock) == []
    yard.work.commit(stock, "Rest")
    assert yard.rebase() == []
    assert yard.push()
    changed = git(yard.bare, "diff", "--name-only", f"{yard.clone.upstream}..work/1-1").split()
    assert changed == ["a", "b", "gone", "poem"]
    assert git(yard.path, "status", "--porcelain") == ""


@rule("R151")
def test_commits_of_another_repository_are_found_or_kept(yard: Yard):
    """An agent that began anew is told of what its tree lacks; its other branches stay, too."""
    directory = yard.path / ".git"
    shutil.rmtree(directory)
    git(yard.path, "init", "-q", "-b", "anew")
    yard.commit("Anew", lost="lost\n", mine="mine\n")
    git(yard.path, "checkout", "-q", "--detach")
    yard.commit("Nowhere", nowhere="nowhere\n")
    nowhere = git(yard.path, "rev-parse", "HEAD")
    git(yard.path, "checkout", "-q", "anew")
    yard.write("poem", "stashed\n")
    git(yard.path, "stash", "-u")
    (yard.path / "lost").unlink()
    stock = yard.work.take_stock()
    names = {"anew", "stash@{0}", f"commit {nowhere[:12]}, on no branch"}
    assert {tip.name for tip in stock.elsewhere} == names
    yard.work.save("work/1-1", [], ended=True)
    assert yard.shown("work/1-1", "mine") == "mine"
    further = git(yard.bare, "for-each-ref", "--format=%(objectname)", "refs/heads/work/1-1+*")
    assert set(further.split()) == {tip.commit for tip in stock.elsewhere}


@rule("R138", "R151")
def test_changes_in_a_worktree_are_found_though_its_branch_is_lost(yard: Yard):
    """Its branch had no commit of its own, and so nobody brought it over."""
    broken_index(yard.path / ".git")
    git(yard.path, "worktree", "add", "-q", "../beside", "-b", "beside")
    (yard.path.with_name("beside") / "lost").write_text("lost")
    stock = yard.work.take_stock()
    (tip,) = stock.elsewhere
    assert tip.name == "the worktree ../beside"
    assert git(yard.path, "show", f"{tip.commit}:lost") == "lost"


@rule("R151")
def test_commits_on_the_branch_stay_commits(yard: Yard):
    """If only the index or HEAD is broken, nothing else is lost, wherever work is."""
    yard.commit("First", a="a\n")
    git(yard.path, "checkout", "-q", "-b", "feature")
    yard.commit("Elsewhere", b="b\n")
    git(yard.path, "checkout", "-q", "work/1-1")
    broken_index(yard.path / ".git")
    stock = yard.work.take_stock()
    assert [tip.name for tip in stock.elsewhere] == ["feature"]
    assert git(yard.path, "log", "--format=%s", f"{yard.clone.upstream}..HEAD") == "First"
    assert git(yard.path, "status", "--porcelain") == ""
    assert git(yard.path, "branch", "--show-current") == "work/1-1"


@rule("R151")
def test_the_task_after_begins_in_a_new_clone(yard: Yard):
    """Nothing of a folder that was broken once is relied on again."""
    removed(yard.path / ".git")
    yard.work.take_stock()
    with pytest.raises(OSError, match="was broken before"):
        yard.begin("work/2-2")
    yard.make()
    yard.begin("work/2-2")
    assert sorted(path.name for path in yard.path.parent.iterdir()) == [
        "workspace",
        "workspace.set-up",
    ]


@rule("R151")
def test_what_a_dead_helm_left_is_saved_without_gits_folder(yard: Yard):
    """The next helm knows by what was kept which task it was, and where the branch was then."""
    yard.write("mine", "mine\n")
    yard.land(theirs="theirs\n")
    removed(yard.path / ".git")
    clone = yard.a_clone(yard.path)
    Work(clone).save(clone.begun(), [], ended=True)
    assert git(yard.bare, "show", "--format=", "--name-only", "work/1-1") == "mine"

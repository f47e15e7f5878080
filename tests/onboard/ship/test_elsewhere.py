"""Work that an agent has left elsewhere than where it lands."""

import subprocess
from collections.abc import Callable

import pytest

from tests.support.rules import rule
from tests.support.storage import git
from tests.support.yard import Yard, fails, two_sides


def on_a_branch(yard: Yard) -> str:
    git(yard.path, "checkout", "-q", "-b", "feature")
    yard.commit("Elsewhere", lost="lost")
    git(yard.path, "checkout", "-q", "work/1-1")
    return "feature"


def on_no_branch(yard: Yard) -> str:
    git(yard.path, "checkout", "-q", "--detach")
    yard.commit("Elsewhere", lost="lost")
    commit = git(yard.path, "rev-parse", "--short=12", "HEAD")
    git(yard.path, "checkout", "-q", "work/1-1")
    return f"commit {commit}, on no branch"


def in_the_stash(yard: Yard) -> str:
    yard.write("poem", "stashed\n")
    yard.write("lost", "lost")
    git(yard.path, "stash", "-u")
    return "stash@{0}"


def in_a_worktree(yard: Yard) -> str:
    git(yard.path, "worktree", "add", "-q", "--detach", "../beside")
    (yard.path / "../beside/lost").write_text("lost")
    return "the worktree ../beside"


def in_a_worktree_within(yard: Yard) -> str:
    git(yard.path, "worktree", "add", "-q", ".claude/worktrees/x", "-b", "sub")
    (yard.path / ".claude/worktrees/x/lost").write_text("lost")
    return "the worktree .claude/worktrees/x"


def in_a_worktree_on_an_orphan_branch(yard: Yard) -> str:
    git(yard.path, "worktree", "add", "-q", "--detach", "../beside")
    git(yard.path.with_name("beside"), "checkout", "-q", "--orphan", "fresh")
    (yard.path / "../beside/lost").write_text("lost")
    return "the worktree ../beside"


def under_another_ref(yard: Yard) -> str:
    on_no_branch(yard)
    git(yard.path, "tag", "mine", "HEAD@{1}")
    return "refs/tags/mine"


def under_a_tag_with_a_message(yard: Yard) -> str:
    on_no_branch(yard)
    git(yard.path, "tag", "-a", "-m", "Mine", "mine", "HEAD@{1}")
    return "refs/tags/mine"


def under_odd_names(yard: Yard) -> str:
    git(yard.path, "branch", "odd\u2028name")
    yard.write("lost", "lost")
    git(yard.path, "stash", "push", "-q", "-u", "-m", "odd\f\u2028message")
    return "stash@{0}"


ELSEWHERE = [
    on_a_branch,
    on_no_branch,
    in_the_stash,
    in_a_worktree,
    in_a_worktree_within,
    in_a_worktree_on_an_orphan_branch,
    under_another_ref,
    under_a_tag_with_a_message,
    under_odd_names,
]


@rule("R138")
@pytest.mark.parametrize("make", ELSEWHERE)
def test_work_elsewhere_is_found_and_kept(yard: Yard, make: Callable[[Yard], str]):
    """Wherever it was left: it is named, and all of it is saved under further refs."""
    name = make(yard)
    [(kind, names)] = yard.found()
    assert kind == "elsewhere"
    assert name in names
    yard.work.save("work/1-1", [], ended=True)
    refs = git(yard.bare, "for-each-ref", "--format=%(refname)", "refs/heads/work").split()
    assert refs
    assert all(ref.startswith("refs/heads/work/1-1+") for ref in refs)
    files = [git(yard.bare, "ls-tree", "-r", "--name-only", ref).split() for ref in refs]
    assert any("lost" in names for names in files)


def test_work_that_was_brought_over_is_not_elsewhere(yard: Yard):
    """A branch that was merged, picked or squashed, and a stash that was applied, are taken."""
    on_a_branch(yard)
    git(yard.path, "merge", "-q", "--squash", "feature")
    in_the_stash(yard)
    git(yard.path, "stash", "apply", "-q", "--index")
    git(yard.path, "worktree", "add", "-q", "../clean")
    assert yard.found() == []


def test_what_was_there_before_is_not_the_tasks(yard: Yard):
    """Stash and branches of an earlier task are none of this one's work."""
    in_the_stash(yard)
    on_a_branch(yard)
    yard.work.begin()
    assert yard.found() == []


def test_what_was_staged_and_then_overwritten_is_kept(yard: Yard):
    """The index may have what neither the tree nor the branch has."""
    yard.write("a", "staged")
    git(yard.path, "add", "a")
    yard.write("a", "later")
    assert yard.found() == []
    yard.work.save("work/1-1", [], ended=True)
    [ref] = git(yard.bare, "for-each-ref", "--format=%(refname)", "refs/heads/work/1-1+*").split()
    assert yard.shown(ref, "a") == "staged"
    assert yard.shown("work/1-1", "a") == "later"


@pytest.mark.parametrize("delete", ["git rm -q gone", "git rm -q gone; git commit -qm Gone"])
def test_files_deleted_elsewhere_are_work_elsewhere(yard: Yard, delete: str):
    """In the stash, or on another branch."""
    git(yard.path, "checkout", "-q", "-b", "feature")
    subprocess.run(f"{delete}; git stash -q", cwd=yard.path, shell=True, check=True)
    git(yard.path, "checkout", "-q", "work/1-1")
    [(kind, names)] = yard.found()
    assert kind == "elsewhere"
    assert names
    git(yard.path, "rm", "-q", "gone")
    assert yard.found() == []


def test_what_an_operation_has_put_aside_is_kept(yard: Yard):
    """`--autostash` keeps it in a file of git's, and in no ref."""
    two_sides(yard)
    yard.write("gone", "aside\n")
    fails(yard.path, "rebase", "--autostash", "aside")
    assert "the stash of a rebase" in dict(yard.found())["elsewhere"]

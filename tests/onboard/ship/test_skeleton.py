"""What an agent leaves in `.git` ends with its task, and what `setup.sh` put there stays."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.rules import rule
from tests.support.storage import git
from tests.support.yard import Yard


def exclude(yard: Yard) -> None:
    with (yard.path / ".git" / "info" / "exclude").open("a") as file:
        file.write("out/\n")
    yard.write("out/scratch", "x")


def attributes(yard: Yard) -> None:
    (yard.path / ".git" / "info" / "attributes").write_text("* -diff merge=binary\n")


def assume_unchanged(yard: Yard) -> None:
    git(yard.path, "update-index", "--assume-unchanged", "poem")
    yard.write("poem", "hidden\n")


def skip_worktree(yard: Yard) -> None:
    git(yard.path, "update-index", "--skip-worktree", "poem")
    yard.write("poem", "hidden\n")


def intend_to_add(yard: Yard) -> None:
    yard.write("new", "x")
    git(yard.path, "add", "-N", "new")


def sparse(yard: Yard) -> None:
    git(yard.path, "sparse-checkout", "set", "--cone", "nothing")


def sparse_by_pattern(yard: Yard) -> None:
    git(yard.path, "sparse-checkout", "set", "--no-cone", "/gone")


def split_index(yard: Yard) -> None:
    git(yard.path, "update-index", "--split-index", "--untracked-cache")


def stash(yard: Yard) -> None:
    yard.write("poem", "stashed\n")
    yard.write("stray", "stashed")
    git(yard.path, "stash", "push", "-u")


def refs(yard: Yard) -> None:
    yard.commit("Aside", aside="x")
    git(yard.path, "branch", "feature")
    git(yard.path, "tag", "v9")
    git(yard.path, "update-ref", "refs/notes/commits", "HEAD")
    git(yard.path, "update-ref", "refs/remotes/elsewhere/main", "HEAD")
    git(yard.path, "pack-refs", "--all")


def no_refs(yard: Yard) -> None:
    for ref in git(yard.path, "for-each-ref", "--format=%(refname)").split():
        git(yard.path, "update-ref", "-d", ref)


def replacement(yard: Yard) -> None:
    yard.commit("Other", poem="other\n")
    git(yard.path, "replace", "HEAD~1", "HEAD")


def grafts(yard: Yard) -> None:
    head = git(yard.path, "rev-parse", "HEAD")
    (yard.path / ".git" / "info" / "grafts").write_text(f"{head}\n")


def shallow(yard: Yard) -> None:
    git(yard.path, "fetch", "-q", "--depth=1", f"file://{yard.bare}")


def worktree_inside(yard: Yard) -> None:
    git(yard.path, "worktree", "add", "-q", "-b", "inside", ".claude/worktrees/one")


def worktree_elsewhere(yard: Yard) -> None:
    git(yard.path, "worktree", "add", "-q", "--lock", "--detach", str(yard.root / "elsewhere"))


def ignored_worktree(yard: Yard) -> None:
    git(yard.path, "worktree", "add", "-q", "-b", "ignored", "node_modules/one")


def hooks(yard: Yard) -> None:
    hook = yard.path / ".git" / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    (yard.path / ".git" / "hooks" / "commit-msg").write_text("#!/bin/sh\nexit 1\n")


def settings(yard: Yard) -> None:
    git(yard.path, "config", "user.email", "agent@example.com")
    git(yard.path, "config", "extensions.worktreeConfig", "true")
    git(yard.path, "config", "--worktree", "core.ignoreCase", "true")


def alternates(yard: Yard) -> None:
    git(yard.other, "commit", "-q", "--allow-empty", "-m", "Lent")
    lent = yard.path / ".git" / "objects" / "info" / "alternates"
    lent.write_text(f"{yard.other}/.git/objects\n")
    git(yard.path, "fetch", "-q", str(yard.other), "HEAD:refs/heads/lent")


def locks(yard: Yard) -> None:
    names = ("index.lock", "packed-refs.lock", "refs/remotes/origin/HEAD.lock", "shallow.lock")
    for name in (*names, "objects/info/commit-graphs/chain.lock", "logs/HEAD.lock"):
        path = yard.path / ".git" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def bisect(yard: Yard) -> None:
    git(yard.path, "bisect", "start", "HEAD", "HEAD~1")


def no_head(yard: Yard) -> None:
    (yard.path / ".git" / "HEAD").unlink()


def nested(yard: Yard) -> None:
    for folder in ("vendor/one", "deep", "deep/er"):
        (yard.path / folder).mkdir(parents=True, exist_ok=True)
        git(yard.path / folder, "init", "-q")
        git(yard.path / folder, "commit", "-q", "--allow-empty", "-m", "Nested")
    yard.write("vendor/one/x", "x")


def modes(yard: Yard) -> None:
    time.sleep(1.05 - time.time() % 1)  # git compares times in whole seconds
    (yard.path / "poem").chmod(0o400)
    (yard.path / "gone").chmod(0o755)


LEFT: list[Callable[[Yard], None]] = [
    *(exclude, attributes, assume_unchanged, skip_worktree, intend_to_add),
    *(sparse, sparse_by_pattern, split_index, stash, refs, no_refs, replacement, grafts, shallow),
    *(worktree_inside, worktree_elsewhere, ignored_worktree, hooks, settings, alternates, locks),
    *(bisect, no_head, nested, modes),
]


def state(yard: Yard) -> dict[str, object]:
    """All that git knows, but for objects, and the files of the tree."""
    directory = yard.path / ".git"
    skipped = ("objects", "index", "FETCH_HEAD", "logs", "refs", "packed-refs")
    files = [path for path in directory.rglob("*") if path.is_file()]
    known = [path.relative_to(directory) for path in files]
    kept = [path for path in known if path.parts[0] not in skipped]
    return {
        **{str(path): (directory / path).read_bytes() for path in kept},
        "alternates": (directory / "objects" / "info" / "alternates").exists(),
        "refs": git(yard.path, "for-each-ref"),
        "index": git(yard.path, "ls-files", "-s", "-v"),
        "status": git(yard.path, "status", "--porcelain"),
        "modes": [(yard.path / name).stat().st_mode for name in ("poem", "gone")],
        "worktrees": git(yard.path, "worktree", "list"),
        "links": sorted(str(path) for path in yard.path.rglob(".git")),
        "log": git(yard.path, "log", "--format=%H"),
    }


@rule("R120")
def test_a_task_begins_as_in_a_fresh_clone(yard: Yard):
    """Whatever an agent left in git's folder, the next task finds what a fresh clone has."""
    (yard.other / "deep" / "er").mkdir(parents=True)
    yard.land(**{"deep/er/other": "x"})
    yard.make()
    yard.begin("work/2-2")
    fresh = state(yard)
    for leave in LEFT:
        leave(yard)
        yard.begin("work/2-2")
        assert state(yard) == fresh, leave.__name__
    assert not (yard.root / "elsewhere").exists()
    assert yard.said == []


@rule("R120")
def test_the_next_task_can_make_the_same_again(yard: Yard):
    """Worktrees, branches and repositories within bear the names that agents choose."""
    for number in (2, 3):
        for leave in (worktree_inside, worktree_elsewhere, ignored_worktree, nested, refs):
            leave(yard)
        yard.clone.begin(f"work/{number}-{number}")


@rule("R120")
def test_later_changes_land_after_tricks_with_the_index(yard: Yard):
    """What one task excluded or told git not to look at is another's to change."""
    exclude(yard)
    assume_unchanged(yard)
    yard.begin("work/2-2")
    assert not (yard.path / "out").exists()
    yard.write("out/x", "x")
    yard.write("poem", "two\n")
    assert yard.ready() == ["Rest"]
    assert git(yard.path, "diff", "--name-only", "HEAD~1").split() == ["out/x", "poem"]


@rule("R120")
def test_what_set_up_has_made_stays(yard: Yard):
    """Its settings, hooks, names to ignore, branches and caches are there in each task, whatever
    the agent before did to them."""
    yard.clone.make()
    directory = yard.path / ".git"
    git(yard.path, "config", "core.hooksPath", ".husky")
    git(yard.path, "fetch", "-q", str(yard.bare), "HEAD:refs/remotes/upstream/main")
    hook = directory / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\ntrue\n")
    hook.chmod(0o755)
    (directory / "info" / "attributes").write_text("*.ipynb -text\n")
    (directory / "info" / "exclude").write_text("cache/\n")
    (directory / "git-crypt").mkdir()
    (directory / "git-crypt" / "key").write_text("key")
    yard.write("cache/warm", "warm")
    yard.clone.keep()
    yard.begin("work/1-1")
    before = state(yard)
    hook.unlink()
    git(yard.path, "config", "--unset", "core.hooksPath")
    git(yard.path, "update-ref", "-d", "refs/remotes/upstream/main")
    (directory / "git-crypt" / "key").write_text("forged")
    attributes(yard)
    yard.begin("work/1-1")
    assert state(yard) == before
    assert (yard.path / "cache" / "warm").read_text() == "warm"
    assert (directory / "git-crypt" / "key").read_text() == "key"


@rule("R120")
def test_files_that_did_not_change_are_not_written_again(yard: Yard):
    """So a build that goes by time stays warm; what an agent changed is put back."""
    before = (yard.path / "poem").stat().st_mtime_ns
    yard.write("gone", "changed\n")
    yard.land(other="x")
    yard.begin("work/2-2")
    assert (yard.path / "poem").stat().st_mtime_ns == before
    assert (yard.path / "gone").read_text() == "old\n"


@rule("R120")
def test_a_change_of_the_same_size_in_the_same_second_is_seen(yard: Yard):
    """Git looks at contents where times do not tell."""
    for word in ("one", "two", "six"):
        yard.write("gone", f"{word}\n"[:4])
        yard.begin("work/2-2")
        assert (yard.path / "gone").read_text() == "old\n"


@rule("R120")
def test_a_file_that_left_the_branch_is_gone_even_if_it_is_ignored(yard: Yard):
    """What was tracked is no cache."""
    other = yard.other / "node_modules"
    other.mkdir()
    (other / "x").write_text("x")
    git(yard.other, "add", "-f", "node_modules/x")
    yard.land()
    yard.begin("work/2-2")
    git(yard.path, "rm", "-q", "--cached", "node_modules/x")
    git(yard.other, "rm", "-qf", "node_modules/x")
    yard.land()
    yard.begin("work/3-3")
    assert not (yard.path / "node_modules" / "x").exists()


def linked_away(directory: Path) -> None:
    directory.rename(directory.parent.parent / "away")
    directory.symlink_to(directory.parent.parent / "away")


def separate(directory: Path) -> None:
    git(directory.parent, "init", "-q", f"--separate-git-dir={directory.parent.parent}/away")


def no_objects(directory: Path) -> None:
    (directory / "objects").rename(directory.parent.parent / "away")


def new(directory: Path) -> None:
    directory.rename(directory.parent.parent / "away")
    git(directory.parent, "init", "-q")


@rule("R83")
@pytest.mark.parametrize("trick", [linked_away, separate, no_objects, new])
def test_a_folder_of_gits_that_is_another_is_no_clone(yard: Yard, trick: Callable[[Path], None]):
    """A fresh clone is due then, and nothing is done to what the agent has put elsewhere."""
    trick(yard.path / ".git")
    before = sorted(path.name for path in (yard.path.parent / "away").iterdir())
    with pytest.raises(OSError, match="git's folder is broken"):
        yard.begin("work/2-2")
    assert sorted(path.name for path in (yard.path.parent / "away").iterdir()) == before


@rule("R120")
def test_no_tree_but_an_agents_own_worktree_is_removed(yard: Yard):
    """A record that names somebody else's folder removes nothing."""
    mine = yard.root / "mine"
    git(yard.root, "init", "-q", str(mine))
    worktree_elsewhere(yard)
    record = yard.path / ".git" / "worktrees" / "elsewhere" / "gitdir"
    record.write_text(f"{mine}/.git\n")
    yard.begin("work/2-2")
    assert (mine / ".git" / "HEAD").exists()

"""Files that git calls changed, though nobody has changed them.

If a file in a commit is not what `git add` would make of it (its line endings, as a rule), git sees
a change as soon as it looks at the contents. Such a change is no task's work."""

import filecmp
import os
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from .git import Git, text_of

ATTRIBUTES = (".gitattributes", ":(glob)**/.gitattributes")
CHANGED = ("diff", "--cached", "--name-only", "--no-renames", "--diff-filter=M", "-z")


def settle(git: Git) -> None:
    """Have git trust that files are what the index has, if a checkout would write the same.

    It does so for files that are older, in whole seconds, than its index."""
    if _may_have_conversions(git) and _dirty(git) and _has_conversions(git):
        _age(git)
        with _phantoms(git, _dirty(git)) as (phantoms, from_file):
            if phantoms:
                git.run("--literal-pathspecs", "checkout", "--quiet", "HEAD", *from_file)
                _age(git)


def _dirty(git: Git) -> list[str]:
    """Return the files that git calls changed in the tree."""
    words = ("--name-only", "--diff-filter=M", "--ignore-submodules", "-z")
    return git.paths("diff-files", *words)


def _age(git: Git) -> None:
    """Wait until what was written is older than the index, in whole seconds."""
    time.sleep(1.05 - time.time() % 1)
    os.utime(git.directory / "index")


def chosen(git: Git, index: Path | None = None) -> set[str]:
    """Return the paths whose changes are in the index: whoever put them there meant them."""
    return set(git.paths(*CHANGED, index=index))


def leave_out(git: Git, spared: Collection[str], index: Path | None = None) -> None:
    """Take from the index, but for what is spared, each file that is as a checkout has it.

    That is the file of HEAD, whatever `git add` has made of it."""
    if not _has_conversions(git):
        return
    changed = sorted(chosen(git, index) - set(spared))
    with _phantoms(git, changed) as (phantoms, from_file):
        if phantoms:
            git.run("--literal-pathspecs", "reset", "--quiet", *from_file, index=index)
    if index is None:
        settle(git)


def _may_have_conversions(git: Git) -> bool:
    """Whether there is anything by which the two may differ.

    Mostly there is not, and to know that costs no process."""
    if git.index_may_have(b".gitattributes"):
        return True
    if (git.directory / "info" / "attributes").exists():
        return True
    settings = text_of(git.directory / "config") + text_of(git.directory / "config.worktree")
    return any(word in settings.lower() for word in ("autocrlf", "include"))


def _has_conversions(git: Git) -> bool:
    """Whether what is committed may differ from what is in the tree, as git has it."""
    if not _may_have_conversions(git):
        return False
    if git.paths("ls-files", "-z", "--", *ATTRIBUTES):
        return True
    if (git.directory / "info" / "attributes").exists():
        return True
    return git.run("config", "--default", "false", "core.autocrlf") != "false"


@contextmanager
def _phantoms(git: Git, changed: Sequence[str]) -> Iterator[tuple[list[str], list[str]]]:
    """Find the files that are as a checkout of HEAD has them.

    Yields their paths, and the options that have git read these from a file."""
    if not changed:
        yield [], []
        return
    with TemporaryDirectory(dir=git.directory) as folder:
        tree = Path(folder, "tree")
        listed = Path(folder, "paths")
        from_file = [f"--pathspec-from-file={listed}", "--pathspec-file-nul"]
        listed.write_bytes(os.fsencode("\0".join(changed)))
        tree.mkdir()
        index = Path(folder, "index")
        git.run("read-tree", "HEAD", index=index)
        as_in_head = ("--literal-pathspecs", "checkout", "--quiet", "HEAD", *from_file)
        git.run(*as_in_head, index=index, tree=tree)
        phantoms = [name for name in changed if _same(tree / name, git.path / name)]
        listed.write_bytes(os.fsencode("\0".join(phantoms)))
        yield phantoms, from_file


def _same(one: Path, other: Path) -> bool:
    """Whether both are files with the same contents and the same right to be run."""
    if one.is_symlink() or other.is_symlink() or not one.is_file() or not other.is_file():
        return False
    if (one.stat().st_mode ^ other.stat().st_mode) & 0o100:
        return False
    return filecmp.cmp(one, other, shallow=False)

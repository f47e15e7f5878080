"""Files that git calls changed, though nobody has changed them.

If a file in a commit is not what `git add` would make of it (its line endings, as a rule), git sees
a change as soon as it looks at the contents. Such a change is no task's work."""

import filecmp
import os
import time
from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryDirectory

from .git import Git

ATTRIBUTES = (".gitattributes", ":(glob)**/.gitattributes")
CHANGED = ("diff", "--cached", "--name-only", "--no-renames", "--diff-filter=M", "-z")


def settle(git: Git) -> None:
    """After a checkout: have git trust that what it wrote is what it was to write.

    It does so for files that are older, in whole seconds, than its index."""
    if git.paths("diff-files", "--name-only", "--ignore-submodules", "-z"):
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
    if changed:
        with TemporaryDirectory(dir=git.directory) as folder:
            _leave_out(git, Path(folder), changed, index)


def _has_conversions(git: Git) -> bool:
    """Whether what is committed may differ from what is in the tree."""
    if git.paths("ls-files", "-z", "--", *ATTRIBUTES):
        return True
    if (git.directory / "info" / "attributes").exists():
        return True
    return git.run("config", "--default", "false", "core.autocrlf") != "false"


def _leave_out(git: Git, folder: Path, changed: list[str], index: Path | None) -> None:
    tree = folder / "tree"
    tree.mkdir()
    listed = folder / "paths"
    listed.write_bytes(os.fsencode("\0".join(changed)))
    from_file = (f"--pathspec-from-file={listed}", "--pathspec-file-nul")
    as_in_head = ("--literal-pathspecs", "checkout", "--quiet", "HEAD", *from_file)
    other_index = folder / "index"
    git.run("read-tree", "HEAD", index=other_index)
    git.run(*as_in_head, index=other_index, tree=tree)
    phantoms = [name for name in changed if _same(tree / name, git.path / name)]
    if not phantoms:
        return
    listed.write_bytes(os.fsencode("\0".join(phantoms)))
    if index:
        git.run("--literal-pathspecs", "reset", "--quiet", *from_file, index=index)
    else:
        git.run(*as_in_head)
        settle(git)


def _same(one: Path, other: Path) -> bool:
    """Whether both are files with the same contents and the same right to be run."""
    if one.is_symlink() or other.is_symlink() or not one.is_file() or not other.is_file():
        return False
    if (one.stat().st_mode ^ other.stat().st_mode) & 0o100:
        return False
    return filecmp.cmp(one, other, shallow=False)

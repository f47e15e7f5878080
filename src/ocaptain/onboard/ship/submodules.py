"""A clone's submodules: where one is checked out, it follows the branch."""

from collections.abc import Iterator
from pathlib import Path

from . import skeleton, trees
from .git import Git, GitFailed
from .stock import LINK, read_entries

LINK_IN_INDEX = int(LINK, 8).to_bytes(4, "big")
"""The mode of a link as the index has it (gitformat-index(5))."""


def keep(git: Git) -> None:
    """Remember what git keeps of a clone's submodules, and of theirs, to put it back."""
    for path, _ in populated(git):
        inner = git.within(path, own_folder(git, path))
        skeleton.keep(inner.directory, inner.directory / skeleton.INSIDE)
        keep(inner)


def follow(git: Git) -> list[Path]:
    """Check out in each submodule what the clone's commit says, and so in theirs.

    Returns those where that cannot be had. They are emptied, as in a fresh clone: so nobody commits
    what they had. Raises OSError."""
    lost = []
    for path, commit in populated(git):
        try:
            lost += _check_out(git.within(path, own_folder(git, path)), commit)
        except OSError:
            empty(path)
            lost.append(path)
    return lost


def populated(git: Git) -> Iterator[tuple[Path, str]]:
    """Yield path and commit of each submodule that is checked out."""
    if not git.index_may_have(LINK_IN_INDEX):
        return
    for entry in read_entries(git.paths("ls-files", "--stage", "-z")):
        path = git.path / entry.path
        if entry.mode == LINK and (path / ".git").exists():
            yield path, entry.blob


def own_folder(git: Git, path: Path) -> Path:
    """Return where git keeps what is a submodule's own. Raises OSError if that is nowhere here."""
    link = path / ".git"
    if skeleton.is_folder(link):
        return link
    target = path / link.read_text().removeprefix("gitdir: ").strip()
    folder = target.resolve()
    if (git.directory / "modules").resolve() not in folder.parents:
        raise OSError(f"{link} names {folder}, which is not the clone's")
    return folder


def empty(path: Path) -> None:
    """Leave of a submodule only its place."""
    trees.remove(path)
    path.mkdir()


def _check_out(git: Git, commit: str) -> list[Path]:
    kept = git.directory / skeleton.INSIDE
    if skeleton.is_folder(kept):
        skeleton.restore(git.directory, kept)
    else:
        skeleton.reduce(git.directory)
    if not git.has(commit):
        fetch(git, commit)
    git.run("checkout", "--quiet", "--force", "--detach", commit)
    git.run("clean", "--quiet", "-ffd")
    return follow(git)


def head(git: Git) -> str:
    """Return the commit that a submodule is at; empty if there is none."""
    done = git.ask("rev-parse", "--verify", "--quiet", "HEAD")
    return done.stdout.strip()


def move(git: Git, commit: str) -> None:
    """Check out a commit in a submodule, and keep its changes. Raises OSError."""
    if not git.has(commit):
        fetch(git, commit)
    git.run("checkout", "--quiet", "--detach", commit)


def fetch(git: Git, commit: str) -> None:
    """Fetch a submodule's commit from where it comes from. Raises OSError."""
    try:
        git.run_as_user("fetch", "--quiet", "origin", commit)
    except GitFailed:  # some servers have only branches to give
        git.run_as_user("fetch", "--quiet", "origin")

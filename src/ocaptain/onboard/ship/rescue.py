"""Puts git's folder back at the end of a turn in which an agent has removed, replaced or broken it.

The tree stays as it is. So what the agent made in it is found against the branch, as always."""

import os
import shutil
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from . import skeleton, trees
from .clone import RESCUED, Clone
from .git import Git, GitFailed, text_of
from .stock import NAMELESS, left_detached, stashed

TAKEN_OVER = ("worktrees", "modules", "lfs", "annex")
"""What an agent's work may be in, or needs, besides commits."""
YOURS = "refs/yours/"
"""Where a ref of the agent's goes if its name is taken."""
LIST = ("for-each-ref", "--format=%(objectname) %(refname)")


def rescue(clone: Clone, why: str) -> None:
    """Put git's folder back as the task found it, with the commits that are in what was there.

    Raises OSError if there is no tree, or if no task has begun in it."""
    if not clone.path.is_dir():
        raise FileNotFoundError(why)
    _open(clone.path)
    _open(clone.git.directory)
    ref = clone.begun()
    clone.say(f"git's folder is broken, and is put back: {why}")
    beside = clone.path.with_name(f"{clone.path.name}.{os.urandom(4).hex()}")
    beside.mkdir()
    try:
        broken = clone.git.within(clone.path, beside / "broken")
        _replace(clone, beside, broken.directory)
        _drop_empty_refs(clone.git)
        head = _fetch(clone.git, broken)
        _take_over(broken.directory, clone.git.directory, ["logs"])  # which a fetch would add to
    finally:
        trees.remove(beside)
    _check_out(clone, ref, head)
    (clone.kept / RESCUED).touch()


def _open(folder: Path) -> None:
    """Have the right to use a folder, which its owner may have given away."""
    if skeleton.is_folder(folder):
        folder.chmod(folder.stat().st_mode | stat.S_IRWXU)


def _replace(clone: Clone, beside: Path, broken: Path) -> None:
    """Make git's folder beside the tree, and have it take the place of what is there."""
    sound = clone.git.within(beside)
    clone.copy_to(sound, "--no-checkout")
    skeleton.restore(sound.directory, clone.kept)
    with suppress(FileNotFoundError):
        clone.git.directory.rename(broken)
    if skeleton.is_folder(broken):  # and no link to what is elsewhere
        _make_readable(clone, broken)
        _name_all(clone.git.within(clone.path, broken))
        _take_over(broken, sound.directory, TAKEN_OVER)
    sound.directory.rename(clone.git.directory)


def _take_over(source: Path, target: Path, names: Iterable[str]) -> None:
    """Move folders, each in the place of another."""
    for name in names:
        if skeleton.is_folder(source / name):
            trees.remove(target / name)
            (source / name).rename(target / name)


def _make_readable(clone: Clone, broken: Path) -> None:
    """Give a folder what git wants to see in each of its own."""
    skeleton.unlock(broken)
    git = clone.git.within(clone.path, broken)
    if git.ask("rev-parse", "--git-dir").status == 0:
        return
    for name in ("objects", "refs"):
        (broken / name).mkdir(exist_ok=True)
    (broken / "HEAD").unlink(missing_ok=True)
    (broken / "HEAD").write_text("ref: refs/heads/none\n")
    shutil.copyfile(clone.kept / "config", broken / "config")


def _name_all(git: Git) -> None:
    """Give names to commits that only logs know: older stashes, and what was left on no branch."""
    tips = left_detached(text_of(git.directory / "logs" / "HEAD"))
    tips += stashed(text_of(git.directory / "logs" / "refs" / "stash"))
    for tip in tips:
        git.ask("update-ref", NAMELESS + tip.commit, tip.commit)


def _drop_empty_refs(git: Git) -> None:
    """Remove refs whose commits are gone: what `setup.sh` has made or fetched."""
    for name, commit in _refs(git).items():
        if git.ask("cat-file", "-e", commit).status:
            git.run("update-ref", "-d", name)


def _fetch(git: Git, broken: Git) -> str:
    """Fetch the commits that were made in a broken folder, as far as they are whole.

    Returns the one that was checked out there; empty if there is none."""
    ours = _refs(git)
    there = _refs(broken)
    head = broken.ask("rev-parse", "--verify", "--quiet", "HEAD").stdout.strip()
    if head and head not in there.values():
        there["HEAD"] = head
    places = {}
    for name, commit in there.items():
        if ours.get(name) != commit:
            is_free = name not in ours and name != "HEAD"
            places[name] = name if is_free else _yours(name)
    new = broken.ask("rev-list", "--all", "--not", "--remotes")
    if new.status == 0:  # what a remote of its own has is none of its work
        made = set(new.stdout.split())
        places = {name: place for name, place in places.items() if there[name] in made}
    pairs = [f"+{name}:{place}" for name, place in places.items()]
    _fetch_pairs(git, broken, pairs)
    return head


def _fetch_pairs(git: Git, broken: Git, pairs: list[str]) -> None:
    """Fetch refs to where they are to be, those that can be."""
    if not pairs:
        return
    words = ("fetch", "--quiet", "--no-tags", "--update-head-ok", str(broken.directory))
    try:
        git.run(*words, *pairs)
    except GitFailed:
        half = len(pairs) // 2
        if half:
            _fetch_pairs(git, broken, pairs[:half])
            _fetch_pairs(git, broken, pairs[half:])


def _refs(git: Git) -> dict[str, str]:
    """Return commits by ref, but for what remotes have."""
    refs = {}
    for line in git.ask(*LIST).stdout.splitlines():
        commit, _, name = line.partition(" ")
        if not name.startswith("refs/remotes/"):
            refs[name] = commit
    return refs


def _yours(name: str) -> str:
    return YOURS + name.removeprefix("refs/")


def _check_out(clone: Clone, ref: str, head: str) -> None:
    """Have the task's branch checked out, with the commits that it had, and the tree as it is."""
    git = clone.git
    base = git.run("rev-parse", clone.upstream)
    branch = f"refs/heads/{ref}"
    was = _refs(git).get(branch, "")
    tip = next((commit for commit in (head, was) if _is_after(git, base, commit)), base)
    if was not in ("", tip):
        git.run("update-ref", _yours(branch), was)
    git.run("update-ref", branch, tip)
    git.run("symbolic-ref", "HEAD", branch)
    git.run("read-tree", "--reset", tip)


def _is_after(git: Git, base: str, commit: str) -> bool:
    """Whether a commit is there, and has another before it."""
    if not commit:
        return False
    return git.ask("merge-base", "--is-ancestor", base, commit).status == 0

"""What a clone's `.git` has besides its objects: kept as it was, and put back for each task.

So whatever an agent leaves there ends with its task: index bits, ignored names, attributes, stash,
branches, tags, hooks, locks, operations under way. What `setup.sh` has put there stays."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from . import trees

STORES = ("objects", "modules", "lfs", "annex")
"""What is not kept: large, and worth nothing to who does not know its names."""
INSIDE = "set-up"
"""Where in a submodule's folder of git's that is kept, with what is about to be."""
ESSENTIAL = (*STORES, "HEAD", "config", "packed-refs", "refs", "shallow")
"""What stays of a submodule that an agent has fetched."""


def keep(directory: Path, kept: Path) -> None:
    """Remember in the folder `kept` what git's folder has."""
    new = _draft(kept)
    trees.remove(new)
    if is_folder(kept):
        kept.rename(new)
    _mirror(directory, new)
    new.rename(kept)


def restore(directory: Path, kept: Path) -> None:
    """Make git's folder what it was when it was kept. Raises OSError if that cannot be."""
    for folder in (directory, directory / "objects", kept):
        if not is_folder(folder):
            raise NotADirectoryError(f"git's folder is broken: {folder} is none")
    remove_worktrees(directory, kept)
    unlock(directory)
    _mirror(kept, directory)


def unlock(directory: Path) -> None:
    """Remove the locks of gits that were killed, wherever they are."""
    locks = [*directory.glob("*.lock")]
    for folder in ("refs", "info", "objects", "worktrees"):
        locks += (directory / folder).rglob("*.lock")
    trees.remove(*locks)


def reduce(directory: Path) -> None:
    """Take from git's folder all that is not essential, if nobody has kept it."""
    trees.remove(*(part for part in directory.iterdir() if part.name not in ESSENTIAL))


def remove_worktrees(directory: Path, kept: Path) -> None:
    """Remove the trees that an agent has added to the clone, wherever they are."""
    for record in (directory / "worktrees").glob("*"):
        if not (kept / "worktrees" / record.name).exists():
            with suppress(OSError, ValueError):
                _remove_worktree(record)


def is_folder(path: Path) -> bool:
    """Whether there is a folder, and no link to one."""
    return path.is_dir() and not path.is_symlink()


def _remove_worktree(record: Path) -> None:
    link = record / (record / "gitdir").read_text().strip()
    target = link.read_text().removeprefix("gitdir: ").strip()
    is_ours = (link.parent / target).resolve() == record.resolve()
    if is_ours and link.parent.resolve() not in record.resolve().parents:
        trees.remove(link.parent)


def _mirror(source: Path, target: Path) -> None:
    """Make one folder's parts what another one's are."""
    (target / "objects").mkdir(parents=True, exist_ok=True)
    parts = {part.relative_to(source): part for part in _parts(source)}
    for part in list(_parts(target)):
        if part.relative_to(target) not in parts:
            trees.remove(part)
    for name, part in parts.items():
        trees.mirror_into((target / name).parent, part)


def _parts(directory: Path) -> Iterator[Path]:
    """Yield all that is kept, or put back: files and folders."""
    for part in directory.iterdir():
        if part.name not in (*STORES, INSIDE, _draft(directory / INSIDE).name):
            yield part
    info = directory / "objects" / "info"  # it may name other places where objects are
    if info.is_dir():
        yield info


def _draft(kept: Path) -> Path:
    return kept.with_name(f"{kept.name}.new")

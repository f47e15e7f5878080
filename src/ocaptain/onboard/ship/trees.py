"""Copies and removes folders of any depth, whatever agents and builds have made of them.

What is plain is done here: a process costs more than a few small files. cp and rm do the rest."""

import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from .. import process

PLAIN_FILES = 200
"""How many files and folders are copied without cp, at most."""
PLAIN_BYTES = 1_000_000
"""How large each may be."""
CAN_CHANGE = "-700"
"""The permissions that a folder's owner needs to remove what is in it, for find(1)."""


def remove(*paths: Path) -> None:
    """Remove files, links and folders, also read-only ones. Raises OSError if something stays."""
    paths = tuple(path for path in paths if not _is_removed(path))
    if not paths:
        return
    done = _rm(paths)
    if done.status:  # Go's module cache has read-only folders
        _make_writable([path for path in paths if path.is_dir() and not path.is_symlink()])
        done = _rm(paths)
    if done.status:
        raise OSError(f"cannot be removed: {done.stderr.strip()[-500:]}")


def copy_into(folder: Path, paths: Sequence[Path]) -> None:
    """Copy files and folders into a folder, with their times. Raises OSError."""
    with suppress(OSError, RecursionError):
        plain = [list(_plain(path)) for path in paths]
        if sum(map(len, plain)) <= PLAIN_FILES:
            for path, found in zip(paths, plain, strict=True):
                _copy(path, found, folder / path.name)
            return
    done = process.run(["cp", "-a", "--", *paths, folder])
    if done.status:
        raise OSError(f"cannot be copied: {done.stderr.strip()[-500:]}")


def mirror_into(folder: Path, path: Path) -> None:
    """Make what a folder has by a file's or folder's name what that is, as a copy would be.

    What is so already is left: that costs less than to remove it, and to copy it again. Raises
    OSError."""
    target = folder / path.name
    with suppress(OSError, RecursionError):
        sizes = [sum(1 for _ in _plain(each)) for each in (path, target)]
        if max(sizes) <= PLAIN_FILES:
            _mirror(path, target)
            return
    _replace(path, target)


def _mirror(source: Path, target: Path) -> None:
    """Make a plain file or folder what another plain one is."""
    wanted, found = source.lstat(), target.lstat()
    if stat.S_ISDIR(wanted.st_mode) and stat.S_ISDIR(found.st_mode):
        _mirror_folder(source, target)
    elif not _has_same(source, target, wanted, found):
        _replace(source, target)
        return
    shutil.copystat(source, target, follow_symlinks=False)


def _mirror_folder(source: Path, target: Path) -> None:
    parts = {part.name: part for part in source.iterdir()}
    found = {part.name: part for part in target.iterdir()}
    remove(*(found[name] for name in found.keys() - parts.keys()))
    for name in found.keys() & parts.keys():
        _mirror(parts[name], found[name])
    new = [parts[name] for name in parts.keys() - found.keys()]
    if new:
        copy_into(target, new)


def _has_same(source: Path, target: Path, wanted: os.stat_result, found: os.stat_result) -> bool:
    """Whether two plain files, or links, have the same in them."""
    if stat.S_IFMT(wanted.st_mode) != stat.S_IFMT(found.st_mode):
        return False
    if stat.S_ISLNK(wanted.st_mode):
        return source.readlink() == target.readlink()
    return wanted.st_size == found.st_size and source.read_bytes() == target.read_bytes()


def _replace(source: Path, target: Path) -> None:
    """Put a copy of a file or folder where another one may be."""
    remove(target)
    copy_into(target.parent, [source])


def _is_removed(path: Path) -> bool:
    """Remove a file, a link or a folder, if that is easy. Whether nothing is there then."""
    with suppress(OSError, RecursionError):
        try:
            path.unlink(missing_ok=True)
        except IsADirectoryError:
            shutil.rmtree(path)
        return True
    return False


def _plain(path: Path) -> Iterator[Path]:
    """Yield a path and all in it, folders first. Raises OSError if only cp does that well."""
    found = path.lstat()
    mode = found.st_mode
    is_file = stat.S_ISREG(mode) and found.st_nlink == 1 and found.st_size <= PLAIN_BYTES
    is_ours = (found.st_uid, found.st_gid) == (os.geteuid(), os.getegid())
    if not is_ours or not (is_file or stat.S_ISLNK(mode) or stat.S_ISDIR(mode)):
        raise OSError(f"not plain: {path}")
    yield path
    if stat.S_ISDIR(mode):
        for number, part in enumerate(path.iterdir()):
            if number > PLAIN_FILES:
                raise OSError(f"too much is in {path}")
            yield from _plain(part)


def _copy(source: Path, found: Sequence[Path], target: Path) -> None:
    """Copy what was found in a source to where nothing is. Raises OSError."""
    for path in found:
        place = target / path.relative_to(source)
        if path.is_symlink():
            place.symlink_to(path.readlink())
        elif path.is_dir():
            place.mkdir()
        else:
            with path.open("rb") as file, place.open("xb") as copy:
                shutil.copyfileobj(file, copy)
    for path in reversed(found):  # folders last, whose times change with what is in them
        shutil.copystat(path, target / path.relative_to(source), follow_symlinks=False)


def _rm(paths: Sequence[Path]) -> process.Done:
    return process.run(["rm", "-rf", "--", *paths])


def _make_writable(folders: Sequence[Path]) -> None:
    # Folders only: files may be links to a package manager's store.
    if folders:
        change = ["-exec", "chmod", "u+rwx", "{}", ";"]
        process.run(["find", *folders, "-type", "d", "!", "-perm", CAN_CHANGE, *change])

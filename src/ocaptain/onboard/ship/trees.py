"""Copies and removes folders of any depth, whatever agents and builds have made of them."""

from collections.abc import Sequence
from pathlib import Path

from .. import process

CAN_CHANGE = "-700"
"""The permissions that a folder's owner needs to remove what is in it, for find(1)."""


def remove(*paths: Path) -> None:
    """Remove files, links and folders, also read-only ones. Raises OSError if something stays."""
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
    done = process.run(["cp", "-a", "--", *paths, folder])
    if done.status:
        raise OSError(f"cannot be copied: {done.stderr.strip()[-500:]}")


def _rm(paths: Sequence[Path]) -> process.Done:
    return process.run(["rm", "-rf", "--", *paths])


def _make_writable(folders: Sequence[Path]) -> None:
    # Folders only: files may be links to a package manager's store.
    if folders:
        change = ["-exec", "chmod", "u+rwx", "{}", ";"]
        process.run(["find", *folders, "-type", "d", "!", "-perm", CAN_CHANGE, *change])

"""Removing whatever agents and builds leave on a ship's disk."""

import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ocaptain.onboard.ship import trees

NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of somebody's for whom permissions count."""
    path = Path(tempfile.mkdtemp())
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)
    yield path
    shutil.rmtree(path)


def as_user(act: Callable[[], None]) -> int | None:
    """Do something as somebody for whom permissions count; returns 0 if it did not fail."""

    def run() -> None:
        if os.geteuid() == 0:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        act()

    child = multiprocessing.get_context("fork").Process(target=run)
    child.start()
    child.join()
    return child.exitcode


def test_what_is_plain_is_copied_as_cp_does(tmp_path: Path):
    """Links, times, modes and names; and so is what only cp copies: hard links, pipes, much."""
    source = tmp_path / "source"
    source.mkdir()
    _fill(source / "plain")
    _fill(source / "odd")
    os.link(source / "odd" / "file", source / "odd" / "hard link")
    os.mkfifo(source / "odd" / "pipe")
    (source / "many").mkdir()
    for number in range(300):
        (source / "many" / str(number)).touch()
    target = tmp_path / "target"
    target.mkdir()
    for folder in source.iterdir():
        trees.copy_into(target, [folder])
    assert _listed(target) == _listed(source)
    assert (target / "odd" / "file").samefile(target / "odd" / "hard link")


def nothing(_target: Path) -> None:
    """Nothing was there."""


def others(target: Path) -> None:
    """Other things have the names, and there is more."""
    target.mkdir()
    (target / "file").mkdir()
    (target / "link").symlink_to("elsewhere")
    (target / "more" / "of it").mkdir(parents=True)


def a_file(target: Path) -> None:
    """A file has the name."""
    target.touch()


def a_link(target: Path) -> None:
    """A link has it, to a folder of somebody's."""
    target.symlink_to(target.parent / "elsewhere")


def a_hard_link(target: Path) -> None:
    """A file in it is somebody's, too."""
    target.mkdir()
    os.link(target.parent / "elsewhere" / "file", target / "file")


@pytest.mark.parametrize("make", [nothing, others, a_file, a_link, a_hard_link])
def test_a_mirror_is_what_a_copy_is(tmp_path: Path, make: Callable[[Path], None]):
    """Whatever was there before; and what is elsewhere stays as it is."""
    _fill(tmp_path / "source" / "it")
    _fill(tmp_path / "elsewhere")
    elsewhere = _listed(tmp_path / "elsewhere")
    make(tmp_path / "it")
    trees.mirror_into(tmp_path, tmp_path / "source" / "it")
    assert _listed(tmp_path / "it") == _listed(tmp_path / "source" / "it")
    assert not (tmp_path / "it").is_symlink()
    assert _listed(tmp_path / "elsewhere") == elsewhere


def test_a_mirror_leaves_what_is_so_already(tmp_path: Path):
    """The same file stays the same file; what changed is made anew."""
    _fill(tmp_path / "source" / "it")
    trees.mirror_into(tmp_path, tmp_path / "source" / "it")
    before = (tmp_path / "it" / "file").stat().st_ino
    (tmp_path / "it" / "link").unlink()
    (tmp_path / "it" / "link").symlink_to("elsewhere")
    trees.mirror_into(tmp_path, tmp_path / "source" / "it")
    assert _listed(tmp_path / "it") == _listed(tmp_path / "source" / "it")
    assert (tmp_path / "it" / "link").readlink() == Path("nowhere")
    assert (tmp_path / "it" / "file").stat().st_ino == before


def _fill(folder: Path) -> None:
    inner = folder / "inner\n"
    inner.mkdir(parents=True)
    (folder / "file").write_bytes(b"\0\xff")
    (folder / "file").chmod(0o540)
    (folder / "link").symlink_to("nowhere")
    os.utime(folder / "link", (3, 3), follow_symlinks=False)
    inner.chmod(0o500)
    os.utime(inner, (7, 7))


def _listed(folder: Path) -> list[tuple[object, ...]]:
    """What is in a folder: paths, kinds, modes, times and contents."""
    found: list[tuple[object, ...]] = []
    for path in sorted(folder.rglob("*")):
        state = path.lstat()
        contents = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        name = str(path.relative_to(folder))
        found.append((name, state.st_mode, state.st_mtime_ns, contents))
    return found


def test_read_only_folders_are_removed(folder: Path):
    """As in Go's module cache; what their links lead to stays as it is."""

    def act() -> None:
        deep = folder / "cache" / "module" / "deep"
        deep.mkdir(parents=True)
        (deep / "file").touch()
        (folder / "store").mkdir()
        (folder / "store" / "file").write_text("kept")
        os.link(folder / "store" / "file", deep / "hard")
        (deep / "link").symlink_to(folder / "store")
        (folder / "store").chmod(0o500)
        (folder / "store" / "file").chmod(0o400)
        deep.chmod(0o500)
        deep.parent.chmod(0)
        trees.remove(folder / "cache")

    assert as_user(act) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["store"]
    assert (folder / "store").stat().st_mode & 0o777 == 0o500
    assert (folder / "store" / "file").stat().st_mode & 0o777 == 0o400


def test_what_cannot_be_removed_is_said(tmp_path: Path):
    """As are folders of root's, which containers leave: here it is a file that is none."""
    with pytest.raises(OSError, match=r"cannot be removed: .*/proc/self/status"):
        trees.remove(Path("/proc/self/status"))


def test_links_are_removed_not_what_they_lead_to(tmp_path: Path):
    """Nor does it matter if there is nothing."""
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    trees.remove(tmp_path / "link", tmp_path / "nothing")
    trees.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]

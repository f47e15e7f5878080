"""What runs for a claim: put together, found, and stopped, whatever it does to its environment."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen

import pytest

from ocaptain.onboard import process
from ocaptain.onboard.ship.workgroup import KILLED, OutOfMemory, WorkGroup, own_cgroup
from tests.support.machine import until
from tests.support.rules import rule

CGROUPS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))
MARKLESS = "exec env -i sleep 600"


@pytest.fixture
def cgroup(tmp_path: Path) -> Iterator[Path | None]:
    """A cgroup of Linux's in which others can be made; None if this user may make none."""
    for mount in CGROUPS:
        folder = mount / f"ocaptain-test-{os.getpid()}"
        with suppress(OSError):
            if (mount / "cgroup.procs").exists():
                folder.mkdir()
                yield folder
                assert until(partial(removed, folder))
                return
    yield None


def removed(folder: Path) -> bool:
    """Remove a cgroup with those below it. Returns whether it is gone."""
    for path in sorted(folder.rglob("*/"), reverse=True):
        with suppress(OSError):
            path.rmdir()
    with suppress(OSError):
        folder.rmdir()
    return not folder.exists()


@pytest.fixture
def group(tmp_path: Path, cgroup: Path | None) -> Iterator[WorkGroup]:
    """A group of a name of its own, in a cgroup if that can be had."""
    made = WorkGroup(f"test/{tmp_path}", {"MORE": "more"}, cgroup)
    yield made
    made.kill()


def started(group: WorkGroup, *argv: str) -> Popen[bytes]:
    """A program that works for the claim."""
    return group.start(argv, {}, cwd=Path(), stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL)


def test_what_is_started_is_found_and_stopped(group: WorkGroup):
    """With all that it started, but for what is spared."""
    with started(group, "sh", "-c", "setsid sleep 600 & sleep 600") as child:
        assert until(lambda: len(group.pids()) == 3)
        group.kill(spare=[child.pid])
        assert group.pids() <= {child.pid}
        group.kill()
        assert child.wait(20) in KILLED
    assert group.pids() == set()


@rule("R87")
def test_what_drops_its_environment_ends_with_the_claim(cgroup: Path | None, group: WorkGroup):
    """It is in the claim's cgroup all the same; where there is none, it is said in the docs."""
    with started(group, "sh", "-c", MARKLESS) as child:
        assert until(lambda: not process.marked(group.marker))
        if cgroup is None:
            child.kill()
        assert group.pids() == ({child.pid} if cgroup else set())
        group.kill()
        assert child.wait(20) == -signal.SIGKILL


@rule("R87")
def test_a_cgroup_is_emptied_without_the_help_of_linux_too(tmp_path: Path):
    """Before 5.14 it has no cgroup.kill. What another namespace has is shown as 0, and is not ours
    to kill."""
    group = WorkGroup(f"test/{tmp_path}", {}, tmp_path)
    below = tmp_path / "claim" / "made by an agent"
    below.mkdir()
    with process.start(["sleep", "600"]) as one, process.start(["sleep", "600"]) as other:
        (tmp_path / "claim" / "cgroup.procs").write_text(f"0\n{one.pid}\n")
        (below / "cgroup.procs").write_text(f"{other.pid}\n")
        assert group.pids() == {one.pid, other.pid}
        group.kill()
        assert (one.wait(20), other.wait(20)) == (-signal.SIGKILL, -signal.SIGKILL)


def test_only_helms_unit_has_a_cgroup_to_part(tmp_path: Path):
    """It is systemd's to give; in no other are any made, and none where that is not allowed."""
    unit = tmp_path / "unified" / "system.slice" / "ocaptain-helm.service"
    unit.mkdir(parents=True)
    told = tmp_path / "cgroup"
    told.write_text("4:memory:/user\n0::/system.slice/ocaptain-helm.service\n")
    assert own_cgroup(tmp_path, tmp_path) is None
    (unit / "cgroup.procs").touch()
    assert own_cgroup(tmp_path, tmp_path) == unit
    told.write_text("0::/system.slice\n")
    (tmp_path / "unified" / "system.slice" / "cgroup.procs").touch()
    assert own_cgroup(tmp_path, tmp_path) is None
    assert own_cgroup(tmp_path / "nowhere", tmp_path) is None


def test_a_program_that_is_missing_is_named(group: WorkGroup):
    """It is the ship's trouble."""
    with pytest.raises(FileNotFoundError, match="This ship has no such program: 'no-claude'"):
        started(group, "no-claude")


def test_memory_is_taken_from_the_agent_first(group: WorkGroup):
    """The kernel ends it before whatever started it; and all know the group's variables."""
    words = "cat /proc/self/oom_score_adj; echo $MORE"
    with started(group, "sh", "-c", words) as child:
        assert child.stdout
        assert child.stdout.read() == b"500\nmore\n"


@rule("R118")
@pytest.mark.parametrize("die", ["kill -9 $$", "sh -c 'kill -9 $$'; exit 137"])
def test_a_command_that_the_kernel_kills_for_memory(tmp_path: Path, die: str):
    """Is told from one that somebody else kills: the kernel counts."""
    vmstat = tmp_path / "vmstat"
    group = WorkGroup(f"test/{tmp_path}", {})
    group.vmstat = vmstat
    vmstat.write_text("pgfault 3\noom_kill 7\n")
    words = f"echo working; {die}"
    assert group.run(words, cwd=tmp_path, timeout=60).status in (-9, 137)
    words = f"echo working; echo oom_kill 8 >vmstat; {die}"
    with pytest.raises(OutOfMemory, match="killed, probably for memory\nworking"):
        group.run(words, cwd=tmp_path, timeout=60)
    assert group.run("echo oom_kill 9 >vmstat; exit 3", cwd=tmp_path, timeout=60).status == 3


def test_a_kernel_that_does_not_count(tmp_path: Path):
    """Has killed nobody, as far as is known."""
    group = WorkGroup("test", {})
    group.vmstat = tmp_path / "vmstat"
    assert group.memory_kills() == 0

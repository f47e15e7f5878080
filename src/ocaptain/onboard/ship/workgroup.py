"""All that runs for a ship's claim: how it is started, found and stopped.

What is started carries a mark in its environment. `env -i`, `sudo` and the like drop that. So if
helm is a system unit, all of it is also in a cgroup (cgroups(7)), which only root can leave.
"""

import os
import shutil
from collections.abc import Collection, Mapping
from contextlib import suppress
from errno import ENOENT
from pathlib import Path
from signal import SIGKILL
from subprocess import Popen

from .. import process
from ..process import Argv, Done, Stream

UNIT = "ocaptain-helm.service"
"""What helm is, if systemd runs."""

ENTER = """\
{ echo 500 >/proc/self/oom_score_adj; test -z "$0" || echo 0 >"$0/cgroup.procs"; } 2>/dev/null
exec "$@"
"""
"""Shell that runs its arguments in the cgroup `$0`, as the first to go if memory runs out."""

KILLED = (-SIGKILL, 128 + SIGKILL)
"""Exit statuses of who was killed, and of a shell whose command was."""


class OutOfMemory(OSError):
    """Something was killed, most likely because this ship has not enough memory."""


class NoProgram(FileNotFoundError):
    """What is to be started is not installed on this ship."""


class WorkGroup:
    """The processes that work on a ship's claim."""

    def __init__(self, name: str, env: Mapping[str, str], cgroup: Path | None = None) -> None:
        """`name` tells the group from all others here; `env` is for all in it.

        `cgroup` is the folder of helm's own cgroup, if helm may make others below."""
        self.marker = f"OCAPTAIN_WORK={name}"
        """What the environment of each has, as NAME=value."""
        self.env = {"OCAPTAIN_WORK": name, **env}
        self.vmstat = Path("/proc/vmstat")
        """What the kernel counts, as vmstat(8) reads it."""
        self._kills_before = 0
        self._cgroup = None
        if cgroup:
            self._cgroup = cgroup / "claim"
            self._cgroup.mkdir(exist_ok=True)

    def start(
        self,
        argv: Argv,
        env: Mapping[str, str],
        *,
        cwd: Path,
        stdin: Stream,
        stdout: Stream,
        stderr: Stream,
    ) -> Popen[bytes]:
        """Start a program, as `process.start` does. Raises NoProgram if it is not here."""
        program = str(argv[0])
        if not shutil.which(program):
            raise NoProgram(ENOENT, "This ship has no such program", program)
        self._kills_before = self.memory_kills()
        return process.start(
            self._entering(argv),
            {**env, **self.env},
            cwd=cwd,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
        )

    def run(self, script: str, *, cwd: Path, timeout: float) -> Done:
        """Run a script of the plan's to its end, as `process.run_excerpt` does.

        Raises OutOfMemory if it was killed for that."""
        self._kills_before = self.memory_kills()
        argv = self._entering(["bash", "-c", script])
        done = process.run_excerpt(argv, env=self.env, cwd=cwd, timeout=timeout)
        if self.was_killed_for_memory(done.status):
            last_words = done.stdout[-2000:]
            raise OutOfMemory(f"a command was killed, probably for memory\n{last_words}".strip())
        return done

    def pids(self) -> set[int]:
        """Return the pids of all that is running."""
        return process.marked(self.marker) | self._in_cgroup()

    def kill(self, spare: Collection[int] = ()) -> None:
        """Kill all of it but the spared, until none is left."""
        if self._cgroup and not spare:
            with suppress(OSError):  # Linux has it from 5.14 on
                (self._cgroup / "cgroup.kill").write_text("1")
        process.kill_all(self.pids, spare)

    def kill_strays(self, agent: int, spare: Collection[int] = ()) -> bool:
        """Kill all of it but the agent, what runs below the agent, and the spared.

        Daemons are killed so, for they have left their parents, and tools that the agent needs are
        not. Returns whether there was anything to kill."""

        def strays() -> set[int]:
            return {pid for pid in self.pids() if not process.is_below(pid, agent)}

        return process.kill_all(strays, spare)

    def memory_kills(self) -> int:
        """Return how many processes the kernel has killed for memory so far."""
        with suppress(OSError):
            for line in self.vmstat.read_text().splitlines():
                name, _, count = line.partition(" ")
                if name == "oom_kill":
                    return int(count)
        return 0

    def was_killed_for_memory(self, status: int | None) -> bool:
        """Whether what was started last, and has ended so, was killed by the kernel: probably."""
        return status in KILLED and self.memory_kills() > self._kills_before

    def _entering(self, argv: Argv) -> list[str | Path]:
        return ["sh", "-c", ENTER, self._cgroup or "", *argv]

    def _in_cgroup(self) -> set[int]:
        """Return the pids in the cgroup and in those that were made below it."""
        pids: set[int] = set()
        if self._cgroup:
            for file in self._cgroup.rglob("cgroup.procs"):
                with suppress(OSError):
                    pids.update(map(int, file.read_text().split()))
        return pids - {0}  # as what another namespace has is shown


def own_cgroup(proc: Path = Path("/proc/self"), root: Path = Path("/sys/fs/cgroup")) -> Path | None:
    """Return the folder of this process's cgroup, if that is helm's unit, and was given to it.

    systemd gives it the cgroup by Delegate=yes; anybody else's is left alone."""
    path = ""
    with suppress(OSError):
        for line in (proc / "cgroup").read_text().splitlines():
            if line.startswith("0::"):
                path = line.removeprefix("0::/")
    if Path(path).name != UNIT:
        return None
    for mount in (root, root / "unified"):  # the latter beside cgroups of version 1
        if os.access(mount / path / "cgroup.procs", os.W_OK):
            return mount / path
    return None

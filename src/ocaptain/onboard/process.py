"""The one place onboard that starts processes, and the one that finds and stops them."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, STDOUT
from tempfile import TemporaryFile
from typing import Any, NamedTuple

Argv = Sequence["str | Path"]
KILL_S = 10


class Done(NamedTuple):
    """How a program ended: its exit status (negative: the signal), and what it wrote."""

    status: int
    out: str
    err: str


def start(argv: Argv, env: Mapping[str, str] | None = None, **how: Any) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, where it has no terminal to ask at; `env` is added
    to this process's environment, `how` has what else Popen takes. Raises OSError where there is no
    such program."""
    environ = {**os.environ, **(env or {})}
    return subprocess.Popen(argv, env=environ, start_new_session=True, **how)


def feed(child: subprocess.Popen[bytes], data: bytes) -> None:
    """Write to a child's stdin, where it has one, and leave it open. Raises OSError."""
    if child.stdin:
        child.stdin.write(data)
        child.stdin.flush()


def run(argv: Argv, *, timeout: float | None = None, merged: bool = False, **how: Any) -> Done:
    """Run a program as `start` does, to its end, for at most `timeout` seconds (its status is
    124 then, as coreutils' timeout(1) has it); what it started in its session ends with it.

    What it writes goes to files, so that neither a flood nor a daemon that it leaves behind holds
    us up; `merged` has stderr's lines in `out`, where they belong."""
    with TemporaryFile() as out, TemporaryFile() as err:
        how |= {"stdin": DEVNULL, "stdout": out, "stderr": out if merged else err}
        child = start(argv, **how)
        try:
            status = child.wait(timeout)
        except subprocess.TimeoutExpired:
            status = 124
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(child.pid, signal.SIGKILL)
            child.wait(KILL_S)  # longer than that only what hangs in the kernel, on a dead mount
        for file in (out, err):
            file.seek(0)
        return Done(status, *(file.read().decode(errors="replace") for file in (out, err)))


def do(*words: "str | Path", **how: Any) -> str:
    """What a program prints that `run` runs; where it fails, the end of this one."""
    done = run(words, **how)
    if done.status:
        raise SystemExit(f"{shlex.join(map(str, words))} failed: {done.err.strip()}")
    return done.out.strip()


def program(home: Path, *words: str) -> list[str]:
    """The command that runs a program of this package, for the user whose home has it."""
    return [sys.executable, "-IS", str(home / "voyage" / "lib"), *words]


def leave(home: Path, out: str, *words: str) -> None:
    """Start a program of this package that goes on without us, and says what it says to a file."""
    with (home / "voyage" / out).open("ab") as file:
        start(program(home, *words), cwd=home, stdin=DEVNULL, stdout=file, stderr=STDOUT)


def marked(entry: str) -> set[int]:
    """Pids of the processes whose environment holds exactly `entry` (NAME=value)."""
    pids = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal())
    return {pid for pid in pids if entry.encode() in _read(pid, "environ").split(b"\0")}


def kill_marked(entry: str, spare: Iterable[int] = ()) -> None:
    """Kill all processes that carry `entry`, but us and the spared, until none is left."""
    for _ in range(50):
        for pid in (pids := marked(entry) - {os.getpid(), *spare}):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not pids:
            return
        time.sleep(0.02)


def cpu_ticks(pids: Iterable[int]) -> int:
    """CPU time that these processes have used, in clock ticks (proc(5): stat, fields 14 and 15)."""
    stats = [_read(pid, "stat").rpartition(b")")[2].split() for pid in pids]
    return sum(int(fields[11]) + int(fields[12]) for fields in stats if fields)


def _read(pid: int, name: str) -> bytes:
    # Many at a time, and often: a Path would take three times as long.
    with suppress(OSError), open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:  # noqa: PTH123
        return file.read()
    return b""

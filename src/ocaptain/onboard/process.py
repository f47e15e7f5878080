"""The one place onboard that starts processes, and the one that finds and stops them."""

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT
from typing import IO, NamedTuple

Argv = Sequence["str | Path"]
Environment = Mapping[str, str | None]
Stream = int | IO[bytes] | None
"""What Popen takes: a file, or PIPE, DEVNULL or STDOUT. None: the stream of this process."""

TIMED_OUT = 124
"""The exit status of a program that took too long; timeout(1) of coreutils has the same."""
KILL_WAIT_S = 10
KILL_ROUNDS = 50
KILL_PAUSE_S = 0.02
EXEC_LOOKS = 5
EXEC_PAUSE_S = 0.002
EXCERPT_BYTES = 100_000
READ_BYTES = 65_536
DRAIN_S = 1.0
"""Seconds to go on reading what a program has printed, once it has ended."""


class Done(NamedTuple):
    """How a program ended."""

    status: int
    """Its exit status. If a signal ended it, the signal's number, negative."""
    stdout: str
    stderr: str


def start(
    argv: Argv,
    env: Environment | None = None,
    *,
    cwd: Path | None = None,
    stdin: Stream = None,
    stdout: Stream = None,
    stderr: Stream = None,
    pass_fds: Collection[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own: it has no terminal to ask at.

    `env` is added to this process's environment; what is None there is not passed on. Raises
    OSError if there is no such program."""
    keep_temp_folder()
    added = {**os.environ, **(env or {})}
    return subprocess.Popen(
        argv,
        env={name: value for name, value in added.items() if value is not None},
        cwd=cwd,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        pass_fds=pass_fds,
        start_new_session=True,
    )


def keep_temp_folder() -> None:
    """Make the folder for temporary files again, if somebody has removed it."""
    from tempfile import gettempdir  # which most calls to storage do without

    with suppress(OSError):
        Path(gettempdir()).mkdir(mode=0o700, exist_ok=True)


def feed(child: subprocess.Popen[bytes], data: bytes) -> None:
    """Write to a child's stdin, if it has one, and leave it open. Raises OSError."""
    if child.stdin:
        child.stdin.write(data)
        child.stdin.flush()


def run(
    argv: Argv,
    *,
    env: Environment | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
    pass_fds: Collection[int] = (),
    errors: str = "replace",
) -> Done:
    """Run a program to its end, as `start` does, for at most `timeout` seconds.

    Whatever it started in its session ends with it. Bytes that are no text are decoded as `errors`
    says (codecs.register_error); with "surrogateescape" os.fsencode gives them back."""
    from tempfile import TemporaryFile

    keep_temp_folder()
    # Files, not pipes: neither a flood nor a daemon that the program leaves behind holds us up.
    with TemporaryFile() as stdout, TemporaryFile() as stderr:
        child = start(
            argv,
            env,
            cwd=cwd,
            stdin=DEVNULL,
            stdout=stdout,
            stderr=stderr,
            pass_fds=pass_fds,
        )
        status = _wait(child, timeout)
        return Done(status, _text(stdout, errors), _text(stderr, errors))


def run_excerpt(
    argv: Argv, *, env: Mapping[str, str], cwd: Path, timeout: float, kept: int = EXCERPT_BYTES
) -> Done:
    """Run a program as `run` does, however much it prints.

    `stdout` has the first and the last `kept` bytes of what it wrote there and to stderr."""
    child = start(argv, env, cwd=cwd, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT)
    excerpt = Excerpt(kept)
    reader = threading.Thread(target=_read_into, args=(excerpt, child.stdout), daemon=True)
    reader.start()
    status = _wait(child, timeout)
    # A daemon that was left behind may have the pipe open. Somebody has to go on reading then, or
    # it is stopped as soon as it prints; but nobody waits for that.
    reader.join(DRAIN_S)
    return Done(status, excerpt.text(), "")


def beginning(argv: Argv, limit: int) -> bytes:
    """Run a program that only prints something. Return the first `limit` bytes of that.

    One that prints more is killed."""
    with start(argv, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL) as child:
        printed = child.stdout.read(limit) if child.stdout else b""
        child.kill()
    return printed


class Excerpt:
    """The beginning and the end of a stream of bytes, which may be read while it grows."""

    def __init__(self, kept: int) -> None:
        """Each of the two has at most `kept` bytes."""
        self._kept = kept
        self._first = bytearray()
        self._last = bytearray()
        self._size = 0
        self._lock = threading.Lock()

    def add(self, data: bytes) -> None:
        """Take in what comes next."""
        with self._lock:
            self._size += len(data)
            room = self._kept - len(self._first)
            self._first += data[:room]
            self._last += data[room:]
            if len(self._last) > 2 * self._kept:
                del self._last[: -self._kept]

    def text(self) -> str:
        """Return both, and between them how much is left out, if anything is."""
        with self._lock:
            last = self._last[-self._kept :]
            left_out = self._size - len(self._first) - len(last)
            between = b""
            if left_out:
                between = b"\n[... %d bytes are left out here ...]\n" % left_out
            return (self._first + between + last).decode(errors="replace")


def run_or_exit(*argv: "str | Path", cwd: Path | None = None) -> str:
    """Run a program and return what it prints. If it fails, this process ends, and says why."""
    done = run(argv, cwd=cwd)
    if done.status:
        raise SystemExit(f"{shlex.join(map(str, argv))} failed: {done.stderr.strip()}")
    return done.stdout.strip()


def program(home: Path, *words: str) -> list[str]:
    """Return the command that runs a program of this package, for the user whose home has it."""
    return [sys.executable, "-IS", str(home / "voyage" / "lib"), *words]


def start_detached(home: Path, output: str, *words: str) -> None:
    """Start a program of this package that goes on without us, and writes to the file `output`."""
    with (home / "voyage" / output).open("ab") as file:
        child = start(program(home, *words), cwd=home, stdin=DEVNULL, stdout=file, stderr=STDOUT)
    child.returncode = 0  # nobody waits for it, and Popen need not complain of that


def marked(entry: str) -> set[int]:
    """Return the pids of all processes whose environment has exactly this entry (NAME=value)."""
    # All there are, and often: a Path for each would take as long as to read them.
    pids = [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208
    return {pid for pid in pids if _has(_environ(pid), entry.encode())}


def _has(environ: bytes, entry: bytes) -> bool:
    return entry in environ and entry in environ.split(b"\0")


def kill_marked(entry: str) -> None:
    """Kill all processes that `marked` finds, but us, until none is left."""
    kill_all(lambda: marked(entry))


def kill_all(pids: Callable[[], set[int]], spare: Collection[int] = ()) -> bool:
    """Kill all processes that `pids` finds, but us and the spared, until none is left.

    The eldest goes first, so that none sees the end of what it has started, and acts on it. Returns
    whether there was any."""
    for rounds in range(KILL_ROUNDS):
        found = pids() - {os.getpid(), *spare}
        if not found:
            return rounds > 0
        for pid in sorted(found):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(KILL_PAUSE_S)
    return True


def is_below(pid: int, ancestor: int) -> bool:
    """Whether a process is this one, or its child, or a child of such a child, and so on."""
    while pid not in (ancestor, 0):
        pid = _parent(pid)
    return pid == ancestor


def cpu_ticks(pids: Collection[int]) -> int:
    """Return the CPU time that these processes have used, in clock ticks."""
    ticks = 0
    for pid in pids:
        fields = _stat(pid)
        if fields:
            ticks += int(fields[11]) + int(fields[12])  # utime and stime: 14 and 15 in proc(5)
    return ticks


def _parent(pid: int) -> int:
    """Return the parent of a process; 0 if it has none, or has ended."""
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def _stat(pid: int) -> list[bytes]:
    """Return the fields of a process's stat, from the third of proc(5) on; none if it has ended."""
    # The name, which is the second field, may have spaces.
    return _proc_file(pid, "stat").rpartition(b")")[2].split()


def _wait(child: subprocess.Popen[bytes], timeout: float | None) -> int:
    """Wait for a program, end all that is left in its session, and return its status."""
    try:
        status = child.wait(timeout)
    except subprocess.TimeoutExpired:
        status = TIMED_OUT
    with suppress(ProcessLookupError, subprocess.TimeoutExpired):
        os.killpg(child.pid, signal.SIGKILL)
        child.wait(KILL_WAIT_S)  # it takes longer only if it hangs in the kernel, on a dead mount
    return status


def _read_into(excerpt: Excerpt, pipe: IO[bytes]) -> None:
    with pipe:
        while data := os.read(pipe.fileno(), READ_BYTES):
            excerpt.add(data)


def _text(file: IO[bytes], errors: str) -> str:
    file.seek(0)
    return file.read().decode(errors=errors)


def _environ(pid: int) -> bytes:
    """Return the environment of a process.

    One that becomes another program just now (execve(2)) has none for a moment."""
    environ = _proc_file(pid, "environ")
    looks = EXEC_LOOKS
    while not environ and looks and _has_program(pid):
        time.sleep(EXEC_PAUSE_S)
        environ = _proc_file(pid, "environ")
        looks -= 1
    return environ


def _has_program(pid: int) -> bool:
    """Whether a process runs a program: neither threads of the kernel nor the dead do."""
    return os.path.exists(f"/proc/{pid}/exe")  # noqa: PTH110 - as often as `_proc_file`


def _proc_file(pid: int, name: str) -> bytes:
    # Many at a time, and often: a Path would take three times as long.
    with suppress(OSError), open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:  # noqa: PTH123
        return file.read()
    return b""

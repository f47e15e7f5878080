"""The one place of the captain's half that starts processes.

It has them in its own hands, and asks each whether it has ended. asyncio's would not do: a start
that is cancelled may keep its loop from ever ending, and whoever signals a child that has just
ended takes its status away from whoever waits for it.
"""

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from math import inf
from subprocess import PIPE, Popen
from typing import IO, Any, NamedTuple, TypeVar, cast

from .errors import Failure

T = TypeVar("T")

DAEMONS = "/usr/sbin:/usr/lib/openssh:/usr/libexec:/usr/libexec/openssh:/usr/lib/ssh"
"""Where systems keep sshd and sftp-server, which are in few people's PATH."""

SHORTEST_PAUSE_S = 0.001
LONGEST_PAUSE_S = 0.1
"""How often to ask a child whether it has ended."""
PATIENCE_S = 1.0
"""How long a child that was asked to end may take, before it is killed."""
PIPE_BYTES = 1 << 20
"""More than a pipe holds, so that one read has all that is in it."""
LONGEST_LINE = 1 << 20

GIT_VARIABLES = frozenset(
    {
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_CONFIG_SYSTEM",
        "GIT_EXEC_PATH",
        "GIT_SSH",
        "GIT_SSH_COMMAND",
        "GIT_SSH_VARIANT",
        "GIT_SSL_CAINFO",
        "GIT_SSL_CAPATH",
        "GIT_SSL_CERT",
        "GIT_SSL_KEY",
        "GIT_SSL_NO_VERIFY",
    }
)
"""Where git's programs and settings are, and how it gets to other machines.

The other variables of git's are for one repository, or one command: an alias or a hook has them."""

SHELL_VARIABLES = frozenset(
    {"BASHOPTS", "BASH_ENV", "CDPATH", "ENV", "LANGUAGE", "POSIXLY_CORRECT", "SHELLOPTS"}
)
"""What would have shells run something first, or trace what they do, or programs read otherwise."""


class Result(NamedTuple):
    """How a process ended, and what it wrote."""

    status: int
    out: bytes
    err: bytes


class TooLong(Failure):
    """A process was given so much time, and did not end within it."""


def environment(theirs: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return what each process is given of the captain's environment.

    That is all of it, but for what would turn git to another repository, or have a shell do
    something else. ssh runs its ProxyCommand by SHELL, which may be none that knows sh's words."""
    kept = {name: value for name, value in theirs.items() if _is_passed_on(name)}
    return {**kept, "SHELL": "/bin/sh"}


def _is_passed_on(name: str) -> bool:
    if name.startswith("GIT_"):
        return name in GIT_VARIABLES
    return name not in SHELL_VARIABLES and not name.startswith("BASH_FUNC_")


def where(name: str) -> str | None:
    """The path of a program, also of one that is in no PATH, as sshd; None if it is missing."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{DAEMONS}")


def program(name: str) -> str:
    """As `where`; Failure if it is missing."""
    path = where(name)
    if path is None:
        raise Failure(f"{name} is not on this machine.", hint="Run `ocaptain doctor`.")
    return path


async def run(
    argv: Sequence[str], *, stdin: bytes = b"", timeout: float = inf, env: Mapping[str, str] = {}
) -> Result:
    """Feed `stdin` to `argv` and run it to its end; a status other than 0 is no error here.

    `env` is added to `environment()`; `timeout` is in seconds. Raises Failure if the program is
    missing, and TooLong if the time is up.
    """
    stdout = bytearray()
    try:
        async with asyncio.timeout(timeout):
            status, _, stderr = await _run(argv, stdin, env, stdout.extend)
    except TimeoutError:
        raise TooLong(f"{argv[0]} did not end within {timeout:g} s: {argv[-1]}") from None
    return Result(status, bytes(stdout), stderr)


async def stream(
    argv: Sequence[str],
    use: Callable[[bytes], object],
    *,
    stdin: bytes | None = b"",
    silence: float,
) -> Result:
    """Run `argv` to its end, and call `use` with what it writes, as it comes.

    It may take any time, but may not be silent for longer than `silence` seconds: that raises
    TooLong. If `stdin` is None, its stdin is open until we end it. `out` of the result is empty."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(silence) as limit:

            def take(data: bytes) -> None:
                use(data)
                limit.reschedule(loop.time() + silence)

            return await _run(argv, stdin, {}, take)
    except TimeoutError:
        raise TooLong(f"{argv[0]} was silent for {silence:g} s: {argv[-1]}") from None


async def _run(
    argv: Sequence[str], stdin: bytes | None, env: Mapping[str, str], use: Callable[[bytes], object]
) -> Result:
    child = _start(argv, env, stderr=PIPE)
    try:
        return await _communicate(child, stdin, use)
    finally:
        await _end(child)


async def read_lines(argv: Sequence[str], use: Callable[[bytes], None]) -> None:
    """Call `use` with each line that a program writes, as it comes, until the program ends.

    The program is ended if `use` raises, and its stdin is open until then. What is longer than
    LONGEST_LINE comes in pieces. This is no async generator, for one that is left early may be
    closed too late, when its loop has ended."""
    child = _start(argv, env={}, stderr=None)
    try:
        await _use_lines(child, use)
    finally:
        await _end(child)


async def attach(argv: Sequence[str]) -> int:
    """Run `argv` on our own terminal, to its end; returns its exit status.

    Keys are its own, Ctrl-C too. But a kill is for us: it ends with the caller."""
    command = [program(argv[0]), *argv[1:]]
    child = Popen(command, env=environment())  # noqa: ASYNC220  (see above: not asyncio's)
    try:
        while child.poll() is None:  # noqa: ASYNC110
            await asyncio.sleep(LONGEST_PAUSE_S)
        return child.returncode
    finally:
        await _end(child)


async def wait_for_all(*works: Awaitable[T]) -> list[T]:
    """What all of these return, which run at the same time.

    Unlike asyncio.gather it waits for all of them, also if one fails or the caller is cancelled.
    If some fail, it raises the failure of the first of them as they were named."""
    results = await asyncio.gather(*works, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return cast(list[T], results)


async def to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Wait for some work, which goes on if the caller is cancelled: that is raised after its end.

    asyncio.shield would not do. It lets the caller go, and a loop that ends cancels what is left.
    """
    task = asyncio.create_task(work)
    interrupt = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as cancelled:
            interrupt = cancelled
    task.result()
    if interrupt:
        raise interrupt


def _start(argv: Sequence[str], env: Mapping[str, str], stderr: int | None) -> Popen[bytes]:
    """Start a child with pipes that do not block; whoever calls this has to `_end` it.

    It has no terminal, so that Ctrl-C reaches us only, and no ControlMaster that others share."""
    child = Popen(
        [program(argv[0]), *argv[1:]],
        bufsize=0,
        stdin=PIPE,
        stdout=PIPE,
        stderr=stderr,
        env={**environment(), **env},
        start_new_session=True,
    )
    for pipe in _pipes(child):
        os.set_blocking(pipe.fileno(), False)
    return child


def _pipes(child: Popen[bytes]) -> list[IO[bytes]]:
    return [pipe for pipe in (child.stdin, child.stdout, child.stderr) if pipe]


async def _end(child: Popen[bytes]) -> None:
    """Ask a child to end, unless it has, and wait for it; kill it if that takes long.

    Its group is left alone: the ProxyCommand of a ControlMaster may be in it, and with that the
    connection of others."""
    child.terminate()
    for pipe in _pipes(child):
        pipe.close()
    try:
        deadline = time.monotonic() + PATIENCE_S
        while child.poll() is None and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(SHORTEST_PAUSE_S)
    finally:  # also if we are cancelled again
        child.kill()
        with suppress(subprocess.TimeoutExpired):  # it may hang in the kernel, on a dead mount
            child.wait(PATIENCE_S)


async def _communicate(
    child: Popen[bytes], stdin: bytes | None, use: Callable[[bytes], object]
) -> Result:
    """Feed a child, and take what it writes, until it ends; `use` gets its stdout.

    Its pipes need not end then: a daemon that it left behind, such as a ControlMaster, may hold
    them. But what the child itself wrote is in them by then, so the last look comes after its end.
    """
    stderr = bytearray()
    rest = memoryview(stdin or b"")
    pause = 0.0
    while True:
        status = child.poll()
        unfed = len(rest)
        if stdin is not None:
            rest = _feed(cast(IO[bytes], child.stdin), rest)
        out = cast(IO[bytes], child.stdout).read(PIPE_BYTES) or b""
        err = cast(IO[bytes], child.stderr).read(PIPE_BYTES) or b""
        if out:
            use(out)
        stderr += err
        if status is not None:
            return Result(status, b"", bytes(stderr))
        is_busy = bool(out or err) or len(rest) < unfed
        pause = _next_pause(pause, is_busy)
        await asyncio.sleep(pause)


async def _use_lines(child: Popen[bytes], use: Callable[[bytes], None]) -> None:
    stdout = cast(IO[bytes], child.stdout)
    rest = b""
    pause = 0.0
    while True:
        has_ended = child.poll() is not None
        data = stdout.read(PIPE_BYTES) or b""
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            use(line + b"\n")
        if rest and (has_ended or len(rest) > LONGEST_LINE):
            use(rest)
            rest = b""
        if has_ended:
            return
        pause = _next_pause(pause, bool(data))
        await asyncio.sleep(pause)


def _feed(pipe: IO[bytes], data: memoryview) -> memoryview:
    """Write what fits into a pipe, and close it after the last byte; what did not fit."""
    if pipe.closed:
        return data
    try:
        data = data[pipe.write(data) or 0 :]
    except BrokenPipeError:
        data = data[:0]  # nobody reads it
    if not data:
        pipe.close()
    return data


def _next_pause(pause: float, is_busy: bool) -> float:
    """How long to leave a child alone after `pause`, in seconds: the longer, the longer it is
    quiet."""
    if is_busy:
        return 0.0
    return min(max(1.25 * pause, SHORTEST_PAUSE_S), LONGEST_PAUSE_S)

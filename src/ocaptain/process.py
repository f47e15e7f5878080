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
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from math import inf
from subprocess import PIPE, Popen
from typing import IO, NamedTuple, TypeVar, cast

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


class Result(NamedTuple):
    """How a process ended, and what it wrote."""

    status: int
    out: bytes
    err: bytes


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

    `env` is added to ours; `timeout` is in seconds. Raises Failure if the program is missing or
    the time is up.
    """
    try:
        async with asyncio.timeout(timeout):
            child = _start(argv, env, stderr=PIPE)
            try:
                return await _communicate(child, stdin)
            finally:
                await _end(child)
    except TimeoutError:
        raise Failure(f"{argv[0]} did not end within {timeout:g} s: {argv[-1]}") from None


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


def attach(argv: Sequence[str]) -> int:
    """Run `argv` on our own terminal, to its end; returns its exit status."""
    return subprocess.call([program(argv[0]), *argv[1:]])


async def wait_for_all(*works: Awaitable[T]) -> list[T]:
    """What all of these return, which run at the same time.

    Unlike asyncio.gather it waits for all of them, also if one fails or the caller is cancelled.
    If some fail, it raises the failure of the first of them as they were named."""
    results = await asyncio.gather(*works, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return cast(list[T], results)


def _start(argv: Sequence[str], env: Mapping[str, str], stderr: int | None) -> Popen[bytes]:
    """Start a child with pipes that do not block; whoever calls this has to `_end` it.

    It has no terminal, so that Ctrl-C reaches us only, and no ControlMaster that others share."""
    child = Popen(
        [program(argv[0]), *argv[1:]],
        bufsize=0,
        stdin=PIPE,
        stdout=PIPE,
        stderr=stderr,
        env={**os.environ, **env},
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


async def _communicate(child: Popen[bytes], stdin: bytes) -> Result:
    """Feed a child, and take what it writes, until it ends.

    Its pipes need not end then: a daemon that it left behind, such as a ControlMaster, may hold
    them. But what the child itself wrote is in them by then, so the last look comes after its end.
    """
    stdout = bytearray()
    stderr = bytearray()
    rest = memoryview(stdin)
    pause = 0.0
    while True:
        status = child.poll()
        unfed = len(rest)
        rest = _feed(cast(IO[bytes], child.stdin), rest)
        out = cast(IO[bytes], child.stdout).read(PIPE_BYTES) or b""
        err = cast(IO[bytes], child.stderr).read(PIPE_BYTES) or b""
        stdout += out
        stderr += err
        if status is not None:
            return Result(status, bytes(stdout), bytes(stderr))
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

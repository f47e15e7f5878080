"""Processes on the captain's machine.

`run`, `lines` and `attach` are the only places in the captain's half that start a process.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from math import inf
from subprocess import PIPE, call
from typing import Any, NamedTuple, cast

from .errors import Failure

DAEMONS = "/usr/sbin:/usr/lib/openssh:/usr/libexec:/usr/libexec/openssh:/usr/lib/ssh"
"""Where systems keep sshd and sftp-server, which are in few people's PATH."""


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
    if found := where(name):
        return found
    raise Failure(f"{name} is not on this machine.", hint="Run `ocaptain doctor`.")


@asynccontextmanager
async def _started(argv: Sequence[str], **how: Any) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process without a terminal, so that Ctrl-C reaches us only, and no shared ControlMaster.

    Whoever leaves, or is cancelled, ends it."""
    how |= {"stdin": PIPE, "stdout": PIPE, "start_new_session": True}
    child = await asyncio.create_subprocess_exec(program(argv[0]), *argv[1:], **how)
    try:
        yield child
    finally:
        with suppress(ProcessLookupError):
            child.terminate()
        # wait() waits for all who hold the pipes, as a ControlMaster does for as long as a session.
        await asyncio.wait([asyncio.create_task(child.wait())], timeout=1)
        child._transport.close()  # type: ignore[attr-defined]


async def run(
    argv: Sequence[str], *, stdin: bytes = b"", timeout: float = inf, env: Mapping[str, str] = {}
) -> Result:
    """Feed `stdin` to `argv` and run it to its end; a status other than 0 is no error here.

    `env` is added to ours; `timeout` is in seconds. Raises Failure if the program is missing or
    the time is up.
    """
    try:
        how = {"stderr": PIPE, "env": {**os.environ, **env}}
        async with asyncio.timeout(timeout), _started(argv, **how) as process:
            out, err = await process.communicate(stdin)
            return Result(await process.wait(), out, err)
    except TimeoutError:
        raise Failure(f"{argv[0]} did not end within {timeout:g} s: {argv[-1]}") from None


async def lines(argv: Sequence[str]) -> AsyncIterator[bytes]:
    """The lines that a program writes, as they come; it is ended with the loop over them."""
    async with _started(argv, limit=1 << 20) as process:
        async for line in cast(asyncio.StreamReader, process.stdout):
            yield line


def attach(argv: Sequence[str]) -> int:
    """Run `argv` on our own terminal, to its end; returns its exit status."""
    return call([program(argv[0]), *argv[1:]])

"""Processes of the probe's, and the signals that end it."""

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, cast

from .results import Result

ENDING_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
TIMED_OUT = 124
"""The exit status that timeout(1) has for it."""


def run(argv: Sequence[str], stdin: bytes = b"", timeout: float = 60) -> Result:
    """Run a program to its end. After `timeout` seconds its exit status is TIMED_OUT."""
    try:
        done = subprocess.run(
            argv, input=stdin, timeout=timeout, capture_output=True, start_new_session=True
        )
    except subprocess.TimeoutExpired:
        return Result(TIMED_OUT, b"", f"no end within {timeout:g} s".encode())
    return Result(done.returncode, done.stdout, done.stderr)


def start(argv: Sequence[str]) -> "subprocess.Popen[bytes]":
    """Start a program, to read what it writes while it runs."""
    return subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )


def read_line(child: "subprocess.Popen[bytes]") -> str:
    """Wait for a line of a program's. Returns an empty one if it ends without."""
    stdout = cast(IO[bytes], child.stdout)
    return stdout.readline().decode().strip()


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Let Ctrl-C wait while something is being made that would have to be removed."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

"""Commands that tests run, and how they end."""

import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Done:
    """How a command ended, what it wrote, and what was typed."""

    status: int
    out: str
    err: str
    words: tuple[str, ...] = ()


def await_end(child: subprocess.Popen[str], timeout: float, stdin: str | None = None) -> Done:
    """Wait for the end of a command. Raises subprocess.TimeoutExpired if it does not come in time.

    If we do not wait any longer, also because the test's own time is up, all that it wrote is
    shown, and with that the stacks of its threads, if it is Python's."""
    with child:
        try:
            out, err = child.communicate(stdin, timeout)
        except BaseException:
            print(last_words(child), file=sys.stderr)
            raise
        return Done(child.returncode, out, err or "")


def last_words(child: subprocess.Popen[str]) -> str:
    """Abort a command, and return all that it wrote. PYTHONFAULTHANDLER has Python show its stacks
    then."""
    for number in (signal.SIGABRT, signal.SIGKILL):
        child.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            out, err = child.communicate(timeout=5)
            return f"{out}\n{err or ''}"
    return "(somebody else holds its pipes)"


def abandon(child: subprocess.Popen[Any]) -> None:
    """End a command for which no test waits any more, and close its pipes.

    Otherwise a test that fails in between has another one fail, in which that is noticed."""
    child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe:
            with suppress(OSError):  # what was to be written still
                pipe.close()

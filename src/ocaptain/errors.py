"""Failures that are for people, and bugs that are for us.

An expected failure is a `Failure`: its message names the thing and says what happened, its hint
says what to type next; exit status 1. Anything else is a bug of ocaptain: a crash report is
written to a file and the exit status is 3. An interrupt ends with 130.
"""

import os
import re
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from tempfile import NamedTemporaryFile

from . import __version__
from .onboard.redaction import named_values, redacted, secret_values, without_passwords

TOKEN = re.compile(r"\b(sk-|gh[opsur]_|github_pat_)[\w-]+")
"""What looks like a token of Anthropic's or GitHub's."""


class Failure(Exception):
    """Something that can go wrong did. The hint says what to type next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(f"{message}\n{hint}" if hint else message)

    def begin_with(self, subject: str) -> None:
        """Say first what it is about, such as which provider."""
        self.args = (f"{subject}: {self}",)


listener: ContextVar[Callable[[str], None] | None] = ContextVar("listener", default=None)
"""Who hears how something is going in place of the terminal, such as a page that ordered it."""


class Word:
    """What stands on the terminal's last line until something else is said."""

    is_shown = False


def progress(text: str) -> None:
    """Say on stderr how something is going; stdout is for what was asked."""
    hear = listener.get()
    if hear:
        hear(without_passwords(text))
        return
    end_word()
    _say(f"{without_passwords(text)}\n")


def begin_word(text: str) -> None:
    """Show a word on the terminal, for as long as nothing else is said."""
    Word.is_shown = True
    _say(text)


def end_word() -> None:
    """Take it away."""
    if Word.is_shown:
        Word.is_shown = False
        _say("\n" if os.environ.get("TERM") == "dumb" else "\r\x1b[2K")


def _say(text: str) -> None:
    """Write to stderr, if anybody reads it: a terminal that was closed gives an error.

    What is under way goes on all the same, above all the removal of what was made."""
    with suppress(OSError):
        print(text, end="", file=sys.stderr, flush=True)


def crash_report(bug: Exception) -> str:
    """Write down what happened and where, without any token. Returns the path of the file."""
    report = [
        f"ocaptain {__version__}, python {sys.version} on {sys.platform}\n",
        f"argv {sys.argv}\n\n",
        *traceback.format_exception(bug),
    ]
    base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state")
    folder = base / "ocaptain"
    folder.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", dir=folder, prefix="crash-", suffix=".txt", delete=False) as file:
        file.write(scrub("".join(report)))
    return file.name


def scrub(text: str) -> str:
    """`text` without the values of secret environment variables and whatever looks like a token."""
    known = {*named_values(os.environ), *secret_values(os.environ)}
    known_removed = redacted(text, sorted(known, key=len, reverse=True))
    return TOKEN.sub("***", without_passwords(known_removed))

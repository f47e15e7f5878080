"""A ship's log before it reaches storage, and the words that must never reach it."""

import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .text import utc

CHUNK = 12_000
CLIP = 500
KEEP = 1_000_000
SECRET_NAME = re.compile(r"TOKEN|KEY|SECRET|PASSWORD|HEADERS")


def secret_values(environ: Mapping[str, str]) -> list[str]:
    """Values of an environment that nobody else may see, the longest first."""
    found = {v for k, v in environ.items() if SECRET_NAME.search(k) and len(v) >= 8}
    return sorted(found, key=len, reverse=True)


def redacted(text: str, secrets: Iterable[str]) -> str:
    """`text` with every secret replaced by ***."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


class Log:
    """Lines on their way to storage."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets, self._guard = list(secrets), threading.Lock()
        self._text, self._size = "", 0

    def say(self, text: str, task: str = "") -> None:
        """Add lines, each with the time and the task."""
        head = f"{utc(time.time())} {f'[{task}] ' if task else ''}"
        lines = redacted(text, self._secrets).splitlines()
        added = "".join(f"{head}{line[:CLIP]}\n" for line in lines if line.strip())
        with self._guard:
            self._text = (self._text + added)[-KEEP:]

    def send(self, ask: Callable[..., Any]) -> None:
        """Send what there is by `ask`, as `Harbor` has it."""
        while self._text:
            with self._guard:
                lines = self._text[: self._text.rfind("\n", 0, CHUNK) + 1 or None]
            answer = ask("log", patience=0, at=self._size, text=lines)
            if not answer["ok"]:
                return
            self._size = answer["size"]
            with self._guard:
                self._text = self._text.removeprefix(lines)

"""A ship's log before it reaches storage, and the words that must never reach it."""

import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .text import utc

CHUNK = 12_000
CLIP = 500
KEEP = 10_000
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
    """Lines on their way to storage: `say` by any thread, `send` by one."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets, self._lines = list(secrets), deque[str](maxlen=KEEP)
        self._sending, self._size = "", 0

    def say(self, text: str, task: str = "") -> None:
        """Add lines, each with the time and the task."""
        head = f"{utc(time.time())} {f'[{task}] ' if task else ''}"
        lines = redacted(text, self._secrets).splitlines()
        self._lines.extend([f"{head}{line[:CLIP]}\n" for line in lines if line.strip()])

    def send(self, ask: Callable[..., Any]) -> None:
        """Send what there is by `ask`, as `Harbor` has it."""
        while self._sending or self._lines:
            while self._lines and len(self._sending) < CHUNK:
                self._sending += self._lines.popleft()
            answer = ask("log", patience=0, at=self._size, text=self._sending)
            if not answer["ok"]:
                return
            self._sending, self._size = "", answer["size"]

"""A ship's side of asking harbor: one SSH command a question, asked again until it is answered.

And the ship's log on its way there."""

import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from subprocess import PIPE, STDOUT
from typing import Any

from . import PROTOCOL, process
from .text import redacted, utc

ANSWER_S, TELL_S = 90, 60
CLIP, BATCH, KEEP = 500, 25, 10_000  # characters of a line; lines sent at once, and kept

Answer = dict[str, Any]


class Unreachable(Exception):
    """Storage did not answer."""


class Harbor:
    """Asks harbor by `command`, the argv that runs it on storage; `secrets` never go out."""

    def __init__(self, command: Sequence[str], secrets: Sequence[str]) -> None:
        self.command, self.secrets = list(command), secrets

    def ask(self, op: str, *, patience: float = float("inf"), **fields: Any) -> Answer:
        """Ask, again for `patience` seconds where no answer comes; raises Unreachable after that,
        and says until then on stderr, once a minute, why there is none.

        The same request id each time, so that asking twice changes nothing twice. A refusal is an
        answer: `ok` is false, `code` and `error` say why."""
        request = {"protocol": PROTOCOL, "op": op, "id": os.urandom(8).hex(), **fields}
        line = redacted(json.dumps(request), self.secrets)
        ends, pause, tell = time.monotonic() + patience, 0.2, 0.0
        while True:
            try:
                return exchange(self.command, line)
            except Unreachable as why:
                now = time.monotonic()
                if now + pause > ends:
                    raise
                if now > tell:
                    tell = now + TELL_S
                    print(f"storage cannot be reached: {why}", file=sys.stderr)
            time.sleep(pause * random.uniform(0.5, 1))
            pause = min(pause * 2, 30)


def exchange(argv: Sequence[str], line: str) -> Answer:
    """Send a line, get one; stdin stays open until then, for its end tells harbor that we died.

    An answer is JSON that says whether all is well, as nothing does that other servers say."""
    limited, said = ["timeout", str(ANSWER_S), *argv], b""
    try:
        with process.start(limited, stdin=PIPE, stdout=PIPE, stderr=STDOUT) as child:
            process.feed(child, line.encode() + b"\n")
            for said in child.stdout or ():
                with suppress(ValueError, RecursionError):
                    answer = json.loads(said)
                    if isinstance(answer, dict) and "ok" in answer:
                        return answer
    except OSError as error:
        said = str(error).encode()
    raise Unreachable(said.decode(errors="replace").strip()[:300] or "no answer")


class Log:
    """Lines on their way to storage: `say` by any thread, `send` by one."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets, self._lines, self._size = list(secrets), list[str](), 0

    def say(self, text: str, task: str = "") -> None:
        """Add lines, each with the time and the task; where they are too many, the oldest go."""
        head = f"{utc(time.time())} {f'[{task}] ' if task else ''}"
        lines = redacted(text, self._secrets).splitlines()
        self._lines.extend([f"{head}{line[:CLIP]}\n" for line in lines if line.strip()])
        del self._lines[:-KEEP]

    def send(self, ask: Callable[..., Any]) -> None:
        """Send what there is by `ask`, as `Harbor` has it."""
        while batch := self._lines[:BATCH]:
            answer = ask("log", patience=0, at=self._size, text="".join(batch))
            if not answer["ok"]:
                return
            self._size = answer["size"]
            del self._lines[: len(batch)]

"""A ship's side of asking harbor: one SSH command a question, asked again until it is answered."""

import json
import os
import random
import sys
import threading
import time
from collections.abc import Sequence
from subprocess import PIPE, STDOUT
from typing import Any

from . import PROTOCOL, process
from .log import redacted

ANSWER_S, TELL_S = 90.0, 60.0

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
    """Send a line, get one; stdin stays open until then, for its end tells harbor that we died."""
    child, said = process.start(argv, stdin=PIPE, stdout=PIPE, stderr=STDOUT), b""
    timer = threading.Timer(ANSWER_S, child.kill)
    timer.start()
    try:
        with child:
            process.feed(child, line.encode() + b"\n")
            for said in child.stdout or ():
                if answer := decoded(said):
                    return answer
    except OSError as error:
        said = str(error).encode()
    finally:
        timer.cancel()
    raise Unreachable(said.decode(errors="replace").strip()[:300] or "no answer")


def decoded(line: bytes) -> Answer | None:
    """The answer that a line is: JSON that says whether all is well, as no other server's does."""
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) and "ok" in answer else None

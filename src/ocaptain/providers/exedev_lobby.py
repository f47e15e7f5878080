"""exe.dev's lobby: commands over SSH, `ssh exe.dev COMMAND --json`, and its answers in JSON."""

import asyncio
import json
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

from ocaptain.config import Config
from ocaptain.errors import Failure
from ocaptain.manual import page
from ocaptain.process import Result
from ocaptain.ssh import VM, Remote, Ssh, clean, write_config

from .known_host import resolve_known_host

T = TypeVar("T")
Json = dict[str, Any]

LOBBY = "exe.dev"
COMMANDS_AT_ONCE = 8
"""How many share one connection to it: assumption 2 of docs/exedev.md."""
ANSWER_S = 120.0
RETRIES_S = 20.0
"""For how long a command is sent again if no answer comes."""
DECODER = json.JSONDecoder()
NOT_RETRIED = ("new", "ssh-key add")
"""Commands that are sent once, for they might be done twice."""


class Reply(NamedTuple):
    """The lobby's answer to a command, and what is wrong, if anything."""

    answer: Json
    fault: str


class Lobby:
    """The lobby, as the account whose key the captain's ssh shows to it."""

    def __init__(self, config: Config, retries_s: float = RETRIES_S) -> None:
        self.config = config
        self.retries_s = retries_s
        self.machine = VM(LOBBY, (), "")
        """How the captain's ssh reaches it, once it has answered something."""
        self._turns = asyncio.Semaphore(COMMANDS_AT_ONCE)
        self._opening: asyncio.Task[Ssh] | None = None

    async def send(self, verb: str, *arguments: str) -> Reply:
        """Send a command. Raises Unreachable if nobody answers."""
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
        ssh = await self._opening
        command = Remote(*verb.split(), "--json", *arguments)
        retries = self.retries_s
        if verb in NOT_RETRIED:
            retries = 0.0
        async with self._turns:
            result = await ssh.run(
                LOBBY, command, timeout=ANSWER_S, retries=retries, in_shell=False
            )
        return read_reply(result)

    async def ask(self, read: Callable[[Json], T], verb: str, *arguments: str) -> T:
        """Send a command, and return what `read` makes of the answer.

        Raises Failure if the lobby refuses, or `read` does not find what it looks for.
        """
        answer, fault = await self.send(verb, *arguments)
        if fault:
            raise Failure(
                f"{LOBBY} refused `{verb}`: {fault}",
                hint=f"See what it says to you: ssh {LOBBY} {verb} --help",
            )
        try:
            return read(answer)
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            shown = clean(json.dumps(answer))[:300]
            raise Failure(
                f"{LOBBY} answers `{verb}` with what ocaptain does not understand ({error!r}):"
                f" {shown}",
                hint=f"See {page('exedev.md')}.",
            ) from None

    async def _open(self) -> Ssh:
        self.machine = await resolve_known_host(self.config, LOBBY)
        return write_config(self.config.run_dir() / LOBBY, [self.machine])


def read_reply(result: Result) -> Reply:
    """Find the answer in what a command wrote, to either stream; the first object counts."""
    answers = json_objects(result.out) + json_objects(result.err)
    errors = [str(answer["error"]) for answer in answers if answer.keys() == {"error"}]
    fault = " ".join(errors)
    if not errors and (result.status != 0 or not answers):
        output = result.err or result.out
        fault = output.decode(errors="replace").strip() or "it said nothing"
    return Reply(answers[0] if answers else {}, clean(fault))


def json_objects(output: bytes) -> list[Json]:
    """Return the JSON objects in an output of the lobby's, each of which begins a line.

    A banner before them, and words after them, are left out; half an object makes all of it none.
    """
    _banner, *parts = re.split(rb"^(?={)", output, flags=re.MULTILINE)
    with suppress(ValueError, RecursionError):
        return [DECODER.raw_decode(part.decode())[0] for part in parts]
    return []

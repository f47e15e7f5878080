"""Git on the captain's machine. It speaks English and asks nobody for anything."""

import os
from collections.abc import Mapping, Sequence

from .errors import Failure, scrub
from .process import Result, run

TIMEOUT_S = 30
NO_VARIABLES: Mapping[str, str] = {}
IF_PRIVATE = "if it is private: export GH_TOKEN=… for GitHub, or name a checkout of it here"


async def git(
    *words: str, env: Mapping[str, str] = NO_VARIABLES, timeout: float = TIMEOUT_S
) -> str:
    """Run git. Returns what it prints. Raises Failure, with git's own words, if it fails.

    `env` is added to this process's environment; `timeout` is in seconds."""
    result = await _run(words, env, timeout)
    if result.status:
        fault = scrub(" ".join(os.fsdecode(result.err).split()))
        if "'http" in fault:
            fault = f"{fault} ({IF_PRIVATE})"
        raise Failure(fault)
    return _text(result)


async def try_git(*words: str) -> str:
    """Run git. Returns what it prints, or nothing if it fails."""
    result = await _run(words, NO_VARIABLES, TIMEOUT_S)
    return "" if result.status else _text(result)


async def _run(words: Sequence[str], env: Mapping[str, str], timeout: float) -> Result:
    ssh = os.environ.get("GIT_SSH_COMMAND", "ssh")
    unattended = {
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_SSH_COMMAND": f"{ssh} -o BatchMode=yes",
    }
    return await run(["git", *words], env={**unattended, **env}, timeout=timeout)


def _text(result: Result) -> str:
    return os.fsdecode(result.out).strip()

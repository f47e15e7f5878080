"""Git on the captain's machine. It speaks English, asks nobody for anything and runs no hook."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from .errors import Failure, scrub
from .process import Result, run

TIMEOUT_S = 30
NO_VARIABLES: Mapping[str, str] = {}
IF_PRIVATE = "if it is private: export GH_TOKEN=… for GitHub, or name a checkout of it here"
NOBODY = {"user.name": "ocaptain", "user.email": "ocaptain@localhost"}
"""Who commits if the captain's git does not say who they are."""

SETTINGS = {
    "color.ui": "false",
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "gc.auto": "0",
    "maintenance.auto": "false",
    "protocol.file.allow": "always",
    "protocol.git.allow": "always",
    "protocol.http.allow": "always",
    "protocol.https.allow": "always",
    "protocol.ssh.allow": "always",
    "safe.bareRepository": "all",
    "status.showUntrackedFiles": "normal",
    "submodule.recurse": "false",
}
"""What ocaptain sets, whatever the captain has. In particular none of it leads to a program of
theirs, for the work of agents passes here."""


def environment(theirs: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return what git is given besides what each program is (process.py).

    It may find its way by the captain's own ssh, which may not ask for anything either."""
    added = {
        "LC_ALL": "C",
        "GIT_ASKPASS": "",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "SSH_ASKPASS_REQUIRE": "never",
    }
    if "GIT_SSH_COMMAND" in theirs:
        added["GIT_SSH_COMMAND"] = f"{theirs['GIT_SSH_COMMAND']} -o BatchMode=yes"
    return added


async def git(
    *words: str, env: Mapping[str, str] = NO_VARIABLES, timeout: float = TIMEOUT_S
) -> str:
    """Run git. Returns what it prints. Raises Failure, with git's own words, if it fails.

    `env` is added to git's environment; `timeout` is in seconds."""
    result = await _run(words, env, timeout)
    if result.status:
        fault = scrub(" ".join(os.fsdecode(result.err).split()))
        if "'http" in fault:
            fault = f"{fault} ({IF_PRIVATE})"
        raise Failure(fault or f"git {words[0]} failed, and did not say why")
    return _text(result)


async def try_git(*words: str) -> str:
    """Run git. Returns what it prints, or nothing if it fails."""
    result = await _run(words, NO_VARIABLES, TIMEOUT_S)
    return "" if result.status else _text(result)


async def author(folder: Path) -> dict[str, str]:
    """Return who commits in a folder, by git's names for it: `user.name` and `user.email`."""
    who = {}
    for key, nobody in NOBODY.items():
        value = await try_git("-C", str(folder), "config", key)
        who[key] = os.fsencode(value).decode(errors="replace") or nobody
    return who


async def _run(words: Sequence[str], env: Mapping[str, str], timeout: float) -> Result:
    settings = []
    for key, value in SETTINGS.items():
        settings += ["-c", f"{key}={value}"]
    argv = ["git", *settings, *words]
    return await run(argv, env={**environment(), **env}, timeout=timeout)


def _text(result: Result) -> str:
    return os.fsdecode(result.out).strip()

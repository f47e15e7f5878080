"""Git on the captain's machine."""

import os

from .errors import Failure, scrub
from .process import run

PRIVATE = " (if it is private: export GH_TOKEN=… for GitHub, or name a checkout of it here)"


async def git(*words: str, strict: bool = True, timeout: float = 30, **env: str) -> str:
    """What git prints, in English; it asks nobody for anything. `env` is added to ours.

    If it fails: nothing, or if `strict` a Failure."""
    ssh = f"{os.environ.get('GIT_SSH_COMMAND', 'ssh')} -o BatchMode=yes"
    mute = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": ssh}
    result = await run(["git", *words], env={**mute, **env}, timeout=timeout)
    if result.status and strict:
        said = scrub(" ".join(os.fsdecode(result.err).split()))
        raise Failure(said + PRIVATE * ("'http" in said))
    return "" if result.status else os.fsdecode(result.out).strip()

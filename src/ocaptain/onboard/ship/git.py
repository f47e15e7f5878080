"""Runs git in a ship's clone."""

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event

from .. import process

SETTINGS = (
    "core.hooksPath=/dev/null",  # the repository's own hooks are the agent's to run
    "core.editor=true",
    "commit.gpgSign=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "fetch.recurseSubmodules=false",
)
"""Settings of every git command here."""

# Not what git says as well of a clone that has lost its origin.
OUT_OF_REACH = re.compile(
    "(?!.*'origin' does not appear).*"
    "(Could not read from remote|storage has no room|unexpected disconnect)",
    re.DOTALL,
)
LONGEST_PAUSE_S = 30.0
LATE_S = 60
"""Seconds that a git command may take once the claim is over."""


class GitFailed(OSError):
    """A git command failed; the message is what git said."""


def pack_settings(sudo_prefix: Sequence[str]) -> dict[str, str]:
    """Return git's settings for a storage where these words go before every command."""
    return {
        "remote.origin.uploadpack": shlex.join([*sudo_prefix, "git-upload-pack"]),
        "remote.origin.receivepack": shlex.join([*sudo_prefix, "git-receive-pack"]),
    }


class Git:
    """Runs git in one clone. Methods raise OSError, of which GitFailed is one."""

    def __init__(self, path: Path, ssh: str, give_up: Event) -> None:
        """`ssh` is the command line that reaches storage.

        Once `give_up` is set, nothing waits for storage any more."""
        self.path = path
        self.directory = path / ".git"
        self._give_up = give_up
        self._environment = {
            "GIT_SSH_COMMAND": ssh,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "LC_ALL": "C",
        }
        # No other repository or tree, whatever the agent deletes or configures.
        self._this_clone = {"GIT_DIR": str(self.directory), "GIT_WORK_TREE": str(path)}

    def run(self, *words: str, index: Path | None = None) -> str:
        """Run git in the clone, perhaps on another index, and return what it printed."""
        env = {**self._environment, **self._this_clone}
        if index:
            env["GIT_INDEX_FILE"] = str(index)
        return self._run(words, env)

    def run_with_storage(self, *words: str) -> str:
        """Run git in the clone, again while storage is out of reach."""
        return self._run_with_storage(words, {**self._environment, **self._this_clone})

    def clone(self, *words: str) -> None:
        """Run `git clone` where the clone is to be, again while storage is out of reach."""
        self._run_with_storage(["clone", *words], self._environment)

    def _run_with_storage(self, words: Sequence[str], env: Mapping[str, str]) -> str:
        pause_s = 1.0
        while True:
            try:
                return self._run(words, env)
            except GitFailed as failure:
                if not OUT_OF_REACH.match(str(failure)) or self._give_up.wait(pause_s):
                    raise
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _run(self, words: Sequence[str], env: Mapping[str, str]) -> str:
        argv = ["git"]
        for setting in SETTINGS:
            argv += ["-c", setting]
        argv += words
        limit_s = LATE_S if self._give_up.is_set() else None
        done = process.run(argv, cwd=self.path, env=env, timeout=limit_s)
        if done.status:
            raise GitFailed((done.stderr or done.stdout).strip()[-2000:])
        return done.stdout.strip()

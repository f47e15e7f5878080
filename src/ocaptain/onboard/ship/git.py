"""Runs git in a ship's clone, by settings that are helm's own."""

import os
import re
import shlex
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event

from .. import process
from ..process import Environment

SETTINGS = (
    "core.hooksPath=/dev/null",  # the repository's own hooks are the agent's to run
    "core.editor=true",
    "core.commentChar=\x1f",  # a subject may begin with any other
    # Files of the user's that git reads even if no configuration names them.
    f"core.excludesFile={os.devnull}",
    f"core.attributesFile={os.devnull}",
    # The index tells all that has changed.
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.splitIndex=false",
    "core.ignoreStat=false",
    "core.trustctime=true",
    "core.checkStat=default",
    "index.sparse=false",
    # Nothing is refused, rewritten or recalled for somebody's taste.
    "core.safecrlf=false",
    "apply.whitespace=nowarn",
    "commit.gpgSign=false",
    "merge.conflictStyle=merge",
    "merge.renormalize=true",  # or line endings would be a conflict
    "rebase.backend=merge",
    "rebase.autoStash=false",
    "rebase.autoSquash=false",
    "rebase.updateRefs=false",
    "rebase.missingCommitsCheck=ignore",
    "rerere.enabled=false",
    "transfer.fsckObjects=false",
    "fetch.fsckObjects=false",
    # Only what is asked for is fetched, pushed and checked out.
    "fetch.prune=false",
    "fetch.recurseSubmodules=false",
    "push.followTags=false",
    "push.gpgSign=false",
    "push.recurseSubmodules=no",
    "submodule.recurse=false",
    # What is printed can be read.
    "color.ui=false",
    "column.ui=never",
    "core.quotePath=off",
    "i18n.logOutputEncoding=UTF-8",
    "log.showSignature=false",
    "gc.auto=0",
    "maintenance.auto=false",
)
"""Settings of every git command here."""

LFS = (
    "filter.lfs.clean=git-lfs clean -- %f",
    "filter.lfs.smudge=git-lfs smudge --skip -- %f",
    "filter.lfs.process=git-lfs filter-process --skip",
    "filter.lfs.required=true",
)
"""Settings by which a large file is committed as a pointer, and a pointer is left one."""
NO_LFS = (
    "filter.lfs.clean=",
    "filter.lfs.smudge=",
    "filter.lfs.process=",
    "filter.lfs.required=false",
)
"""Settings for a ship that has no Git LFS, whatever is configured: files stay as they are."""

# Not what git says as well of a clone that has lost its origin.
OUT_OF_REACH = re.compile(
    "(?!.*'origin' does not appear).*"
    "(Could not read from remote|storage has no room|unexpected disconnect)",
    re.DOTALL,
)
# What waiting mends rarely: it is tried again for a while all the same, and not for ever.
HOPELESS = re.compile(
    "Permission denied|Host key verification failed|not appear to be a git repository"
    "|no such identity|error in libcrypto|Bad configuration option"
)
HOPELESS_TRIES = 7
COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
PLAIN_VERSIONS = (b"\0\0\0\2", b"\0\0\0\3")
"""Versions of an index that has whole paths."""
ELSEWHERE_TOO = (b"link", b"sdir")
"""Extensions of an index that has not all entries in its own file."""
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
LATE_S = 60
"""Seconds that a git command may take once the claim is over."""
ELSEWHERE_S = 600
"""Seconds that it may take to ask another server than storage."""


class GitFailed(OSError):
    """A git command failed; the message is what git said."""


def pack_settings(sudo_prefix: Sequence[str]) -> dict[str, str]:
    """Return git's settings for a storage where these words go before every command."""
    return {
        "remote.origin.uploadpack": shlex.join([*sudo_prefix, "git-upload-pack"]),
        "remote.origin.receivepack": shlex.join([*sudo_prefix, "git-receive-pack"]),
    }


def settings() -> list[str]:
    """Return the settings of every git command, as they are on this ship."""
    return [*SETTINGS, *(LFS if shutil.which("git-lfs") else NO_LFS)]


def own_environment(ssh: str) -> dict[str, str | None]:
    """Return what git is told by its environment: of what helm was itself told about git, nothing.

    `ssh` is the command line that reaches other machines."""
    return {
        **inherited(),
        "GIT_SSH_COMMAND": ssh,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        # Commits are what they are, whatever an agent has put in their place.
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_GRAFT_FILE": f"{os.devnull}/none",
        # Large files stay pointers, which need no server.
        "GIT_LFS_SKIP_SMUDGE": "1",
        "LC_ALL": "C",
    }


def users_environment() -> dict[str, str | None]:
    """Return the environment in which git asks other servers than storage.

    That needs credentials, which are in the user's configuration."""
    return {**inherited(), "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


def inherited() -> dict[str, None]:
    """Return the variables of our own environment that git must not see."""
    return {name: None for name in os.environ if name.startswith("GIT_")}


class Git:
    """Runs git in one clone. Methods raise OSError, of which GitFailed is one."""

    def __init__(
        self,
        path: Path,
        ssh: str,
        give_up: Event,
        say: Callable[[str], None],
        directory: Path | None = None,
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        """`ssh` is the command line that reaches storage.

        Once `give_up` is set, nothing waits for storage any more. `say` logs a line. `directory` is
        where git keeps what is its own, if that is not in `.git`."""
        self.path = path
        self.directory = directory or path / ".git"
        self._ssh = ssh
        self._give_up = give_up
        self._say = say
        self._first_pause_s = first_pause_s

    def within(self, path: Path, directory: Path | None = None) -> "Git":
        """Return what runs git in a repository inside this one, or beside it."""
        return Git(path, self._ssh, self._give_up, self._say, directory)

    def ask(self, *words: str, index: Path | None = None) -> process.Done:
        """Run git in the clone, whether or not it succeeds, and change nothing by looking.

        Names are as the disk has them: bytes that are no text are surrogates."""
        env = self._in_clone(own_environment(self._ssh))
        env["GIT_OPTIONAL_LOCKS"] = "0"
        if index:
            env["GIT_INDEX_FILE"] = str(index)
        return self._start(words, env, errors="surrogateescape")

    def answer(self, *words: str, index: Path | None = None) -> process.Done:
        """Ask git what it has to know, and change nothing by looking."""
        done = self.ask(*words, index=index)
        if done.status:
            raise GitFailed(done.stderr.strip()[-2000:])
        return done

    def run(self, *words: str, index: Path | None = None, tree: Path | None = None) -> str:
        """Run git in the clone, perhaps on another index or tree, and return what it printed."""
        env = self._in_clone(own_environment(self._ssh))
        if index:
            env["GIT_INDEX_FILE"] = str(index)
        if tree:
            env["GIT_WORK_TREE"] = str(tree)
        return self._run(words, env)

    def paths(self, *words: str, index: Path | None = None) -> list[str]:
        """Ask git, which lists something and is told `-z`, and return what it lists."""
        done = self.answer(*words, index=index)
        return [path for path in done.stdout.split("\0") if path]

    def index_may_have(self, *marks: bytes) -> bool:
        """Whether one of these is in the index, as far as that can be told without a process.

        That reads its file: gitformat-index(5)."""
        with suppress(OSError):
            index = (self.directory / "index").read_bytes()
            is_plain = index[4:8] in PLAIN_VERSIONS
            return not is_plain or any(mark in index for mark in (*marks, *ELSEWHERE_TOO))
        return True

    def name(self, path: Path) -> str:
        """Return a path as git names it, from the top of the clone."""
        return os.path.relpath(os.path.realpath(path), os.path.realpath(self.path))

    def has(self, commit: str) -> bool:
        """Whether a commit is here."""
        return self.ask("cat-file", "-e", f"{commit}^{{commit}}").status == 0

    def head(self) -> str:
        """Return the commit that is checked out."""
        with suppress(OSError, ValueError):
            ref = (self.directory / "HEAD").read_text().strip().removeprefix("ref: ")
            commit = (self.directory / ref).read_text().strip()
            if ref.startswith("refs/heads/") and COMMIT.fullmatch(commit):
                return commit
        return self.run("rev-parse", "HEAD")  # packed, or kept in another way

    def run_as_user(self, *words: str) -> str:
        """Run git in the clone as the agent's own would run: it may reach other servers."""
        return self._run(words, self._in_clone(users_environment()), ELSEWHERE_S)

    def run_with_storage(self, *words: str) -> str:
        """Run git in the clone, again while storage is out of reach."""
        return self._run_with_storage(words, self._in_clone(own_environment(self._ssh)))

    def clone(self, *words: str) -> None:
        """Run `git clone` where the clone is to be, again while storage is out of reach."""
        self._run_with_storage(["clone", *words], own_environment(self._ssh))

    def _in_clone(self, env: Environment) -> dict[str, str | None]:
        """Add that no other repository or tree is meant, whatever the agent deletes."""
        return {**env, "GIT_DIR": str(self.directory), "GIT_WORK_TREE": str(self.path)}

    def _run_with_storage(self, words: Sequence[str], env: Environment) -> str:
        pause_s = self._first_pause_s
        hopeless_tries = 0
        while True:
            try:
                return self._run(words, env)
            except GitFailed as failure:
                why = str(failure)
                if HOPELESS.search(why):
                    hopeless_tries += 1
                if not OUT_OF_REACH.match(why) or hopeless_tries == HOPELESS_TRIES:
                    raise
                self._say(f"git cannot reach storage, and tries again: {why}")
                if self._give_up.wait(pause_s):
                    raise
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _run(self, words: Sequence[str], env: Environment, limit_s: float | None = None) -> str:
        done = self._start(words, env, limit_s=limit_s)
        if done.status:
            raise GitFailed((done.stderr or done.stdout).strip()[-2000:])
        return done.stdout.strip()

    def _start(
        self,
        words: Sequence[str],
        env: Environment,
        errors: str = "replace",
        limit_s: float | None = None,
    ) -> process.Done:
        argv = ["git"]
        for setting in settings():
            argv += ["-c", setting]
        argv += words
        if self._give_up.is_set():
            limit_s = LATE_S
        return process.run(argv, cwd=self.path, env=env, timeout=limit_s, errors=errors)


def text_of(file: Path) -> str:
    """Return what is in a file; empty if it is none, or cannot be read."""
    with suppress(OSError):
        return file.read_text(errors="replace") if file.is_file() else ""
    return ""

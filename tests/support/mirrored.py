"""Storage whose repository came from GitHub, and what GitHub has of it then."""

import sys
import time
from pathlib import Path
from typing import Any

from ocaptain.onboard.storage import background, mirror
from ocaptain.onboard.storage.github import credential
from ocaptain.onboard.storage.job import Timing
from tests.fakes.github import GitHub
from tests.support.storage import VOYAGE, Json, Storage, boot, git, set_up

NAME = "owner/name"
URL = f"https://github.com/{NAME}.git"
HASTY = Timing(retry_pause_s=0, refused_pause_s=0)
BRANCH = f"refs/heads/{VOYAGE}"
HIDDEN = f"refs/ocaptain/{VOYAGE}"
NEWS = ("mirrored", "pr_url", "mirror_fault")


class Mirrored(Storage):
    """Storage whose repository came from GitHub; harbor's calls in this process start nothing."""

    def __init__(self, home: Path, tasks: list[Json], token: str | None, **voyage: Any) -> None:
        home.mkdir()
        source = {"url": URL, "ref": "refs/heads/main", "shallow": "", "token": token}
        told = boot(
            tasks, source, **{"origin": URL, "base_branch": "main", "open_pr": True, **voyage}
        )
        set_up(home, told)
        self.home, self.voyage, self.token = home, told["new"]["voyage"], token
        self.start = self.head()

    def time(self) -> float:
        """UNIX time, which goes on."""
        return time.time()

    def awake(self) -> float:
        """Seconds for which this machine was awake."""
        return time.monotonic()

    @property
    def lib(self) -> list[str]:
        """The command that runs a program of ours."""
        return [sys.executable, "-IS", str(self.folder / "lib")]

    def mirror(self, timing: Timing = HASTY, at: float | None = None) -> None:
        """Run a mirror to its end, now or at some time of UNIX's, which stands still then."""

        def clock() -> float:
            return at or time.time()

        background.main(self.home, "mirror", timing, lambda _: None, clock)

    def land(self, files: dict[str, str] | None = None, **fields: Any) -> str:
        """Complete a task with a commit, which has these files more, and return that."""
        claim = self.claim("ship-0")
        commit = self.push(claim["ref"])
        if files:
            commit = self.with_files(claim["ref"], files)
        answer = self.ask("ship-0", "land", claim=claim["claim"], commit=commit, **fields)
        assert answer["ok"], answer
        return commit

    def with_files(self, ref: str, files: dict[str, str]) -> str:
        """Put a commit on a work ref that has files more than the branch."""
        index = {"GIT_INDEX_FILE": str(self.home / "index")}
        git(self.repo, "read-tree", self.head(), **index)
        for path, body in files.items():
            blob = git(self.repo, "hash-object", "-w", "--stdin", stdin=body)
            entry = f"100644,{blob},{path}"
            git(self.repo, "update-index", "--add", "--cacheinfo", entry, **index)
        tree = git(self.repo, "write-tree", **index)
        commit = git(self.repo, "commit-tree", tree, "-p", self.head(), "-m", "Files")
        git(self.repo, "update-ref", f"refs/heads/{ref}", commit)
        return commit

    def give_token(self, token: str) -> None:
        """Have storage use another token from here on."""
        (self.folder / "credentials").write_text(credential(token))

    def news(self) -> list[Any]:
        """What status tells of origin."""
        status = self.order("status")
        return [status[key] for key in NEWS]

    def due(self) -> bool:
        """Whether a mirror would be started now."""
        with (journal := self.journal()).locked():
            return mirror.next_step(journal, self.voyage, HASTY) is not None

    def lines_of_mirrors(self) -> list[Json]:
        """Journal lines that mirrors wrote."""
        return [line for line in self.lines() if line["op"] == "mirror"]


def moor(hub: GitHub, *tasks: Json, **voyage: Any) -> Mirrored:
    """A voyage whose storage has a token that may do everything, and which waits for nothing."""
    token = hub.token(write=[NAME])
    return Mirrored(hub.folder.parent / "home", list(tasks), token, **voyage)


def remote(hub: GitHub, ref: str = HIDDEN) -> str:
    """Where a ref is on GitHub."""
    return git(hub_repo(hub), "for-each-ref", "--format=%(objectname)", ref)


def hub_repo(hub: GitHub) -> Path:
    """The repository, as it is on GitHub."""
    return hub.folder / f"{NAME}.git"

"""Looks for tokens wherever one could be seen."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.captain import Voyage
from tests.support.machine import suppressed

TOKENS = {
    "CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-Zq7distinctive",
    "ANTHROPIC_API_KEY": "sk-ant-api03-Wx4distinctive",
    "GH_TOKEN": "ghp_Vk9distinctive",
}


class Sampler(threading.Thread):
    """Reads every command line on this machine, over and over."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.over, self.seen = threading.Event(), set[bytes]()
        self.with_gh_token = set[bytes]()

    def run(self) -> None:
        while not self.over.wait(0.02):
            for path in Path("/proc").glob("[0-9]*"):
                with suppressed():
                    words, env = (path / "cmdline").read_bytes(), (path / "environ").read_bytes()
                    self.seen.add(words)
                    if TOKENS["GH_TOKEN"].encode() in env and b"\0OCAPTAIN_VM=" in b"\0" + env:
                        self.with_gh_token.add(words)


@contextmanager
def sampling() -> Iterator[Sampler]:
    sampler = Sampler()
    sampler.start()
    yield sampler
    sampler.over.set()
    sampler.join()


def found_in(folder: Path, token: str) -> list[str]:
    """Files below a folder that hold a token, links not followed."""
    # By stdin, for a sampler may be reading every command line.
    words = ["grep", "-rlaF", "--devices=skip", "-f", "-", str(folder)]
    done = subprocess.run(words, input=token, capture_output=True, text=True)
    return done.stdout.splitlines()


def objects(voyage: Voyage, repo: Path) -> str:
    """All that a repository holds, packed or not, of whatever ref or none."""
    every = ["cat-file", "--batch-all-objects", "--batch", "--unordered"]
    return voyage.captain.git(repo, *every) + voyage.captain.git(repo, "for-each-ref")

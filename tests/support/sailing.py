"""Voyages that the captain's own code has sailed on the real `local`, for tests of that code."""

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocaptain.config import Config, load
from ocaptain.fleet.find import voyages
from ocaptain.fleet.launch import sail
from ocaptain.fleet.voyage import Voyage
from ocaptain.onboard.process import kill_marked
from ocaptain.onboard.protocol import PROTOCOL
from ocaptain.plan.plan import Plan
from ocaptain.providers.local import Local
from tests.support.lines import raw_lines
from tests.support.machine import until
from tests.support.plans import repository, sound, task, write
from tests.support.storage import Json, git


@contextmanager
def local_config(folder: Path) -> Iterator[Config]:
    """Settings for `local` in a folder; all VMs that there are by then are destroyed in the end."""
    with tempfile.TemporaryDirectory(prefix="oc-", dir="/tmp") as runtime:  # pytest's is too long
        settings = {
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": runtime,
            "OCAPTAIN_PROVIDER": "local",
            "OCAPTAIN_SSH_CONFIG": str(folder / "none"),
        }
        config = load(settings)
        try:
            yield config
        finally:
            asyncio.run(destroy_all(config))


async def destroy_all(config: Config) -> None:
    """Destroy all VMs. Fails if any is left."""
    for voyage in await voyages(config):
        assert await voyage.destroy(list(voyage.vms), "sink") == []


def half_made(config: Config, name: str) -> Path:
    """Make what looks like a VM of `local`, which nothing was ever put on. Returns its home."""
    home = config.data_dir / "local" / name / "home"
    home.mkdir(parents=True)
    return home


def small_plan(folder: Path) -> Plan:
    """A checked plan of two tasks, of which the first lasts until its ship is stopped."""
    plan = folder / "plan"
    (plan / "tasks").mkdir(parents=True)
    settings = {
        "name": "small",
        "repo": str(repository(folder / "repo")),
        "agent": "shell",
        "lease_seconds": 3600,
    }
    write(plan, "voyage.json", settings)
    write(plan, "spec.md", "# Do little\n")
    write(plan, "verify.sh", "true\n")
    write(plan, "tasks/1.json", task("1", metadata={"run": "sleep 600"}))
    write(plan, "tasks/2.json", task("2", blockedBy=["1"]))
    return sound(plan)


@dataclass(frozen=True)
class Sailing:
    """A voyage with one ship, whose helm has been stopped: the test acts in its place."""

    config: Config
    voyage: Voyage
    repo: Path
    """The captain's repository."""

    def home(self, vm: str = "storage") -> Path:
        """The home directory of `storage`, `ship0` …"""
        return self.config.data_dir / "local" / f"{self.voyage.id}-{vm}" / "home"

    def ask_as(self, who: str, op: str, **fields: Any) -> Json:
        """Ask harbor, as its door lets `who`."""
        line = json.dumps({"protocol": PROTOCOL, "op": op, **fields}).encode() + b"\n"
        argv = [sys.executable, "-IS", str(self.home() / "voyage" / "lib"), "harbor", who]
        done = subprocess.run(argv, input=line, stdout=subprocess.PIPE, check=True, timeout=60)
        return dict(json.loads(done.stdout))

    def journal(self) -> list[Json]:
        """The journal's lines."""
        return [json.loads(line) for line in raw_lines(self.home() / "voyage")]

    def work(self, file: str) -> tuple[int, str]:
        """Claim a task as ship-0, and push a commit of a file for it. Returns both."""
        claim = self.ask_as("ship-0", "claim", run_id="test")
        repo = self.home() / "voyage" / "repo.git"
        blob = git(repo, "hash-object", "-w", "--stdin", stdin=f"{file}\n")
        tree = git(repo, "mktree", stdin=f"100644 blob {blob}\t{file}\n")
        commit = git(repo, "commit-tree", tree, "-p", claim["head"], "-m", f"Make {file}")
        git(repo, "update-ref", f"refs/heads/{claim['ref']}", commit)
        return claim["claim"], commit

    def move(self, file: str) -> str:
        """Put a commit with a file on the branch, as if a ship had landed it. Returns it."""
        repo, branch = self.home() / "voyage" / "repo.git", self.voyage.id
        blob = git(repo, "hash-object", "-w", "--stdin", stdin=f"{file}\n")
        tree = git(repo, "mktree", stdin=f"100644 blob {blob}\t{file}\n")
        commit = git(repo, "commit-tree", tree, "-p", branch, "-m", f"Make {file}")
        git(repo, "update-ref", f"refs/heads/{branch}", commit)
        return commit

    def land(self, file: str) -> str:
        """Land a task with a file, as ship-0. Returns the commit."""
        claim, commit = self.work(file)
        answer = self.ask_as("ship-0", "land", claim=claim, commit=commit)
        assert answer["ok"], answer
        return commit

    def give_up(self, file: str) -> str:
        """Leave a wreck with a file, as ship-0. Returns the commit."""
        claim, commit = self.work(file)
        answer = self.ask_as("ship-0", "release", claim=claim, why="no luck", fault="lost")
        assert answer["ok"], answer
        return commit


@contextmanager
def under_way(folder: Path) -> Iterator[Sailing]:
    """Sail a small plan with one ship, and stop its helm once it has begun."""
    with local_config(folder) as config:
        plan = small_plan(folder)
        sailing = Sailing(config, asyncio.run(sail(config, plan, 1)), folder / "repo")
        until(lambda: any("claims" in line["set"] for line in sailing.journal()))
        [number] = {int(key) for line in sailing.journal() for key in line["set"].get("claims", ())}
        kill_marked(f"OCAPTAIN_VM={sailing.voyage.vm('ship-0')}")
        assert sailing.ask_as("captain", "release", task="1")["ok"]
        assert sailing.ask_as("ship-0", "beat", claim=number)["lost"]
        yield sailing


def elsewhere(config: Config, voyage: Voyage) -> Voyage:
    """The same voyage for another command, which knows as yet of no VM."""
    return Voyage(config, Local(config), voyage.id)

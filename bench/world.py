"""A private world to measure in: a home of its own, its voyages, and nothing left of either."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from ocaptain.onboard import process

Json = dict[str, Any]
T = TypeVar("T")

OCAPTAIN = str(Path(sys.executable).with_name("ocaptain"))
OURS = ("PYTHON", "OCAPTAIN", "ANTHROPIC", "CLAUDE", "OTEL", "XDG", "GIT", "GH_")
COUNTING_SSH = '#!/bin/sh\necho "$*" >> "{log}"\nexec "{ssh}" "$@"\n'
ENDS_S = 900.0


class Trouble(Exception):
    """A measurement could not be made; the message says why."""


@dataclass(frozen=True)
class Sailed:
    """A voyage under way, and when `ocaptain sail` was started and had ended (UNIX time, in s)."""

    id: str
    began: float
    returned: float


class World:
    """A folder that is home, data and scratch, with the environment that keeps to it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ssh_log = folder, folder / "ssh.log"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
        run, data = folder / "run", folder / "data"
        run.mkdir(mode=0o700)
        # The bench's mark, by which whatever is left at the end is found.
        self.mark = f"OCAPTAIN_BENCH={folder.name}"
        own = {"HOME": folder, "XDG_RUNTIME_DIR": run, "XDG_DATA_HOME": data}
        self.env = {**kept, **{k: str(v) for k, v in own.items()}, "OCAPTAIN_PROVIDER": "local"}
        self.env["OCAPTAIN_BENCH"] = folder.name

    def run(self, *argv: str) -> str:
        """What a program prints; raises Trouble where it fails."""
        done = subprocess.run(argv, env=self.env, stdin=subprocess.DEVNULL, capture_output=True)
        if done.returncode:
            raise Trouble(f"{' '.join(argv)}: {done.stderr.decode().strip()}")
        return done.stdout.decode()

    def ocaptain(self, *words: str) -> str:
        """What a verb prints."""
        return self.run(OCAPTAIN, *words)

    def count_ssh(self) -> None:
        """From here on, note every ssh command that is started, in `ssh_log`."""
        folder = self.folder / "counting"
        folder.mkdir()
        script = folder / "ssh"
        script.write_text(COUNTING_SSH.format(log=self.ssh_log, ssh=shutil.which("ssh")))
        script.chmod(0o755)
        self.env["PATH"] = f"{folder}:{self.env['PATH']}"

    def ssh_commands(self, vm: str) -> int:
        """How many commands the captain has sent to a VM since `count_ssh`."""
        return self.ssh_log.read_text().count(f" {vm} -- ")

    # Voyages

    def plan(self, tasks: Sequence[Json], **settings: Any) -> Path:
        """Write a plan of the shell agent's, with a repository for it."""
        plan = Path(tempfile.mkdtemp(prefix="plan-", dir=self.folder))
        facts: Json = {"name": plan.name, "repo": str(self._repository()), "agent": "shell"}
        facts |= {"recommended_ships": 1, **settings}
        (plan / "tasks").mkdir()
        (plan / "spec.md").write_text("Measure it.\n")
        (plan / "verify.sh").write_text("true\n")
        (plan / "voyage.json").write_text(json.dumps(facts))
        for task in tasks:
            (plan / "tasks" / f"{task['id']}.json").write_text(json.dumps(task))
        return plan

    def _repository(self) -> Path:
        repo = self.folder / "repo"
        if not repo.exists():
            repo.mkdir()
            (repo / "README.md").write_text("To measure with.\n")
            who = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")
            for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "Begin"]):
                self.run("git", "-C", str(repo), *who, *words)
        return repo

    def sail(self, plan: Path, ships: int) -> Sailed:
        """Set sail; the voyage is the one that has come."""
        before = set(self.voyages())
        began = time.time()
        self.ocaptain("sail", str(plan), "--ships", str(ships))
        returned = time.time()
        (new,) = set(self.voyages()) - before
        return Sailed(new, began, returned)

    def voyages(self) -> list[str]:
        """Ids of the voyages that have storage."""
        folders = (self.folder / "data" / "ocaptain" / "local").glob("*-storage")
        return [folder.name.removesuffix("-storage") for folder in folders]

    def home(self, vm: str) -> Path:
        """Home directory on a VM."""
        return self.folder / "data" / "ocaptain" / "local" / vm / "home"

    def journal(self, voyage: str) -> list[Json]:
        """Whole lines of a voyage's journal."""
        return lines_of(self.home(f"{voyage}-storage") / "voyage" / "journal.jsonl")

    def completed(self, voyage: str) -> bool:
        """Whether the voyage is complete. Raises Trouble where it never will be."""
        folder = self.home(f"{voyage}-storage") / "voyage"
        return (folder / "artifacts" / "voyage-complete.marker").exists()

    def sink(self) -> None:
        """Destroy all voyages, and end whatever was started here."""
        if self.voyages():
            self.ocaptain("sink", "--all", "--force")
        process.kill_marked(self.mark)


def lines_of(journal: Path) -> list[Json]:
    """Whole lines of a journal."""
    raw = journal.read_bytes().splitlines(keepends=True)
    return [json.loads(line) for line in raw if line.endswith(b"\n")]


def until(what: str, look: Callable[[], T], within_s: float = ENDS_S) -> T:
    """Look until there is something to see, and return it; raises Trouble after `within_s`."""
    ends = time.monotonic() + within_s
    while not (seen := look()):
        if time.monotonic() > ends:
            raise Trouble(f"{what} did not come within {within_s:g} s")
        time.sleep(0.1)
    return seen


@contextmanager
def private() -> Iterator[World]:
    """A world that is gone afterwards, with all that ran in it, also when we are stopped."""
    folder = Path(tempfile.mkdtemp(prefix="ocb-"))
    try:
        world = World(folder)
        try:
            yield world
        finally:
            with undisturbed():
                world.sink()
    finally:
        shutil.rmtree(folder)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Finish this, whatever is typed meanwhile."""
    before = {s: signal.signal(s, signal.SIG_IGN) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stop(_number: int, _frame: FrameType | None) -> None:
    """A signal handler: be stopped as by Ctrl-C."""
    raise KeyboardInterrupt

"""A voyage on `local` as whoever breaks it sees it: its processes, its files, its orders."""

import fcntl
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from ocaptain.onboard.process import marked
from tests.support.captain import OCAPTAIN, Json, Voyage
from tests.support.commands import Done
from tests.support.machine import Trouble, command_line, hang_up

VERB_S = 120.0
WHY = "a fault on purpose"


@dataclass(frozen=True)
class Victim(Voyage):
    """A voyage under way, to which all sorts of things are done.

    `ordered` is what was typed to steer it, `added` the tasks that came so, with their files."""

    ordered: list[Done] = field(default_factory=list)
    added: dict[str, str] = field(default_factory=dict)

    # Processes

    def agents(self, ship: str) -> set[int]:
        """What runs on a ship for its claim: its agent, above all."""
        return marked(f"OCAPTAIN_WORK={self.id}/{ship.replace('ship', 'ship-')}")

    def running(self, vm: str, *words: str) -> set[int]:
        """What runs on a VM with one of these words in its command line."""
        pids = set()
        for pid in self.pids(vm):
            command = command_line(pid).replace("\0", " ")
            if any(word in command for word in words):
                pids.add(pid)
        return pids

    def start_helm(self, vm: str) -> None:
        """Start a ship's helm, as `sail` does, unless the VM cannot be reached now."""
        with suppress(Trouble, subprocess.TimeoutExpired):
            super().start_helm(vm)

    def abandon(self) -> None:
        """End all that runs, and leave the files."""
        for vm in self.vms:
            self.kill(vm)
            hang_up(self.home(vm).parent)
            mount = self.home(vm) / "voyage" / "storage"
            subprocess.run(["fusermount3", "-u", "-z", mount], capture_output=True)

    # Files

    @contextmanager
    def locked(self) -> Iterator[int]:
        """Hold storage's lock, so that no harbor is at anything; its file descriptor."""
        with (self.storage / "lock").open("r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield lock.fileno()

    def tasks(self) -> dict[str, Json]:
        """Task files that parse, by their ids."""
        tasks = {}
        for path in self.task_files.glob("[!.]*.json"):
            with suppress(OSError, ValueError):
                tasks[path.stem] = json.loads(path.read_bytes())
        return tasks

    # What is typed

    def type(self, *words: str) -> Done:
        """Type `ocaptain WORDS`; it is interrupted after VERB_S, and its status then 124."""
        limited = ["timeout", "-s", "INT", str(VERB_S), str(OCAPTAIN), *words]
        done = self.captain.sh(limited, timeout=2 * VERB_S)
        return Done(done.status, done.out, done.err, words)

    def order(self, verb: str, *words: str) -> Done:
        """Type an order for this voyage, with the reason for it."""
        done = self.type(*verb.split(), self.id, *words, "--why", WHY, "--json")
        self.ordered.append(done)
        return done

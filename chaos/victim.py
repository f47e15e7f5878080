"""A voyage on `local` as whoever breaks it sees it: its processes, its files, its orders."""

import fcntl
import json
import secrets
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from ocaptain.onboard.process import marked
from ocaptain.providers.local import tmp_of
from tests.support.captain import OCAPTAIN, Captain, Json, Voyage
from tests.support.commands import Done
from tests.support.machine import Trouble, command_line, hang_up, serving_sshds

VERB_S = 120.0
DISK_FULL = "disk-full"
"""The file in a VM's home with which git finds no room there."""
FILLED_GIT = """\
#!/bin/sh
if [ -e "{vms}/$OCAPTAIN_VM/home/{disk_full}" ]; then
    echo "fatal: write error: No space left on device" >&2
    exit 128
fi
exec {git} "$@"
"""
"""A git that finds no room where DISK_FULL is."""
WHY = "a fault on purpose"


def have_disks_fill(captain: Captain) -> None:
    """Give a captain's VMs a git whose disk can be full."""
    script = FILLED_GIT.format(vms=captain.vms, disk_full=DISK_FULL, git=captain.real("git"))
    captain.path_first("git", script)


@dataclass(frozen=True)
class Victim(Voyage):
    """A voyage under way, to which all sorts of things are done.

    `ordered` is what was typed to steer it, `added` the tasks that came so, with their files."""

    ordered: list[Done] = field(default_factory=list)
    added: dict[str, str] = field(default_factory=dict)

    # Processes

    def processes_of(self, vms: Iterable[str]) -> set[int]:
        """What runs on VMs, with the sshd processes that serve them."""
        pids: set[int] = set()
        for vm in vms:
            pids |= self.pids(vm) | serving_sshds(self.home(vm).parent)
        return pids

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

    def destroy(self, vm: str) -> None:
        """Have a VM be gone, as if its provider had lost it."""
        folder = self.home(vm).parent
        gone = self.captain.root / f"gone-{secrets.token_hex(4)}"
        mount = self.home(vm) / "voyage" / "storage"
        subprocess.run(["fusermount3", "-u", "-z", mount], capture_output=True)
        hang_up(folder)
        with suppress(FileNotFoundError):
            folder.rename(gone)
        self.kill(vm)
        for part in (gone, tmp_of(folder)):
            shutil.rmtree(part, ignore_errors=True)

    def front_ship(self) -> str | None:
        """The VM of the ship whose work is the first to land, if there is one in the train."""
        cars = self.look()["train"]["cars"]
        return str(cars[0]["ship"]).replace("ship-", "ship") if cars else None

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

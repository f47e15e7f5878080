"""A voyage on `local` as whoever breaks it sees it: its processes, its files, its git."""

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.world import OCAPTAIN, World
from ocaptain.onboard import process

Json = dict[str, Any]
VERB_S = 120.0
WHY = "a fault on purpose"
HELM = "-IS ~/voyage/lib helm >>~/voyage/helm.out 2>&1 </dev/null &"


@dataclass(frozen=True)
class Done:
    """What was typed, how it ended (124: not within VERB_S), and what it wrote."""

    words: tuple[str, ...]
    status: int
    out: str
    err: str


@dataclass(frozen=True)
class Fleet:
    """A voyage under way: `ship0`, `ship1` … and `storage` are its VMs.

    `ordered` is what was typed to steer it, `added` the tasks that came so, with their files."""

    world: World
    id: str
    ordered: list[Done] = field(default_factory=list)
    added: dict[str, str] = field(default_factory=dict)

    # Places

    def home(self, vm: str = "storage") -> Path:
        """Home directory on a VM."""
        return self.world.home(f"{self.id}-{vm}")

    @property
    def storage(self) -> Path:
        """Where storage has the voyage."""
        return self.home() / "voyage"

    @property
    def task_files(self) -> Path:
        """Where storage has the task list."""
        return self.home() / ".claude" / "tasks" / f"{self.id}-tasks"

    # Processes

    def pids(self, vm: str) -> set[int]:
        """What runs on a VM."""
        return process.marked(f"OCAPTAIN_VM={self.id}-{vm}")

    def at_work(self, ship: str) -> set[int]:
        """What runs on a ship for its claim: its agent, above all."""
        return process.marked(f"OCAPTAIN_WORK={self.id}/{ship.replace('ship', 'ship-')}")

    def running(self, vm: str, *words: str) -> set[int]:
        """What runs on a VM with one of these words in its command line."""
        return {pid for pid in self.pids(vm) if any(word in command(pid) for word in words)}

    def kill(self, vm: str) -> int:
        """Pull the plug of a VM: SIGKILL for all that runs there; how many those were."""
        killed = len(self.pids(vm))
        process.kill_marked(f"OCAPTAIN_VM={self.id}-{vm}")
        return killed

    def hang_up(self) -> int:
        """Kill the sshd processes that serve storage, as the end of its VM or its network does; how
        many those were."""
        return hang_up(self.home().parent)

    def start_helm(self, ship: str) -> None:
        """Start a ship's helm, as `sail` does; where one runs, the new one ends at once."""
        config = self.world.folder / "run" / "ocaptain" / self.id / "ssh_config"
        python = os.path.realpath(sys.executable)
        words = ["ssh", "-F", str(config), f"{self.id}-{ship}", f"{python} {HELM}"]
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(words, env=self.world.env, capture_output=True, timeout=VERB_S)

    # What is there

    @contextmanager
    def locked(self) -> Iterator[int]:
        """Hold storage's lock, so that no harbor is at anything; its file descriptor."""
        with (self.storage / "lock").open("r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield lock.fileno()

    def git(self, *words: str) -> str:
        """What git prints in storage's repository."""
        return self.world.run("git", "-C", str(self.storage / "repo.git"), *words).strip()

    def work_refs(self) -> dict[str, str]:
        """The commit that each work ref is at."""
        told = self.git("for-each-ref", "--format=%(refname) %(objectname)", "refs/heads/work/")
        return dict(line.split() for line in told.splitlines())

    def tasks(self) -> dict[str, Json]:
        """Task files that parse, by their ids."""
        found = {}
        for path in self.task_files.glob("[!.]*.json"):
            with suppress(OSError, ValueError):
                found[path.stem] = json.loads(path.read_bytes())
        return found

    def type(self, *words: str) -> Done:
        """Type `ocaptain WORDS`."""
        argv, env = ["timeout", "-s", "INT", f"{VERB_S}", OCAPTAIN, *words], self.world.env
        done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True)
        return Done(words, done.returncode, done.stdout.decode(), done.stderr.decode())

    def order(self, verb: str, *words: str) -> Done:
        """Type an order for this voyage, with the reason for it."""
        done = self.type(*verb.split(), self.id, *words, "--why", WHY, "--json")
        self.ordered.append(done)
        return done

    @property
    def vms(self) -> list[str]:
        """Every VM that there is of it, ships first."""
        there = (self.home().parent.parent).glob(f"{self.id}-*")
        return sorted(path.name.rpartition("-")[2] for path in there)

    @property
    def ships(self) -> list[str]:
        """Its ships' VMs."""
        return [vm for vm in self.vms if vm != "storage"]

    def abandon(self) -> None:
        """End all that runs, and leave the files."""
        for vm in self.vms:
            self.kill(vm)
            hang_up(self.home(vm).parent)
            mount = str(self.home(vm) / "voyage" / "storage")
            subprocess.run(["fusermount3", "-u", "-z", mount], capture_output=True)


def command(pid: int) -> str:
    """A process's arguments, with a space after each; empty where it is gone."""
    with suppress(OSError):
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
        return raw.replace(b"\0", b" ").decode(errors="replace")
    return ""


def send(number: int, pids: Iterable[int]) -> int:
    """Send processes a signal; to how many."""
    sent = 0
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
            sent += 1
    return sent


def hang_up(vm: Path) -> int:
    """Kill each sshd that serves the VM at this folder, which has the VM's log open; how many."""
    serving = []
    for comm in Path("/proc").glob("[0-9]*/comm"):
        with suppress(OSError):
            files = [fd.readlink() for fd in (comm.parent / "fd").iterdir()]
            if comm.read_text().startswith("sshd") and vm / "sshd.log" in files:
                serving.append(int(comm.parent.name))
    return send(signal.SIGKILL, serving)

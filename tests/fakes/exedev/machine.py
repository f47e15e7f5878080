"""One VM: an overlay on the image, and namespaces for as long as it is up."""

import datetime
import shutil
import subprocess
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from .account import Faults
from .gateway import Gateway
from .room import INSIDE, PLACE, Room


@dataclass
class Machine:
    """A VM. `root` is its root file system as this machine sees it."""

    name: str
    address: str
    room: Room
    gateway: Gateway
    faults: Faults
    claude: Path | None = None
    tags: list[str] = field(default_factory=list)
    comment: str = ""
    user: str = "exedev"
    status: Literal["starting", "running", "stopped"] = "stopped"
    up: bool = False
    created: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        self.folder = self.room.place / "vms" / self.name
        self.root = self.folder / "root"
        self.pid = 0  # of its init, as the room numbers processes
        self.power = threading.RLock()
        self.booted = threading.Event()
        self.chain: subprocess.Popen[bytes] | None = None

    @property
    def created_at(self) -> str:
        return datetime.datetime.fromtimestamp(self.created, datetime.UTC).isoformat()

    def make(self, hosts: Mapping[str, str], like: "Machine | None" = None) -> None:
        """Make its disk: a new one, or a copy of another VM's."""
        for part in ("upper", "work", "root"):
            (self.folder / part).mkdir(parents=True)
        if like:
            subprocess.run(
                ["cp", "-a", f"{like.folder}/upper/.", f"{self.folder}/upper"], check=True
            )
        etc = self.folder / "upper" / "etc"
        etc.mkdir(exist_ok=True)
        if not like:
            (etc / "machine-id").write_text(f"{uuid.uuid4().hex}\n")
        (etc / "hostname").write_text(f"{self.name}\n")
        known = {"localhost": "127.0.0.1", self.name: "127.0.1.1", **hosts}
        (etc / "hosts").write_text("".join(f"{at} {name}\n" for name, at in known.items()))
        place = PLACE / "vms" / self.name
        layers = f"lowerdir={PLACE}/image:/,upperdir={place}/upper,workdir={place}/work"
        self.room.run("mount", "-t", "overlay", "-o", layers, "overlay", place / "root")

    def boot(self) -> None:
        """Switch it on, and wait until it answers SSH."""
        self.switch_on()
        self.booted.wait()

    def switch_on(self) -> None:
        """Switch it on; it answers after a while, unless it never does."""
        with self.power:
            self.status = "starting"
            self.booted.clear()
            self._start_init()
            threading.Thread(target=self._come_up, args=(self.pid,), daemon=True).start()

    def _start_init(self) -> None:
        spaces = ["--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child"]
        claude = (
            (self.claude.parent if self.claude.is_file() else self.claude) if self.claude else ""
        )
        apt = f"{self.faults.apt_s} {int(self.faults.apt_fails)} {int(self.faults.apt_stale)}"
        script = [PLACE / "boot.sh", PLACE / "vms" / self.name, self.name, claude, apt]
        pipe: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
        self.chain = self.room.start("unshare", *spaces, "sh", *script, **pipe)
        assert self.chain.stdout
        with self.chain.stdout as said:
            self.pid = int(said.readline() or 0)
            if not self.pid or said.readline() != b"ready\n":
                raise RuntimeError(f"{self.name} did not boot")

    def _come_up(self, pid: int) -> None:
        time.sleep(self.faults.boot_s / 2)
        if self.name in self.faults.stuck:
            return
        if self._become(pid, "running"):
            time.sleep(self.faults.boot_s / 2)
            self._become(pid, "up")

    def _become(self, pid: int, what: Literal["running", "up"]) -> bool:
        """Go a step further, if it has not been switched off meanwhile."""
        with self.power:
            if self.pid != pid:
                return False
            self.status = "running"
            if what == "up":
                (self.folder / "pid").write_text(f"{pid}\n")
                self.up = True
                self.booted.set()
            return True

    def crash(self) -> None:
        """Pull the plug: all that runs on it is killed, all connections to it end."""
        with self.power:
            self.status, self.up = "stopped", False
            pid, self.pid = self.pid, 0
            (self.folder / "pid").unlink(missing_ok=True)
            self.gateway.abort(self.name)
            if pid:
                self.room.run("kill", "-9", pid, check=False)
            if self.chain:
                self.chain.wait()

    def destroy(self) -> None:
        """Crash it, and take its disk away."""
        self.crash()
        self.reconnect()
        self.room.run("umount", "-l", PLACE / "vms" / self.name / "root")
        shutil.rmtree(self.folder)

    def forget(self) -> None:
        """Have no thread do anything more to it."""
        with self.power:
            self.pid = 0

    def cut_off(self) -> None:
        """Let nothing through from or to it; connections hang, and go on after `reconnect`."""
        self.gateway.cut_off(self.name)

    def reconnect(self) -> None:
        """End `cut_off`."""
        self.gateway.reconnect(self.name)

    def run(
        self, command: str, user: str = "exedev", check: bool = True, stdin: bytes = b""
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command on it as a user of its own, past the network."""
        inside = ["nsenter", "-t", str(self.pid), "-m", "-u", "-i", "-p", "--"]
        session = ["/exe.dev/session", user, "internal", command]
        return subprocess.run(
            [*self.room.enter, *inside, *session], input=stdin, capture_output=True, check=check
        )


def install(place: Path) -> None:
    """Put what starts VMs and reaches into them in its place."""
    for name in ("boot.sh", "to-vm", "admit", "relay.py"):
        shutil.copy(INSIDE / name, place / name)

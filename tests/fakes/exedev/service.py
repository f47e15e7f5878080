"""The stand-in as tests hold it."""

import shutil
import socket
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from .account import Account, Faults, Key
from .gateway import LOBBY, Gateway
from .image import make_image
from .lobby import Lobby
from .machine import Machine, install
from .room import Room

SSH_CONFIG = """\
Host exe.dev
    HostName {block}.1
    UserKnownHostsFile {known_hosts}
    StrictHostKeyChecking yes
    HostKeyAlias exe.dev
Host exe.dev {block}.*
    IdentityFile {key}
    IdentitiesOnly yes
"""


class ExeDev:
    """exe.dev on a block of loopback addresses of its own, 127.77.N.*, with one account.

    `folder` is a fresh directory of the caller's. `hosts` are names that VMs know besides
    their own, `ca` is a certificate that they trust, `claude` a program that they have (or
    a directory with it).
    """

    def __init__(
        self,
        folder: Path,
        rtt_s: float = 0.0,
        boot_s: float = 0.2,
        cap: int = 50,
        hosts: Mapping[str, str] | None = None,
        ca: Path | None = None,
        claude: Path | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self.hosts = dict(hosts or {})
        self.ca = ca
        self.claude = claude.resolve() if claude else None
        self.faults = Faults(rtt_s=rtt_s, boot_s=boot_s, cap=cap)
        self.account = Account(self.faults)
        self.machines: dict[str, Machine] = {}
        self.captain_key = self.folder / "captain_key"
        self.ssh_config = self.folder / "ssh_config"
        self.addresses = 1
        self.closing = threading.Event()

    def __enter__(self) -> "ExeDev":
        self.folder.mkdir(parents=True, exist_ok=True)
        self.room = Room()
        self.gateway = Gateway(self.room, self.account, self.machines)
        try:
            self._open()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    @property
    def keys(self) -> list[Key]:
        """All registered keys; the captain's own has an empty scope."""
        return self.account.keys

    @property
    def commands(self) -> list[str]:
        """Every command line that the lobby was given."""
        return self.lobby.commands

    def connections(self, name: str | None = None) -> int:
        """TCP connections so far to the lobby, or to a VM, also after it is gone."""
        return self.gateway.accepted[name or LOBBY]

    def _open(self) -> None:
        install(self.room.place)
        make_image(self.room.place / "image", self.ca, self.claude)
        host_key = self._keygen(self.room.place / "host_key")
        captain = self._keygen(self.captain_key)
        self.lobby = Lobby(self.account, self.machines, self.new_machine, self.closing)
        self.lobby.register(captain.public, "captain", {})
        lobby = self._free_block()
        self.gateway.serve_lobby(self.room.place / "lobby", self.lobby.serve)
        self.gateway.listen(lobby, LOBBY)
        known_hosts = self.folder / "known_hosts"
        known_hosts.write_text(f"exe.dev {host_key.public}\n")
        self.ssh_config.write_text(
            SSH_CONFIG.format(block=self.block, key=self.captain_key, known_hosts=known_hosts)
        )

    def _keygen(self, path: Path) -> Key:
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)]
        subprocess.run(words, check=True)
        return Key("", path.with_name(f"{path.name}.pub").read_text().strip(), "")

    def _free_block(self) -> socket.socket:
        """Take a block by listening where its lobby is."""
        for number in range(256):
            self.block = f"127.77.{number}"
            try:
                return socket.create_server((f"{self.block}.1", 22), backlog=128)
            except OSError:
                continue
        raise RuntimeError("port 22 is not to be had on 127.77.*.1: does an sshd listen here?")

    def new_machine(self, name: str, tags: list[str], like: Machine | None = None) -> Machine:
        """Make a VM, and switch it on."""
        self.addresses += 1
        listener = socket.create_server((f"{self.block}.{self.addresses}", 22), backlog=128)
        self.gateway.listen(listener, name)
        address = listener.getsockname()[0]
        machine = Machine(
            name, address, self.room, self.gateway, self.faults, self.claude, list(tags)
        )
        for kind in ("silent", "stuck"):
            if self.faults.next(f"{kind}_next"):
                getattr(self.faults, kind).add(name)
        machine.make(self.hosts, like)
        machine.switch_on()
        self.machines[name] = machine
        return machine

    def _close(self) -> None:
        self.closing.set()
        for machine in list(self.machines.values()):
            machine.forget()
        self.room.close()
        self.gateway.close()
        for machine in list(self.machines.values()):
            if machine.chain:
                machine.chain.wait()
        self.machines.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

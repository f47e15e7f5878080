"""A storage with the real code on it, behind a real sshd of the `local` provider."""

import asyncio
import io
import json
import os
import secrets
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ocaptain.config import load
from ocaptain.fleet.archive import pack
from ocaptain.onboard.protocol import PROTOCOL, StorageBoot
from ocaptain.onboard.storage import setup
from ocaptain.providers.local import Local
from ocaptain.ssh import VM, write_config
from tests.support.storage import AS_TEST, SHIPS, VOYAGE, Json, Storage, boot, bundle


@dataclass
class Moored:
    """Storage on a VM of `local`; `ships` are the ssh_config of each ship.

    `environ` is what its captain exports."""

    storage: Storage
    name: str
    ships: dict[str, Path]
    environ: dict[str, str]

    def ssh(self, ship: str, *words: str) -> list[str]:
        """The command by which a ship runs something on storage."""
        return ["ssh", "-F", str(self.ships[ship]), *words[:-1], self.name, *words[-1:]]

    def run(self, ship: str, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run something on storage, as a ship."""
        argv = self.ssh(ship, *words)
        return subprocess.run(argv, input=stdin, capture_output=True, check=False, timeout=60)

    def ask(self, ship: str, op: str, **fields: Any) -> Json:
        """Ask harbor over SSH."""
        request = {"protocol": PROTOCOL, "op": op, **fields}
        done = self.run(ship, "harbor", stdin=json.dumps(request).encode() + b"\n")
        return json.loads(done.stdout)

    def git(self, ship: str, *words: str, ok: bool = True) -> str:
        """Run git as a ship; what it printed, or, where it is to fail, said."""
        env = {**os.environ, **AS_TEST, "GIT_SSH_COMMAND": f"ssh -F '{self.ships[ship]}'"}
        done = subprocess.run(["git", *words], env=env, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == ok, done.stderr
        return done.stdout if ok else done.stderr

    def leave(self) -> None:
        """End all shared connections."""
        for path in self.ships.values():
            leave = ["ssh", "-F", str(path), "-O", "exit", self.name]
            subprocess.run(leave, capture_output=True, check=False)

    @property
    def url(self) -> str:
        """The shared repository, as ships reach it."""
        return f"{self.name}:repo.git"


def unpack(home: Path, told: Any, source: Path) -> None:
    """Put the real code on a storage, and set it up."""
    with tarfile.open(
        fileobj=io.BytesIO(pack(cast(StorageBoot, told), code="storage", bundle=source))
    ) as tar:
        tar.extractall(home / "voyage", filter="data")
    setup.main(home)


def ship_key(folder: Path, ship: str) -> str:
    """Make a ship's key, and return its public half."""
    keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / ship)]
    subprocess.run(keygen, check=True)
    return (folder / f"{ship}.pub").read_text().strip()


@contextmanager
def moored(
    folder: Path, tasks: list[Json], ships: tuple[str, ...] = SHIPS, **voyage: Any
) -> Iterator[Moored]:
    """A voyage's storage on a VM; nothing of it is left afterwards."""
    vm_name = f"voyage-{secrets.token_hex(6)}-storage"
    with tempfile.TemporaryDirectory(prefix="oc-", dir="/tmp") as runtime:  # pytest's is too long
        environ = {"HOME": str(folder), "XDG_RUNTIME_DIR": runtime, "OCAPTAIN_PROVIDER": "local"}
        local = Local(config := load(environ))
        vm = asyncio.run(local.create(vm_name))
        home = config.data_dir.resolve() / "local" / vm_name / "home"
        keys = {ship: ship_key(folder, ship) for ship in ships}
        head = bundle(folder, folder / "source")
        told = boot(tasks, {"url": None, "ref": "refs/heads/main", "shallow": ""}, **voyage)
        told["new"]["voyage"]["ships"], told["ship_keys"] = list(ships), keys
        unpack(home, told, folder / "voyage" / "source.bundle")
        storage = Storage.__new__(Storage)
        storage.home, storage.voyage = home, told["new"]["voyage"]
        storage.start, storage.now = head, time.time()
        reach, _ = asyncio.run(local.authorize_key(vm, "ship-0", ""))
        way = VM(vm_name, reach, vm.host_key)
        ways = {ship: ssh_config(folder, ship, way, config.run_dir()) for ship in ships}
        fleet = Moored(storage, vm_name, ways, environ)
        try:
            yield fleet
        finally:
            fleet.leave()
            assert asyncio.run(local.destroy([vm_name])) == {}


def ssh_config(folder: Path, ship: str, way: VM, run_dir: Path) -> Path:
    """How one ship, with its own key and its own shared connection, reaches storage."""
    own = (("IdentityFile", f'"{folder / ship}"'), ("IdentitiesOnly", "yes"))
    reached = VM(way.name, (*way.options, *own), way.host_key)
    return write_config(run_dir / ship / "storage", [reached]).path


__all__ = ["VOYAGE", "Moored", "moored", "unpack"]

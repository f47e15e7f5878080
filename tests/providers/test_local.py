"""VMs that are directories, each with a real sshd."""

import asyncio
import os
import secrets
import shlex
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from ocaptain.config import Config, load
from ocaptain.errors import Failure
from ocaptain.onboard.process import marked
from ocaptain.process import Result
from ocaptain.providers import VM
from ocaptain.providers.local import Local
from ocaptain.ssh import Home, Remote, Ssh, announced, write_config
from tests.support.machine import PROC, open_files, until
from tests.support.rules import rule

# Of each test process its own, so that they can run side by side.
VOYAGE = f"voyage-{secrets.token_hex(6)}"
STORAGE, SHIP = f"{VOYAGE}-storage", f"{VOYAGE}-ship0"


class Fleet(NamedTuple):
    """Two VMs of `local`, in a directory whose name is as awkward as can be."""

    local: Local
    ssh: Ssh
    vms: list[VM]
    folder: Path

    def run(self, vm: str, *words: str | Home, stdin: bytes = b"") -> Result:
        return asyncio.run(self.ssh.run(vm, Remote(*words), stdin=stdin))

    def destroy(self, *names: str) -> dict[str, str]:
        return asyncio.run(self.local.destroy(names))


def hang_up(ssh: Ssh) -> None:
    """End the shared connections."""
    for vm in (STORAGE, SHIP):
        exit_ = ["ssh", "-F", str(ssh.path), "-O", "exit", vm]
        subprocess.run(exit_, capture_output=True)


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Config]:
    with tempfile.TemporaryDirectory(prefix="oc-", dir="/tmp") as runtime:  # pytest's is too long
        environ = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / 'it\'s 100%h "q" $x é')}
        environ |= {"XDG_RUNTIME_DIR": runtime, "OCAPTAIN_PROVIDER": "local"}
        yield load(environ)


@pytest.fixture
def fleet(config: Config, tmp_path: Path) -> Iterator[Fleet]:
    local = Local(config)

    async def both() -> list[VM]:
        return list(await asyncio.gather(local.create(STORAGE), local.create(SHIP)))

    vms = asyncio.run(both())
    ssh = write_config(config.run_dir() / "a voyage", vms)
    yield Fleet(local, ssh, vms, config.data_dir / "local")
    hang_up(ssh)
    assert asyncio.run(local.destroy([STORAGE, SHIP])) == {}


def servers(fleet: Fleet) -> list[str]:
    """The processes that serve or reach this fleet's VMs: sshds by their log, masters by socket."""
    found = []
    for process in PROC.glob("[0-9]*"):
        files = open_files(process)
        found += [f"{process} {file}" for file in files if file.is_relative_to(fleet.folder)]
    return found


def test_a_vm_has_its_own_home(fleet):
    """`~` and HOME on a VM are its own directory, and its processes carry its name."""
    script = 'echo ~; echo "$HOME"; echo $OCAPTAIN_VM; command -v python3'
    home = str(fleet.folder / SHIP / "home")
    lines = fleet.run(SHIP, "sh", "-c", script).out.decode().splitlines()
    assert lines[:3] == [home, home, SHIP]
    assert Path(lines[3]).resolve().name.startswith("python3")
    assert fleet.run(STORAGE, "echo", Home("x")).out.decode().endswith(f"/{STORAGE}/home/x\n")


def test_bytes_go_through_unchanged(fleet):
    """Input and output of a remote command are bytes, and its exit status is its own."""
    data = bytes(range(256)) * 5_000
    fleet.run(STORAGE, "sh", "-c", 'cat > "$HOME/data"', stdin=data)
    assert (fleet.folder / STORAGE / "home/data").read_bytes() == data
    assert fleet.run(STORAGE, "cat", Home("data")).out == data
    assert fleet.run(STORAGE, "sh", "-c", "exit 42").status == 42


def test_a_bashrc_that_prints_is_not_read(fleet):
    """Nor does it matter to a ship's git, which takes each byte for the protocol's."""
    (fleet.folder / STORAGE / "home/.bashrc").write_text("echo Welcome\n")
    assert fleet.run(STORAGE, "printf", "answer").out == b"answer"


def test_one_connection_serves_many_commands(fleet):
    """After the first command others share its connection, at once, until it is closed."""
    fleet.run(SHIP, "true")
    before = servers(fleet)

    async def many() -> list[Result]:
        return await asyncio.gather(
            *(fleet.ssh.run(SHIP, Remote("sleep", "0.2")) for _ in range(20))
        )

    began = time.monotonic()
    assert {done.status for done in asyncio.run(many())} == {0}
    assert time.monotonic() - began < 3
    assert servers(fleet) == before
    hang_up(fleet.ssh)
    assert until(lambda: servers(fleet) == [])


def test_a_pipe_is_spared_slow_key_exchanges(fleet):
    """Those against quantum computers, which take a tenth of a second, are not asked for."""
    words = ["ssh", "-F", str(fleet.ssh.path), "-G", SHIP]
    settings = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    (methods,) = [line for line in settings.splitlines() if line.startswith("kexalgorithms ")]
    assert "curve25519-sha256" in methods
    assert "sntrup761" not in methods
    assert "mlkem" not in methods


def test_the_host_key_is_pinned(fleet, tmp_path):
    """A VM whose host key is another one is not talked to."""
    options = (*fleet.vms[1].options, ("ControlPath", "none"))
    imposter = VM(SHIP, options, fleet.vms[0].host_key)
    ssh = write_config(tmp_path / "other", [imposter])
    with pytest.raises(Failure, match="Host key verification failed"):
        asyncio.run(ssh.run(SHIP, Remote("true")))


def test_other_keys_do_not_open_a_vm(fleet, tmp_path):
    """Only the captain's key and those in the VM's own authorized_keys are let in."""
    subprocess.run(["ssh-keygen", "-qt", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    reach, _ = asyncio.run(fleet.local.authorize_key(fleet.vms[0], "ship-0", ""))
    own = {"IdentityFile": f"{tmp_path}/key", "IdentitiesOnly": "yes", "ControlPath": "none"}
    options = (*reach, *own.items())
    ship = VM(STORAGE, options, fleet.vms[0].host_key)
    ssh = write_config(tmp_path / "ship", [ship])
    with pytest.raises(Failure, match="Permission denied"):
        asyncio.run(ssh.run(STORAGE, Remote("echo", "hello")))
    key = (tmp_path / "key.pub").read_text()
    forced = fleet.folder / STORAGE / "home/.ssh/authorized_keys"
    forced.write_text(f'restrict,command="echo $OCAPTAIN_VM: $SSH_ORIGINAL_COMMAND" {key}')
    answer = asyncio.run(ssh.run(STORAGE, Remote("claim"), in_shell=False))
    assert answer.out.decode() == f"{STORAGE}: claim\n"


def test_git_goes_over_it(fleet, tmp_path):
    """git pushes to a bare repository on a VM with the generated configuration."""
    fleet.run(STORAGE, "git", "init", "-q", "--bare", Home("repo.git"))
    git = ["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=b"]
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    subprocess.run([*git, "commit", "-qm", "one", "--allow-empty"], check=True)
    there = f"--receive-pack={announced(Remote('git-receive-pack'))}"
    push = [*git, "push", "-q", there, f"ssh://{STORAGE}/~/repo.git", "HEAD:refs/heads/main"]
    subprocess.run(push, env=os.environ | fleet.ssh.git_env(), check=True)
    refs = fleet.run(STORAGE, "git", "-C", Home("repo.git"), "branch", "--list")
    assert "main" in refs.out.decode().split()


def test_a_vm_with_everything_running_is_destroyed(fleet):
    """destroy ends daemons, the stubborn and sshfs mounts too, helm's and an agent's; other VMs are
    left as they are."""
    stubborn = "trap '' TERM HUP; setsid sleep 4321 >/dev/null 2>&1 </dev/null & wait & echo"
    fleet.run(SHIP, "sh", "-c", f"({stubborn}) >/dev/null 2>&1 </dev/null & true")
    fleet.run(STORAGE, "sh", "-c", "setsid sleep 4322 >/dev/null 2>&1 </dev/null & true")
    points = [Home("voyage/storage"), Home("a mount"), f"/tmp/{SHIP}/mount"]
    fleet.run(SHIP, "mkdir", "-p", *points, Home("go/mod"))
    (fleet.folder / SHIP / "home/go/mod").chmod(0o500)
    remote = f"{STORAGE}:{fleet.folder / STORAGE / 'home'}"
    for point in points:
        mounted = fleet.run(SHIP, "sshfs", "-F", str(fleet.ssh.path), remote, point)
        assert mounted.status == 0, mounted.err
        assert os.path.ismount(fleet.folder / SHIP / "home" / point)
    assert len(marked(f"OCAPTAIN_VM={SHIP}")) >= 2
    fleet.run(SHIP, "pkill", "-9", "-f", f"^sshfs .*{VOYAGE}")  # it leaves a mount behind
    (fleet.folder / STORAGE / "home/precious").touch()

    assert fleet.destroy(SHIP) == {}

    assert not (fleet.folder / SHIP).exists()
    assert SHIP not in Path("/proc/mounts").read_text()
    assert not Path(f"/tmp/{SHIP}").exists()
    assert marked(f"OCAPTAIN_VM={SHIP}") == set()
    assert not any(SHIP in line for line in servers(fleet))
    assert (fleet.folder / STORAGE / "home/precious").exists()
    assert fleet.run(STORAGE, "pgrep", "-x", "sleep").status == 0
    assert [vm.name for vm in asyncio.run(fleet.local.list())] == [STORAGE]


def test_nothing_serves_a_vm_that_is_gone(fleet):
    """destroy ends the sshd behind an idle shared connection, and so the connection."""
    fleet.run(SHIP, "true")
    fleet.run(STORAGE, "true")
    assert servers(fleet) != []
    assert fleet.destroy(SHIP, STORAGE) == {}
    assert until(lambda: servers(fleet) == [])
    assert sorted(fleet.folder.iterdir()) == []


def test_what_is_written_while_a_vm_is_removed_is_removed_too(fleet):
    """A process that lost its marker, and writes once more as it sees its files go."""
    many = fleet.folder / SHIP / "home" / "many"
    many.mkdir()
    for number in range(3_000):
        (many / f"{number}").touch()
    writes_late = f"cd {shlex.quote(str(many))}; while [ -e 7 ]; do :; done; : > late"
    with subprocess.Popen(["bash", "-c", writes_late], stderr=subprocess.DEVNULL):
        assert fleet.destroy(SHIP) == {}
    assert not (fleet.folder / SHIP).exists()


@rule("R105")
def test_destroy_touches_only_what_ocaptain_named(fleet, config):
    """Names that ocaptain does not give are neither listed nor destroyed; unknown ones no error."""
    others = ["precious", VOYAGE, f"{SHIP}x", f"x{SHIP}"]
    for name in others:
        (fleet.folder / name).mkdir()
    assert fleet.destroy(*others, "..", "voyage-ffffffffffff-ship9") == {}
    assert all((fleet.folder / name).is_dir() for name in others)
    assert [vm.name for vm in asyncio.run(fleet.local.list())] == [SHIP, STORAGE]


def test_a_listed_vm_is_the_created_one(fleet):
    """list gives what create gave: options, host key and time, so that any command can go on."""
    assert asyncio.run(fleet.local.list()) == sorted(fleet.vms, key=lambda vm: vm.name)
    assert fleet.folder.stat().st_mode & 0o777 == 0o700


def test_a_vm_that_is_half_made_is_listed_and_destroyed(fleet):
    """What an interrupted create left behind can be seen and removed."""
    half = fleet.folder / f"{VOYAGE}-ship7"
    half.mkdir()
    assert half.name in [vm.name for vm in asyncio.run(fleet.local.list())]
    assert fleet.destroy(half.name) == {}
    assert not half.exists()


def test_create_refuses_a_name(fleet):
    """A VM that exists is not made again, and only ocaptain's names are taken."""
    for name in (SHIP, "other", f"../{VOYAGE}-ship1", f"{VOYAGE}-ship"):
        with pytest.raises(Failure, match="cannot be made"):
            asyncio.run(fleet.local.create(name))


def test_a_machine_without_sshd(config, monkeypatch, tmp_path):
    """Without sshd nothing is made, and doctor is named."""
    monkeypatch.setattr("ocaptain.process.DAEMONS", "/nonexistent")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failure, match="ocaptain doctor"):
        asyncio.run(Local(config).create(SHIP))
    assert not (config.data_dir / "local").exists()

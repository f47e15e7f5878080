"""Voyages on machines that one has: real users, sshd, sudo and services on each of them."""

import os
import re
import shlex
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.fakes.exedev import ExeDev, Machine, lacking
from tests.integration.fleet import owner
from tests.integration.harness import Captain, Voyage, new_captain, put, task, until

SSH_CONFIG = """\
Host depot
    HostName {block}.2
    Port 2222
Host depot {block}.*
    User exedev
    IdentityFile {key}
    IdentitiesOnly yes
    UserKnownHostsFile {known_hosts}
"""
SSHD = """\
set -e
mkdir -p /run/sshd /home/exedev/.ssh
cat >/home/exedev/.ssh/authorized_keys
chown -R exedev: /home/exedev/.ssh
[ -e /etc/ssh/host_key ] || ssh-keygen -q -t ed25519 -N '' -C '' -f /etc/ssh/host_key
/usr/sbin/sshd -f /dev/null -h /etc/ssh/host_key -p 2222 -o ListenAddress={address} \
    -o Subsystem='sftp /usr/lib/openssh/sftp-server' -o PidFile=none -E /var/log/sshd.log
cat /etc/ssh/host_key.pub
"""
STATE = """\
cd /; sort etc/passwd etc/group; stat -c '%n %a %U %G' tmp var/tmp var/crash dev/shm run/lock
find etc home root usr/local usr/lib/systemd var/lib var/tmp tmp ! -path '*/.ssh*' | sort
ps -eo user,args | grep -v '^root' | sort
"""


@dataclass
class Owner(Captain):
    """Somebody with machines of their own: those of the stand-in, each with an sshd."""

    exe: ExeDev = field(init=False)

    @property
    def inventory(self) -> Path:
        return self.exe.folder / "inventory"

    def carried(self) -> dict[str, Machine]:
        """The machines that are reserved, by what they carry."""
        marks = {m.root / "var/lib/ocaptain/reserved": m for m in self.exe.machines.values()}
        return {os.readlink(mark): m for mark, m in marks.items() if mark.is_symlink()}

    def home_on(self, vm: str) -> Path:
        return self.carried()[vm].root / "home" / owner(vm)

    def git(self, repo: Path, *words: str) -> str:
        for machine in self.exe.machines.values():
            if repo.is_relative_to(machine.root):
                there = Path("/") / repo.relative_to(machine.root)
                command = shlex.join(["git", "-C", str(there), *words])
                return machine.run(command, user="harbor").stdout.decode().strip()
        return super().git(repo, *words)

    def leave(self) -> None:
        self.run("sink", "--all", "--force", status=None)
        self.hang_up()

    def hang_up(self) -> None:
        """Close connections that later commands would have shared."""
        for path in (self.root / "run" / "ocaptain").glob("*"):
            if path.is_socket():
                self.sh(["ssh", "-F", "none", "-S", str(path), "-O", "exit", "it"])

    def serve(self, machine: Machine) -> None:
        """Start a machine's sshd, and know its host key."""
        machine.booted.wait()
        public = self.exe.captain_key.with_suffix(".pub").read_bytes()
        said = machine.run(SSHD.format(address=machine.address), user="root", stdin=public)
        with (self.exe.folder / "known").open("a") as known:
            known.write(f"[{machine.address}]:2222 {said.stdout.decode()}")


@contextmanager
def owner_of(machines: int) -> Iterator[Owner]:
    """A captain with machines, of which the first goes by a name of the captain's own."""
    if reason := lacking():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    with (
        ExeDev(Path(tempfile.mkdtemp(prefix="exe-", dir="/tmp"))) as exe,
        elsewhere(exe) as captain,
    ):
        for number in range(machines):
            captain.serve(exe.new_machine(f"build{number}", []))
        config = {"key": exe.captain_key, "known_hosts": exe.folder / "known"}
        put(exe.folder / "config", SSH_CONFIG.format(block=exe.block, **config))
        places = [f"exedev@{machine.address}:2222" for machine in exe.machines.values()]
        put(captain.inventory, "\n".join(["# mine", "", "depot # the first", *places[1:], ""]))
        yield captain


@contextmanager
def elsewhere(exe: ExeDev) -> Iterator[Owner]:
    """Somebody with the inventory of these machines."""
    told = {
        "OCAPTAIN_SSH_CONFIG": exe.folder / "config",
        "OCAPTAIN_HOSTS": exe.folder / "inventory",
    }
    env = {name: str(value) for name, value in told.items()}
    with new_captain(Owner, OCAPTAIN_PROVIDER="hosts", **env) as captain:
        assert isinstance(captain, Owner)
        captain.exe = exe
        yield captain


@pytest.fixture
def captain(tools: None) -> Iterator[Owner]:
    """A captain with three machines."""
    with owner_of(3) as somebody:
        yield somebody


def small(captain: Owner, run: str = "echo 1 >one", name: str = "plan") -> Path:
    """A plan of one task."""
    repo = captain.home / "repo"
    repo = repo if repo.exists() else captain.repository()
    return captain.plan(repo, {"1": task("Work", run)}, name=name)


def states(captain: Owner) -> dict[str, str]:
    """What there is on each machine, and runs there but root's."""
    machines = captain.exe.machines.items()
    return {name: m.run(STATE, user="root", check=False).stdout.decode() for name, m in machines}


def test_machines_are_as_before_after_a_voyage_and_sail_again(captain):
    """Work lands, comes home, and `sink` leaves nothing of the voyage on any machine."""
    assert "3 of 3 machines" in captain.run("doctor", status=None).out
    before = states(captain)
    voyage = captain.sail(small(captain), 2)
    assert len(captain.carried()) == 3
    voyage.wait()
    captain.run("fetch", voyage.id, "--into", str(captain.home / "repo"))
    assert captain.git(captain.home / "repo", "show", f"{voyage.id}:one") == "1"
    captain.run("sink", "-s", "--force")
    assert captain.json("voyages") == []
    after = states(captain)
    ours = re.compile("ocaptain|voyage|harbor|ship-|helm")
    for name, state in before.items():
        assert after[name].splitlines()[:4] == state.splitlines()[:4]
        gone = set(state.splitlines()) - set(after[name].splitlines())
        new = set(after[name].splitlines()) - set(state.splitlines())
        assert not gone
        assert not [line for line in new if ours.search(line)]
    captain.sail(small(captain, "echo 2 >two", "again"), 2).wait()

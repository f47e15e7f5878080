"""Voyages on machines that one has: real users, sshd, sudo and services on each of them."""

import os
import re
import shlex
import signal
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest

from tests.fakes.exedev import ExeDev, Machine, lacking
from tests.support.captain import Captain, Voyage, captain_of, task
from tests.support.commands import Done, await_end
from tests.support.exe_captain import owner
from tests.support.machine import put, until
from tests.support.rules import LONG, rule

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
    -o KexAlgorithms=curve25519-sha256 \
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
    shares_files: ClassVar = False

    @property
    def inventory(self) -> Path:
        return self.exe.folder / "inventory"

    def carried(self) -> dict[str, Machine]:
        """The machines that are reserved, by what they carry."""
        marks = {m.root / "var/lib/ocaptain/reserved": m for m in self.exe.machines.values()}
        return {str(mark.readlink()): m for mark, m in marks.items() if mark.is_symlink()}

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
    with captain_of(Owner, {"OCAPTAIN_PROVIDER": "hosts", **env}) as captain:
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


def changed(before: str, after: str) -> set[str]:
    """What differs between two states, but for useradd's backups, and the captain's connection."""
    lines = set(before.splitlines()) ^ set(after.splitlines())
    usual = r"etc/(passwd|group|g?shadow|sub[ug]id)-$|sshd: exedev"
    return {line for line in lines if not re.search(usual, line)}


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
    assert {name: changed(before[name], after[name]) for name in before} == {
        name: set() for name in before
    }
    captain.sail(small(captain, "echo 2 >two", "again"), 2).wait()


def place(machine: Machine) -> str:
    """What a machine is called."""
    return "depot" if machine.name == "build0" else f"{machine.address}:2222"


def broken(machine: Machine, program: str, does: str = "exit 1") -> Path:
    """Have a program of a machine's fail; what to remove so that it works again."""
    path = machine.root / "usr/local/sbin" / program
    put(path, f"#!/bin/sh\n{does}\n")
    path.chmod(0o755)
    return path


def test_two_captains_race_for_the_last_machine(captain):
    """Of three machines one voyage of two gets its own; the other gives back what it had taken."""

    def sail(owner: Owner) -> Done:
        return owner.run("sail", str(small(owner)), "-n", "1", status=None)

    with elsewhere(captain.exe) as other, ThreadPoolExecutor() as both:
        sails = [both.submit(sail, owner) for owner in (captain, other)]
        done = [sail.result() for sail in sails]
        assert sorted(each.status for each in done) == [0, 1], done
        assert re.search("and 2 are wanted|is free any more", "".join(each.err for each in done))
        (row,) = other.json("voyages")
        assert {name.rpartition("-")[0] for name in captain.carried()} == {row["voyage"]}
        other.run("wait", "-t", "60")
        assert other.json("voyages") == captain.json("voyages")


def test_a_machine_that_is_down_is_skipped_and_named(captain):
    """`sail` does with the others; where these are too few it says so, and takes none."""
    captain.exe.machines["build1"].crash()
    address = captain.exe.machines["build1"].address
    done = captain.run("sail", str(small(captain)), "-n", "2", status=1)
    assert f"{address}:2222 is left out: {address}:2222 cannot be reached: " in done.err
    assert f"2 of 2 machines of {captain.inventory} are free, and 3 are wanted" in done.err
    assert captain.carried() == {}
    captain.sail(small(captain, name="smaller"), 1).wait()


@LONG
def test_a_machine_that_goes_down_is_released_once_it_is_back(captain):
    """`sink` releases the others; then it is all that is left of the voyage."""
    voyage = captain.sail(small(captain), 2)
    voyage.wait()
    ship = captain.carried()[f"{voyage.id}-ship1"]
    ship.crash()
    assert f"{place(ship)} is left out: {place(ship)} cannot be" in captain.run("voyages").err
    captain.run("sink", "-s", "--force")
    ship.boot()
    captain.serve(ship)
    assert list(captain.carried()) == [f"{voyage.id}-ship1"]
    captain.run("sink", voyage.id, "--force")
    assert captain.carried() == {}


@LONG
def test_a_lost_ship_is_replaced_on_another_machine(captain):
    """`reinforce` reserves one that is free; the voyage goes on with it to its end."""
    hostname = "echo on $(hostname) >one"
    voyage = captain.sail(small(captain, f"{hostname}; until [ -e ~/gate ]; do sleep 0.2; done"), 1)
    lost = captain.carried()[f"{voyage.id}-ship0"]
    voyage.until(lambda seen: seen["tasks"]["in_progress"])
    lost.crash()
    told = captain.json("reinforce", "--force")
    assert (told["lost"], told["new"]) == (["ship-0"], ["ship-1"])
    other = captain.carried()[f"{voyage.id}-ship1"]
    assert other is not lost
    (voyage.home("ship1") / "gate").touch()
    voyage.wait()
    assert voyage.show("one") == f"on {other.name}"


@pytest.mark.parametrize("moment", [pytest.param("reserving", marks=LONG), "setting up"])
def test_an_interrupted_sail_releases_all(captain, moment):
    """Also what a machine was about to reserve."""
    before = states(captain)
    program = "stat" if moment == "reserving" else "groupadd"
    breaks = [broken(machine, program, "sleep 3") for machine in captain.exe.machines.values()]
    with captain.start("sail", str(small(captain)), "-n", "2") as sailing:
        until(lambda: len(captain.carried()) == 3, 20)
        if moment == "setting up":
            time.sleep(1)
        sailing.send_signal(signal.SIGINT)
        said = await_end(sailing, 40).out
    assert sailing.returncode == 130, said
    assert captain.carried() == {}, said
    for path in breaks:
        path.unlink()
    assert [changed(before[name], now) for name, now in states(captain).items()] == [set()] * 3


def test_what_cannot_be_released_is_told_with_why(captain):
    """It stays reserved; a later `sink` releases it."""
    voyage = captain.sail(small(captain), 1)
    voyage.wait()
    name = f"{voyage.id}-storage"
    storage = captain.carried()[name]
    path = broken(storage, "userdel", "echo no such luck >&2; exit 1")
    done = captain.run("sink", "-s", "--force", status=1)
    assert re.search(rf"{name} is left: .*: no such luck", done.err, re.S)
    assert list(captain.carried()) == [name]
    path.unlink()
    captain.run("sink", "-s", "--force")
    assert captain.carried() == {}


def test_a_machine_with_a_voyage_of_its_owners_is_left_alone(captain):
    """A directory ~/voyage that is not ours is neither used nor removed."""
    theirs = captain.exe.machines["build1"].root / "home/exedev/voyage/diary"
    put(theirs, "Day 1")
    done = captain.run("sail", str(small(captain)), "-n", "2", status=1)
    address = captain.exe.machines["build1"].address
    assert f"{address}:2222 has /home/exedev/voyage" in done.err
    captain.sail(small(captain, name="smaller"), 1).wait()
    captain.run("sink", "-s", "--force")
    assert theirs.read_text() == "Day 1"


def test_a_machine_that_is_listed_twice_is_one(captain):
    """By two names it can be reserved once."""
    with captain.inventory.open("a") as inventory:
        inventory.write(f"{captain.exe.block}.2:2222\n")
    done = captain.run("sail", str(small(captain)), "-n", "3", status=1)
    assert "3 of 3 machines" in done.err
    assert captain.carried() == {}


def test_an_inventory_is_refused_with_all_that_is_wrong_in_it(captain):
    """Lines that are no machines are all named; so is a missing file."""
    put(captain.inventory, "depot\na,machine\n-oProxyCommand=x\n")
    said = captain.run("voyages", status=1).err
    assert f"{captain.inventory} has lines that name no machine." in said
    assert "line 2: a,machine: that is no [user@]host[:port]\nline 3: -oProxy" in said
    captain.inventory.unlink()
    said = captain.run("voyages", status=1).err
    assert f"{captain.inventory}: No such file or directory" in said


@rule("R132")
def test_a_machine_that_ssh_does_not_know_is_not_talked_to(captain):
    """The captain's own ssh has to know each host key; what to type is said, and it is done without
    the machine. If ssh knows none of them, that is a failure."""
    place = f"exedev@{captain.exe.machines['build1'].address}:2222"
    known = captain.exe.folder / "known"
    lines = known.read_text().splitlines(keepends=True)
    known.write_text(lines[0] + lines[2])
    done = captain.run("doctor", status=None)
    assert f"{place} is left out: your ssh does not know its host key" in done.out
    address = captain.exe.machines["build1"].address
    assert f"ssh-keyscan -p 2222 {address}; }} >keys; ssh-keygen -lf keys" in done.out
    assert "2 of 2 machines" in done.out
    known.write_text("")
    said = captain.run("voyages", status=1).err
    assert "does not know the host key of any machine" in said
    addresses = [machine.address for machine in captain.exe.machines.values()]
    assert f"ssh-keyscan -p 2222 {' '.join(addresses)};" in said
    known.write_text(
        lines[0] + lines[1].partition(" ")[0] + " " + lines[2].partition(" ")[2] + lines[2]
    )
    said = captain.run("voyages").err
    assert "cannot be reached: Host key verification failed" in said


def as_thief(voyage: Voyage, command: str, options: str = "") -> Done:
    """What somebody at a ship gets with its key."""
    thief = f"ssh -F ~/voyage/ssh_config -o ControlPath=none {options} storage {command}"
    return voyage.ssh("ship0", thief)


def test_a_stolen_ship_gets_to_harbors_door_and_no_further(captain):
    """Its key opens no shell, no port and no other machine; SFTP reads and writes nothing."""
    wait = "touch ~/waits; until [ -e ~/gate ]; do sleep 0.2; done"
    voyage = captain.sail(small(captain, wait), 2)
    until(lambda: any((voyage.home(ship) / "waits").exists() for ship in ("ship0", "ship1")), 30)
    for command in ("id", "'sudo -n id'", "bash", "'sh -c id'"):
        assert "may run harbor, git and sftp on storage" in as_thief(voyage, command).err
    done = as_thief(voyage, "harbor", "-o ExitOnForwardFailure=yes -R 127.0.0.1:7654:localhost:1")
    assert "remote port forwarding failed" in done.err
    done = as_thief(voyage, "x", "-W localhost:2222")
    assert "administratively prohibited" in done.err
    for user in ("exedev", "harbor", "root", "ship-1"):
        assert "Permission denied" in as_thief(voyage, "id", f"-o User={user}").err
    for path in ("/home/harbor/voyage/mine", "/var/lib/ocaptain/ship-0/mine", "/tmp/mine"):
        batch = f"echo 'put voyage/ship.json {path}' | sftp -b - -F ~/voyage/ssh_config storage"
        assert "Permission denied" in voyage.ssh("ship0", batch).err
    for ship in ("ship0", "ship1"):
        (voyage.home(ship) / "gate").touch()
    voyage.wait()

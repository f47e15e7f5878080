"""Everything that is done to a voyage: each fault is a function that breaks something now, and says
what, and how it is put right later; None where there was nothing to break."""

import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ocaptain.onboard.storage.journal import boot_id
from tests.support.machine import signal_all

from . import tasks
from .victim import DISK_FULL, Victim

NONSENSE = (b"[]", b"null", b'{"id": 7, "status": "done"}', b"\xff\xfe\x00", b'"completed"')
TORN = (b"{", b'{"seq":', b'{"seq":1,"time":"20', b"\x00\x00\x00\x00", b"}\xff")
FRONT_S = 4.0
"""How long to wait for a ship at the front of the train."""
STATES = (b"", b"[", b"[{}, {}, 9, 1]", b'"x"', b"[1, 2, 3, 4]")


class Broken(NamedTuple):
    """What was done; and after so many seconds, what puts that right."""

    what: str
    after_s: float = 0
    mend: Callable[[], object] | None = None


Fault = Callable[[Victim, random.Random], Broken | None]


def a_ship(victim: Victim, chance: random.Random) -> str:
    """One of the ships."""
    return chance.choice(victim.ships)


# Ships


def agent_killed(victim: Victim, chance: random.Random) -> Broken | None:
    """`kill -9` of an agent, with all that it started."""
    ends = time.monotonic() + 3
    while time.monotonic() < ends:
        ship = a_ship(victim, chance)
        if signal_all(signal.SIGKILL, victim.agents(ship)):
            return Broken(f"{ship}'s agent")
    return None


def helm_killed(victim: Victim, chance: random.Random) -> Broken | None:
    """`kill -9` of helm alone; somebody starts it again."""
    ship, after_s = a_ship(victim, chance), chance.uniform(0.5, 6)
    if not signal_all(signal.SIGKILL, victim.running(ship, "helm")):
        return None
    return Broken(f"{ship}'s helm", after_s, lambda: victim.start_helm(ship))


def ship_killed(victim: Victim, chance: random.Random) -> Broken | None:
    """The plug of a ship's VM is pulled; it boots after a while."""
    ship, after_s = a_ship(victim, chance), chance.uniform(1, 2 * tasks.LEASE_S)
    if not victim.kill(ship):
        return None
    return Broken(ship, after_s, lambda: victim.start_helm(ship))


def part_killed(victim: Victim, chance: random.Random) -> Broken | None:
    """`kill -9` of any one process on a ship that is not helm: its git, ssh, sshfs …"""
    ship = a_ship(victim, chance)
    parts = sorted(victim.pids(ship) - victim.running(ship, "helm"))
    if not parts or not signal_all(signal.SIGKILL, [chance.choice(parts)]):
        return None
    return Broken(f"a process on {ship}")


def ship_cut_off(victim: Victim, chance: random.Random) -> Broken | None:
    """All that runs on a ship stands still for longer than the lease, and then goes on."""
    ship, after_s = a_ship(victim, chance), tasks.LEASE_S * chance.uniform(1.2, 2)
    if not sum(signal_all(signal.SIGSTOP, victim.pids(ship)) for _ in range(3)):
        return None
    return Broken(ship, after_s, lambda: signal_all(signal.SIGCONT, victim.pids(ship)))


# The train


def front_killed(victim: Victim, chance: random.Random) -> Broken | None:
    """The plug of the ship at the front of the train is pulled; it boots after a while."""
    ship, after_s = front(victim), chance.uniform(1, 2 * tasks.LEASE_S)
    if not ship or not victim.kill(ship):
        return None
    return Broken(ship, after_s, lambda: victim.start_helm(ship))


def front_comes_back(victim: Victim, chance: random.Random) -> Broken | None:
    """The ship at the front stands still, its check too, for longer than a third of a lease, or
    than a lease; and then goes on."""
    ship, after_s = front(victim), tasks.LEASE_S * chance.uniform(0.4, 1.6)
    if not ship or not sum(signal_all(signal.SIGSTOP, victim.pids(ship)) for _ in range(3)):
        return None
    return Broken(ship, after_s, lambda: signal_all(signal.SIGCONT, victim.pids(ship)))


def front_hangs(victim: Victim, chance: random.Random) -> Broken | None:
    """The check of the ship at the front stands still for a while; its helm does not."""
    ship, after_s = checking(victim, signal.SIGSTOP), tasks.LEASE_S * chance.uniform(0.4, 2)
    if not ship:
        return None
    return Broken(ship, after_s, lambda: signal_all(signal.SIGCONT, victim.agents(ship)))


def front_turns_red(victim: Victim, chance: random.Random) -> Broken | None:
    """The check of the ship at the front is terminated, and so is red."""
    ship = checking(victim, signal.SIGTERM)
    return Broken(ship) if ship else None


def front(victim: Victim) -> str | None:
    """Wait a moment for a ship at the front of the train, if there is a train."""
    ends = time.monotonic() + FRONT_S
    while victim.look()["train"]["window"] and time.monotonic() < ends:
        if ship := victim.front_ship():
            return ship
        time.sleep(0.1)
    return None


def checking(victim: Victim, signal_number: signal.Signals) -> str | None:
    """Send a signal to the check at the front of the train, if there is one soon. Whose it is."""
    ends = time.monotonic() + FRONT_S
    while (ship := front(victim)) and time.monotonic() < ends:
        if signal_all(signal_number, victim.agents(ship)):
            return ship
    return None


# What agents see


def view_killed(victim: Victim, chance: random.Random) -> Broken | None:
    """A ship's SSHFS dies."""
    ship = a_ship(victim, chance)
    return Broken(ship) if signal_all(signal.SIGKILL, victim.running(ship, "sshfs -f")) else None


def view_hung(victim: Victim, chance: random.Random) -> Broken | None:
    """A ship's SSHFS answers nothing for a while."""
    ship, after_s = a_ship(victim, chance), chance.uniform(2, 20)
    if not signal_all(signal.SIGSTOP, victim.running(ship, "sshfs -f")):
        return None
    return Broken(
        ship, after_s, lambda: signal_all(signal.SIGCONT, victim.running(ship, "sshfs -f"))
    )


def view_unmounted(victim: Victim, chance: random.Random) -> Broken | None:
    """A ship's SSHFS is unmounted under whoever looks."""
    ship = a_ship(victim, chance)
    mount = str(victim.home(ship) / "voyage" / "storage")
    done = subprocess.run(["fusermount3", "-u", "-z", mount], capture_output=True)
    return None if done.returncode else Broken(ship)


# A ship's machine


def setup_fails(victim: Victim, chance: random.Random) -> Broken | None:
    """A ship's clone is gone, and while it is broken `setup.sh` fails there in each new one."""
    ship = a_ship(victim, chance)
    shutil.rmtree(victim.home(ship) / "voyage" / "workspace" / ".git", ignore_errors=True)
    return spoiled(victim, ship, tasks.SPOILS_SETUP, chance)


def disk_full(victim: Victim, chance: random.Random) -> Broken | None:
    """No git on a ship finds room on its disk for a while."""
    return spoiled(victim, a_ship(victim, chance), DISK_FULL, chance)


def spoiled(victim: Victim, ship: str, name: str, chance: random.Random) -> Broken | None:
    """Put a file into a ship's home that spoils something, until it is removed."""
    spoiler, after_s = victim.home(ship) / name, tasks.LEASE_S * chance.uniform(1, 3)
    try:
        spoiler.touch()
    except FileNotFoundError:  # it is being made, or gone
        return None
    return Broken(f"{ship} for {after_s:.0f} s", after_s, lambda: spoiler.unlink(missing_ok=True))


def ships_asleep(victim: Victim, chance: random.Random) -> Broken | None:
    """All ships stand still for longer than a lease: they are one laptop, whose lid is closed."""
    return asleep(victim, victim.ships, tasks.LEASE_S * chance.uniform(1.2, 2))


def storage_asleep(victim: Victim, chance: random.Random) -> Broken | None:
    """Storage stands still for longer than a lease, and connections to it hang."""
    return asleep(victim, ["storage"], tasks.LEASE_S * chance.uniform(1.2, 2))


def all_asleep(victim: Victim, chance: random.Random) -> Broken | None:
    """Ships and storage stand still for longer than a lease."""
    return asleep(victim, victim.vms, tasks.LEASE_S * chance.uniform(1.2, 2))


def asleep(victim: Victim, vms: Sequence[str], for_s: float) -> Broken | None:
    """Stop all that runs on VMs, and have it go on: also if whoever breaks things waits for it."""

    def wake() -> None:
        signal_all(signal.SIGCONT, victim.processes_of(vms))

    if not sum(signal_all(signal.SIGSTOP, victim.processes_of(vms)) for _ in range(3)):
        return None
    alarm = threading.Timer(for_s, wake)
    alarm.daemon = True
    alarm.start()
    return Broken(f"for {for_s:.0f} s", for_s, wake)


# Storage


def storage_killed(victim: Victim, chance: random.Random) -> Broken | None:
    """All that runs on storage dies at once, and every connection to it."""
    killed = victim.hang_up() + victim.kill("storage")
    return Broken(f"{killed} processes") if killed else None


def calls_killed(victim: Victim, chance: random.Random) -> Broken | None:
    """For two seconds every call of harbor is killed, each at some moment of its life."""
    killed, ends = 0, time.monotonic() + 2
    while time.monotonic() < ends:
        calls = victim.running("storage", "harbor")
        time.sleep(chance.uniform(0, 0.12))
        killed += signal_all(signal.SIGKILL, calls)
    return Broken(f"{killed} calls") if killed else None


def git_killed(victim: Victim, chance: random.Random) -> Broken | None:
    """For two seconds every git on storage is killed, each at some moment of its life."""
    killed, ends = 0, time.monotonic() + 2
    while time.monotonic() < ends:
        gits = victim.running("storage", "git ", "git-")
        time.sleep(chance.uniform(0, 0.03))
        killed += signal_all(signal.SIGKILL, gits)
    return Broken(f"{killed} processes") if killed else None


def storage_away(victim: Victim, chance: random.Random) -> Broken | None:
    """No ship gets in to storage for a while, and who was in is out."""
    keys, after_s = (
        victim.home() / ".ssh" / "authorized_keys",
        chance.uniform(1, 1.5 * tasks.LEASE_S),
    )
    away = keys.with_name("away")
    if not keys.exists():
        return None
    keys.rename(away)
    victim.hang_up()

    def back() -> None:
        if away.exists():
            away.rename(keys)

    return Broken(f"for {after_s:.0f} s", after_s, back)


def storage_rebooted(victim: Victim, chance: random.Random) -> Broken | None:
    """Storage loses its power, and of all that was not synced some: files are empty, with the mtime
    that they should have, and it comes back in another boot."""
    victim.hang_up()
    victim.kill("storage")
    with victim.locked() as lock:
        files = [*victim.task_files.glob("[!.]*.json"), *victim.storage.glob("ships/*.json")]
        lost = chance.sample(sorted(files), min(5, len(files)))
        for path in lost:
            stamp = path.stat().st_mtime_ns
            path.write_bytes(path.read_bytes()[: chance.randrange(20)])
            os.utime(path, ns=(stamp, stamp))
        (victim.storage / "state.json").unlink(missing_ok=True)
        os.ftruncate(lock, 0)
        os.pwrite(lock, b"%020d %s" % (1, b"another-boot"), 0)
    return Broken(f"without {' '.join(path.name for path in lost)}")


# Files on storage


def task_file(victim: Victim, chance: random.Random, body: Callable[[bytes], bytes | None]) -> str:
    """Do something to a task's file, whatever harbor is at; None removes it. Its name."""
    path = chance.choice(sorted(victim.task_files.glob("[!.]*.json")))
    after = body(path.read_bytes() if path.exists() else b"")
    if after is None:
        path.unlink(missing_ok=True)
    else:
        path.write_bytes(after)
    return path.name


def task_torn(victim: Victim, chance: random.Random) -> Broken | None:
    """A task file ends in the middle."""
    return Broken(task_file(victim, chance, lambda body: body[: chance.randrange(1, 60)]))


def task_emptied(victim: Victim, chance: random.Random) -> Broken | None:
    """A task file is empty."""
    return Broken(task_file(victim, chance, lambda _: b""))


def task_deleted(victim: Victim, chance: random.Random) -> Broken | None:
    """A task file is gone."""
    return Broken(task_file(victim, chance, lambda _: None))


def task_nonsense(victim: Victim, chance: random.Random) -> Broken | None:
    """A task file says something else, which may even parse."""
    return Broken(task_file(victim, chance, lambda _: chance.choice(NONSENSE)))


def task_forged(victim: Victim, chance: random.Random) -> Broken | None:
    """Somebody writes into a task's file that it is completed."""

    def forged(body: bytes) -> bytes:
        return body.replace(b'"pending"', b'"completed"').replace(b'"in_progress"', b'"completed"')

    return Broken(task_file(victim, chance, forged))


def journal_torn(victim: Victim, chance: random.Random) -> Broken | None:
    """Somebody died while writing a line of the journal."""
    with victim.locked(), (victim.storage / "journal.jsonl").open("ab") as journal:
        torn = chance.choice(TORN)
        journal.write(torn)
    return Broken(repr(torn))


def state_lost(victim: Victim, chance: random.Random) -> Broken | None:
    """state.json is gone, or nonsense."""
    path, body = victim.storage / "state.json", chance.choice([*STATES, None])
    if body is None:
        path.unlink(missing_ok=True)
    else:
        path.write_bytes(body)
    return Broken("gone" if body is None else repr(body))


def lock_lost(victim: Victim, chance: random.Random) -> Broken | None:
    """What stands in the lock file is nonsense."""
    with victim.locked() as lock:
        os.ftruncate(lock, 0)
        os.pwrite(lock, chance.choice([b"", b"x", b"99999999 " + boot_id()]), 0)
    return Broken("rewritten")


def git_locks_left(victim: Victim, chance: random.Random) -> Broken | None:
    """A git that died left its locks on the branch and on HEAD."""
    with victim.locked():
        for ref in (f"refs/heads/{victim.id}", "HEAD"):
            (victim.storage / "repo.git" / f"{ref}.lock").touch()
    return Broken("on the branch and HEAD")


FAULTS: dict[str, Fault] = {
    "agent killed": agent_killed,
    "helm killed": helm_killed,
    "ship killed": ship_killed,
    "ship's process killed": part_killed,
    "ship cut off": ship_cut_off,
    "ship's setup fails": setup_fails,
    "train: front killed": front_killed,
    "train: front comes back": front_comes_back,
    "train: front's check hangs": front_hangs,
    "train: front turns red": front_turns_red,
    "ship's disk full": disk_full,
    "ships asleep": ships_asleep,
    "storage asleep": storage_asleep,
    "all asleep": all_asleep,
    "SSHFS killed": view_killed,
    "SSHFS hung": view_hung,
    "SSHFS unmounted": view_unmounted,
    "storage killed": storage_killed,
    "harbor calls killed": calls_killed,
    "git on storage killed": git_killed,
    "storage out of reach": storage_away,
    "storage rebooted": storage_rebooted,
    "task file torn": task_torn,
    "task file emptied": task_emptied,
    "task file deleted": task_deleted,
    "task file nonsense": task_nonsense,
    "task file forged": task_forged,
    "journal torn": journal_torn,
    "state.json lost": state_lost,
    "lock file lost": lock_lost,
    "git's locks left": git_locks_left,
}

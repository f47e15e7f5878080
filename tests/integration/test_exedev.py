"""Voyages on exe.dev, as the stand-in has it: real SSH, VMs, accounts, services and sshfs."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import messages_api as api
from tests.fakes.exedev import Machine
from tests.integration.conftest import TOKEN
from tests.integration.fleet import ExeCaptain, at, connections, exe_captain
from tests.integration.harness import OCAPTAIN, Done, Terminal, Voyage, put, task, until
from tests.integration.test_secrets import found_in, objects, sampling

GATE = "until [ -e ~/gate ]; do sleep 0.1; done"
CAP = "You have reached the maximum number of VMs allowed on your plan."


class Ending(set[str]):
    """All names that end so, for faults of VMs whose voyage has no name yet."""

    def __contains__(self, name: object) -> bool:
        return str(name).endswith(tuple(self))


@pytest.fixture
def captain(tools: None) -> Iterator[ExeCaptain]:
    """A captain with an account at exe.dev, whose plans are for the shell agent."""
    with exe_captain() as somebody:
        yield somebody


@pytest.fixture(scope="module")
def fleet() -> Iterator[Voyage]:
    """A voyage of three ships that is complete; tests leave it as it is."""
    with exe_captain() as somebody:
        tasks = {key: task(f"Task {key}", f"echo {key} >{key}") for key in "123"}
        log = somebody.count_connections()
        voyage = somebody.sail(somebody.plan(somebody.repository(), tasks), 3)
        log.rename(somebody.root / "connections-of-sail")
        voyage.wait()
        yield voyage


def account(voyage: Voyage) -> ExeCaptain:
    """The captain of a voyage, as one with an account."""
    assert isinstance(voyage.captain, ExeCaptain)
    return voyage.captain


def small(captain: ExeCaptain, run: str = "true", **settings: Any) -> Path:
    """A plan of one task."""
    return captain.plan(captain.repository(), {"1": task("Work", run)}, **settings)


def vm(voyage: Voyage, name: str) -> Machine:
    """A VM of a voyage: `storage`, `ship0` …"""
    return account(voyage).exe.machines[f"{voyage.id}-{name}"]


def made(captain: ExeCaptain) -> list[str]:
    """What each VM that the lobby was asked to make is in its voyage: storage, ship0 …"""
    asked = [re.match(r"new .*--name=voyage-\w+-(\S+)", line) for line in captain.exe.commands]
    return sorted(found[1] for found in asked if found)


def on_new(captain: ExeCaptain, monkeypatch, ending: str, act: Callable[[Machine], Any]) -> None:
    """Do something to new VMs whose names end so, on their way out of the factory."""
    make = captain.exe.lobby.new_machine

    def new_machine(name: str, *rest: Any) -> Machine:
        machine = make(name, *rest)
        if name.endswith(ending):
            act(machine)
        return machine

    monkeypatch.setattr(captain.exe.lobby, "new_machine", new_machine)


def breaks(program: str) -> Callable[[Machine], Any]:
    """Have a program of a VM's fail."""
    script = f"#!/bin/sh\necho {program} is broken >&2\nexit 1\n"
    return lambda machine: put(machine.root / program, script)


# A voyage


def test_a_voyage_of_three_ships_comes_home(fleet):
    """All tasks are completed, and `fetch` brings the branch into the captain's repository."""
    captain = account(fleet)
    seen = fleet.status()
    assert (seen["state"], seen["tasks"]["completed"], seen["verify"]) == ("complete", 3, "passed")
    repo = captain.home / "repo"
    captain.run("fetch", fleet.id, "--into", str(repo))
    subjects = captain.git(repo, "log", "--format=%s", f"main..{fleet.id}").splitlines()
    assert sorted(subjects) == ["Task 1", "Task 2", "Task 3"]
    authors = captain.git(repo, "log", "--format=%an", f"main..{fleet.id}")
    assert set(authors.splitlines()) == {"Ada Captain"}


def test_sail_connects_once_to_the_lobby_and_once_to_each_vm(fleet):
    """Everything else goes over these connections: exe.dev drops bursts of new ones."""
    exe = account(fleet).exe
    made = connections(fleet.captain.root / "connections-of-sail")
    addresses = [f"{exe.block}.1", *(machine.address for machine in exe.machines.values())]
    assert made == dict.fromkeys(addresses, 1)


def test_a_ships_key_opens_storage_alone_as_its_own_user(fleet):
    """No key is for the whole account, and the tag that keys could be scoped by is storage's."""
    exe = account(fleet).exe
    storage, *ships = sorted(exe.machines)[::-1]
    scopes = {key.name: key.scope for key in exe.keys if key.name != "captain"}
    users = {f"{fleet.id}-ship{n}": f"ship-{n}" for n in range(3)}
    assert scopes == {name: {"vm": storage, "ssh_user": user} for name, user in users.items()}
    assert exe.machines[storage].tags == [fleet.id]
    assert [exe.machines[ship].tags for ship in ships] == [[], [], []]


def test_sink_removes_ships_with_their_keys_and_then_storage(captain):
    """Without -s storage stays, and can be asked and fetched from; with -s nothing is left."""
    voyage = captain.sail(small(captain, "echo 1 >one"), ships=2)
    voyage.wait()
    captain.run("sink", "--force")
    assert captain.account() == [f"VM {voyage.id}-storage"]
    assert voyage.status()["state"] == "complete"
    captain.run("fetch", voyage.id, "--into", str(captain.home / "repo"))
    captain.run("sink", "-s", "--force")
    assert captain.account() == []


def test_sink_says_what_goes_and_asks_first(captain):
    """A no leaves all; unfetched commits are told of, and can be fetched on the way."""
    voyage = captain.sail(small(captain, "echo 1 >one"))
    voyage.wait()
    there = captain.account()
    assert len(there) == 3
    done = captain.run("sink", "-s", stdin="n\nn\n", status=1)
    assert "1 commits on its branch" in done.out
    assert (
        f"To be destroyed: {voyage.id}-storage, {voyage.id}-ship0 and the ships' keys" in done.out
    )
    assert captain.account() == there
    repo = captain.home / "repo"
    done = captain.sh([str(OCAPTAIN), "sink", "-s"], stdin="y\ny\n", cwd=repo)
    assert done.status == 0, done
    assert captain.git(repo, "log", "-1", "--format=%s", voyage.id) == "Work"
    assert captain.account() == []


# Sails that do not come to be


@pytest.mark.parametrize("moment", ["before-new-answers", "while-vms-boot", "during-set-up"])
def test_an_interrupted_sail_leaves_nothing(captain, monkeypatch, moment):
    """Ctrl-C removes VMs and keys, also what the lobby was still making: exit status 130."""
    exe = captain.exe
    if moment == "before-new-answers":
        exe.faults.new_s = 3
    if moment == "while-vms-boot":
        exe.faults.stuck = Ending({"-ship0"})
    if moment == "during-set-up":
        on_new(captain, monkeypatch, "-storage", slow("usr/sbin/groupadd"))
    plan = small(captain)
    with captain.start("sail", str(plan), "-n", "2") as sailing:
        words = {"before-new-answers": "new ", "while-vms-boot": "ssh-key add"}
        until(lambda: sum(line.startswith("new ") for line in exe.commands) == 3, 20)
        if moment != "before-new-answers":
            until(lambda: sum(line.startswith("ssh-key add") for line in exe.commands) >= 1, 20)
        assert bool(exe.machines) == (moment != "before-new-answers")
        sailing.send_signal(signal.SIGINT)
        said, _ = sailing.communicate(timeout=30)
    assert sailing.returncode == 130, said
    assert "sail removes what it made" in said
    assert "Traceback" not in said
    assert captain.account() == []
    assert any(line.startswith("rm ") for line in exe.commands)


def slow(program: str) -> Callable[[Machine], Any]:
    """Have a program of a VM's never end."""
    return lambda machine: put(machine.root / program, "#!/bin/sh\nexec sleep 1000\n")


def test_what_a_killed_sail_left_can_be_removed_from_anywhere(captain):
    """The first lines have the command for it, which another machine needs nothing more for."""
    captain.exe.faults.stuck = Ending({"-ship0"})
    with captain.start("sail", str(small(captain)), "-n", "2") as sailing:
        until(lambda: len(captain.account()) == 3 + 2, 20)
        sailing.kill()
        said, _ = sailing.communicate(timeout=30)
    first = "\n".join(said.splitlines()[:2])
    found = re.search(r"Should this be killed, remove it: ocaptain (sink -s voyage-\w+)", first)
    assert found, said
    with at(captain.exe) as elsewhere:
        elsewhere.run(*found[1].split(), stdin="n\ny\n")
    assert captain.account() == []


def test_the_allowance_is_looked_at_before_anything_is_made(captain):
    """Ships and storage have to fit into what OCAPTAIN_VM_LIMIT leaves."""
    captain.env["OCAPTAIN_VM_LIMIT"] = "3"
    done = captain.run("sail", str(small(captain)), "-n", "3", status=1)
    assert "exe.dev has no room for 4 more: 0 of 3 VMs (OCAPTAIN_VM_LIMIT) are in use" in done.err
    assert "ocaptain sink -s VOYAGE" in done.err
    assert made(captain) == []


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_plan_with_fewer_vms_than_ocaptain_knows(captain, stream):
    """What the lobby refuses with is shown, wherever it wrote it, and nothing is left."""
    captain.exe.faults.cap, captain.exe.faults.errors_to = 2, stream
    done = captain.run("sail", str(small(captain)), "-n", "3", status=1)
    assert f"exe.dev refused `new`: {CAP}" in done.err
    assert captain.account() == []


def test_a_name_that_somebody_else_has(captain):
    """Names are everybody's; what was made already is removed."""
    captain.exe.faults.taken = Ending({"-ship0"})
    done = captain.run("sail", str(small(captain)), "-n", "2", status=1)
    assert '-ship0" is not available' in done.err
    assert captain.account() == []


def test_storage_that_fails_is_not_made_up_for(captain, monkeypatch):
    """All is removed at once, even while a ship is waited for."""
    captain.exe.faults.stuck = Ending({"-ship0"})
    on_new(captain, monkeypatch, "-storage", breaks("usr/sbin/groupadd"))
    began = time.monotonic()
    done = captain.run("sail", str(small(captain)), "-n", "2", status=1)
    assert time.monotonic() - began < 10
    assert "groupadd failed on storage: usr/sbin/groupadd is broken" in done.err
    assert captain.account() == []


@pytest.mark.parametrize("fault", ["silent", "stuck", "broken"])
def test_a_ship_that_does_not_come_up_is_done_without(captain, monkeypatch, fault):
    """It is made anew once, and then given up with its key; the others sail."""
    if fault == "broken":
        on_new(captain, monkeypatch, "-ship1", breaks("usr/bin/systemctl"))
    else:
        setattr(captain.exe.faults, fault, Ending({"-ship1"}))
    plan = small(captain, "echo 1 >one")
    done = captain.hasty("sail", str(plan), "-n", "2")
    assert made(captain) == ["ship0", "ship1", "ship1", "storage"]
    assert "ship-1 is made anew" in done.err
    assert "ship-1 is given up; the others sail on without it" in done.err
    assert [thing.partition("-")[2][13:] for thing in captain.account()] == [
        "storage",
        "ship0",
        "ship0",
    ]
    if fault == "broken":
        assert "usr/bin/systemctl is broken" in done.err


def test_a_vm_that_was_made_with_an_error_is_made_anew(captain, monkeypatch):
    """`new` names the VM and an error besides: it exists, and is no good."""
    new, errors = captain.exe.lobby._new, ["failed to attach integration"]

    def answer(call: Any) -> Any:
        found = new(call)
        ship = found["vm_name"].endswith("-ship0")
        return found | ({"error": errors.pop()} if ship and errors else {})

    monkeypatch.setattr(captain.exe.lobby, "_new", answer)
    done = captain.run("sail", str(small(captain)))
    assert "but could not set it up: failed to attach integration" in done.err
    assert made(captain) == ["ship0", "ship0", "storage"]
    assert len(captain.account()) == 3


# Whom to trust


def test_an_old_lobby_scopes_keys_by_a_tag_and_that_is_said(captain):
    """Where `ssh-key add` knows no --vm, ships log in as the login user, and become themselves."""
    captain.exe.faults.old_lobby = True
    wait = "until [ -e ~/voyage/artifacts/spec.md ]; do sleep 0.1; done; cp ~/voyage/artifacts/* ."
    plan = small(captain, wait)
    done = captain.run("sail", str(plan), "-n", "2")
    voyage = Voyage(captain, done.out.split()[0])
    told = f"ship-0's key opens {voyage.id}-storage as its login user: see docs/security.md"
    assert told in done.err
    scopes = [key.scope for key in captain.exe.keys if key.name != "captain"]
    assert scopes == [{"tag": voyage.id}] * 2
    voyage.wait()
    assert voyage.show("spec.md").startswith("# A small objective")


def test_a_key_whose_scope_the_lobby_does_not_say_is_removed(captain, monkeypatch):
    """It might be for the whole account: sail fails, and nothing is left."""
    add = captain.exe.lobby._ssh_key_add
    silent = lambda call: {**add(call), "permissions": {}}  # noqa: E731
    monkeypatch.setattr(captain.exe.lobby, "_ssh_key_add", silent)
    done = captain.run("sail", str(small(captain)), status=1)
    assert "exe.dev does not say that ship-0's key is for" in done.err
    assert captain.account() == []


def known_hosts(captain: ExeCaptain) -> Path:
    return captain.exe.folder / "known_hosts"


def test_a_lobby_that_ssh_does_not_know_is_not_asked(captain):
    """Its host key has to be known to the captain's own ssh; how is said."""
    known_hosts(captain).write_text("")
    done = captain.run("sail", str(small(captain)), status=1)
    assert "Your ssh does not know the host key of exe.dev" in done.err
    assert "Type `ssh exe.dev` once, and compare the fingerprint" in done.err
    assert captain.exe.commands == []


def another_key(captain: ExeCaptain) -> Path:
    """A host key that is not exe.dev's."""
    path = captain.root / "another"
    captain.sh(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)])
    return path


def test_a_lobby_with_another_host_key_is_not_asked(captain):
    """Whoever answers there hears no command."""
    public = another_key(captain).with_suffix(".pub").read_text()
    known_hosts(captain).write_text(f"exe.dev {public}")
    done = captain.hasty("sail", str(small(captain)), status=1)
    assert "exe.dev cannot be reached: Host key verification failed" in done.err
    assert captain.exe.commands == []


def test_a_vm_with_another_host_key_gets_nothing(captain, monkeypatch):
    """VMs have to have the lobby's; sail fails, and removes what it made."""
    other = another_key(captain).read_bytes()
    theirs = captain.exe.room.place / "host_key"
    on_new(captain, monkeypatch, "", lambda _: theirs.write_bytes(other))
    done = captain.hasty("sail", str(small(captain)), status=1)
    assert "cannot be reached: Host key verification failed" in done.err
    assert captain.account() == []


# Weather

WEATHER: dict[str, dict[str, Any]] = {
    "the-lobby-cannot-connect": {"lobby_failures": 3},
    "vms-do-not-connect": {"vm_failures": 5},
    "bursts-are-dropped": {"burst": 2, "silence_s": 2},
    "ls-is-late": {"ls_lag_s": 2},
    "new-is-slow": {"new_s": 2},
    "far-away": {"rtt_s": 0.15},
}


@pytest.mark.parametrize("faults", WEATHER.values(), ids=WEATHER.keys())
def test_sail_weathers_what_passes(captain, faults):
    """All VMs are there in the end, none of them made twice."""
    vars(captain.exe.faults).update(faults)
    captain.run("sail", str(small(captain)), "-n", "2")
    assert made(captain) == ["ship0", "ship1", "storage"]
    assert len(captain.account()) == 3 + 2


def test_an_answer_of_new_that_is_lost(captain):
    """The VM is looked for, and used if it was made."""
    captain.exe.faults.new_lost = 1
    captain.run("sail", str(small(captain)), "-n", "2")
    assert len(captain.account()) == 3 + 2


# Sinking


def test_what_rm_cannot_remove_is_told_with_the_command(captain):
    """The rest goes; sink again removes it once exe.dev can."""
    voyage = captain.sail(small(captain), ships=2)
    name = f"{voyage.id}-ship0"
    captain.exe.faults.rm_fails = {name}
    done = captain.run("sink", "-s", "--force", status=1)
    assert f'{name} is left: VM "{name}": failed to delete VM' in done.err
    assert f"ocaptain sink -s {voyage.id}" in done.err
    assert captain.account() == [f"VM {name}"]
    captain.exe.faults.rm_fails = set()
    captain.run("sink", "-s", "--force")
    assert captain.account() == []


def test_sink_all_leaves_what_is_not_ocaptains(captain):
    """Whatever else is on the account, with names like ours."""
    exe = captain.exe
    for name in ("voyage-web", "voyage-0123456789ab-ship0x", "my-voyage-0123456789ab-storage"):
        exe.new_machine(name, ["voyage-0123456789ab"])
    for name in ("laptop", "voyage-web", "voyage-0123456789ab-storage-old"):
        put(captain.root / name, "")
        (captain.root / name).unlink()
        captain.sh(["ssh-keygen", "-q", "-N", "", "-f", str(captain.root / name)])
        exe.lobby.register((captain.root / f"{name}.pub").read_text(), name, {})
    theirs = captain.account()
    captain.sail(small(captain))
    captain.run("sink", "--all", "--force")
    assert captain.account() == theirs
    for name in list(exe.machines):
        exe.machines.pop(name).destroy()
    del exe.keys[1:]

"""Voyages on exe.dev, as the stand-in has it: real SSH, VMs, accounts, services and sshfs."""

import json
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ocaptain.fleet.fetch import records_folder
from ocaptain.manual import page
from ocaptain.onboard.protocol import PROTOCOL
from tests.fakes import messages_api as api
from tests.fakes.exedev import Machine
from tests.fakes.exedev.lobby import Lost
from tests.support.captain import OCAPTAIN, Voyage, task
from tests.support.commands import await_end
from tests.support.exe_captain import Ending, ExeCaptain, at, connections, exe_captain, on_new
from tests.support.machine import put, until
from tests.support.rules import LONG, rule
from tests.support.secrets import found_in, objects, sampling
from tests.support.terminal import Terminal

GATE = "until [ -e ~/gate ]; do sleep 0.1; done"
SECRET = "sk-ant-oat01-Kd5distinctive"
CAP = "You have reached the maximum number of VMs allowed on your plan."


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


@rule("R97")
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


@rule("R58")
def test_sink_says_what_goes_and_asks_first(captain):
    """A no leaves all; unfetched commits are told of, and can be fetched on the way."""
    voyage = captain.sail(small(captain, "echo 1 >one"))
    voyage.wait()
    there = captain.account()
    assert len(there) == 3
    done = captain.run("sink", "-s", stdin="n\n", status=1)
    assert "1 commit on its branch" in done.out
    doomed = done.out.partition("To be destroyed")[2]
    vms = {f"{voyage.id}-storage", f"{voyage.id}-ship0"}
    assert {*re.findall(r"voyage-\w+-\w+", doomed)} == vms
    assert "keys" in doomed
    assert captain.account() == there
    repo = captain.home / "repo"
    done = captain.sh([str(OCAPTAIN), "sink", "-s"], stdin="y\ny\n", cwd=repo)
    assert done.status == 0, done
    assert captain.git(repo, "log", "-1", "--format=%s", voyage.id, "--") == "Work"
    assert captain.account() == []


# Sails that do not come to be


def slow(program: str) -> Callable[[Machine], Any]:
    """Have a program of a VM's never end."""
    return lambda machine: put(machine.root / program, "#!/bin/sh\nexec sleep 1000\n")


def asked(captain: ExeCaptain, verb: str) -> int:
    """How often the lobby was asked for something."""
    return sum(line.startswith(f"{verb} ") for line in captain.exe.commands)


@rule("R102")
@pytest.mark.parametrize(
    "moment",
    ["before-new-answers", "while-a-vm-boots", pytest.param("during-set-up", marks=LONG)],
)
def test_an_interrupted_sail_leaves_nothing(captain, monkeypatch, moment):
    """Ctrl-C removes VMs and keys, also what the lobby was still making: exit status 130."""
    if moment == "before-new-answers":
        captain.exe.faults.new_s = 3
    if moment == "while-a-vm-boots":
        captain.exe.faults.stuck = Ending({"-ship0"})
    on_new(captain, monkeypatch, "-storage", slow("usr/sbin/groupadd"))
    plan = small(captain)
    with captain.start("sail", str(plan), "-n", "2") as sailing:
        until(lambda: asked(captain, "new") == 3, 20)
        if moment != "before-new-answers":
            keys = 1 if moment == "while-a-vm-boots" else 2
            until(lambda: asked(captain, "ssh-key add") == keys, 20)
        assert bool(captain.account()) == (moment != "before-new-answers")
        sailing.send_signal(signal.SIGINT)
        said = await_end(sailing, 30).out
    assert sailing.returncode == 130, said
    assert "What was made is removed" in said
    assert "Traceback" not in said
    assert captain.account() == []
    assert asked(captain, "rm")


@rule("R102")
def test_what_a_killed_sail_left_can_be_removed_from_anywhere(captain, monkeypatch):
    """The first lines have the command for it, which another machine needs nothing more for."""
    on_new(captain, monkeypatch, "-storage", slow("usr/sbin/groupadd"))
    with captain.start("sail", str(small(captain)), "-n", "2") as sailing:
        until(lambda: len(captain.account()) == 3 + 2, 20)
        sailing.kill()
        said = await_end(sailing, 30).out
    first = "\n".join(said.splitlines()[:2])
    found = re.search(r"type: ocaptain (sink -s voyage-\w+)", first)
    assert found, said
    with at(captain.exe) as elsewhere:
        elsewhere.run(*found[1].split(), stdin="y\n")
    assert captain.account() == []


def test_the_allowance_is_looked_at_before_anything_is_made(captain):
    """Ships and storage have to fit into what OCAPTAIN_VM_LIMIT leaves."""
    captain.env["OCAPTAIN_VM_LIMIT"] = "3"
    done = captain.run("sail", str(small(captain)), "-n", "3", status=1)
    assert "exe.dev has no room for 4 more: 0 of 3 VMs (OCAPTAIN_VM_LIMIT) are in use" in done.err
    assert "ocaptain sink -s VOYAGE" in done.err
    assert made(captain) == []


@pytest.mark.parametrize("stream", ["stdout", pytest.param("stderr", marks=LONG)])
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


@rule("R102")
def test_storage_that_fails_is_not_made_up_for(captain, monkeypatch):
    """All is removed at once, even while a ship is waited for."""
    captain.exe.faults.stuck = Ending({"-ship0"})
    on_new(captain, monkeypatch, "-storage", breaks("usr/sbin/groupadd"))
    began = time.monotonic()
    done = captain.run("sail", str(small(captain)), "-n", "2", status=1)
    assert time.monotonic() - began < 10
    assert "groupadd --force ocaptain-ships failed: usr/sbin/groupadd is broken" in done.err
    assert captain.account() == []


@rule("R103")
@pytest.mark.parametrize(
    "fault", [pytest.param("silent", marks=LONG), "stuck", pytest.param("broken", marks=LONG)]
)
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
    left = {re.sub("voyage-[0-9a-f]+-", "", thing) for thing in captain.account()}
    assert left == {"VM storage", "VM ship0", "key ship0"}
    assert [ship["id"] for ship in captain.json("status")["ships"]] == ["ship-0"]
    if fault == "broken":
        assert "usr/bin/systemctl is broken" in done.err


@rule("R103")
def test_a_vm_that_was_made_with_an_error_is_made_anew(captain, monkeypatch):
    """`new` names the VM and an error besides: it exists, and is no good."""
    new, errors = captain.exe.lobby._new, ["failed to attach integration"]

    def answer(call: Any) -> Any:
        found = new(call)
        ship = found["vm_name"].endswith("-ship0")
        return found | ({"error": errors.pop()} if ship and errors else {})

    monkeypatch.setattr(captain.exe.lobby, "_new", answer)
    done = captain.run("sail", str(small(captain)), "-n", "1")
    assert "but not well: failed to attach integration" in done.err
    assert made(captain) == ["ship0", "ship0", "storage"]
    assert len(captain.account()) == 3


# Whom to trust


@LONG
def test_an_old_lobby_scopes_keys_by_a_tag_and_that_is_said(captain):
    """Where `ssh-key add` knows no --vm, ships log in as the login user, and become themselves."""
    captain.exe.faults.old_lobby, captain.exe.faults.errors_to = True, "stderr"
    wait = "until [ -e ~/voyage/artifacts/spec.md ]; do sleep 0.1; done; cp ~/voyage/artifacts/* ."
    plan = small(captain, wait)
    done = captain.run("sail", str(plan), "-n", "2")
    voyage = Voyage(captain, done.out.split()[0])
    told = f"ship-0's key opens {voyage.id}-storage as its login user: see "
    assert f"{told}{page('security.md')}\n" in done.err
    scopes = [key.scope for key in captain.exe.keys if key.name != "captain"]
    assert scopes == [{"tag": voyage.id}] * 2
    voyage.wait()
    assert voyage.show("spec.md").startswith("# A small objective")


def test_a_gateway_that_knows_vms_by_the_login_name(captain):
    """Where the address names a user, as `vm+name@…`, captain and ships log in as that."""
    captain.exe.faults.ssh_user = "vm+exe"
    voyage = captain.sail(small(captain, "echo 1 >one"))
    voyage.wait()
    assert voyage.show("one") == "1"


@rule("R97")
def test_a_key_whose_scope_the_lobby_does_not_say_is_removed(captain, monkeypatch):
    """It might be for the whole account: sail fails, and nothing is left."""
    add = captain.exe.lobby._ssh_key_add
    silent = lambda call: {**add(call), "permissions": {}}  # noqa: E731
    monkeypatch.setattr(captain.exe.lobby, "_ssh_key_add", silent)
    done = captain.run("sail", str(small(captain)), "-n", "1", status=1)
    assert re.search(r"not say that ship-0's key is for voyage-\S+ alone", done.err), done.err
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
    "bursts-are-dropped": {"burst": 1, "silence_s": 2},
    "ls-is-late": {"ls_lag_s": 2},
    "new-is-slow": {"new_s": 2},
    "far-away": {"rtt_s": 0.15},
}
MILD = ("ls-is-late", "new-is-slow", "far-away", "the-lobby-cannot-connect")
"""What is only slow, or is met like another of these."""


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param(faults, id=name, marks=LONG if name in MILD else ())
        for name, faults in WEATHER.items()
    ],
)
def test_sail_weathers_what_passes(captain, faults):
    """All VMs are there in the end, none of them made twice."""
    vars(captain.exe.faults).update(faults)
    captain.run("sail", str(small(captain)), "-n", "2")
    assert made(captain) == ["ship0", "ship1", "storage"]
    assert len(captain.account()) == 3 + 2


@pytest.mark.parametrize(("lost", "status", "left"), [("ship0", 0, 3 + 2), ("storage", 1, 0)])
def test_a_connection_to_the_lobby_that_drops_before_new_has_answered(
    captain, monkeypatch, lost, status, left
):
    """A ship is made anew; without storage sail fails, and removes also what nobody heard of."""
    new, losses = captain.exe.lobby._new, [Lost()]

    def answer(call: Any) -> Any:
        found = new(call)
        if found["vm_name"].endswith(lost) and losses:
            until(lambda: len(captain.exe.machines) == 3)
            time.sleep(0.3)  # by when the others' answers are out
            raise losses.pop()
        return found

    monkeypatch.setattr(captain.exe.lobby, "_new", answer)
    captain.run("sail", str(small(captain)), "-n", "2", status=status)
    assert len(captain.account()) == left


# Sinking


@LONG
@rule("R105")
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


@rule("R105")
def test_sink_all_leaves_what_is_not_ocaptains(captain):
    """Whatever else is on the account, with names like ours."""
    exe = captain.exe
    for name in ("voyage-web", "voyage-0123456789ab-ship0x", "my-voyage-0123456789ab-storage"):
        exe.new_machine(name, ["voyage-0123456789ab"])
    for name in ("laptop", "voyage-web", "voyage-0123456789ab-storage-old"):
        captain.sh(["ssh-keygen", "-q", "-N", "", "-f", str(captain.root / name)])
        exe.lobby.register((captain.root / f"{name}.pub").read_text(), name, {})
    theirs = captain.account()
    captain.sail(small(captain))
    captain.run("sink", "--all", "--force")
    assert captain.account() == theirs


# Other machines, and eyes


@rule("R114")
def test_another_machine_sees_and_steers_the_voyage(fleet):
    """With the account's key and nothing else, each verb works there as here."""
    exe = account(fleet).exe
    with at(exe) as elsewhere:
        (row,) = elsewhere.json("voyages")
        assert (row["voyage"], row["vms"], row["state"]) == (fleet.id, 4, "complete")
        assert elsewhere.json("status")["tasks"]["completed"] == 3
        assert {row["id"] for row in elsewhere.json("tasks", fleet.id)} == {"1", "2", "3"}
        assert "claims it: Task 1" in elsewhere.run("logs").out
        assert f" {fleet.id} complete, " in elsewhere.run("wait").out
        repo = elsewhere.repository()
        elsewhere.run("fetch", fleet.id, "--into", str(repo), "--all", "--force")
        assert elsewhere.git(repo, "show", f"{fleet.id}:2") == "2"
        assert (repo / records_folder(fleet.id) / "journal.jsonl").exists()


def test_voyages_says_soon_which_storage_does_not_answer(fleet):
    """It is `unseen`, and the others are seen all the same."""
    exe, lost = account(fleet).exe, "voyage-0123456789ab"
    down = exe.new_machine(f"{lost}-storage", [lost])
    down.booted.wait()
    down.crash()
    with at(exe) as elsewhere:
        began = time.monotonic()
        rows = {row["voyage"]: row for row in elsewhere.json("voyages")}
        assert time.monotonic() - began < 10
        assert {name: row["state"] for name, row in rows.items()} == {
            fleet.id: "complete",
            lost: "unseen",
        }
        assert f"{lost}-storage cannot be reached" in rows[lost]["reason"]
        assert re.search(rf"{lost} .*unseen", elsewhere.run("voyages").out)
    exe.machines.pop(f"{lost}-storage").destroy()


def test_the_fleet_is_watched_in_a_real_terminal(fleet):
    """`shell` shows a pane per ship; `--raw` is a shell on storage or on a ship."""
    with Terminal(fleet.captain, 160, 40) as terminal:
        terminal.type("ocaptain shell")
        for ship in ("ship-0", "ship-1", "ship-2"):
            terminal.until(f"{ship} · done")
        terminal.press("C-b", "d")
        terminal.over()
        for place, words in (("storage", ""), ("ship1", "ship-1")):
            terminal.type(f"ocaptain shell --raw {fleet.id} {words}")
            terminal.until("$")
            terminal.press("echo $USER on $(hostname)", "Enter")
            terminal.until(f"exedev on {fleet.id}-{place}")
            terminal.press("exit", "Enter")
            terminal.over()


@pytest.mark.parametrize("sftp", ["internal", "shell"])
def test_a_ship_reads_storage_by_sftp_and_cannot_write_there(fleet, sftp):
    """Whether exe.dev serves it by itself or through the login shell of the ship's account."""
    account(fleet).exe.faults.sftp = sftp
    command = "sftp -b - -F ~/voyage/ssh_config -o ControlPath=none storage"
    batch = "get /home/harbor/voyage/artifacts/spec.md spec-{sftp}.md"
    done = fleet.ssh("ship0", f"echo '{batch}' | {command}")
    assert done.status == 0, done
    assert (fleet.home("ship0") / "spec-{sftp}.md").read_text().startswith("# A small objective")
    for path in ("/home/harbor/voyage/mine", "/var/lib/ocaptain/ship-0/mine", "/tmp/mine"):
        done = fleet.ssh("ship0", f"echo 'put voyage/ship.json {path}' | {command}")
        assert "Permission denied" in done.err, done
    done = fleet.ssh("ship0", f"echo 'get /home/harbor/voyage/boot.json x' | {command}")
    assert done.status != 0


def test_doctor_on_exe_dev(fleet):
    """It says how many VMs there are, or what to type where the lobby does not answer."""
    exe = account(fleet).exe
    known, key = exe.folder / "known_hosts", exe.keys[0]
    with at(exe) as elsewhere:
        found = provider(elsewhere)
        assert "exe.dev: 4 of 50 VMs (OCAPTAIN_VM_LIMIT) are in use" in found
    with at(exe) as stranger:
        exe.keys.remove(key)
        assert "Please complete registration by running: ssh exe.dev" in provider(stranger)
        exe.keys.insert(0, key)
    with at(exe) as wary, replaced(known, ""):
        assert "Type `ssh exe.dev` once" in provider(wary)
    moved = exe.ssh_config.read_text().replace(f"{exe.block}.1", "127.77.255.254")
    with at(exe) as cut_off, replaced(exe.ssh_config, moved):
        said = provider(cut_off)
        assert "exe.dev cannot be reached" in said
        assert "ssh -v -F" in said


@contextmanager
def replaced(path: Path, text: str) -> Iterator[None]:
    """A file says something else for a while."""
    was = path.read_text()
    path.write_text(text)
    yield
    path.write_text(was)


def provider(captain: ExeCaptain) -> str:
    """What doctor says, on one line, from `provider` on."""
    captain.env["COLUMNS"] = "500"
    done = captain.hasty("doctor", status=None)
    assert "provider" in done.out, done
    return " ".join(done.out.partition("provider")[2].split())


# Ships that join and leave


def muster(voyage: Voyage, enlist: dict[str, str]) -> None:
    """Let ships into storage, as it is done after `sail`: by boot.json alone."""
    boot = json.dumps({"ship_keys": enlist, "accounts": True, "new": None}).encode()
    set_up = "umask 077 && cat >~/voyage/boot.json && exec sudo -n python3 -IS ~/voyage/lib"
    vm(voyage, "storage").run(f"{set_up} set-up-storage", stdin=boot)


def says(voyage: Voyage, command: str) -> str:
    """What a command on storage prints."""
    return vm(voyage, "storage").run(command, check=False).stdout.decode().strip()


def asks(voyage: Voyage, ship: str, command: str, given: str = "0000") -> str:
    """What a ship's login shell on storage answers."""
    become = f"sudo setpriv --reuid={ship} --regid=ocaptain-ships --init-groups"
    login = f"{become} /usr/local/lib/ocaptain/login -c {command} 2>&1"
    return says(voyage, f"echo '{given}' | {login}")


def enlist(voyage: Voyage, **told: Any) -> list[str]:
    """Have storage know new ships, and others no longer."""
    request = json.dumps({"protocol": PROTOCOL, "op": "update_ships", **told})
    harbor = "sudo -nHu harbor python3 -IS ~harbor/voyage/lib harbor captain"
    return list(json.loads(says(voyage, f"echo '{request}' | {harbor}"))["new"])


@rule("R79")
def test_storages_accounts_come(captain):
    """A new ship has what the first ones have, also where that is done again, and is let in once
    it is known; harbor's own files are left alone."""
    voyage = captain.sail(small(captain, GATE), 2)
    lib = says(voyage, "sudo ls -lR --full-time ~harbor/voyage/lib")
    for _ in range(2):
        muster(voyage, {"ship-2": "ssh-ed25519 AAAA ship2"})
        assert says(voyage, "ls /var/lib/ocaptain").split() == ["ship-0", "ship-1", "ship-2"]
        key = says(voyage, "cat /var/lib/ocaptain/ship-2/.ssh/*")
        assert key == "restrict ssh-ed25519 AAAA ship2"
    assert says(voyage, "ls ~/voyage") == "lib"
    assert says(voyage, "sudo ls -lR --full-time ~harbor/voyage/lib") == lib
    assert "storage has no such ship" in asks(voyage, "ship-2", "git-upload-pack")
    assert enlist(voyage, lost=[], add=1) == ["ship-2"]
    for ship in ("ship-1", "ship-2"):
        assert f"refs/heads/{voyage.id}" in asks(voyage, ship, "git-upload-pack")


@rule("R79", "R96")
def test_a_ship_that_is_let_go_has_no_business_on_storage(captain):
    """Its account is there, and is refused for SFTP, git and harbor."""
    voyage = captain.sail(small(captain, GATE), 2)
    enlist(voyage, lost=["ship-0"], add=0, force=True)
    gone = "ship-0 was let go: storage has no such ship"
    for command in ("git-upload-pack", "git-receive-pack", "/usr/lib/openssh/sftp-server"):
        assert asks(voyage, "ship-0", command) == f"ocaptain: {gone}"
    claim = json.dumps({"protocol": PROTOCOL, "op": "claim"})
    assert json.loads(asks(voyage, "ship-0", "harbor", claim))["error"] == gone
    assert asks(voyage, "ship-1", "/usr/lib/openssh/sftp-server", "") == ""
    alone = "-F ~/voyage/ssh_config -o ControlPath=none"
    done = voyage.ssh("ship0", f"ssh {alone} storage git-upload-pack </dev/null")
    assert (done.out, gone in done.err) == ("", True)
    assert voyage.ssh("ship1", f"echo 0000 | ssh {alone} storage git-upload-pack").out


# Accidents


def gated(captain: ExeCaptain, ships: int = 1, lease_seconds: int = 20) -> Voyage:
    """A voyage at whose first task a ship waits for a file ~/gate, and has committed something."""
    half = "echo $(hostname) >half && git add -A && git commit -qm Half && touch ~/waits"
    tasks = {"1": task("Wait", f"{half}; {GATE}; touch one"), "2": task("Go on", "touch two")}
    tasks["2"]["blockedBy"] = ["1"]
    plan = captain.plan(captain.repository(), tasks, lease_seconds=lease_seconds)
    voyage = captain.sail(plan, ships)
    until(lambda: any((voyage.home(f"ship{n}") / "waits").exists() for n in range(ships)), 30)
    return voyage


def open_gate(voyage: Voyage, name: str) -> None:
    vm(voyage, name).run("touch ~/gate")


@rule("R31", "R82")
def test_a_helm_that_is_killed_comes_back(captain):
    """The unit starts it again; it gives its old claim up at once, and goes on."""
    voyage = gated(captain)
    helm = vm(voyage, "ship0")
    helm.run("sudo systemctl kill -s KILL --kill-whom=main ocaptain-helm")
    open_gate(voyage, "ship0")
    voyage.wait()
    assert voyage.ends("1") == ["abandoned", "landed"]
    assert voyage.landed() == ["Half", "Wait", "Go on"]
    assert helm.run("systemctl show -p NRestarts --value ocaptain-helm").stdout == b"1\n"


def test_a_helm_that_was_stopped_is_started_again(fleet):
    """By the program for that, which leaves one that runs alone."""
    machine = vm(fleet, "ship0")
    machine.run("sudo systemctl stop ocaptain-helm")
    pids = set()
    for _ in range(2):
        machine.run("python3 -IS ~/voyage/lib restart-helm")
        pids.add(machine.run("systemctl show -p MainPID --value ocaptain-helm").stdout)
    (pid,) = pids
    assert int(pid)


@LONG
@rule("R82")
def test_a_ship_that_crashes_goes_on_once_it_boots(captain):
    """By itself; no task is lost, and none is done twice."""
    voyage = gated(captain)
    open_gate(voyage, "ship0")
    vm(voyage, "ship0").crash()
    vm(voyage, "ship0").boot()
    voyage.wait()
    assert voyage.ends("1") == ["abandoned", "landed"]
    assert voyage.landed() == ["Half", "Wait", "Go on"]


@LONG
@rule("R8", "R34", "R91")
def test_storage_that_crashes_in_the_middle_is_waited_for(captain):
    """Once it is back the voyage completes, and no claim was lost."""
    voyage = gated(captain)
    vm(voyage, "storage").crash()
    open_gate(voyage, "ship0")
    time.sleep(2)
    vm(voyage, "storage").boot()
    voyage.wait()
    assert voyage.ends("1") == ["landed"]
    assert voyage.landed() == ["Half", "Wait", "Go on"]


@LONG
@rule("R36")
def test_a_ship_that_was_cut_off_beyond_its_lease_lands_nothing(captain):
    """Another does its task; what it had done is kept aside, and it goes on with others."""
    voyage = gated(captain, ships=2, lease_seconds=3)
    owner = voyage.task("1")["owner"].replace("-", "")
    other = {"ship0": "ship1", "ship1": "ship0"}[owner]
    voyage.until(lambda seen: voyage.git("for-each-ref", "refs/heads/work/"))
    vm(voyage, owner).cut_off()
    open_gate(voyage, other)
    voyage.wait()
    open_gate(voyage, owner)
    vm(voyage, owner).reconnect()
    voyage.until_log("gives up: ", 40)
    assert voyage.ends("1") == ["expired", "landed"]
    assert voyage.show("half") == f"{voyage.id}-{other}"
    wreck = voyage.git("show", "work/1-1:half")
    assert wreck == f"{voyage.id}-{owner}"
    said = captain.run("fetch", voyage.id, "--into", str(captain.home / "repo")).out
    assert "Unlanded work is on storage only: work/1-1 (--all)" in said


@rule("R89")
def test_sshfs_is_installed_beside_the_work(captain):
    """The first claim does not wait for it, and sees storage once it is there."""
    captain.exe.faults.apt_s = 5
    look = "until [ -e ~/voyage/artifacts/spec.md ]; do sleep 0.1; done; cp ~/voyage/artifacts/* ."
    voyage = captain.sail(small(captain, look), 1)
    voyage.until(lambda seen: seen["tasks"]["in_progress"])
    assert not (vm(voyage, "ship0").root / "usr/bin/sshfs").exists()
    voyage.wait()
    assert voyage.show("spec.md").startswith("# A small objective")
    assert (voyage.home("ship0") / f".claude/tasks/{voyage.id}-tasks").is_symlink()


# Claude Code


def test_claude_code_reads_the_task_list_and_tokens_stay_on_ships(tools, claude_binary, model):
    """Its token stands in one file of the ship's alone: not on storage, nor in sight."""
    look = "until [ -e ~/voyage/artifacts/spec.md ]; do sleep 0.1; done"
    model.on(
        "MARK", [api.bash(look), api.call("TaskList"), api.write("one", "1"), api.say("Done.")]
    )
    env = {"CLAUDE_CODE_OAUTH_TOKEN": SECRET, "ANTHROPIC_BASE_URL": model.url}
    with exe_captain(env, claude=claude_binary) as captain, sampling() as sampler:
        tasks = {"1": task("One", description="MARK"), "2": task("Caulk the seams", after=["1"])}
        repo = captain.repository()
        voyage = captain.sail(captain.plan(repo, tasks, agent="claude"))
        voyage.until(lambda seen: seen["tasks"]["completed"], 60)
        captain.run("fetch", voyage.id, "--into", str(repo), "--all")
        seen = objects(voyage, voyage.storage / "repo.git") + objects(voyage, repo) + voyage.log()
        storage, ship = vm(voyage, "storage"), vm(voyage, "ship0")
        found = found_in(ship.folder / "upper", SECRET) + found_in(ship.root / "run", SECRET)
        place = ship.folder / "upper/home/exedev/voyage/agent_env.json"
        assert found == [str(place)]
        assert place.stat().st_mode & 0o777 == 0o600
        assert found_in(storage.folder / "upper", SECRET) + found_in(repo, SECRET) == []
        assert voyage.show("one") == "1"
    assert "Caulk the seams" in model.about("MARK")[-1].text
    assert "claims it: One" in seen
    assert SECRET not in seen
    assert any(b"stream-json" in words for words in sampler.seen)
    assert not any(SECRET.encode() in words for words in sampler.seen)

"""A stolen ship: with its key, a shell and root on its VM, it goes for storage and for its reader.

What follows holds whatever runs on a ship. `exe` is a voyage on exe.dev's stand-in, `here` one on
`local`; helm on ship-0 has been stopped by whoever has it now, and ship-1 is an honest one at work.
"""

import json
import os
import re
import secrets
import shlex
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from ocaptain.onboard.protocol import PROTOCOL
from tests.fakes.exedev import Machine
from tests.support.captain import Captain, Json, Voyage, new_captain, task
from tests.support.commands import Done
from tests.support.exe_captain import ExeCaptain, exe_captain
from tests.support.machine import put
from tests.support.rules import rule
from tests.support.secrets import found_in
from tests.support.terminal import Terminal

ALONE = "-F ~/voyage/ssh_config -o ControlPath=none"
SSH = "ssh -F ~/voyage/ssh_config -o ControlMaster=auto -S ${TMPDIR:-/tmp}/thief"
WAITS = "until [ -e ~/gate ]; do sleep 0.2; done"
LISTENS = """\
[Service]
User=exedev
ExecStart=/bin/sleep 1000
"""


# The voyage, and what its thief has


@pytest.fixture(scope="module")
def exe(tools: None) -> Iterator[Voyage]:
    """A voyage on exe.dev with a stolen ship; storage came with an agent of exe.dev's."""
    with exe_captain() as captain:
        make = captain.exe.lobby.new_machine
        captain.exe.lobby.new_machine = lambda *how: with_agent(make(*how))
        voyage = under_way(captain)
        on_ship(voyage, "sudo systemctl stop ocaptain-helm")
        yield voyage


@pytest.fixture(scope="module")
def here(tools: None) -> Iterator[Voyage]:
    """The same on `local`."""
    with new_captain() as captain:
        voyage = under_way(captain)
        voyage.kill_helm("ship0")
        yield voyage


@pytest.fixture(params=["exe", "here"])
def stolen(request: pytest.FixtureRequest) -> Voyage:
    """Each of the two."""
    return request.getfixturevalue(request.param)


def under_way(captain: Captain) -> Voyage:
    """Two ships, each at a task that takes as long as the tests."""
    tasks = {key: task(f"Task {key}", WAITS) for key in "12"}
    plan = captain.plan(captain.repository(), tasks, lease_seconds=300)
    voyage = captain.sail(plan, 2)
    voyage.until(lambda seen: seen["tasks"]["in_progress"] == 2)
    return voyage


def with_agent(machine: Machine) -> Machine:
    """A VM with Shelley on it, as exe.dev's image has it: files below /etc/systemd/system."""
    for name in ("shelley.service", "shelley.socket"):
        put(machine.root / "etc/systemd/system" / name, LISTENS)
    machine.booted.wait()
    machine.run("sudo systemctl enable --now shelley.service")
    return machine


def on_ship(voyage: Voyage, command: str, stdin: str = "") -> Done:
    """Run a command on the stolen ship."""
    config = voyage.captain.root / "run" / "ocaptain" / voyage.id / "ssh_config"
    argv = ["ssh", "-F", str(config), f"{voyage.id}-ship0", command]
    return voyage.captain.sh(argv, stdin=stdin)


def knock(voyage: Voyage, command: str = "", stdin: str = "", options: str = "") -> Done:
    """Ask storage for something, with the ship's key."""
    return on_ship(voyage, f"{SSH} {options} -- storage {shlex.quote(command)}", stdin)


def ask(voyage: Voyage, op: str, **fields: Any) -> Json:
    """What harbor answers."""
    request = {"protocol": PROTOCOL, "op": op, "id": secrets.token_hex(8), **fields}
    return dict(json.loads(knock(voyage, "harbor", json.dumps(request) + "\n").out))


def mine(voyage: Voyage) -> Json:
    """The claim that the thief holds, always with the same run id."""
    return ask(voyage, "claim", run_id="thief")


def claims(voyage: Voyage, ship: str) -> list[int]:
    """The numbers of a ship's claims, in order."""
    made: dict[str, Json] = {}
    for line in voyage.journal():
        made |= line["set"].get("claims", {})
    return [claim["number"] for claim in made.values() if claim["ship"] == ship]


def storage(voyage: Voyage) -> Machine:
    """The storage VM of a voyage on exe.dev."""
    assert isinstance(voyage.captain, ExeCaptain)
    return voyage.captain.exe.machines[f"{voyage.id}-storage"]


def as_ship(voyage: Voyage, command: str) -> Done:
    """Run a command on storage as ship-0's user, as if its login shell did not stand before it."""
    become = "sudo setpriv --reuid=ship-0 --regid=ocaptain-ships --init-groups"
    done = storage(voyage).run(f"{become} sh -c {shlex.quote(command)}", check=False)
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


VOLATILE = {"ships", "lock", "state.json"}
GROWING = (".jsonl", ".log")


def contents(voyage: Voyage) -> dict[Path, str | bytes]:
    """What harbor has, by path, but for what its every answer changes."""
    home, found = voyage.home(), dict[Path, str | bytes]()
    for path in [*home.glob("voyage/**/*"), *home.glob(".claude/**/*")]:
        if not VOLATILE & {*path.relative_to(home).parts}:
            mode = f"{path.lstat().st_mode:o}"
            found[path] = str(path.readlink()) if path.is_symlink() else mode
            if path.is_file() and not path.is_symlink():
                found[path] = path.read_bytes()
    return found


@contextmanager
def untouched(voyage: Voyage) -> Iterator[None]:
    """Nothing on storage is another afterwards; journal and logs may have grown."""
    before = contents(voyage)
    yield
    after = contents(voyage)
    assert [path for path in after.keys() - before.keys() if path.suffix not in GROWING] == []
    for path, was in before.items():
        now = after.get(path, "gone")
        assert now[: len(was) if path.suffix in GROWING else None] == was, path


# Commands

COMMANDS = (
    "",
    "sh",
    "bash -li",
    "echo OWNED",
    "harbor; echo OWNED",
    "harbor && echo OWNED",
    "harbor $(echo OWNED >&2)",
    "harbor `echo OWNED >&2`",
    "harbor\necho OWNED",
    "\nharbor",
    "harbor ",
    "harbor ship-1",
    "harbor harbor captain",
    "harbor orders.status",
    "HARBOR",
    "-c harbor",
    "sh -c harbor",
    "git upload-pack /etc",
    "git-shell",
    "git-upload-archive repo.git",
    "scp -t /tmp",
    "rsync --server . /tmp",
    "internal-sftp; echo OWNED",
    "sftp",
)


@rule("R96")
def test_no_other_command_runs_on_storage(stolen):
    """Whatever is asked for by whatever trick of a shell's: it is refused, in the ship's name."""
    with untouched(stolen):
        for command in COMMANDS:
            done = knock(stolen, command, "echo OWNED\n")
            assert (done.status, done.out) == (1, ""), command
            assert "ocaptain: ship-0 may run harbor, git and sftp" in done.err, command
            assert "OWNED" not in done.err, command


PACKS = (
    "git-upload-pack '/etc'",
    "git-upload-pack repo.git; echo OWNED >&2",
    "git-upload-pack --upload-pack='echo OWNED >&2'",
    "git-receive-pack '../../other.git'",
    "git-receive-pack $(echo OWNED >&2)",
    "git-receive-pack\necho OWNED >&2",
)


@rule("R96")
def test_git_serves_the_one_repository_whatever_is_asked_for(stolen):
    """The path and all that follows it are not looked at."""
    with untouched(stolen):
        for command in PACKS:
            done = knock(stolen, command)
            assert f"refs/heads/{stolen.id}" in done.out, command
            assert "OWNED" not in done.out + done.err, command


@rule("R96")
def test_a_terminal_changes_nothing(stolen):
    """Where there is one at all (`restrict` gives none), it leads to the same refusal."""
    done = on_ship(stolen, f"ssh {ALONE} -tt storage 'echo OWNED' </dev/null")
    refused = ("ship-0 may run harbor, git and sftp", "PTY allocation request failed")
    assert any(words in done.out + done.err for words in refused), done
    assert (done.status != 0, "OWNED" in done.out) == (True, False)


TRICKS = {
    "SSH_ORIGINAL_COMMAND": "git-upload-pack",
    "SUDO_USER": "",
    "OCAPTAIN_SHIP": "ship-1",
    "GIT_DIR": "/etc",
    "GIT_TRACE": "2",
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "uploadpack.packObjectsHook",
    "GIT_CONFIG_VALUE_0": "false",
    "PYTHONPATH": "/tmp",
    "PYTHONVERBOSE": "1",
    "PATH": "/tmp",
    "HOME": "/tmp",
    "ENV": "/etc/passwd",
    "BASH_ENV": "/etc/passwd",
}


def test_the_environment_is_storages_own(stolen):
    """Nothing that the client sets comes through."""
    words = shlex.quote(" ".join(f'"{key}={value}"' for key, value in TRICKS.items()))
    request = json.dumps({"protocol": PROTOCOL, "op": "claim", "run_id": "thief"}) + "\n"
    done = knock(stolen, "harbor", request, f"-o SetEnv={words}")
    assert (json.loads(done.out)["task"]["owner"], done.err) == ("ship-0", "")
    done = knock(stolen, "git-upload-pack", "0000", f"-o SetEnv={words}")
    assert (done.status, done.err) == (0, "")
    assert f"refs/heads/{stolen.id}" in done.out


def test_nor_does_sudo_let_it_through(exe):
    """Where a ship's user runs code of its own on storage, sudo cleans what harbor gets."""
    words = " ".join(f"{key}={value}" for key, value in TRICKS.items() if key != "PATH")
    login = f"env {words} /usr/local/lib/ocaptain/login -c"
    done = as_ship(exe, f"echo 0000 | {login} git-upload-pack")
    assert f"refs/heads/{exe.id}" in done.out
    assert (done.status, done.err) == (0, "")
    done = as_ship(exe, f"{login} internal-sftp")
    assert (done.status, done.out) == (1, "")


# sudo

DOOR = "/home/harbor/voyage/lib/onboard/storage/door.sh"
SUDO = (
    "sudo -n id",
    "sudo -n -u exedev id",
    "sudo -n -u harbor id",
    "sudo -n -u harbor -s",
    "sudo -n -i -u harbor",
    "sudo -n -l -U harbor",
    "sudo -n -u harbor /bin/sh -c id",
    "sudo -n -u harbor /bin/sh",
    f"sudo -n -u harbor /bin/sh {DOOR}",
    f"sudo -n -u harbor /bin/sh {DOOR} ship-0",
    f"sudo -n -u harbor /bin/sh {DOOR} ship-1 harbor",
    f"sudo -n -u harbor /bin/sh {DOOR} captain harbor",
    f"sudo -n -u harbor /bin/sh -x {DOOR} ship-0 harbor",
    f"sudo -n -u harbor /bin/bash {DOOR} ship-0 harbor",
    f"sudo -n -u root /bin/sh {DOOR} ship-0 harbor",
    f"sudo -n -u ship-1 /bin/sh {DOOR} ship-0 harbor",
    f"sudo -n -u harbor /bin/sh {DOOR}/../door.sh ship-0 harbor",
    f"sudo -n -u harbor OCAPTAIN_SHIP=ship-1 /bin/sh {DOOR} ship-0 harbor",
    f"sudo -n -u harbor SUDO_USER= /bin/sh {DOOR} ship-0 internal-sftp",
    f"sudo -n -E -u harbor /bin/sh {DOOR} ship-0 internal-sftp",
    f"sudo -n -u harbor /bin/sh '{DOOR} ship-0' harbor",
    f"sudo -n -u harbor /bin/sh {DOOR} 'ship-0 captain' harbor",
    f"sudo -n -u harbor /bin/sh {DOOR} 'ship-0 /../../ship-1' harbor",
    f"sudo -n -u harbor /bin/sh {DOOR} 'ship-0 /x' git-receive-pack",
)


@rule("R12")
def test_sudo_leads_to_the_ships_own_door_alone(exe):
    """Where a ship's user runs code of its own on storage, it is still that ship to harbor."""
    request = json.dumps({"protocol": PROTOCOL, "op": "claim", "run_id": "thief"})
    with untouched(exe):
        for command in SUDO:
            done = as_ship(exe, f"echo {shlex.quote(request)} | {command}")
            assert (done.status != 0, done.out) == (True, ""), command
    assert sorted(path.name for path in (exe.storage / "ships").iterdir()) == [
        "ship-0.json",
        "ship-1.json",
    ]


# Files

PLACES = (
    "{home}/.claude/tasks/{id}-tasks/1.json",
    "{home}/.claude/tasks/{id}-tasks/9.json",
    "{home}/voyage/journal.jsonl",
    "{home}/voyage/state.json",
    "{home}/voyage/voyage.json",
    "{home}/voyage/logs/ship-1.log",
    "{home}/voyage/allowed/ship-0/refs/heads/main",
    "{home}/voyage/repo.git/config",
    "{home}/voyage/repo.git/hooks/pre-receive",
    "{home}/voyage/repo.git/hooks/post-receive",
    "{home}/voyage/repo.git/refs/heads/{id}",
    "{home}/voyage/lib/onboard/storage/door.sh",
    "{home}/.ssh/authorized_keys",
)
ELSEWHERE = (
    "OWNED",
    ".ssh/authorized_keys",
    "/home/exedev/OWNED",
    "/etc/sudoers.d/ocaptain",
    "/usr/local/lib/ocaptain/login",
    "/var/spool/cron/crontabs/harbor",
    "/tmp/OWNED",
    "/var/tmp/OWNED",
    "/var/crash/OWNED",
    "/dev/shm/OWNED",
    "/run/lock/OWNED",
    "/proc/self/mem",
)
ATTACKS = (
    "put OWNED",
    "put -a OWNED",
    "rm",
    "rmdir",
    "mkdir",
    "chmod 777",
    "ln -s /etc/passwd",
    "ln OWNED",
    "rename /etc/hostname",
)


def attack(voyage: Voyage, *places: str) -> str:
    """Try all that SFTP knows on each of these paths; what the server said."""
    words = [f"-{attack} {place}" for place in places for attack in ATTACKS]
    words += [f"-rename {place} {place}.OWNED" for place in places]
    batch = f"echo {'OWNED' * 2000} >OWNED; sftp -b - {ALONE} storage"
    return on_ship(voyage, batch, "\n".join(words) + "\n").err


@rule("R95")
@pytest.mark.parametrize("served", ["internal", "shell"])
def test_sftp_writes_nowhere_on_exe_dev(exe, served):
    """Whether exe.dev serves it by itself or through the login shell of the ship's account."""
    storage(exe).faults.sftp = served
    paths = [place.format(home="/home/harbor", id=exe.id) for place in PLACES]
    with untouched(exe):
        said = attack(exe, *paths, *ELSEWHERE)
    assert said.count("denied") > len(paths), said
    assert found_in(storage(exe).folder / "upper", "OWNEDOWNED") == []
    written = "sudo find /dev/shm /run /tmp /var/tmp /home /etc -name 'OWNED*' | grep ."
    assert storage(exe).run(written, check=False).returncode == 1


@rule("R95")
def test_sftp_writes_nowhere_on_local(here):
    """There the door serves it, which lets nobody write."""
    with untouched(here):
        said = attack(here, *[place.format(home=here.home(), id=here.id) for place in PLACES])
    assert said.count("denied") > len(PLACES), said


@rule("R95")
def test_a_ships_user_can_write_nowhere_on_storage(exe):
    """Neither a file nor a directory there is, but for devices, lets it."""
    aside = "-path /proc -o -path /sys -o -path /usr -o -type l -o -type c -o -type s"
    done = as_ship(exe, f"find / '(' {aside} ')' -prune -o -writable -print 2>&1")
    assert [line for line in done.out.splitlines() if "Permission denied" not in line] == []


# What may be asked of harbor


@rule("R12")
def test_nobody_speaks_as_another_ship(stolen):
    """Whatever a request says of who is asking, the login decides."""
    forged = dict.fromkeys(("ship", "who", "owner", "user"), "ship-1")
    got = ask(stolen, "claim", run_id="thief", **forged)
    assert got["claim"] in claims(stolen, "ship-0")
    assert got["task"]["owner"] == "ship-0"


@rule("R13")
def test_another_ships_claim_is_its_own(exe):
    """It can be neither renewed nor landed, given back nor used, and goes on."""
    (theirs,) = claims(exe, "ship-1")
    mine(exe)
    with untouched(exe):
        for op in ("beat", "land", "release", "add"):
            more = {"commit": None, "note": "done", "task": {"subject": "OWNED"}}
            answer = ask(exe, op, claim=theirs, **more)
            assert (answer["ok"], answer["code"]) == (False, "claim"), op
    owners = [row["owner"] for row in exe.captain.json("tasks", exe.id)]
    assert owners.count("ship-1") == 1


@rule("R42")
def test_nothing_lands_without_a_live_claim(exe):
    """Not with an old one, nor with none, nor with one that never was."""
    mine(exe)
    old = claims(exe, "ship-0")[0]
    with untouched(exe):
        for claim, code in {
            old: "lost",
            0: "claim",
            99: "claim",
            "1": "claim",
            -1: "claim",
        }.items():
            answer = ask(exe, "land", claim=claim, commit=None, note="done")
            assert (answer["ok"], answer["code"]) == (False, code), claim
        assert ask(exe, "add", claim=old, task={"subject": "OWNED"})["code"] == "lost"


@rule("R43")
def test_a_commit_lands_only_from_the_claims_own_ref_and_on_top_of_the_branch(exe):
    """What was never pushed there, another's, and what is not a commit are refused."""
    claim = mine(exe)
    with untouched(exe):
        for commit in ("0" * 40, f"{exe.id}~0", "--all", "", claim["head"], 7):
            told = {"commit": commit, "base_commit": claim["head"]}
            answer = ask(exe, "land", claim=claim["claim"], **told)
            assert (answer["ok"], answer["code"]) == (False, "ref"), commit


@rule("R14")
def test_what_the_captain_may_ask_a_ship_may_not(exe):
    """Nor what is no operation at all."""
    with untouched(exe):
        for op in ("status", "tasks", "unfetched", "fetched", "mirror", "sail", "__init__", "see"):
            answer = ask(exe, op, refs={"head": "0" * 40})
            assert (answer["ok"], answer["code"]) == (False, "op"), op


JUNK = {
    "nothing": "",
    "no-json": "claim\n",
    "a-list": "[1]\n",
    "deep": "[" * 100_000 + "\n",
    "long": '{"protocol": "' + "x" * 2_100_000 + '"}\n',
    "odd-types": json.dumps({"protocol": PROTOCOL, "op": ["claim"], "id": {}}) + "\n",
    "numbers": f'{{"protocol": {PROTOCOL}, "op": "beat", "claim": 1e999, "until": NaN}}\n',
    "huge": f'{{"protocol": {PROTOCOL}, "op": "beat", "claim": {"9" * 5000}}}\n',
    "surrogates": f'{{"protocol": {PROTOCOL}, "op": "log", "text": "\\ud800"}}\n',
}


@rule("R15")
def test_junk_is_answered_with_a_refusal(exe):
    """And leaves neither a trace on storage nor one of Python's."""
    with untouched(exe):
        for name, line in JUNK.items():
            done = knock(exe, "harbor", line)
            assert (json.loads(done.out)["ok"], done.err) == (name == "surrogates", ""), name


# Git


def clone(voyage: Voyage) -> str:
    """The start of a command in a clone of the thief's, one commit ahead of the branch."""
    work = "git -C ~/stolen -c user.name=Thief -c user.email=thief@example.com"
    make = f"git clone -q storage:repo.git ~/stolen && {work} commit -qm Stolen --allow-empty"
    setting = f"export GIT_SSH_COMMAND='{SSH}'"
    assert on_ship(voyage, f"{setting}; [ -e ~/stolen ] || {{ {make}; }}").status == 0
    return f"{setting}; {work}"


REFS = (
    "HEAD:refs/heads/{branch}",
    "+HEAD:refs/heads/{branch}",
    ":refs/heads/{branch}",
    "HEAD:refs/heads/main",
    "HEAD:refs/heads/work/{theirs}",
    "+HEAD:refs/heads/work/{theirs}",
    "HEAD:refs/heads/work/9-9",
    "HEAD:refs/heads/{ref}/below",
    "HEAD:refs/heads/{ref}.lock",
    "HEAD:refs/heads/work/../main",
    "HEAD:refs/tags/{ref}",
    "HEAD:refs/notes/commits",
    "HEAD:refs/replace/{head}",
    "HEAD:refs/{ref}",
    "HEAD:HEAD",
    ":refs/heads/{ref}",
    "HEAD:refs/heads/{ref} HEAD:refs/heads/main",
    "--receive-pack='git-receive-pack --stateless-rpc' HEAD:refs/heads/main",
    "--receive-pack='OCAPTAIN_SHIP=ship-1 git-receive-pack' HEAD:refs/heads/work/{theirs}",
    "--push-option=x HEAD:refs/heads/main",
    "--mirror",
)


@rule("R53")
def test_git_takes_work_refs_of_the_ships_own_claims_and_nothing_else(stolen):
    """Those by force, too; no other ref is made, moved or removed, by whatever push."""
    git, claim = clone(stolen), mine(stolen)
    (other,) = claims(stolen, "ship-1")
    names = {"branch": stolen.id, "ref": claim["ref"], "head": claim["head"]}
    task_of = next(
        row["id"] for row in stolen.captain.json("tasks", stolen.id) if row["claim"] == other
    )
    push = f"{git} push -q origin"
    own = on_ship(stolen, f"{push} +HEAD~:refs/heads/{claim['ref']}")
    assert own.status == 0, own
    refs, names["theirs"] = stolen.git("for-each-ref"), f"{task_of}-{other}"
    pushes = [f"{push} {wanted.format(**names)}; echo $?" for wanted in REFS]
    ends = on_ship(stolen, "\n".join([git.partition(";")[0], *pushes])).out.split()
    assert [wanted for wanted, end in zip(REFS, ends, strict=True) if end == "0"] == []
    assert stolen.git("for-each-ref") == refs
    assert on_ship(stolen, f"{push} +HEAD:refs/heads/{claim['ref']}").status == 0
    assert stolen.git("for-each-ref") != refs


# Ports, logins, the account


@pytest.fixture
def port() -> Iterator[int]:
    """Something on storage's loopback that says hello to whoever connects."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            with suppress(OSError), listener.accept()[0] as visitor:
                visitor.sendall(b"hello")

        thread = threading.Thread(target=greet)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize("forwarding", [True, False])
def test_whether_ports_are_forwarded_is_up_to_exe_dev(exe, port, forwarding):
    """ocaptain cannot forbid it there, so that nothing may listen on storage."""
    storage(exe).faults.forwarding = forwarding
    done = on_ship(exe, f"timeout 5 ssh {ALONE} -W 127.0.0.1:{port} storage")
    assert done.out == ("hello" if forwarding else "")


def test_a_key_with_restrict_forwards_no_port(here, port):
    """Where the ship's key stands in a file of storage's own."""
    done = on_ship(here, f"timeout 5 ssh {ALONE} -W 127.0.0.1:{port} storage")
    assert done.out == ""
    assert "administratively prohibited" in done.err


def test_the_agent_of_exe_devs_image_is_stopped_on_storage_for_good(exe):
    """Neither it nor its socket can be started there again, and ships keep theirs."""
    machine = storage(exe)
    for unit in ("shelley.service", "shelley.socket"):
        assert machine.run(f"systemctl is-active {unit}", check=False).stdout == b"inactive\n"
        started = machine.run(f"sudo systemctl start {unit}", check=False)
        assert b"is masked" in started.stderr
    assert on_ship(exe, "systemctl is-active shelley").out == "active\n"


@rule("R12")
@pytest.mark.parametrize("user", ["exedev", "root", "harbor", "ship-1"])
def test_the_key_is_for_one_user_of_storages(exe, user):
    """Whatever name a login gives, it is the ship's own."""
    done = on_ship(exe, f"ssh {ALONE} -o User={user} -l {user} storage id")
    assert (done.status, done.out) == (1, "")
    assert "ocaptain: ship-0 may run harbor" in done.err


LOBBY = (
    "",
    "ls --json",
    "whoami --json",
    "new --json --name=owned",
    "rm {id}-storage",
    "rm {id}-ship1",
    "restart {id}-storage",
    "tag {id}-ship1 {id}",
    "cp {id}-storage owned",
    "ssh-key list",
    "ssh-key add 'ssh-ed25519 AAAA owned'",
    "ssh-key add --vm={id}-storage 'ssh-ed25519 AAAA owned'",
    "ssh-key remove captain",
    "comment {id}-storage owned",
)


@rule("R97")
def test_the_key_opens_no_other_vm_and_does_nothing_in_the_lobby(exe):
    """Other VMs' addresses lead to the lobby, as its own does, which refuses it everything."""
    captain = exe.captain
    assert isinstance(captain, ExeCaptain)
    account, ship1 = captain.account(), captain.exe.machines[f"{exe.id}-ship1"]
    for address in (f"{captain.exe.block}.1", ship1.address):
        options = f"-F ~/voyage/ssh_config -o ControlMaster=auto -o HostName={address}"
        to = f"ssh -S /tmp/lobby {options} -- storage"
        for command in LOBBY:
            done = on_ship(exe, f"{to} {shlex.quote(command.format(id=exe.id))}", "hostname\n")
            told = done.out + done.err
            assert "permission denied" in told, told
            assert f"{exe.id}-" not in told.replace(command.format(id=exe.id), "")
        on_ship(exe, "rm /tmp/lobby")
    assert captain.account() == account
    assert {name: machine.status for name, machine in captain.exe.machines.items()} == {
        f"{exe.id}-{name}": "running" for name in ("storage", "ship0", "ship1")
    }


# Room


@contextmanager
def little_room(voyage: Voyage, left: int = 300_000_000) -> Iterator[None]:
    """Storage has 300 MB left, or as many bytes, and has its room back afterwards."""
    machine = storage(voyage)
    disk = os.statvfs(machine.folder)
    used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
    machine.room.run("mount", "-o", f"remount,size={used + left}", "/run")
    try:
        yield
    finally:
        size = disk.f_blocks * disk.f_frsize
        machine.room.run("mount", "-o", f"remount,size={size}", "/run")


@rule("R22")
def test_where_there_is_little_room_only_what_a_voyage_needs_is_taken(exe):
    """Logs, pushes and new tasks are refused; claims and beats are not."""
    git, claim = clone(exe), mine(exe)
    with little_room(exe):
        commit = f"{git} commit -qm More --allow-empty"
        push = f"{commit}; {git} push -q origin +HEAD:refs/heads/{claim['ref']}"
        assert "storage has no room for pushes" in on_ship(exe, push).err
        assert ask(exe, "log", text="x" * 9000)["code"] == "room"
        assert ask(exe, "add", claim=claim["claim"], task={"subject": "More"})["code"] == "room"
        assert mine(exe)["claim"] == claim["claim"]
        assert ask(exe, "beat", claim=claim["claim"])["ok"]
    assert ask(exe, "log", text="There is room again.\n")["ok"]


def test_a_push_that_fills_the_disk_fails_and_leaves_nothing(exe):
    """Neither a ref nor half a pack; harbor answers afterwards, and with room it is taken."""
    git, claim = clone(exe), mine(exe)
    commit = "head -c 40000000 /dev/urandom >~/stolen/big; {0} add big; {0} commit -qm Big"
    assert on_ship(exe, commit.format(git.partition("; ")[2])).status == 0
    push = f"{git} push -q origin +HEAD:refs/heads/{claim['ref']}"
    refs = exe.git("for-each-ref")
    with little_room(exe, 10_000_000):
        said = on_ship(exe, push).err
        assert "No space left on device" in said or "unpack" in said, said
        assert exe.git("for-each-ref") == refs
        left = storage(exe).run("sudo find /home/harbor/voyage/repo.git/objects -name '*tmp*'")
        assert left.stdout == b""
        assert ask(exe, "beat", claim=claim["claim"])["ok"]
        assert mine(exe)["claim"] == claim["claim"]
    assert on_ship(exe, push).status == 0
    on_ship(exe, f"{git} reset -q --hard HEAD~")


@rule("R23")
def test_a_ships_log_has_an_end(exe):
    """At 50 MB no more of it is taken, and other ships' go on."""
    log = exe.storage / "logs" / "ship-0.log"
    ask(exe, "log", text="Full soon.\n")
    size = log.stat().st_size
    os.truncate(log, 50_000_000 - 5)
    at = 50_000_000 - 5
    assert ask(exe, "log", offset=at, text="x" * 10)["code"] == "room"
    assert ask(exe, "log", offset=at, text="x" * 5)["size"] == 50_000_000
    os.truncate(log, size)


# Who reads it

NASTY = "\x1b]2;OWNED\x07\x1b[2J\x1b[31m\x9b31m\b\r\x00\u202egnp\u2028\x1bPq\x1b\\ \ud800"
STEERING = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\ud800]")
FORMAT = "#(touch /home/harbor/OWNED)#{E:pane_id}#[fg=red]"


@pytest.fixture
def poisoned(exe: Voyage) -> Voyage:
    """Whatever a ship may say is meant for the terminal of who reads it."""
    git = clone(exe)
    claim = mine(exe)
    said = f"{NASTY} {FORMAT}"
    new = {"subject": said, "description": said, "metadata": {"files": [NASTY]}}
    assert ask(exe, "add", claim=claim["claim"], task=new)["ok"]
    commit = f"{git} commit -q --allow-empty -m \"$(printf 'Say \\033]2;OWNED\\007')\""
    push = f"{git} push -q origin +HEAD:refs/heads/{claim['ref']}; {git} rev-parse HEAD"
    done = on_ship(exe, f"{git} fetch -q; {git} reset -q --hard origin/{exe.id}; {commit}; {push}")
    land = {"commit": done.out.strip(), "base_commit": claim["head"], "note": said}
    assert ask(exe, "land", claim=claim["claim"], **land)["ok"], done
    told = {"state": "landing\x1b[2J", "reason": said, "until": 9e11}
    assert ask(exe, "beat", claim=mine(exe)["claim"], **told)["ok"]
    size = ask(exe, "log")["size"]
    assert ask(exe, "log", offset=size, text=f"{said}\n{said.replace(' ', '')}\n")["ok"]
    flood = f"2026-01-01T00:00:00.000Z {'flood ' * 500_000}"
    raw = b"\xff\xfe\x1b[2J \x1b]2;OWNED\x07\n" + flood.encode() + b"\n"
    storage(exe).run("sudo -u harbor tee -a ~harbor/voyage/logs/ship-0.log >/dev/null", stdin=raw)
    return exe


@rule("R101")
def test_nothing_that_a_ship_says_steers_a_terminal(poisoned):
    """Neither by what is printed, nor as JSON, nor in tmux; and no line is too long to be read."""
    captain = poisoned.captain
    for verb in ("status", "tasks", "logs"):
        text = captain.run(verb, poisoned.id).out
        assert "OWNED" in text, verb
        assert STEERING.findall(text) == [], verb
    for line in captain.run("logs", poisoned.id, "--json").out.splitlines():
        assert len(line) < 50_000
        assert STEERING.findall(json.loads(line)["text"]) == []
    subjects = [row["subject"] for row in captain.json("tasks", poisoned.id)]
    assert STEERING.findall("".join(subjects)) == []
    with Terminal(captain, 120, 30) as terminal:
        title = [*terminal.tmux, "display-message", "-p", "#{pane_title}"]
        before = captain.sh(title).out
        for verb in ("status", "tasks", "logs -n 5", "fetch --into ~/repo"):
            terminal.type(f"ocaptain {verb}")
            terminal.over()
        terminal.type("ocaptain shell")
        terminal.until("ship-0 · working")
        terminal.press("C-b", "d")
        terminal.over()
        assert captain.sh(title).out == before
    assert not (poisoned.home() / "OWNED").exists()

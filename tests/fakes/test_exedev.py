"""The stand-in for exe.dev, against what is known of exe.dev."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.exedev import ExeDev, Machine, lacking

ROOT = Path(__file__).parents[2]
CAP = (
    "You have reached the maximum number of VMs allowed on your plan. "
    "Delete an existing VM to create a new one."
)
SLEEPER = "[Service]\nExecStart=/bin/sleep 1000\n"
UNIT = """\
[Unit]
Description=Counts its starts

[Service]
User=exedev
Environment=WORD=word "OTHER=two words"
ExecStart=/bin/bash -lc 'echo "$WORD ${OTHER} $$HOME" >>~/starts; sleep 1000 & exec sleep 1001'
Restart=always
RestartSec=50ms

[Install]
WantedBy=multi-user.target
"""


@pytest.fixture
def exe() -> Iterator[ExeDev]:
    """A stand-in whose VMs boot at once, and a connection to its lobby."""
    if reason := lacking():
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="exe-", dir="/tmp"))  # pytest's paths are too long
    with ExeDev(folder, boot_s=0) as standin, connected(standin, "exe.dev"):
        yield standin


def options(exe: ExeDev, key: Path | None = None) -> list[str]:
    """ssh's options for an address of the stand-in: the captain's, or for another key."""
    known = ["-o", f"UserKnownHostsFile={exe.folder}/known_hosts", "-o", "HostKeyAlias=exe.dev"]
    if key is None:
        return ["-F", str(exe.ssh_config), *known]
    lines = exe.ssh_config.read_text().splitlines(keepends=True)
    config = exe.folder / "keyless"
    config.write_text("".join(line for line in lines if "IdentityFile" not in line))
    return ["-F", str(config), "-i", str(key), *known]


@contextmanager
def connected(exe: ExeDev, to: str) -> Iterator[list[str]]:
    """A connection that others can share, and the options for it."""
    master = exe.folder / f"to-{to}"
    words = ["ssh", "-NM", "-S", str(master), *options(exe), to]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as ssh_:
        until(master.exists)
        yield ["-S", str(master)]
        ssh_.kill()  # on SIGTERM, this ssh now and then goes on


def ssh(
    exe: ExeDev, *words: object, key: Path | None = None, stdin: str = "", timeout: float = 30
) -> subprocess.CompletedProcess[str]:
    """Run ssh as the captain, or with another key."""
    return subprocess.run(
        ["ssh", *options(exe, key), *map(str, words)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def lobby(exe: ExeDev, line: str, key: Path | None = None, stdin: str = "") -> Any:
    """What the lobby answers to a command, which has to be one JSON document."""
    shared = [] if key else ["-S", exe.folder / "to-exe.dev"]
    return json.loads(ssh(exe, *shared, "exe.dev", line, "--json", key=key, stdin=stdin).stdout)


def new(exe: ExeDev, name: str, options: str = "") -> Machine:
    """A VM that is up."""
    assert lobby(exe, f"new --name={name} --no-email {options}")["vm_name"] == name
    machine = exe.machines[name]
    assert machine.booted.wait(30)
    return machine


def keygen(exe: ExeDev, name: str) -> tuple[Path, str]:
    """A key pair: where its private half is, and the public one."""
    path = exe.folder / name
    subprocess.run(["ssh-keygen", "-qt", "ed25519", "-N", "", "-C", name, "-f", path], check=True)
    return path, path.with_suffix(".pub").read_text().strip()


def out(machine: Machine, command: str, user: str = "exedev") -> str:
    """What a command prints in a VM."""
    return machine.run(command, user).stdout.decode().strip()


def until(condition: Callable[[], Any], seconds: float = 30) -> None:
    """Wait for something; it has to come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.02)


# --- the lobby ----------------------------------------------------------------------------------


def test_new_and_ls(exe):
    """`new` and `ls` answer with exe.dev's fields, and a VM's way from starting to running."""
    exe.faults.stuck_next = 1
    assert lobby(exe, "ls") == {"vms": []}
    made = lobby(exe, "new --name=web --tag a --tag=b --comment='a b' --image=exeuntu --env A=1")
    address = made["ssh_host"]
    assert (
        made.items()
        >= {
            "vm_name": "web",
            "tags": ["a", "b"],
            "ssh_dest": address,
            "ssh_command": f"ssh {address}",
            "ssh_port": 22,
            "comment": "a b",
            "https_url": "https://web.exe.xyz",
        }.items()
    )
    assert "status" not in made
    (row,) = lobby(exe, "ls")["vms"]
    assert row.items() >= {"vm_name": "web", "ssh_dest": address, "status": "starting"}.items()
    assert row["created_at"] == made["created_at"]
    new(exe, "up", "--tag=c")
    (row,) = lobby(exe, "ls -l 'u*'")["vms"]
    assert (row["status"], row["allocated_cpus"], row["tags"]) == ("running", 2, ["c"])
    assert lobby(exe, "ls x*") == {"vms": []}


def test_ssh_user(exe):
    """Where a host name cannot route alone, a user name is given, and gets one to the VM."""
    exe.faults.ssh_user = "vm+exe"
    machine = new(exe, "web")
    (row,) = lobby(exe, "ls")["vms"]
    assert (row["ssh_user"], row["ssh_dest"]) == ("vm+exe", f"vm+exe@{machine.address}")
    assert ssh(exe, row["ssh_dest"], "hostname; id -un").stdout == "web\nexedev\n"


def test_text(exe):
    """People are shown text, and errors on standard error."""
    assert ssh(exe, "exe.dev", "ls").stdout == "No VMs found. Create one with 'new'.\n"
    done = ssh(exe, "exe.dev", "restart web")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", 'VM "web" not found\n')


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("hostname", "unknown command: hostname"),
        ("new --nam=web", "unknown flag: --nam"),
        ("new --name", "flag needs an argument: --name"),
        ("new --name=web-1", 'invalid VM name "web-1": it may not end in a dash and digits'),
        ("new --name=-- -- -web", 'invalid VM name "--"'),
        ("new --name=theirs", 'VM name "theirs" is not available'),
        ("comment web", 'VM "web" not found'),
        ("rm 'web", "failed to parse command: No closing quotation"),
    ],
)
def test_refusals(exe, line, error):
    """What the lobby refuses is an object with an error alone, and exit status 1."""
    exe.faults.taken = {"theirs"}
    command, _, rest = line.partition(" ")
    done = ssh(exe, "exe.dev", f"{command} --json {rest}")
    assert (done.returncode, json.loads(done.stdout)) == (1, {"error": error})


def test_error_stream(exe):
    """JSON errors go to the stream that the test sets."""
    exe.faults.errors_to = "stderr"
    done = ssh(exe, "exe.dev", "restart --json web")
    assert (json.loads(done.stderr), done.stdout) == ({"error": 'VM "web" not found'}, "")


def test_names_and_cap(exe):
    """A name is given once, and VMs as many as the plan allows."""
    exe.faults.cap = 1
    new(exe, "web")
    assert lobby(exe, "new --name=web") == {"error": 'VM name "web" is not available'}
    assert lobby(exe, "new --name=other") == {"error": CAP}


def test_rm(exe):
    """`rm` deletes what it can, and says what it could not, in several documents."""
    for name in ("a", "b", "c"):
        new(exe, name)
    root = exe.machines["a"].root
    exe.faults.rm_fails = {"b"}
    done = ssh(exe, "exe.dev", "rm --json a b nope")
    documents = [json.loads(line) for line in done.stdout.splitlines()]
    assert documents.pop() == {
        "deleted": ["a"],
        "failed": ["nope", "b"],
        "not_found": ["nope"],
        "errors": {"b": "failed to delete VM"},
    }
    assert documents == [{"error": 'VM "nope" not found'}, {"error": 'VM "b": failed to delete VM'}]
    assert (done.returncode, list(exe.machines), root.exists()) == (1, ["b", "c"], False)
    assert lobby(exe, "rm c") == {"deleted": ["c"], "failed": []}


def test_the_rest_of_the_lobby(exe):
    """Tags, comments, copies, restarts and whoami answer as documented."""
    machine = new(exe, "web")
    machine.run("echo kept >file; sync")
    assert lobby(exe, "tag web a b") == {"vm_name": "web", "tags": ["a", "b"]}
    assert lobby(exe, "tag -d web b") == {"vm_name": "web", "tags": ["a"]}
    assert lobby(exe, "comment web 'x y'") == {"vm_name": "web", "comment": "x y"}
    copy = lobby(exe, "cp web twin")
    assert copy.items() >= {"name": "twin", "state": "starting", "source": "web"}.items()
    assert (copy["tags"], copy["comment"], copy["ssh"]) == (["a"], "x y", copy["ssh_host"])
    assert exe.machines["twin"].booted.wait(30)
    same = "cat ~/file /etc/machine-id"
    assert out(machine, same) == out(exe.machines["twin"], same)
    assert out(exe.machines["twin"], "hostname") == "twin"
    assert lobby(exe, "restart web") == {"status": "restarted", "vm_name": "web"}
    assert machine.booted.wait(30)
    assert out(machine, "cat file") == "kept"
    assert [key["current"] for key in lobby(exe, "whoami")["ssh_keys"]] == [True]
    assert exe.commands[:2] == ["new --name=web --no-email  --json", "tag web a b --json"]


def test_interactive(exe):
    """Without a command, the lobby reads commands from standard input."""
    done = ssh(exe, "-T", "exe.dev", stdin="ls\nls --json\n")
    assert done.stdout == "No VMs found. Create one with 'new'.\n" + '{"vms": []}\n'


def test_trouble_with_new(exe):
    """`new` may fail to connect, answer with an error too, or lose its answer; `ls` may lag."""
    exe.faults.lobby_failures = 1
    assert "failed to connect" in lobby(exe, "new --name=a")["error"]
    exe.faults.new_errors = 1
    made = lobby(exe, "new --name=b")
    assert (made["vm_name"], "error" in made) == ("b", True)
    exe.faults.new_lost = 1
    assert ssh(exe, "exe.dev", "new --json --name=c").returncode == 255
    assert list(exe.machines) == ["b", "c"]
    exe.faults.ls_lag_s = 60
    assert lobby(exe, "ls") == {"vms": []}
    exe.faults.new_s = 0.5
    begun = time.monotonic()
    new(exe, "d")
    assert time.monotonic() - begun > 0.5


# --- keys ---------------------------------------------------------------------------------------


def test_keys(exe):
    """Keys are added from an argument or stdin, once, and removed by whatever names them."""
    new(exe, "web")
    publics = [keygen(exe, f"key-{n}")[1] for n in "abc"]
    added = lobby(exe, f"ssh-key add --vm=web --ssh-user=ship-0 '{publics[0]}'")
    permissions = {"vm": "web", "ssh_user": "ship-0"}
    assert added == {"name": "key-a", "permissions": permissions, "status": "added"}
    added = lobby(exe, "ssh-key add --tag t", stdin=publics[1])
    assert added == {"name": "key-b", "permissions": {"tag": "t"}, "status": "added"}
    assert lobby(exe, f"ssh-key add {publics[2]}") == {"name": "key-c", "status": "added"}
    assert "already" in lobby(exe, f"ssh-key add --tag=u {publics[1]}")["error"]
    listed = lobby(exe, "ssh-key list")["ssh_keys"]
    assert [key["name"] for key in listed] == ["captain", "key-a", "key-b", "key-c"]
    assert [key.scope for key in exe.keys] == [{}, permissions, {"tag": "t"}, {}]
    assert listed[1]["public_key"] == publics[0].rsplit(" ", 1)[0]
    for given in ("key-a", listed[2]["fingerprint"], f"'{publics[2]}'"):
        assert lobby(exe, f"ssh-key remove {given}")["status"] == "removed"
    assert [key.name for key in exe.keys] == ["captain"]
    assert "not found" in lobby(exe, "ssh-key remove key-a")["error"]
    assert "not found" in lobby(exe, f"ssh-key add --vm=nope {publics[0]}")["error"]


def test_old_lobby(exe):
    """An older lobby knows no keys for one VM."""
    exe.faults.old_lobby = True
    answer = lobby(exe, "ssh-key add --vm=web --ssh-user=ship-0 'ssh-ed25519 AAAA x'")
    assert answer == {"error": "unknown flag: --vm"}


def test_vm_key(exe):
    """A key for one VM logs in there as its user, falls through elsewhere, and may no more."""
    web, other = new(exe, "web"), new(exe, "other")
    web.run("sudo useradd -m ship-0 -s /bin/sh")
    key, public = keygen(exe, "ship")
    lobby(exe, f"ssh-key add --vm=web --ssh-user=ship-0 '{public}'")
    assert ssh(exe, web.address, "hostname; id -un", key=key).stdout == "web\nship-0\n"
    for address in (other.address, "exe.dev"):
        done = ssh(exe, address, "true", key=key)
        assert (done.returncode, done.stderr) == (1, "permission denied\n")
    exe.faults.vm_key_in_lobby = True
    assert ssh(exe, other.address, "true", key=key).returncode == 0
    assert [vm["vm_name"] for vm in lobby(exe, "ls", key=key)["vms"]] == ["web"]


def test_tag_key(exe):
    """A key for a tag manages what has it; at other VMs it falls through to the lobby."""
    ours, other = new(exe, "ours", "--tag=t"), new(exe, "other")
    key, public = keygen(exe, "ship")
    lobby(exe, f"ssh-key add --tag=t '{public}'")
    assert ssh(exe, ours.address, "hostname", key=key).stdout == "ours\n"
    assert ssh(exe, other.address, "true", key=key).returncode == 0
    assert ssh(exe, other.address, "hostname", key=key).returncode == 1
    refused = lobby(exe, "restart other", key=key)
    assert refused == {"error": 'VM "other" not found'}
    assert [vm["vm_name"] for vm in lobby(exe, "ls", key=key)["vms"]] == ["ours"]
    assert lobby(exe, "new --name=more", key=key)["tags"] == ["t"]
    assert lobby(exe, f"ssh-key add {public}", key=key) == {"error": "permission denied"}


def test_unknown_key(exe):
    """Every key gets in, and one that nobody registered is told to register."""
    machine = new(exe, "web")
    key, _ = keygen(exe, "stranger")
    for address in ("exe.dev", machine.address):
        done = ssh(exe, address, "true", key=key)
        assert (done.returncode, "complete registration" in done.stdout) == (1, True)


# --- VMs ----------------------------------------------------------------------------------------


def test_machine(exe):
    """A VM has its own name, users, disk and processes, and shows nothing of this machine's."""
    machine = new(exe, "web")
    assert out(machine, "hostname; id -un; id -u; pwd") == "web\nexedev\n1000\n/home/exedev"
    assert out(machine, "ls /home; ls -A /tmp; sudo ls -A /root") == "exedev"
    assert not out(machine, f"ls -d {ROOT} {exe.folder} 2>/dev/null || true")
    assert "pytest" not in out(machine, "ps -e -o args")
    assert machine.run("sudo id -un").stderr == b""
    assert out(machine, "for x in git python3 tmux ssh; do command -v $x; done | wc -l") == "4"
    assert machine.run("command -v sshfs", check=False).returncode
    assert len(out(machine, "cat /etc/machine-id")) == 32
    machine.run("cat >file", stdin=b"from here")
    assert (machine.root / "home/exedev/file").read_text() == "from here"


@pytest.mark.usefixtures("exe")
def test_given(tmp_path):
    """VMs have the program, trust the certificate and know the names that the test gives."""
    claude, ca = tmp_path / "bin" / "claude.exe", tmp_path / "ca.pem"
    claude.parent.mkdir()
    claude.write_text("#!/bin/sh\necho claude\n")
    claude.chmod(0o755)
    ca.write_text("a certificate\n")
    names = {"api.example.com": "127.0.0.9"}
    with ExeDev(tmp_path / "exe", boot_s=0, hosts=names, ca=ca, claude=claude) as exe:
        machine = exe.new_machine("web", [])
        assert out(machine, "getent hosts api.example.com").startswith("127.0.0.9 ")
        assert out(machine, "tail -n 1 /etc/ssl/certs/ca-certificates.crt") == "a certificate"
        assert out(machine, "claude; sudo touch /opt/claude/x 2>&1 || true").startswith("claude\n")
    assert list(claude.parent.iterdir()) == [claude]


def test_sessions(exe):
    """Sessions are what exe.dev's SSH server gives: shells, exit statuses, terminals, stdin."""
    machine = new(exe, "web")
    run = ssh(exe, machine.address, "cat; exit 3", stdin="in")
    assert (run.returncode, run.stdout) == (3, "in")
    assert ssh(exe, f"root@{machine.address}", "id -un; echo $0").stdout == "exedev\n/bin/bash\n"
    login = ssh(exe, "-T", machine.address, stdin="echo $0; shopt login_shell\n").stdout
    assert re.fullmatch(r"-bash\nlogin_shell\s+on\n", login)
    terminal = ssh(exe, "-tt", machine.address, "tty; id -un; tmux new-session -d && tmux ls")
    assert terminal.stdout.startswith("/dev/pts/")
    assert (
        ssh(exe, machine.address, "ps -o pid=,pgid=,sid= -p $$ | xargs -n 1 | uniq | wc -l").stdout
        == "1\n"
    )
    assert "1 windows" in terminal.stdout
    assert exe.connections("web") == 5


def test_login_shell_of_a_user(exe):
    """Commands go through the user's own login shell; SFTP does or does not, as the test sets."""
    machine = new(exe, "web")
    script = b'#!/bin/sh\necho "asked: $*"\n'
    machine.run("sudo tee /usr/local/lib/gate; sudo chmod 755 /usr/local/lib/gate", stdin=script)
    machine.run("sudo useradd -m -s /usr/local/lib/gate ship-0; echo 1 | sudo tee ~ship-0/f")
    key, public = keygen(exe, "ship")
    lobby(exe, f"ssh-key add --vm=web --ssh-user=ship-0 '{public}'")
    assert ssh(exe, machine.address, "a 'b c'", key=key).stdout == "asked: -c a 'b c'\n"
    got = exe.folder / "got"
    fetch = ["sftp", *options(exe, key), f"{machine.address}:f", got]
    assert subprocess.run(fetch, capture_output=True).returncode == 0
    assert got.read_text() == "1\n"
    exe.faults.sftp = "shell"
    assert subprocess.run(fetch, capture_output=True).returncode != 0


@pytest.mark.parametrize("allowed", [True, False])
def test_forwarding(exe, allowed):
    """Ports are forwarded, unless the test forbids it."""
    exe.faults.forwarding = allowed
    machine = new(exe, "web")
    done = ssh(exe, "-W", f"{machine.address}:22", machine.address)
    assert done.stdout.startswith("SSH-2.0") is allowed


def test_boot_delay(exe):
    """While a VM boots, connections are closed; then they are told so; then it is there."""
    exe.faults.boot_s = 3
    lobby(exe, "new --name=web")
    machine = exe.machines["web"]
    first = ssh(exe, machine.address, "hostname")
    assert (first.returncode, machine.status) == (255, "starting")
    until(lambda: machine.status == "running")
    second = ssh(exe, machine.address, "hostname")
    assert (second.returncode, second.stderr) == (1, "failed to connect to VM\n")
    assert machine.booted.wait(30)
    assert ssh(exe, machine.address, "hostname").stdout == "web\n"
    exe.faults.vm_failures = 1
    assert "failed to connect" in ssh(exe, machine.address, "hostname").stderr
    assert ssh(exe, machine.address, "hostname").stdout == "web\n"


def test_never_up(exe):
    """Some VMs stay starting for ever, some are running and never answer."""
    exe.faults.stuck_next = exe.faults.silent_next = 1
    lobby(exe, "new --name=web")
    assert exe.faults.stuck == exe.faults.silent == {"web"}
    assert [vm["status"] for vm in lobby(exe, "ls")["vms"]] == ["starting"]
    new(exe, "fine")
    exe.faults.silent.add("fine")
    with pytest.raises(subprocess.TimeoutExpired):
        ssh(exe, exe.machines["fine"].address, "true", timeout=1)


def test_services(exe):
    """Services start at boot and start again when killed, with nothing of them left before."""
    machine = new(exe, "web")
    install = "sudo tee /etc/systemd/system/count.service && sudo systemctl daemon-reload"
    machine.run(f"{install} && sudo systemctl enable --now count", stdin=UNIT.encode())
    starts = machine.root / "home/exedev/starts"
    until(lambda: starts.exists() and starts.read_text() == "word two words /home/exedev\n")
    until(lambda: out(machine, "pgrep -c -u exedev sleep") == "2")
    machine.run("sudo systemctl kill --kill-whom=main -s KILL count")
    until(lambda: len(starts.read_text().splitlines()) == 2)
    until(lambda: out(machine, "pgrep -u exedev sleep | wc -l") == "2")
    machine.crash()
    assert not machine.up
    assert machine.run("true", check=False).returncode
    machine.boot()
    until(lambda: len(starts.read_text().splitlines()) == 3)
    assert out(machine, "systemctl is-active count; test -d /run/systemd/system") == "active"
    machine.run("sudo systemctl disable --now count")
    assert not out(machine, "pgrep sleep || true")
    stopped = machine.run("systemctl is-active count", check=False)
    assert (stopped.returncode, stopped.stdout) == (3, b"inactive\n")
    assert machine.run("systemctl start count", check=False).returncode == 1


def test_masked_services(exe):
    """They stop, and do not start again; a unit's own file is in the way of its mask."""
    machine = new(exe, "web")
    file = "/etc/systemd/system/sleeper.service"
    machine.run(f"sudo tee {file}; sudo systemctl start sleeper", stdin=SLEEPER.encode())
    refused = machine.run("sudo systemctl mask --now sleeper", check=False)
    assert b"already exists" in refused.stderr
    assert machine.run("systemctl is-active sleeper").stdout == b"active\n"
    machine.run(f"sudo rm {file}; sudo systemctl mask --now sleeper other.socket")
    assert machine.run("systemctl is-active sleeper", check=False).stdout == b"inactive\n"
    assert b"is masked" in machine.run("sudo systemctl start sleeper", check=False).stderr


def test_services_that_fail_at_once(exe):
    """A service that ends too often is given up."""
    machine = new(exe, "web")
    unit = b"[Service]\nExecStart=/bin/false\nRestart=on-failure\nRestartSec=10ms\n"
    machine.run("sudo tee /etc/systemd/system/f.service; sudo systemctl start f", stdin=unit)
    state = "systemctl is-active f || true"
    until(lambda: out(machine, state) == "failed")


def test_sshfs_between_machines(exe):
    """A ship's VM mounts storage's files with a key for that VM alone, over the gateway."""
    storage, ship = new(exe, "storage"), new(exe, "ship")
    storage.run("sudo useradd -m ship-0; echo hello | sudo tee ~ship-0/file")
    ship.run(
        "ssh-keygen -qt ed25519 -N '' -C ship-key -f key; mkdir mnt; cat >known",
        stdin=(exe.folder / "known_hosts").read_bytes(),
    )
    public = (ship.root / "home/exedev/key.pub").read_text().strip()
    lobby(exe, f"ssh-key add --vm=storage --ssh-user=ship-0 '{public}'")
    exe.faults.apt_s = 0.2
    how = "-o IdentityFile=~/key,UserKnownHostsFile=~/known,HostKeyAlias=exe.dev"
    ship.run("sudo -n apt-get install -y sshfs")
    ship.run(f"sshfs {storage.address}: mnt {how},BatchMode=yes")
    assert out(ship, "cat mnt/file; findmnt -no FSTYPE mnt") == "hello\nfuse.sshfs"
    assert (exe.connections("storage"), exe.connections("ship")) == (1, 0)


def test_apt(exe):
    """apt-get may be slow or fail, and wants root."""
    exe.faults.apt_s, exe.faults.apt_fails = 0.3, True
    machine = new(exe, "web")
    assert machine.run("apt-get install -y sshfs", check=False).returncode == 100
    begun = time.monotonic()
    assert machine.run("sudo apt-get install -y sshfs", check=False).returncode == 100
    assert time.monotonic() - begun > 0.3
    exe.faults.apt_s, exe.faults.apt_fails, exe.faults.apt_stale = 0, False, True
    machine = new(exe, "other")
    install = "sudo apt-get -qq -o Dpkg::Use-Pty=0 install -y sshfs git"
    assert b"locate package sshfs" in machine.run(install, check=False).stderr
    machine.run(f"sudo apt-get update && {install} && command -v sshfs")


# --- the network --------------------------------------------------------------------------------


def test_crash_ends_connections(exe):
    """When a VM goes down, connections to it end, and its address closes new ones."""
    machine = new(exe, "web")
    words = ["ssh", *options(exe), machine.address, "echo up; sleep 100"]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as client:
        assert client.stdout
        client.stdout.readline()
        machine.crash()
        assert client.wait(30) == 255
    assert ssh(exe, machine.address, "true").returncode == 255
    lobby(exe, "rm web")
    assert ssh(exe, machine.address, "hostname").stderr == "unknown command: hostname\n"
    assert exe.connections("web") == 3


@pytest.mark.parametrize("which", ["storage", "ship"])
def test_cut_off(exe, which):
    """What comes from or goes to a VM that is cut off waits until it is connected again."""
    storage, ship = new(exe, "storage"), new(exe, "ship")
    ship.run("cat >key && chmod 600 key", stdin=exe.captain_key.read_bytes())
    ship.run("cat >known", stdin=(exe.folder / "known_hosts").read_bytes())
    to_storage = f"ssh -i key -o UserKnownHostsFile=known -o HostKeyAlias=exe.dev {storage.address}"
    counting = "while sleep 0.05; do echo x; done"
    ship.run(f"({to_storage} '{counting}' >got &) 2>/dev/null")
    got = ship.root / "home/exedev/got"
    until(lambda: got.exists() and got.stat().st_size)
    exe.machines[which].cut_off()
    time.sleep(0.2)
    size = got.stat().st_size
    late = threading.Thread(target=ship.run, args=(f"{to_storage} true",))
    late.start()
    time.sleep(0.5)
    assert (got.stat().st_size, late.is_alive()) == (size, True)
    assert ssh(exe, "exe.dev", "true").returncode == 0
    exe.machines[which].reconnect()
    until(lambda: got.stat().st_size > size)
    late.join(30)
    assert not late.is_alive()


def test_burst(exe):
    """After a burst of connections, new ones from the same source get no answer for a while."""
    machine = new(exe, "web")
    time.sleep(1)
    exe.faults.burst, exe.faults.silence_s = 1, 2
    with (
        socket.create_connection((machine.address, 22)) as first,
        socket.create_connection((machine.address, 22), timeout=1) as second,
    ):
        assert first.recv(4) == b"SSH-"
        with pytest.raises(TimeoutError):
            second.recv(4)
        second.settimeout(30)
        assert second.recv(4) == b"SSH-"


def test_round_trip(exe):
    """A round trip takes as long as the test sets, also over a connection that is there."""
    exe.faults.rtt_s = 0.1
    machine = new(exe, "web")
    with connected(exe, machine.address) as shared:
        begun = time.monotonic()
        assert ssh(exe, *shared, machine.address, "hostname").stdout == "web\n"
        assert time.monotonic() - begun > 0.1


# --- the end ------------------------------------------------------------------------------------


def leftovers(text: str) -> list[str]:
    """Mounts and processes that have `text` in them."""
    found = [line for line in Path("/proc/mounts").read_text().splitlines() if text in line]
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += [words] if text in (words := path.read_text()) else []
        except OSError:
            continue
    return found


def interrupted(exe: ExeDev) -> None:
    """Use a stand-in until interrupted, with a command in a VM and another in the lobby."""
    with exe:
        new(exe, "named-like-this").run("nohup sleep 98765 >/dev/null 2>&1 &")
        exe.faults.new_s = 60
        threading.Thread(target=ssh, args=(exe, "exe.dev", "new --name=slow")).start()
        until(lambda: "new --name=slow" in exe.commands)
        raise KeyboardInterrupt


@pytest.mark.usefixtures("exe")
def test_nothing_is_left(tmp_path):
    """When it ends, early or not, there is no process, mount, thread or folder of it."""
    before = threading.active_count()
    mine = ExeDev(tmp_path / "mine", boot_s=0)
    with pytest.raises(KeyboardInterrupt):
        interrupted(mine)
    until(lambda: threading.active_count() <= before)
    assert not (tmp_path / "mine").exists()
    assert leftovers("98765") == leftovers("named-like-this") == leftovers(str(mine.folder)) == []


@pytest.mark.usefixtures("exe")
def test_nothing_is_left_of_a_killed_test(tmp_path):
    """When its test is killed, everything of it ends too."""
    script = f"""
import pathlib, time
from tests.fakes.exedev import ExeDev
with ExeDev(pathlib.Path({str(tmp_path / "mine")!r}), boot_s=0) as exe:
    exe.new_machine("killed-like-this", []).run("nohup sleep 98764 >/dev/null 2>&1 &")
    print("up", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE) as test:
        assert test.stdout
        assert test.stdout.readline() == b"up\n"
        assert leftovers("98764")
        test.send_signal(signal.SIGKILL)
    until(lambda: not leftovers("98764") and not leftovers("killed-like-this"))


def test_many_at_once(exe):
    """A dozen VMs are made and reached at once."""
    names = [f"vm-{letter}" for letter in "abcdefghijk"]
    threads = [threading.Thread(target=new, args=(exe, name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(exe.machines) == names
    assert [out(exe.machines[name], "hostname") for name in names] == names

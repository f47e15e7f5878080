"""What the captain's own ssh says of a machine: where it is, and which host keys it has."""

import asyncio
import socket
import subprocess
from collections.abc import Iterator
from getpass import getuser
from pathlib import Path

import pytest

from ocaptain.config import Config, load
from ocaptain.errors import Failure
from ocaptain.process import program
from ocaptain.providers.known_host import address_for_ships, resolve_known_host
from ocaptain.ssh import VM, Remote, write_config
from tests.support.machine import until
from tests.support.rules import rule

KEYS = ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA", "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbml")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A captain with an ssh_config, which tests write."""
    return load({"HOME": str(tmp_path), "OCAPTAIN_SSH_CONFIG": str(tmp_path / "config")})


def asked(config: Config, destination: str, ssh_config: str) -> VM:
    """What is found of a machine."""
    assert config.ssh_config
    config.ssh_config.write_text(ssh_config)
    return asyncio.run(resolve_known_host(config, destination))


def test_a_machine_as_the_captains_ssh_reaches_it(config, tmp_path):
    """Its address, the identity and the way come from ssh, its keys from all known_hosts, hashed
    or not, whatever is in their paths."""
    files = [tmp_path / "known %h", tmp_path / "missing one", tmp_path / "more"]
    known = tmp_path / "known h.example"
    known.write_text(f"[h.example]:2222 {KEYS[0]}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", known], check=True, capture_output=True)
    files[2].write_text(f"# mine\n[h.example]:2222 {KEYS[1]} a comment\n")
    vm = asked(
        config,
        "ssh://ada@depot",
        f'Host depot\n HostName h.example\n Port 2222\n IdentityFile "/a b"\n'
        f" IdentityFile /c\n ProxyCommand nc %n %h %%n\n GlobalKnownHostsFile {files[2]}\n"
        f' UserKnownHostsFile "{files[0]}" "{files[1]}"\n',
    )
    assert (vm.name, vm.host_key.splitlines()) == ("depot", list(KEYS))
    assert vm.options[:3] == (("HostName", "h.example"), ("Port", "2222"), ("User", "ada"))
    assert {("identityfile", '"/a b"'), ("identityfile", '"/c"')} <= {*vm.options}
    assert ("proxycommand", "nc depot %h %%n") in vm.options
    assert "HostKeyAlias" not in dict(vm.options)


FOR_PEOPLE = """\
Host *
 RemoteCommand tmux attach
 RequestTTY force
 SessionType none
 StdinNull yes
 ForkAfterAuthentication yes
 PermitLocalCommand yes
 LocalCommand echo connected to %n
 ControlMaster auto
 ControlPath none
 AddKeysToAgent yes
 SendEnv LANG LC_*
 SetEnv EDITOR=vi
 CanonicalizeHostname no
 ForwardAgent yes
 LocalForward 1234 localhost:1234
 VisualHostKey yes
 EscapeChar none
 LogLevel DEBUG3
 HashKnownHosts yes
 UpdateHostKeys yes
 StrictHostKeyChecking no
 NoHostAuthenticationForLocalhost yes
 PasswordAuthentication yes
 IgnoreUnknown Colour
 Colour blue
"""
WAY = """\
 Port 2222
 User ada
 AddressFamily inet
 IdentitiesOnly yes
 IdentityAgent none
 Ciphers aes256-ctr
 IPQoS throughput
 ProxyUseFdpass yes
 Compression yes
"""


@rule("R130")
def test_what_a_captain_has_ssh_do_for_people_is_not_for_us(config, tmp_path):
    """The way to a machine counts, and who one is there; what is to be done there does not."""
    (tmp_path / "known").write_text(f"h.example {KEYS[0]}\n")
    files = f" UserKnownHostsFile {tmp_path}/known\n"
    assert len(asked(config, "h.example", FOR_PEOPLE + files).options) == 3
    vm = asked(config, "h.example", FOR_PEOPLE + WAY + files)
    assert vm.host_key == KEYS[0]
    assert dict(vm.options[1:]) == {
        "Port": "2222",
        "User": "ada",
        "addressfamily": '"inet"',
        "ciphers": '"aes256-ctr"',
        "compression": '"yes"',
        "identitiesonly": '"yes"',
        "identityagent": '"none"',
        "ipqos": "throughput throughput",
        "proxyusefdpass": '"yes"',
    }


@pytest.mark.parametrize(
    ("jumps", "rest"),
    [
        ("gate", "-W '[%h]:%p' gate"),
        ("a@b:2222", "-l a -p 2222 -W '[%h]:%p' b"),
        ("a@b@c,[10.0.0.1]:22,x@gate:1", "-l x -p 1 -J 'a@b@c,[10.0.0.1]:22' -W '[%h]:%p' gate"),
        ("10.0.0.1", "-W '[%h]:%p' 10.0.0.1"),
    ],
)
def test_a_jump_host_is_reached_as_the_captains_ssh_does(config, tmp_path, jumps, rest):
    """By their own ssh_config, which has its address, its key and the way there."""
    (tmp_path / "known").write_text(f"h {KEYS[0]}\n")
    mine = f"UserKnownHostsFile {tmp_path}/known\nProxyJump {jumps}\n"
    vm = asked(config, "h", mine)
    command = dict(vm.options)["ProxyCommand"]
    assert command.startswith(f"ssh -F {tmp_path}/config -o")
    assert command.endswith(f"-oForkAfterAuthentication=no {rest}")
    assert "proxyjump" not in dict(vm.options)
    write_config(tmp_path / "ours", [vm])
    assert asked(config, "h", f"{mine}Host gate\n RemoteCommand x\n") == vm


@rule("R131")
def test_a_key_is_taken_as_ssh_would_take_it(config, tmp_path):
    """One that is @revoked is none, one without the port is one if there is none with it, and what
    a @cert-authority signs is for the machine's own name."""
    known = tmp_path / "known"
    mine = f"UserKnownHostsFile {known}\nGlobalKnownHostsFile none\n"
    known.write_text(f"h {KEYS[0]}\n@revoked * {KEYS[1]} stolen\nh {KEYS[1]} mine\n")
    vm = asked(config, "ssh://h:2222", mine)
    assert vm.host_key.splitlines() == [KEYS[0], f"@revoked {KEYS[1]}"]
    assert address_for_ships(vm) == (("HostName", "h"), ("Port", "2222"))
    known.write_text(f"[h]:2222 {KEYS[1]}\nh {KEYS[0]}\n")
    assert asked(config, "ssh://h:2222", mine).host_key == KEYS[1]
    known.write_text(f"@cert-authority *.example,h {KEYS[0]} the authority\n")
    vm = asked(config, "h", mine)
    assert vm.host_key == f"@cert-authority {KEYS[0]}"
    alias = ("HostKeyAlias", "h")
    assert address_for_ships(vm) == (("HostName", "h"), ("Port", "22"), alias)
    known.write_text(f"@revoked h {KEYS[0]}\nh {KEYS[0]}\n@cert-authority h {KEYS[0]}\n")
    with pytest.raises(Failure, match="every host key of h marked @revoked"):
        asked(config, "h", mine)


def test_a_machine_that_ssh_does_not_know(config, tmp_path):
    """Without a host key there is no way; how to get to one is said."""
    with pytest.raises(Failure, match=r"does not know the host key of h\.example") as raised:
        asked(config, "h.example", f"UserKnownHostsFile {tmp_path}\nGlobalKnownHostsFile none\n")
    assert str(raised.value).endswith(
        "\nType `ssh h.example` once, and compare the fingerprint shown."
    )


def test_an_ssh_config_that_ssh_refuses(config, tmp_path):
    """What ssh says against it is told, with the command that shows it again."""
    with pytest.raises(Failure) as raised:
        asked(config, "exe.dev", "Hots exe.dev\n")
    told, remedy = str(raised.value).split("\n", 1)[0], str(raised.value).splitlines()[-1]
    where = f"{tmp_path}/config"
    assert told == (
        f"Your ssh does not say where exe.dev is. {where}: line 1: Bad configuration option: hots"
    )
    assert remedy == f"Mend what this complains of: ssh -F {where} -G exe.dev"


@pytest.mark.parametrize("said", ["", "hostname exe.dev", "usage: ssh destination"])
def test_an_ssh_that_says_nothing_usable(config, tmp_path, monkeypatch, said):
    """Whatever stands in for ssh and knows no -G is a failure that says so, and no bug of ours."""
    (tmp_path / "ssh").write_text(f"#!/bin/sh\necho '{said}'\n")
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(Failure, match=r"Your ssh does not say where exe\.dev is"):
        asked(config, "exe.dev", "")


class Door:
    """A real sshd on this machine, with a key that opens it, and a host key that is certified."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("host", "id", "authority"):
            self.keygen("-q", "-t", "ed25519", "-N", "", "-C", "", "-f", name)
        self.keygen("-q", "-s", "authority", "-I", "build1", "-h", "-n", "build1", "host.pub")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        options = {
            "ListenAddress": "127.0.0.1",
            "Port": self.port,
            "HostKey": folder / "host",
            "HostCertificate": folder / "host-cert.pub",
            "AuthorizedKeysFile": folder / "id.pub",
            "StrictModes": "no",
            "PidFile": "none",
        }
        words = [f"-o{keyword}={value}" for keyword, value in options.items()]
        Path("/run/sshd").mkdir(exist_ok=True)
        log = ["-E", str(folder / "sshd.log")]
        self.sshd = subprocess.Popen([program("sshd"), "-D", "-f", "/dev/null", *log, *words])
        until(self.listens)

    def keygen(self, *words: str) -> None:
        subprocess.run(["ssh-keygen", *words], cwd=self.folder, check=True, capture_output=True)

    def listens(self) -> bool:
        with socket.socket() as asking:
            return asking.connect_ex(("127.0.0.1", self.port)) == 0

    def key(self, name: str) -> str:
        """A public key."""
        return (self.folder / f"{name}.pub").read_text().strip()

    def config(self, *, known: str, more: str = "") -> str:
        """The captain's ssh_config for it, and their known_hosts."""
        (self.folder / "known").write_text(known)
        return (
            f"Host build1 gate\n HostName 127.0.0.1\n Port {self.port}\n User {getuser()}\n"
            f" IdentityFile {self.folder}/id\n IdentitiesOnly yes\n"
            f" UserKnownHostsFile {self.folder}/known\n GlobalKnownHostsFile none\n{more}"
        )


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    door = Door(tmp_path)
    yield door
    door.sshd.terminate()
    door.sshd.wait()


def hello(config: Config, door: Door, known: str, more: str = "") -> str:
    """What comes of it if a VM is reached as the captain's ssh reaches build1."""
    vm = asked(config, "build1", door.config(known=known, more=more))
    options = (*vm.options, ("ControlPath", "none"))
    ours = write_config(door.folder / "ours", [vm._replace(options=options)])
    return asyncio.run(ours.run("build1", Remote("echo", "hello"))).out.decode()


def test_a_machine_is_reached_by_way_of_another(config, door):
    """A jump host is what the captain's ssh has under its name, whatever is to be done there."""
    known = f"[127.0.0.1]:{door.port} {door.key('host')}\n"
    jump = f"Host build1\n ProxyJump {getuser()}@gate:{door.port}\n"
    assert hello(config, door, known, jump + FOR_PEOPLE) == "hello\n"
    log = (door.folder / "sshd.log").read_text()
    assert log.count("Connection closed") + log.count("Received disconnect") >= 2, log


@rule("R131")
def test_a_machine_shows_a_certificate(config, door):
    """It counts if an authority that the captain trusts has made it out to that name, and no key is
    @revoked: neither the machine's nor the authority's."""
    alias = " HostKeyAlias build1\n"
    authority = f"@cert-authority build1 {door.key('authority')}\n"
    assert hello(config, door, authority, alias) == "hello\n"
    for revoked in ("host", "authority"):
        known = f"{authority}@revoked * {door.key(revoked)}\n"
        with pytest.raises(Failure, match=r"verification failed|marked @revoked"):
            hello(config, door, known, alias)
    with pytest.raises(Failure, match="Host key verification failed"):
        hello(config, door, authority.replace("build1", "build2"), " HostKeyAlias build2\n")

"""What the captain's own ssh says of a machine: where it is, and which host keys it has."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from ocaptain.config import Config, load
from ocaptain.errors import Failure
from ocaptain.providers.known_host import resolve_known_host
from ocaptain.ssh import VM

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
    or not; revoked ones are none."""
    files = [tmp_path / "known", tmp_path / "missing", tmp_path / "more"]
    files[0].write_text(f"[h.example]:2222 {KEYS[0]}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", files[0]], check=True, capture_output=True)
    files[2].write_text(f"# mine\n@revoked * {KEYS[0]}\n[h.example]:2222 {KEYS[1]}\n")
    vm = asked(
        config,
        "ssh://ada@depot",
        f'Host depot\n HostName h.example\n Port 2222\n IdentityFile "/a b"\n'
        f" IdentityFile /c\n ProxyJump gate\n GlobalKnownHostsFile {files[2]}\n"
        f" UserKnownHostsFile {files[0]} {files[1]}\n",
    )
    assert (vm.name, vm.host_key.splitlines()) == ("depot", list(KEYS))
    assert vm.options[:3] == (("HostName", "h.example"), ("Port", "2222"), ("User", "ada"))
    assert {("identityfile", '"/a b"'), ("identityfile", '"/c"')} <= {*vm.options}
    assert ("proxyjump", "gate") in vm.options
    assert "proxyusefdpass" not in dict(vm.options)


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

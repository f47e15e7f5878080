import asyncio
import shlex
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from ocaptain.ssh import (
    VM,
    Home,
    Remote,
    Ssh,
    Unreachable,
    clean,
    render,
    write_config,
)
from tests.support.rules import rule

SHIP = "voyage-0123456789ab-ship0"


WORDS = ["plain", "two words", "it's", "$HOME", "`id`", "a\nb", "", "*", "~", "-n", "ü%"]


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_words_arrive_as_they_were(shell, tmp_path):
    """A shell makes of a remote line exactly the words it was built from; `~` is its home."""
    line = str(Remote("printf", r"%s\0", *WORDS, Home("a b/$c")))
    got = subprocess.run([shell, "-c", line], env={"HOME": "/h"}, capture_output=True, check=True)
    assert got.stdout.decode().split("\0")[:-1] == [*WORDS, "/h/a b/$c"]


@rule("R101")
def test_remote_output_is_cleaned():
    """What a VM says can move no cursor, set no title and turn no text around."""
    hostile = b"ok\r\n\x1b]0;title\x07\x1b[2J\x9b1m\xe2\x80\xaex\ttab\rback \xff"
    cleaned = clean(hostile)
    assert cleaned.startswith("ok\n")
    assert all(char.isprintable() or char in "\n\t" for char in cleaned)
    assert "tab" in cleaned


def effective(path: Path, host: str) -> dict[str, str]:
    """What the real ssh makes of a configuration."""
    shown = subprocess.run(
        ["ssh", "-G", "-F", path, host], capture_output=True, text=True, check=True
    ).stdout
    return dict(line.split(" ", 1) for line in shown.splitlines())


def test_our_options_come_first_and_the_users_own_still_count(tmp_path):
    """OpenSSH reads our values before the user's, and the user's where we say nothing."""
    user_config = tmp_path / "mine %h"
    user_config.write_text(
        "Host *\n  User somebody\n  StrictHostKeyChecking no\n  ForwardAgent yes\n"
        "  IPQoS throughput\n  ControlPath none\n"
    )
    folder = tmp_path / "s p%d" / "a b%d"
    vm = VM(SHIP, (("User", "me"), ("HostName", "h.example")), "ssh-ed25519 AAAA")
    other = VM("voyage-0123456789ab-storage", (("ProxyCommand", "nc %h 1"),), "ssh-ed25519 BBBB")
    ssh = write_config(folder, [vm, other], user_config)
    options = effective(ssh.path, SHIP)
    assert options["user"] == "me"
    assert options["hostname"] == "h.example"
    assert options["hostkeyalias"] == SHIP
    assert options["stricthostkeychecking"] == "true"
    assert options["forwardagent"] == "no"
    assert options["batchmode"] == "yes"
    assert options["ipqos"].startswith("throughput")
    assert options["controlpath"].startswith(f"{folder.parent}/")
    assert len(options["controlpath"]) == len(f"{folder.parent}/") + 40
    assert str(folder / "known_hosts") in options["userknownhostsfile"].replace("%%", "%")
    assert effective(ssh.path, other.name)["proxycommand"] == "nc %h 1"
    assert effective(ssh.path, "github.com")["user"] == "somebody"
    assert (folder / "known_hosts").read_text().splitlines()[0] == f"{SHIP} ssh-ed25519 AAAA"


def test_a_configuration_as_text():
    """The whole ssh_config of one VM."""
    vm = VM(SHIP, (("User", "me"),), "ssh-ed25519 AAAA")
    text = render(Path("/run/o/v"), [vm], Path("/c"))
    assert text.startswith(f"Host {SHIP}\n  HostKeyAlias {SHIP}\n  User me\nHost *\n")
    assert '  ControlPath "/run/o/%C"\n' in text
    assert '  UserKnownHostsFile "/run/o/v/known_hosts"\n' in text
    assert text.endswith('  Include "/c"\n')


def test_a_configuration_is_replaced_at_once(tmp_path):
    """A configuration is written anew by each command, while the ssh of another may read it."""
    vms = [VM(f"{SHIP}{n}", (("User", "me"),), "ssh-ed25519 AAAA") for n in range(200)]
    path = write_config(tmp_path, vms, None).path
    whole = path.read_text()
    again = partial(write_config, tmp_path, vms, None)
    with ThreadPoolExecutor(1) as pool:
        writing = [pool.submit(again) for _ in range(200)]
        while not writing[-1].done():
            assert path.read_text() == whole
    assert sorted(file.name for file in tmp_path.iterdir()) == ["known_hosts", "ssh_config"]


def test_commands_are_values():
    """What is run on a VM can be looked at without one."""
    ssh = Ssh(Path("/v/ssh config"))
    line = Remote("python3", "-IS", Home("voyage/lib"), "a b")
    head = ["ssh", "-F", "/v/ssh config"]
    assert ssh.command(SHIP, line) == [*head, "-T", SHIP, "--", "python3 -IS ~/voyage/lib 'a b'"]
    assert ssh.command(SHIP, line, tty=True)[3] == "-t"
    assert shlex.split(ssh.git_env()["GIT_SSH_COMMAND"]) == head


@pytest.fixture
def dead(tmp_path: Path) -> Ssh:
    """A way to a VM that closes every connection, noting each."""
    proxy = f"sh -c 'echo x >> {tmp_path}/tries; echo gone; exit 1'"
    options = (("ProxyCommand", proxy), ("ControlPath", "none"))
    vm = VM(SHIP, options, "ssh-ed25519 AAAA")
    return write_config(tmp_path, [vm], tmp_path / "none")


def test_a_vm_that_cannot_be_reached_is_named(dead, tmp_path):
    """ssh's own failure is told with the VM, ssh's last words and the command to look closer."""
    with pytest.raises(Unreachable) as raised:
        asyncio.run(dead.run(SHIP, Remote("true")))
    message, hint = str(raised.value).split("\n")
    assert message.startswith(f"{SHIP} cannot be reached: ")
    assert hint == f"ssh -v -F {tmp_path}/ssh_config {SHIP}"
    assert (tmp_path / "tries").read_text() == "x\n"


@pytest.mark.parametrize(
    ("said", "told"),
    [('{"ok": true}', "no answer"), ("failed to connect to VM", "failed to connect to VM")],
)
def test_a_lost_connection_is_not_told_in_the_commands_words(
    dead, tmp_path, monkeypatch, said, told
):
    """What a command had printed before is no reason; what a gateway prints in its place is."""
    (tmp_path / "ssh").write_text(f"#!/bin/sh\necho '{said}'; exit 255\n")
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(Unreachable, match=f"^{SHIP} cannot be reached: {told}\n"):
        asyncio.run(dead.run(SHIP, Remote("true")))


def test_only_the_transport_is_tried_again(dead, tmp_path, capfd):
    """With `retries` an unreachable VM is tried for about so many seconds, without any noise."""
    began = time.monotonic()
    with pytest.raises(Unreachable):
        asyncio.run(dead.run(SHIP, Remote("true"), retries=2))
    assert len((tmp_path / "tries").read_text().split()) > 1
    assert time.monotonic() - began < 5
    assert capfd.readouterr() == ("", "")

import asyncio
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from ocaptain.ssh import (
    BEGIN,
    VM,
    Home,
    Remote,
    Ssh,
    Unreachable,
    announced,
    clean,
    render,
    write_config,
)
from tests.support.rules import rule
from tests.support.storage import git

SHIP = "voyage-0123456789ab-ship0"


WORDS = [
    "plain",
    "two words",
    "it's",
    "$HOME",
    "`id`",
    "a\nb",
    "",
    "*",
    "~",
    "-n",
    "ü%",
    r"a\b\\",
    r"\'",
]


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_words_arrive_as_they_were(shell, tmp_path):
    """A shell makes of a remote line exactly the words it was built from; `~` is its home."""
    line = str(Remote("printf", r"%s\0", *WORDS, Home("a b/$c")))
    got = subprocess.run([shell, "-c", line], env={"HOME": "/h"}, capture_output=True, check=True)
    assert got.stdout.decode().split("\0")[:-1] == [*WORDS, "/h/a b/$c"]


def test_words_have_no_backslash_between_single_quotes():
    """There fish takes it for its own, and sh does not."""
    assert Remote("printf", r"it's \n") == """printf 'it'"'"'s '"\\\\"'n'"""


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


def test_a_configuration_is_all_that_ssh_goes_by(tmp_path):
    """A VM's own options come first, then those for all; what is for another VM is for it alone."""
    folder = tmp_path / "s p%d" / "a b%d"
    vm = VM(SHIP, (("User", "me"), ("HostName", "h.example")), "ssh-ed25519 AAAA")
    other = VM("voyage-0123456789ab-storage", (("ProxyCommand", "nc %h 1"),), "ssh-ed25519 BBBB")
    ssh = write_config(folder, [vm, other])
    options = effective(ssh.path, SHIP)
    assert options["user"] == "me"
    assert options["hostname"] == "h.example"
    assert options["hostkeyalias"] == SHIP
    assert options["stricthostkeychecking"] == "true"
    assert options["forwardagent"] == "no"
    assert options["batchmode"] == "yes"
    assert options["globalknownhostsfile"] == "none"
    assert options["controlpath"].startswith(f"{folder.parent}/")
    assert len(options["controlpath"]) == len(f"{folder.parent}/") + 40
    assert str(folder / "known_hosts") in options["userknownhostsfile"].replace("%%", "%")
    assert effective(ssh.path, other.name)["proxycommand"] == "nc %h 1"
    assert (folder / "known_hosts").read_text().splitlines()[0] == f"{SHIP} ssh-ed25519 AAAA"


def test_a_configuration_as_text():
    """The whole ssh_config of one VM."""
    vm = VM(SHIP, (("User", "me"),), "ssh-ed25519 AAAA")
    text = render(Path("/run/o/v"), [vm])
    assert text.startswith(f"Host {SHIP}\n  User me\n  HostKeyAlias {SHIP}\nHost *\n")
    assert '  UserKnownHostsFile "/run/o/v/known_hosts"\n' in text
    assert text.endswith('  ControlPath "/run/o/%C"\n')


def test_host_keys_are_by_the_name_that_ssh_has_for_a_vm(tmp_path):
    """That is its own, or the one that a certificate is for; markers stay before it."""
    keys = "ssh-ed25519 AAAA\n@cert-authority ssh-rsa BBBB\n@revoked ssh-rsa CCCC"
    vms = [VM(SHIP, (), "ssh-ed25519 DDDD"), VM("b", (("HostKeyAlias", "build1"),), keys)]
    ssh = write_config(tmp_path, vms)
    assert (tmp_path / "known_hosts").read_text().splitlines() == [
        f"{SHIP} ssh-ed25519 DDDD",
        "build1 ssh-ed25519 AAAA",
        "@cert-authority build1 ssh-rsa BBBB",
        "@revoked build1 ssh-rsa CCCC",
    ]
    assert effective(ssh.path, "b")["hostkeyalias"] == "build1"


def test_a_configuration_is_replaced_at_once(tmp_path):
    """A configuration is written anew by each command, while the ssh of another may read it."""
    vms = [VM(f"{SHIP}{n}", (("User", "me"),), "ssh-ed25519 AAAA") for n in range(200)]
    path = write_config(tmp_path, vms).path
    whole = path.read_text()
    again = partial(write_config, tmp_path, vms)
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


@pytest.fixture
def dead(tmp_path: Path) -> Ssh:
    """A way to a VM that closes every connection, noting each."""
    proxy = f"sh -c 'echo x >> {tmp_path}/tries; echo gone; exit 1'"
    options = (("ProxyCommand", proxy), ("ControlPath", "none"))
    vm = VM(SHIP, options, "ssh-ed25519 AAAA")
    return write_config(tmp_path, [vm])


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
    [
        (f'{BEGIN}"; echo "so far', "no answer"),
        ("failed to connect to VM", "failed to connect to VM"),
    ],
)
def test_a_lost_connection_is_not_told_in_the_commands_words(
    dead, tmp_path, monkeypatch, said, told
):
    """What a command had printed before is no reason; what a gateway prints in its place is."""
    stand_in(tmp_path, monkeypatch, f'echo "{said}"; exit 255')
    with pytest.raises(Unreachable, match=f"^{SHIP} cannot be reached: {told}\n"):
        asyncio.run(dead.run(SHIP, Remote("true")))


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Ssh:
    """Have a script be ssh; the way to a VM that it is."""
    (folder / "ssh").write_text(f"#!/bin/bash\nfor command; do :; done\n{script}\n")
    (folder / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return Ssh(folder / "ssh_config")


NOISE = r"printf 'Welcome\n\0\377 {\n'; echo 'last login' >&2; printf 'no end of line'"
BODY = bytes(range(256)) * 2_000


@pytest.fixture
def noisy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ssh:
    """A way to a VM whose shell prints something before it does what it is asked."""
    (tmp_path / "body").write_bytes(BODY)
    return stand_in(tmp_path, monkeypatch, f'cd {tmp_path}; {NOISE}; eval "$command"')


def test_what_a_shell_prints_by_itself_is_no_answer(noisy):
    """Whatever a .bashrc says, an answer begins where the command does, also one in pieces."""
    assert asyncio.run(noisy.run(SHIP, Remote("cat", "body"))).out == BODY
    got = bytearray()
    asyncio.run(noisy.stream(SHIP, Remote("cat", "body"), got.extend, silence=20))
    assert got == BODY
    lines: list[bytes] = []
    asyncio.run(noisy.read_lines(SHIP, Remote("printf", r"a\nb\n"), lines.append))
    assert lines == [b"a\n", b"b\n"]


def test_a_shell_that_does_not_do_what_it_is_asked_is_no_answer(noisy, tmp_path, monkeypatch):
    """Its own last words are told, whatever it exits with."""
    shut = stand_in(tmp_path, monkeypatch, "echo 'This account is not available.'; exit 0")
    with pytest.raises(Unreachable, match="reached: This account is not available"):
        asyncio.run(shut.run(SHIP, Remote("true")))
    with pytest.raises(Unreachable, match="reached: This account is not available"):
        asyncio.run(shut.read_lines(SHIP, Remote("true"), lambda line: None))


def test_git_goes_through_a_shell_that_prints(noisy, tmp_path, monkeypatch):
    """Its protocol begins after the shell's own words, and whatever git of the captain's says."""
    git(tmp_path, "init", "-q", "--bare", "there.git")
    (tmp_path / "gitconfig").write_text("[ssh]\n\tvariant = plink\n[core]\n\tsshCommand = no\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    there = announced(Remote("git-upload-pack"))
    words = ["git", "ls-remote", f"--upload-pack={there}", f"{SHIP}:there.git"]
    env = {**os.environ, **noisy.git_env()}
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_an_answer_that_takes_too_long_is_none(tmp_path, monkeypatch):
    """Then it may be asked for again, as if the VM could not be reached; one that goes on may."""
    slow = stand_in(tmp_path, monkeypatch, 'eval "$command"; echo 1; exec sleep 60')
    with pytest.raises(Unreachable, match=f"^{SHIP} cannot be reached: ssh did not end within 0.3"):
        asyncio.run(slow.run(SHIP, Remote("true"), timeout=0.3))
    with pytest.raises(Unreachable, match=r"reached: nothing came for 0\.3 s"):
        asyncio.run(slow.stream(SHIP, Remote("true"), lambda data: None, silence=0.3))
    drip = stand_in(
        tmp_path, monkeypatch, 'eval "$command"; for i in 1 2 3 4; do sleep 0.2; echo; done'
    )
    got = bytearray()
    asyncio.run(drip.stream(SHIP, Remote("true"), got.extend, silence=0.5))
    assert got == b"\n\n\n\n"


def test_only_the_transport_is_tried_again(dead, tmp_path, capfd):
    """With `retries` an unreachable VM is tried for about so many seconds, without any noise."""
    began = time.monotonic()
    with pytest.raises(Unreachable):
        asyncio.run(dead.run(SHIP, Remote("true"), retries=2))
    assert len((tmp_path / "tries").read_text().split()) > 1
    assert time.monotonic() - began < 5
    assert capfd.readouterr() == ("", "")

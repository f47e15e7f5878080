"""exe.dev's lobby: how commands get there, how often, and how its answers are read."""

import asyncio
import shutil
from pathlib import Path

import pytest

from ocaptain.config import load
from ocaptain.errors import Failure
from ocaptain.manual import page
from ocaptain.process import Result
from ocaptain.providers.exedev_lobby import (
    COMMANDS_AT_ONCE,
    Json,
    Lobby,
    Reply,
    json_objects,
    read_reply,
)
from ocaptain.ssh import Unreachable, Unresolved
from tests.support.machine import until

SSH = """\
#!/bin/sh
cd {folder}
case " $* " in *" -F {folder}/config -G "*)
    echo resolved >>resolved
    ;;
esac
case " $* " in *" -G "*)
    exec {ssh} "$@"
esac
for command; do :; done
echo "$command" >>commands
{script}
"""
"""An ssh that notes each command for the lobby, and then does what a script says."""


class Desk:
    """What stands in for the connection to exe.dev: an `ssh` in a folder of the captain's PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.real_ssh = shutil.which("ssh")
        (folder / "commands").touch()
        (folder / "known").write_text("exe.dev ssh-ed25519 AAAA\n")
        (folder / "config").write_text(f"Host *\n UserKnownHostsFile {folder}/known\n")

    def answers(self, script: str) -> None:
        """Have it do what a script of the shell says, in `folder`."""
        path = self.folder / "bin" / "ssh"
        path.write_text(SSH.format(folder=self.folder, ssh=self.real_ssh, script=script))
        path.chmod(0o755)

    def lobby(self, retries_s: float = 0) -> Lobby:
        """The lobby, as a captain reaches it from here."""
        environ = {
            "HOME": str(self.folder),
            "XDG_RUNTIME_DIR": str(self.folder),
            "OCAPTAIN_SSH_CONFIG": str(self.folder / "config"),
        }
        return Lobby(load(environ), retries_s)

    def lines(self, name: str) -> list[str]:
        """What it noted under a name."""
        return (self.folder / name).read_text().splitlines()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk; its ssh comes before the real one."""
    (tmp_path / "bin").mkdir()
    desk = Desk(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    return desk


def vm_count(answer: Json) -> int:
    """What is made of an answer to `ls`."""
    return len(answer["vms"])


# How commands get there


def test_a_command_asks_for_json_and_each_argument_stays_one(desk: Desk):
    """A verb may have two words; whatever is in an argument, the lobby's shell leaves it whole."""
    desk.answers("echo '{}'")
    asyncio.run(desk.lobby().send("ssh-key add", "--vm=a", "ssh-ed25519 AAAA ship's"))
    assert desk.lines("commands") == ["""ssh-key add --json --vm=a 'ssh-ed25519 AAAA ship'"'"'s'"""]


def test_commands_share_a_connection_up_to_its_limit(desk: Desk):
    """exe.dev is looked up once, and never are more commands under way than one may carry."""
    desk.answers("until [ -e gate ]; do sleep 0.05; done; echo '{}'")

    async def send_many() -> int:
        """Send more than that. Returns how many are under way before the first is answered."""
        lobby = desk.lobby()
        sends = [asyncio.create_task(lobby.send("stat")) for _ in range(COMMANDS_AT_ONCE + 4)]
        await asyncio.to_thread(until, lambda: len(desk.lines("commands")) >= COMMANDS_AT_ONCE)
        await asyncio.sleep(0.2)
        under_way = len(desk.lines("commands"))
        (desk.folder / "gate").touch()
        await asyncio.gather(*sends)
        return under_way

    assert asyncio.run(send_many()) == COMMANDS_AT_ONCE
    assert len(desk.lines("commands")) == COMMANDS_AT_ONCE + 4
    assert desk.lines("resolved") == ["resolved"]


FAIL_ONCE = "if [ $(wc -l <commands) = 1 ]; then echo 'timed out' >&2; exit 255; fi; echo '{}'"


def test_a_command_is_sent_again_until_an_answer_comes(desk: Desk):
    """A connection that broke costs a moment, as long as the time for it is not up."""
    desk.answers(FAIL_ONCE)
    assert asyncio.run(desk.lobby(retries_s=10).send("ls")) == Reply({}, "")
    assert desk.lines("commands") == ["ls --json"] * 2


def test_a_name_that_does_not_resolve_is_told_at_once(desk: Desk):
    """It would not come to be in the seconds in which a command is sent again."""
    resolver = "ssh: Could not resolve hostname exe.dev: Temporary failure in name resolution"
    desk.answers(f"echo '{resolver}' >&2; exit 255")
    with pytest.raises(Unresolved) as caught:
        asyncio.run(desk.lobby(retries_s=10).send("ls"))
    message, hint = str(caught.value).splitlines()
    assert message == (
        "exe.dev cannot be reached: the name exe.dev does not resolve:"
        " Temporary failure in name resolution"
    )
    assert hint.startswith("Is this machine online? To look closer: ssh -v")
    assert desk.lines("commands") == ["ls --json"]


@pytest.mark.parametrize("verb", ["new", "ssh-key add"])
def test_what_might_be_done_twice_is_sent_once(desk: Desk, verb: str):
    """A VM or a key too many would cost money, or open a door."""
    desk.answers(FAIL_ONCE)
    with pytest.raises(Unreachable, match=r"exe\.dev cannot be reached: timed out"):
        asyncio.run(desk.lobby(retries_s=10).send(verb))
    assert desk.lines("commands") == [f"{verb} --json"]


# What is made of answers


def test_an_answer_is_what_a_reader_makes_of_it(desk: Desk):
    """`ask` returns the reader's value."""
    desk.answers("""echo '{"vms": [1, 2]}'""")
    assert asyncio.run(desk.lobby().ask(vm_count, "ls")) == 2


def test_a_refusal_names_the_verb_and_how_to_learn_more(desk: Desk):
    """The lobby's own words are shown, and what to type to see what it wants."""
    desk.answers("""echo '{"error": "no such plan"}'; exit 1""")
    with pytest.raises(Failure) as caught:
        asyncio.run(desk.lobby().ask(vm_count, "ls", "-l"))
    assert str(caught.value) == (
        "exe.dev refused `ls`: no such plan\nSee what it says to you: ssh exe.dev ls --help"
    )


@pytest.mark.parametrize("answer", ['{"vmz": []}', '{"vms": 5}', '{"vms": null}'])
def test_an_answer_that_a_reader_cannot_read_is_shown(desk: Desk, answer: str):
    """It is a failure that quotes what came, and leads to the assumptions about exe.dev."""
    desk.answers(f"echo '{answer}'")
    with pytest.raises(Failure) as caught:
        asyncio.run(desk.lobby().ask(vm_count, "ls"))
    message, hint = str(caught.value).split("\n")
    assert message.startswith("exe.dev answers `ls` with what ocaptain does not understand")
    assert message.endswith(f": {answer}")
    assert hint == f"See {page('exedev.md')}."


def test_a_long_answer_that_cannot_be_read_is_cut_off(desk: Desk):
    """An answer of any size leaves room on the screen for what was wrong with it."""
    desk.answers("""printf '{"vmz": "%05000d"}' 0""")
    with pytest.raises(Failure) as caught:
        asyncio.run(desk.lobby().ask(vm_count, "ls"))
    assert "'vms'" in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("status", "out", "err", "reply"),
    [
        (0, b'{"vms": []}', b"", Reply({"vms": []}, "")),
        (0, b'{\n  "vms": []\n}\n', b"a warning", Reply({"vms": []}, "")),
        (0, b'{"deleted": ["a"]}\n{"error": "no b"}\n', b"", Reply({"deleted": ["a"]}, "no b")),
        (1, b"", b'{"error": "no\\u001b[2J"}', Reply({"error": "no\x1b[2J"}, "no\ufffd[2J")),
        (0, b'{"vm_name": "a", "error": "b"}', b"", Reply({"vm_name": "a", "error": "b"}, "")),
        (1, b'{"vms": []}', b"broken", Reply({"vms": []}, "broken")),
        (2, b"usage: ls", b"", Reply({}, "usage: ls")),
        (0, b"", b"", Reply({}, "it said nothing")),
        (0, b"[1, 2]", b"", Reply({}, "[1, 2]")),
    ],
)
def test_an_answer_and_what_is_wrong_with_it(status, out, err, reply):
    """An object with `error` alone is a refusal, on either stream, and so is an exit status."""
    assert read_reply(Result(status, out, err)) == reply


def test_objects_begin_lines():
    """One that is spread over lines is one; a banner is none, and half of one makes all none."""
    assert json_objects(b'{"a":\n {"b": 1}}\n{"c": 2}\n') == [{"a": {"b": 1}}, {"c": 2}]
    assert json_objects(b'Welcome {x}!\n\n{"a": 1}\n') == [{"a": 1}]
    assert json_objects(b'{"a": 1}\nA tip of the day\n') == [{"a": 1}]
    assert json_objects(b'{"a": 1}\n{"b') == []
    assert json_objects(b"[" * 100_000) == []

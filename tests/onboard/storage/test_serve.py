"""The door: what a ship's login may run, and how its requests are answered."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ocaptain.onboard.protocol import PROTOCOL
from ocaptain.onboard.storage import serve
from ocaptain.onboard.storage.journal import Journal
from tests.support.machine import until
from tests.support.moored import VOYAGE, Moored, moored
from tests.support.rules import rule
from tests.support.storage import Json, Sail, Storage, assert_sound, git, task


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moored]:
    """Storage behind a real sshd, with a task for each test that wants one."""
    with moored(tmp_path_factory.mktemp("fleet"), [task(str(n)) for n in range(1, 9)]) as made:
        yield made


@pytest.fixture
def clone(fleet: Moored, tmp_path: Path) -> Path:
    """A clone of ship-0's, with a commit that nobody else has."""
    fleet.git("ship-0", "clone", "-q", fleet.url, str(tmp_path / "clone"))
    git(tmp_path / "clone", "commit", "-q", "--allow-empty", "-m", tmp_path.name)
    return tmp_path / "clone"


# What a ship's login may run


@rule("R12")
def test_who_asks_follows_from_the_login(fleet: Moored):
    """A ship is who its key says, whatever it writes on its command line or in its request."""
    request = {
        "protocol": PROTOCOL,
        "op": "claim",
        "run_id": "r",
        "who": "ship-1",
        "ship": "ship-1",
    }
    line = json.dumps(request).encode() + b"\n"
    answers = [json.loads(fleet.run("ship-0", "harbor", stdin=line).stdout) for _ in range(2)]
    assert answers[0]["task"]["owner"] == "ship-0"
    assert answers[1] == answers[0]
    assert fleet.ask("ship-0", "status")["code"] == "op"
    claims = fleet.storage.sections()["claims"].values()
    assert {claim["ship"] for claim in claims} == {"ship-0"}


@rule("R96")
@pytest.mark.parametrize(
    "command",
    [
        "bash",
        "sh -c 'id'",
        "harbor; id",
        "harbor captain",
        "/any/where/harbor ship-1",
        "git upload-pack repo.git",
        "env harbor",
        "git-upload-archive repo.git",
        "git-shell",
        "scp -t /tmp/x",
        "rsync --server . .",
        "python3 -c 1",
        "unbalanced '",
        "''",
        "..",
    ],
)
def test_nothing_else_runs(fleet: Moored, command: str):
    """Any other command is refused with what may be run, and exit status 1."""
    done = fleet.run("ship-0", "--", command)
    said = done.stderr.decode()
    assert (done.returncode, done.stdout) == (1, b"")
    assert said == "ocaptain: ship-0 may run harbor, git and sftp on storage, nothing else\n"


def through_sudo(storage: Storage, *words: str, stdin: bytes = b"") -> tuple[int, bytes, str]:
    """What the door does for a ship that comes through sudo: exit status, stdout, stderr."""
    door = ["sh", str(storage.folder / "lib/onboard/storage/door.sh"), "ship-0", *words]
    env = {"PATH": os.environ["PATH"], "SUDO_USER": "ship-0"}
    done = subprocess.run(door, env=env, input=stdin, capture_output=True, check=False)
    return done.returncode, done.stdout, done.stderr.decode()


def test_the_door_takes_its_command_from_sudo(fleet: Moored):
    """Through sudo a ship names harbor and git's programs as the second argument."""
    line = json.dumps({"protocol": PROTOCOL, "op": "status"}).encode() + b"\n"
    status, out, _ = through_sudo(fleet.storage, "harbor", stdin=line)
    assert (status, json.loads(out)["error"]) == (0, "ship-0 cannot ask for 'status'")
    status, out, _ = through_sudo(fleet.storage, "git-upload-pack '/repo.git'", stdin=b"0000")
    assert (status, VOYAGE.encode() in out) == (0, True)


@rule("R96")
@pytest.mark.parametrize(
    "words",
    [(), ("",), ("sh",), ("-c", "harbor"), ("internal-sftp",), ("/usr/lib/openssh/sftp-server",)],
)
def test_nothing_else_runs_through_sudo(fleet: Moored, words: tuple[str, ...]):
    """Through sudo nothing else runs, SFTP included, which would read as harbor's user."""
    status, out, said = through_sudo(fleet.storage, *words)
    assert (status, out) == (1, b"")
    assert said == "ocaptain: ship-0 may run harbor, git and sftp on storage, nothing else\n"


@rule("R79", "R96")
def test_a_ship_that_is_let_go_is_refused(tmp_path: Path):
    """At once, by harbor, for git and for SFTP, although its key still opens the door; a ship that
    joins is let in."""

    def tries(fleet: Moored, ship: str) -> list[tuple[bool, str]]:
        """What a ship's call of harbor, git and SFTP came to, and what was said."""
        asked = fleet.ask(ship, "claim", run_id="r")
        commands = {"git-upload-pack 'repo.git'": b"0000", "/usr/lib/openssh/sftp-server": b""}
        done = [fleet.run(ship, words, stdin=given) for words, given in commands.items()]
        told = [(not each.returncode, each.stderr.decode()) for each in done]
        return [(asked["ok"], asked.get("error", "")), *told]

    with moored(tmp_path, [task("1")], ("ship-0", "ship-1")) as fleet:
        assert [ok for ok, _ in tries(fleet, "ship-0")] == [True] * 3
        fleet.storage.order("update_ships", lost=["ship-0"], add=0, force=True)
        refused = tries(fleet, "ship-0")
        assert [ok for ok, _ in refused] == [False] * 3
        assert all("ship-0 was let go: storage has no such ship" in said for _, said in refused)
        status, out, said = through_sudo(fleet.storage, "git-upload-pack '/repo.git'")
        assert (status, out, "ship-0 was let go" in said) == (1, b"", True)
        assert [ok for ok, _ in tries(fleet, "ship-1")] == [True] * 3
        assert fleet.ask("ship-1", "claim", run_id="r")["task"]["id"] == "1"


@rule("R96")
def test_no_shell_terminal_or_forwarding(fleet: Moored):
    """A ship gets no login shell, no terminal and no tunnel."""
    argv = ["ssh", "-F", str(fleet.ships["ship-0"]), "-tt", fleet.name]
    done = subprocess.run(argv, input=b"id\n", capture_output=True, check=False, timeout=30)
    assert done.returncode != 0
    assert b"uid=" not in done.stdout
    tunnel = ["ssh", "-F", str(fleet.ships["ship-0"]), "-W", "localhost:22", fleet.name]
    done = subprocess.run(tunnel, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.returncode != 0
    assert b"prohibited" in done.stderr or b"failed" in done.stderr


@rule("R95")
def test_sftp_reads_and_does_not_write(fleet: Moored, tmp_path: Path):
    """Over SFTP a ship reads tasks, artifacts and logs, and can change nothing."""
    tasks = f".claude/tasks/{VOYAGE}-tasks"
    (tmp_path / "mine").write_text("mine")

    def sftp(*commands: str) -> tuple[int, str]:
        argv = ["sftp", "-q", "-b", "-", "-F", str(fleet.ships["ship-0"]), fleet.name]
        done = subprocess.run(
            argv, input="\n".join(commands), capture_output=True, text=True, check=False
        )
        return done.returncode, done.stderr

    got = tmp_path / "got"
    status, said = sftp(f"get {tasks}/8.json {got}", f"get voyage/artifacts/spec.md {got}.md")
    assert status == 0, said
    assert json.loads(got.read_text())["id"] == "8"
    before = {p: p.read_bytes() for p in fleet.storage.tasks_folder.iterdir()}
    for command in (
        f"put {tmp_path}/mine {tasks}/8.json",
        f"rm {tasks}/8.json",
        f"rename {tasks}/8.json {tasks}/9.json",
        "mkdir voyage/x",
        f"chmod 777 {tasks}/8.json",
        f"symlink {tasks}/8.json x",
        "put /dev/null .ssh/authorized_keys",
    ):
        status, said = sftp(command)
        assert status != 0, command
    assert {p: p.read_bytes() for p in fleet.storage.tasks_folder.iterdir()} == before
    assert "door.sh" in (fleet.storage.home / ".ssh" / "authorized_keys").read_text()


# Pushing


@rule("R53")
def test_a_ship_pushes_to_its_own_claims(fleet: Moored, clone: Path):
    """The work refs of a ship's own claims, past and present, can be written and moved back."""
    claim = fleet.ask("ship-0", "claim", run_id="r")
    for commit in ("HEAD", "HEAD~1", "HEAD"):
        push = ("push", "-q", "-f", fleet.url, f"{commit}:refs/heads/{claim['ref']}")
        fleet.git("ship-0", "-C", str(clone), *push)
    head = git(clone, "rev-parse", "HEAD")
    assert git(fleet.storage.repo, "rev-parse", claim["ref"]) == head
    fleet.ask("ship-0", "release", claim=claim["claim"], fault="infrastructure", why="test")
    fleet.git("ship-0", "-C", str(clone), "push", "-qf", fleet.url, f"HEAD~1:{claim['ref']}")
    (wreck,) = fleet.ask("ship-1", "claim", run_id="r")["wrecks"]
    assert wreck["ref"] == claim["ref"]


@rule("R44", "R53")
@pytest.mark.parametrize(
    "ref",
    [
        f"HEAD:refs/heads/{VOYAGE}",
        "+HEAD:refs/heads/{theirs}",
        ":refs/heads/{mine}",
        ":refs/heads/{theirs}",
        f":refs/heads/{VOYAGE}",
        "HEAD:refs/heads/main",
        "HEAD:refs/tags/v1",
        "HEAD:refs/heads/work/1-999",
        "HEAD:refs/heads/{mine}/below",
        "HEAD:refs/heads/work/1-999+0123456789ab",
        "HEAD:refs/heads/work/+0123456789ab",
        "HEAD:refs/heads/+{mine}",
        "HEAD:refs/{mine}",
        "HEAD:refs/notes/x",
        "HEAD:refs/heads/{mine} HEAD:refs/tags/v1",
        "--mirror",
    ],
)
def test_a_ship_pushes_nothing_else(fleet: Moored, clone: Path, ref: str):
    """The branch, others' refs, deletions and all else are refused, with what comes along."""
    mine = fleet.ask("ship-0", "claim", run_id="r")["ref"]
    theirs = fleet.ask("ship-1", "claim", run_id="r")["ref"]
    for name in (mine, theirs):
        git(fleet.storage.repo, "update-ref", f"refs/heads/{name}", fleet.storage.start)
    before = git(fleet.storage.repo, "for-each-ref")
    refs = ref.format(mine=mine, theirs=theirs).split()
    said = fleet.git("ship-0", "-C", str(clone), "push", "-q", fleet.url, *refs, ok=False)
    assert re.search(r"ship-0 may not write refs/|deletion prohibited|invalid", said), said
    assert git(fleet.storage.repo, "for-each-ref") == before


@rule("R138")
def test_a_ship_pushes_to_further_refs_of_its_claim(fleet: Moored, clone: Path):
    """What it found apart from the work has refs of its own, next to the claim's."""
    mine = fleet.ask("ship-0", "claim", run_id="r")["ref"]
    further = f"HEAD:refs/heads/{mine}+0123456789ab"
    fleet.git("ship-0", "-C", str(clone), "push", "-q", fleet.url, f"HEAD:{mine}", further)
    assert f"refs/heads/{mine}+0123456789ab" in git(fleet.storage.repo, "for-each-ref")
    git(clone, "commit", "-q", "--allow-empty", "-m", "more")
    fleet.git("ship-1", "-C", str(clone), "push", "-q", fleet.url, further, ok=False)


@rule("R4")
def test_a_call_after_a_crash_finishes_the_landing(fleet: Moored, clone: Path):
    """Where storage crashed right after a landing's line, pushes go on, and the next call of
    whatever ship moves the branch."""
    storage = fleet.storage
    claim = fleet.ask("ship-0", "claim", run_id="r")
    fleet.git("ship-0", "-C", str(clone), "push", "-qf", fleet.url, f"HEAD:{claim['ref']}")
    commit, before = git(clone, "rev-parse", "HEAD"), storage.head()
    lock = (storage.folder / "lock").read_bytes()
    assert fleet.ask("ship-0", "land", claim=claim["claim"], commit=commit)["ok"]
    (storage.folder / "lock").write_bytes(lock)
    git(storage.repo, "update-ref", f"refs/heads/{VOYAGE}", before)
    git(clone, "commit", "-q", "--allow-empty", "-m", "more")
    fleet.git("ship-0", "-C", str(clone), "push", "-qf", fleet.url, f"HEAD:{claim['ref']}")
    assert fleet.ask("ship-1", "beat")["code"] == "claim"
    assert storage.head() == commit
    assert_sound(storage)


def pushing(storage: Storage, path: Path, ref: str) -> subprocess.CompletedProcess[str]:
    """What git's hook says to a push of ship-0's, with programs in `path` before all others."""
    told = {"OCAPTAIN_SHIP": "ship-0", "PATH": f"{path}:{os.environ['PATH']}"}
    return subprocess.run(
        [storage.repo / "hooks" / "pre-receive"],
        cwd=storage.repo,
        env={**os.environ, **told},
        input=f"{'0' * 40} {'1' * 40} refs/heads/{ref}\n",
        capture_output=True,
        text=True,
        check=False,
    )


@rule("R22")
def test_no_room_no_pushes(sail: Sail, tmp_path: Path):
    """With little room left pushes are refused in words that a ship understands."""
    storage = sail(task("1"))
    ref = storage.claim("ship-0")["ref"]
    df = tmp_path / "df"
    for free, status in ((500_001, 0), (500_000, 1), (0, 1)):
        df.write_text(f"#!/bin/sh\necho Filesystem\necho /dev/x 9999999 1 {free} 1% /\n")
        df.chmod(0o755)
        done = pushing(storage, tmp_path, ref)
        assert done.returncode == status, done.stderr
        assert done.stderr == ("ocaptain: storage has no room for pushes\n" if status else "")


# Requests as they come in


class Harbor:
    """The command that a ship's key is forced to, without SSH: it adds nothing to what is asked."""

    def __init__(self, storage: Storage, ship: str = "ship-0") -> None:
        keys = (storage.home / ".ssh" / "authorized_keys").read_text().splitlines()
        (line,) = [line for line in keys if f" {ship}" in line]
        command = line.partition('command="')[2].partition('" ')[0]
        self.argv = ["env", f"HOME={storage.home}", "sh", "-c", f"exec {command}"]

    def start(self, **request: Any) -> subprocess.Popen[bytes]:
        """Ask, and leave stdin open."""
        env = {**os.environ, "SSH_ORIGINAL_COMMAND": "harbor"}
        child = subprocess.Popen(
            self.argv,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert child.stdin
        child.stdin.write(json.dumps({"protocol": PROTOCOL, **request}).encode() + b"\n")
        child.stdin.flush()
        return child

    def send(self, line: bytes) -> tuple[Json, str]:
        """What is answered to a line of any bytes, and what is said on stderr."""
        env = {**os.environ, "SSH_ORIGINAL_COMMAND": "harbor"}
        done = subprocess.run(self.argv, env=env, input=line, capture_output=True, check=False)
        assert done.stdout.count(b"\n") == 1, done.stderr.decode()[-300:]
        return json.loads(done.stdout), done.stderr.decode()


def answer(child: subprocess.Popen[bytes], timeout: float = 30) -> Json:
    out, err = child.communicate(timeout=timeout)
    assert out, err
    return json.loads(out)


@rule("R15")
@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"hello\n",
        b"[]\n",
        b"null\n",
        b"{}\n",
        b"\xff\xfe\n",
        b'{"protocol": 9, "op": "claim"}\n',
        b'{"protocol": "2", "op": "claim"}\n',
        b'{"protocol": 3}\n',
        b'{"protocol": 3, "op": ["claim"]}\n',
        b'{"protocol": 3, "op": "serve"}\n',
        b'{"protocol": 3, "op": "__class__"}\n',
        b'{"protocol": 3, "op": "status"}\n',
        b'{"protocol": 3, "op": "claim", "x": "' + b"y" * 2_000_000 + b'"}\n',
        b'{"protocol": 3, "op": "claim", "x": ' + b"9" * 5_000 + b"}\n",
        b'{"protocol": 3, "op": "land", "claim": ' + b"[" * 100_000 + b"\n",
    ],
    ids=lambda line: line[:40].decode(errors="replace"),
)
def test_what_is_no_request_is_answered(sail: Sail, line: bytes):
    """Anything that is no request is refused in one line, and changes nothing."""
    storage = sail(task("1"))
    before = storage.journal_file.read_bytes()
    reply, said = Harbor(storage).send(line)
    assert reply["ok"] is False
    assert reply["error"]
    assert said == ""
    assert storage.journal_file.read_bytes() == before


@rule("R16")
def test_a_protocol_mismatch_says_what_to_do(sail: Sail):
    """A ship of another version is told so."""
    reply, _ = Harbor(sail(task("1"))).send(b'{"protocol": 99, "op": "claim"}\n')
    assert reply["code"] == "protocol"
    assert "version" in reply["error"]


@rule("R15")
@pytest.mark.parametrize("field", ["protocol", "op", "claim", "commit", "task", "unknown"])
def test_deeply_nested_values_are_answered(sail: Sail, field: str):
    """Values as deep as JSON's parser takes them are answered like any other."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    for depth in range(sys.getrecursionlimit() - 120, sys.getrecursionlimit(), 2):
        deep = "[" * depth + "]" * depth
        told = {"protocol": PROTOCOL, "op": '"land"', "claim": "1", "commit": '"x"', field: deep}
        line = "{" + ", ".join(f'"{key}": {value}' for key, value in told.items()) + "}\n"
        request = serve.request_in(line.encode())
        answer = serve.respond(storage.home, "ship-0", request)
        assert json.loads(json.dumps(answer))["ok"] is False
    assert_sound(storage)


@rule("R15")
def test_one_process_answers_a_ships_next_request_too(sail: Sail):
    """A ship may go on asking: each request finds the voyage as it is then, and its own rights."""
    storage = sail(task("1"), task("2"))
    child = Harbor(storage).start(op="claim", run_id="r")
    assert child.stdin
    assert child.stdout
    number = json.loads(child.stdout.readline())["claim"]
    requests = [
        {"op": "beat", "claim": number},
        {"op": "pause"},
        {"op": "land", "claim": number, "commit": None, "note": "done"},
    ]
    answers = []
    for request in requests:
        child.stdin.write(json.dumps({"protocol": PROTOCOL, **request}).encode() + b"\n")
        child.stdin.flush()
        answers.append(json.loads(child.stdout.readline()))
    assert [each["ok"] for each in answers] == [True, False, True]
    storage.order("update_ships", lost=["ship-0"], add=0, force=True)
    child.stdin.write(json.dumps({"protocol": PROTOCOL, "op": "claim"}).encode() + b"\n")
    assert answer(child)["code"] == "ship"
    assert child.returncode == 0
    assert_sound(storage)


@rule("R15")
def test_what_is_left_of_a_request_that_is_too_long_is_no_request(sail: Sail):
    """It is refused as a whole, whatever it ends with."""
    storage = sail(task("1"))
    harbor = Harbor(storage)
    claim = json.dumps({"protocol": PROTOCOL, "op": "claim", "run_id": "r"})
    reply, _ = harbor.send(b" " * serve.REQUEST_LIMIT + claim.encode() + b"\n")
    assert reply["ok"] is False
    assert_sound(storage)


# Waiting


@rule("R21")
def test_a_waiting_claim_wakes_up(sail: Sail):
    """`claim --wait` holds no lock, and gets a task as soon as there is one."""
    storage = sail(task("1"), task("2", "1"), lease_seconds=240)
    number = storage.claim("ship-1")["claim"]
    child = Harbor(storage).start(op="claim", run_id="r", wait=True)
    time.sleep(0.5)
    assert child.poll() is None
    began = time.monotonic()
    assert storage.ask("ship-1", "land", claim=number, commit=None)["ok"]
    assert child.stdout
    claim = json.loads(child.stdout.readline())
    assert time.monotonic() - began < 3
    assert claim["task"]["id"] == "2"
    child.communicate()


@rule("R21")
def test_a_waiting_claim_ends_with_its_asker(sail: Sail):
    """When the ship is gone nobody waits in its name, and nothing is claimed for it."""
    storage = sail(task("1"), task("2", "1"), lease_seconds=240)
    number = storage.claim("ship-1")["claim"]
    child = Harbor(storage).start(op="claim", run_id="r", wait=True)
    time.sleep(0.4)
    began = time.monotonic()
    assert answer(child)["claim"] is None
    assert time.monotonic() - began < 2
    storage.ask("ship-1", "land", claim=number, commit=None)
    assert len(storage.sections()["claims"]) == 1


@rule("R21")
def test_waiting_has_an_end(sail: Sail):
    """Who waits is answered before the voyage clock would stop counting the time."""
    storage = sail(task("1"), lease_seconds=8)
    storage.claim("ship-1")
    began = time.monotonic()
    child = Harbor(storage).start(op="claim", run_id="r", wait=True)
    assert child.stdout
    assert json.loads(child.stdout.readline())["claim"] is None
    assert 0.9 < time.monotonic() - began < 5
    child.communicate()


@rule("R46")
def test_a_waiting_landing_goes_on_when_the_berth_is_free(sail: Sail):
    """`land` with `wait` is answered once whoever has the berth has landed."""
    storage = sail(task("1"), task("2"), lease_seconds=240, time_limit_minutes=60)
    first, second = storage.claim("ship-1"), storage.claim("ship-0")
    early = {"claim": first["claim"], "commit": "f" * 40, "state": "landing"}
    assert storage.ask("ship-1", "land", **early)["code"] == "ref"
    commit = storage.push(second["ref"])
    number = second["claim"]
    child = Harbor(storage).start(op="land", claim=number, commit=commit, id="x", wait=True)
    time.sleep(0.5)
    assert child.poll() is None
    assert storage.ask("ship-1", "land", claim=first["claim"], commit=None)["ok"]
    assert child.stdout
    assert json.loads(child.stdout.readline()) == {"ok": True, "head": commit, "next": None}
    child.communicate()
    assert_sound(storage)


@rule("R46")
def test_a_waiting_landing_waits_for_whoever_has_the_berth_now(sail: Sail):
    """The berth may go from ship to ship meanwhile; it is the last one's state that may help."""
    storage = sail(task("1"), task("2"), task("3"), lease_seconds=240, time_limit_minutes=60)
    claims = {ship: storage.claim(ship) for ship in ("ship-0", "ship-1", "ship-2")}
    commit = storage.push(claims["ship-2"]["ref"])
    request = {"op": "land", "claim": claims["ship-2"]["claim"], "commit": commit}
    early = {"commit": "f" * 40, "state": "landing"}
    journal = storage.journal()
    for ship in ("ship-0", "ship-1"):
        number = claims[ship]["claim"]
        assert storage.ask(ship, "land", claim=number, **early)["code"] == "ref"
        journal.look()
        assert serve.would_wait_on(journal, storage.voyage, "ship-2", request) == ship
        storage.ask(ship, "beat", claim=number, state="working")
    assert any(serve.may_help(sets, "ship-1") for sets in journal.look())
    assert serve.would_wait_on(journal, storage.voyage, "ship-2", request) is None


@rule("R21")
def test_many_waiting_ships_do_not_wake_each_other(sail: Sail):
    """Ships that wait write the journal when they come, and not again for each other's sake."""
    storage = sail(task("1"), task("2", "1"), lease_seconds=240)
    storage.claim("ship-1")
    before = len(storage.lines())
    waiting = [
        Harbor(storage, s).start(op="claim", run_id="r", wait=True) for s in ("ship-0", "ship-2")
    ]
    waiting += [Harbor(storage).start(op="claim", run_id="r", wait=True) for _ in range(4)]
    assert until(lambda: len(storage.lines()) >= before + 6)
    for _ in range(4):
        storage.ask("ship-1", "beat", claim=1)
        time.sleep(0.3)
    assert len(storage.lines()) == before + 6 + 4
    assert [child.poll() for child in waiting] == [None] * 6
    for child in waiting:
        child.communicate()


@rule("R10")
def test_a_change_right_after_the_look_is_noticed(sail: Sail, monkeypatch):
    """A task that gets ready between the first look and the wait is not waited past."""
    storage = sail(task("1"), task("2", "1"), lease_seconds=240)
    number = storage.claim("ship-1")["claim"]

    class Overtaken(Journal):
        """A journal that another ship changes as soon as the lock is free."""

        @contextmanager
        def locked(self) -> Iterator[None]:
            with super().locked():
                yield
            if storage.sections()["claims"]["1"]["state"] == "live":
                storage.ask("ship-1", "land", claim=number, commit=None)

    journal = Overtaken(storage.home, VOYAGE, storage.time)
    request = {"op": "claim", "run_id": "r", "wait": True}
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin, os.fdopen(writing, "w"):
        monkeypatch.setattr(sys, "stdin", stdin)
        began = time.monotonic()
        claim = serve.decide_in_time(journal, storage.voyage, "ship-0", request)
    assert claim["claim"], "it had waited to the end"
    assert claim["task"]["id"] == "2"
    assert time.monotonic() - began < 3


@rule("R10")
def test_calls_at_once_are_each_answered(sail: Sail):
    """Calls that come in at the same time are answered one after the other, none is lost."""
    storage = sail(*(task(str(n)) for n in range(1, 9)))
    results: list[Json] = []

    def one(ship: str) -> None:
        line = json.dumps({"protocol": PROTOCOL, "op": "claim", "run_id": "r"}).encode() + b"\n"
        results.append(Harbor(storage, ship).send(line)[0])

    threads = [threading.Thread(target=one, args=(f"ship-{n % 3}",)) for n in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 9
    assert {claim["claim"] for claim in results} == {1, 2, 3}
    assert_sound(storage)


# The ships' logs


@rule("R20")
def test_a_ship_appends(sail: Sail):
    """What a ship says is added to its own log, and it is told the log's size."""
    storage = sail(task("1"))
    first = storage.ask("ship-0", "log", offset=0, text="one\n")
    second = storage.ask("ship-0", "log", offset=first["size"], text="two é\n")
    path = storage.folder / "logs" / "ship-0.log"
    assert path.read_text() == "one\ntwo é\n"
    assert second == {"ok": True, "size": path.stat().st_size}


@rule("R20")
def test_a_ship_that_does_not_know_the_size_is_told_it(sail: Sail):
    """As a helm that starts anew: nothing is written twice, and nothing is left out."""
    storage = sail(task("1"))
    path, text = storage.folder / "logs" / "ship-0.log", "one\ntwo\n"
    for at in (0, 0, 5, 10**9):
        assert storage.ask("ship-0", "log", offset=at, text=text)["size"] == len(text)
    assert path.read_text() == text


def test_a_log_has_a_limit(sail: Sail):
    """A full log takes no more, and its ship is told so."""
    storage = sail(task("1"))
    first, second = {"offset": 0, "text": "12345678\n"}, {"offset": 9, "text": "12345\n"}
    assert serve.append_log(storage.journal(), "ship-0", first, limit=10)["size"] == 9
    assert serve.append_log(storage.journal(), "ship-0", second, limit=10)["code"] == "room"
    assert (storage.folder / "logs" / "ship-0.log").read_text() == "12345678\n"


@rule("R22")
def test_no_room_no_logs_and_no_new_tasks(sail: Sail):
    """With little room left logs and new tasks are refused, claims and landings are not; a task
    that was added in time is still answered for."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    given = {"claim": 1, "task": {"subject": "more"}}
    added = storage.ask("ship-0", "add", id="x", **given)
    full = Journal(storage.home, VOYAGE, storage.time, storage.awake, spare_bytes=10**18)

    def ask(op: str, **fields: Any) -> Json:
        return serve.decide(full, storage.voyage, "ship-0", {"op": op, **fields}).answer

    log = {"offset": 0, "text": "x\n"}
    assert serve.append_log(full, "ship-0", log)["code"] == "room"
    assert (storage.folder / "logs" / "ship-0.log").read_text() == ""
    assert ask("add", id="y", **given)["code"] == "room"
    assert ask("add", id="x", **given) == added
    assert storage.tasks().keys() == {"1", "2"}
    assert ask("claim", run_id="another")["task"]["id"] == "1"
    assert ask("land", claim=2, commit=None)["ok"]


@rule("R15")
@pytest.mark.parametrize("at", [None, "x", -5, 1.5, float("nan"), 1e300, [], True, 10**30])
@pytest.mark.parametrize("text", [None, 5, "\x1b[31m\x00\ud800\u202e\x85", ["x"], "x" * 100_000])
def test_hostile_log_requests(sail: Sail, at, text):
    """Whatever a ship sends as a log is answered, and steers no terminal."""
    storage = sail(task("1"))
    assert storage.ask("ship-0", "log", offset=at, text=text)["ok"]
    body = (storage.folder / "logs" / "ship-0.log").read_text()
    assert all(char.isprintable() or char in "\n\t" for char in body)
    assert len(body) < 20_000

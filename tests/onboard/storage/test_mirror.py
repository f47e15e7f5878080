"""The way of the voyage's branch to GitHub, and the pull request."""

import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ocaptain.onboard.storage import background, mirror
from ocaptain.onboard.storage.job import Timing
from tests.fakes.github import USER, GitHub
from tests.support.machine import until
from tests.support.rules import rule
from tests.support.storage import VOYAGE, Json, Storage, assert_sound, boot, git, set_up, task

NAME = "owner/name"
URL = f"https://github.com/{NAME}.git"
PUSH = f"POST /{NAME}.git/git-receive-pack"
HASTY = Timing(retry_pause_s=0)
NEWS = ("mirrored", "pr_url", "mirror_fault")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHub]:
    """GitHub, as whatever runs on this machine reaches it."""
    with GitHub(tmp_path) as running:
        running.repository(NAME)
        for name, value in {**running.proxy_env(), "GIT_CONFIG_GLOBAL": "/dev/null"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(urllib.request, "_opener", None)  # which keeps another test's proxy
        yield running


class Mirrored(Storage):
    """Storage whose repository came from GitHub; harbor's calls in this process start nothing."""

    def __init__(self, home: Path, tasks: list[Json], token: str | None, **voyage: Any) -> None:
        home.mkdir()
        source = {"url": URL, "ref": "refs/heads/main", "shallow": "", "token": token}
        told = boot(
            tasks, source, **{"origin": URL, "base_branch": "main", "open_pr": True, **voyage}
        )
        set_up(home, told)
        self.home, self.voyage, self.token = home, told["new"]["voyage"], token
        self.start = self.head()

    def time(self) -> float:
        """UNIX time, which goes on."""
        return time.time()

    @property
    def lib(self) -> list[str]:
        """The command that runs a program of ours."""
        return [sys.executable, "-IS", str(self.folder / "lib")]

    def mirror(self) -> None:
        """Run a mirror to its end."""
        background.main(self.home, "mirror", HASTY)

    def land(self, **fields: Any) -> str:
        """Complete a task with a commit, and return that."""
        claim = self.claim("ship-0")
        commit = self.push(claim["ref"])
        answer = self.ask("ship-0", "land", claim=claim["claim"], commit=commit, **fields)
        assert answer["ok"], answer
        return commit

    def news(self) -> list[Any]:
        """What status tells of origin."""
        status = self.order("status")
        return [status[key] for key in NEWS]

    def due(self) -> bool:
        """Whether a mirror would be started now."""
        with (journal := self.journal()).locked():
            return mirror.next_step(journal, self.voyage, HASTY) is not None

    def lines_of_mirrors(self) -> list[Json]:
        """Journal lines that mirrors wrote."""
        return [line for line in self.lines() if line["op"] == "mirror"]


def moor(hub: GitHub, *tasks: Json, **voyage: Any) -> Mirrored:
    """A voyage whose storage has a token that may do everything, and which waits for nothing."""
    token = hub.token(write=[NAME])
    return Mirrored(hub.folder.parent / "home", list(tasks), token, **voyage)


def remote(hub: GitHub, ref: str = VOYAGE) -> str:
    """Where a branch is on GitHub."""
    return git(
        hub.folder / f"{NAME}.git", "for-each-ref", "--format=%(objectname)", f"refs/heads/{ref}"
    )


# The branch


@rule("R59")
def test_the_branch_is_brought_to_origin(hub: GitHub):
    """Whatever has landed is pushed, and status says up to where; what is there is left alone."""
    storage = moor(hub, task("1"), task("2"))
    for _ in range(2):
        head = storage.land()
        assert storage.due()
        storage.mirror()
        assert remote(hub) == head
        assert storage.news() == [head, None, None]
        [*_, line] = storage.lines()
        assert (line["who"], line["op"]) == ("harbor", "mirror")
        assert line["set"] == {"meta": {"mirrored": head}}
    assert not storage.due()
    requests, journal = len(hub.requests), storage.journal_file.read_bytes()
    storage.mirror()
    assert (len(hub.requests), storage.journal_file.read_bytes()) == (requests, journal)
    assert remote(hub, "main") == storage.start
    assert_sound(storage)


@rule("R99")
def test_the_token_shows_nowhere(hub: GitHub):
    """No process has it among its arguments while git pushes, and no file but its own holds it."""
    storage = moor(hub, task("1"))
    storage.land()
    hub.faults.delay, seen = 0.2, set()
    child = subprocess.Popen([*storage.lib, "background", "mirror"])
    while child.poll() is None:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            except OSError:
                continue
    assert storage.token
    assert storage.news()[0] == storage.head()
    assert any(argv.startswith("git -C") and " push " in argv for argv in seen)
    assert any("remote-https" in argv for argv in seen)
    assert not [argv for argv in seen if storage.token in argv]
    files = [path for path in storage.home.rglob("*") if path.is_file()]
    holders = [path for path in files if storage.token.encode() in path.read_bytes()]
    assert holders == [storage.folder / "credentials"]
    assert holders[0].stat().st_mode & 0o777 == 0o600


def test_one_at_a_time(hub: GitHub):
    """Of mirrors that start at once one pushes; what lands meanwhile it brings along."""
    storage = moor(hub, task("1"), task("2"))
    storage.land()
    hub.faults.delay, hub.faults.only = 1, PUSH
    children = [subprocess.Popen([*storage.lib, "background", "mirror"]) for _ in range(5)]
    assert until(lambda: PUSH in hub.requests, 20)
    head = storage.land()
    assert [child.wait() for child in children] == [0] * 5
    assert storage.news() == [head, None, None]
    assert remote(hub) == head
    assert (hub.requests.count(PUSH), hub.busiest) == (2, 1)
    assert len(storage.lines_of_mirrors()) == 2


@rule("R59")
def test_origin_is_down_for_a_while(hub: GitHub):
    """Status says so until it is up again; attempts do not fill the journal."""
    storage = moor(hub, task("1"))
    head = storage.land()
    hub.faults.down = True
    for _ in range(2):
        storage.mirror()
        mirrored, pull, fault = storage.news()
        assert (mirrored, pull) == (None, None)
        assert fault.startswith(f"no push: fatal: unable to access '{URL}/'")
        assert len(storage.lines_of_mirrors()) == 1
        assert storage.due()
    hub.faults.down = False
    storage.mirror()
    assert storage.news() == [head, None, None]
    assert storage.lines()[-1]["set"]["meta"] == {"mirrored": head, "mirror_fault": None}
    assert_sound(storage)


def test_attempts_are_apart(hub: GitHub):
    """By a pause; one that goes well lets the mirror go on at once, three that fail end it."""
    storage, pauses = moor(hub, task("1")), list[float]()
    head = storage.land()
    hub.faults.down = True
    background.main(storage.home, "mirror", sleep=pauses.append)
    assert pauses == [30, 30, 30]

    def mend(seconds: float) -> None:
        pauses.append(seconds)
        hub.faults.down = False

    background.main(storage.home, "mirror", sleep=mend)
    assert pauses[3:] == [30]
    assert storage.news() == [head, None, None]


@rule("R59")
def test_a_mirror_that_was_killed(hub: GitHub):
    """Whatever it had done, another finishes it."""
    storage = moor(hub, task("1"))
    head = storage.land()
    hub.faults.delay, hub.faults.only = 0.5, "POST"
    child = subprocess.Popen([*storage.lib, "background", "mirror"])
    assert until(lambda: PUSH in hub.requests, 20)
    child.kill()
    child.wait()
    assert until(lambda: remote(hub) == head, 20)
    assert storage.news() == [None, None, None]
    storage.mirror()
    assert storage.news() == [head, None, None]


@pytest.mark.parametrize(
    ("read", "fault"),
    [([NAME], f"Permission to {NAME}.git denied to {USER}."), ([], "Repository not found.")],
)
def test_a_token_that_is_not_good_enough(hub: GitHub, read: list[str], fault: str):
    """Status repeats what GitHub says, on one line, without the token."""
    storage = moor(hub, task("1"))
    storage.land()
    token = hub.token(read=read)
    (storage.folder / "credentials").write_text(f"https://x-access-token:{token}@github.com\n")
    storage.mirror()
    mirrored, _, said = storage.news()
    assert mirrored is None
    assert fault in said
    assert len(said) <= 300
    assert "\n" not in said
    assert token not in said
    assert remote(hub) == ""


@rule("R59")
def test_a_token_that_is_refused_is_kept(hub: GitHub):
    """GitHub may have had a bad moment: git is not to forget the token because of that."""
    storage = moor(hub, task("1"))
    head = storage.land()
    tokens, hub.tokens = hub.tokens, {}
    storage.mirror()
    assert "Authentication failed" in storage.news()[2]
    hub.tokens = tokens
    storage.mirror()
    assert storage.news() == [head, None, None]


@rule("R59")
def test_nothing_on_origin_is_overwritten(hub: GitHub):
    """Where somebody else has pushed to the branch, that stays, and status says why ours is not."""
    storage = moor(hub, task("1"))
    repo = hub.folder / f"{NAME}.git"
    theirs = git(repo, "commit-tree", "main^{tree}", "-p", "main", "-m", "Theirs")
    git(repo, "update-ref", f"refs/heads/{VOYAGE}", theirs)
    storage.land()
    storage.mirror()
    assert "rejected" in storage.news()[2]
    assert remote(hub) == theirs


@pytest.mark.parametrize(
    "voyage",
    [
        {"origin": None},
        {"origin": "ssh://git@localhost/name.git"},
        {"origin": "https://x.org/a.git"},
    ],
)
def test_nowhere_to_push_to(hub: GitHub, voyage: Json):
    """Where there is no origin that the token is for, nothing is due and nothing is asked."""
    storage = moor(hub, task("1"), **voyage)
    storage.land()
    requests = len(hub.requests)
    assert not storage.due()
    storage.mirror()
    assert len(hub.requests) == requests
    assert storage.news() == [None, None, None]


def test_without_a_token_nothing_is_due(hub: GitHub):
    """Storage without a token keeps to itself."""
    hub.private[NAME] = False
    storage = Mirrored(hub.folder.parent / "home", [task("1")], None)
    storage.land()
    assert not storage.due()


# The pull request


def test_a_complete_voyage_becomes_a_pull_request(hub: GitHub):
    """It is made once, when verify.sh has passed and not before, and says what each task did."""
    storage = moor(hub, task("10"), task("2"), objective="Write a guide")
    landed = storage.land()
    storage.finish("ship-0", note="there was nothing to do")
    storage.mirror()
    assert hub.pulls == []
    assert not storage.due()
    storage.verify()
    assert storage.due()
    for _ in range(2):
        storage.mirror()
    [pull] = hub.pulls
    assert storage.news() == [landed, pull["html_url"], None]
    assert not storage.due()
    assert (pull["title"], pull["head"]["ref"], pull["base"]["ref"]) == (
        "Write a guide",
        VOYAGE,
        "main",
    )
    assert pull["body"].splitlines() == [
        f"`verify.sh` passed on a fresh clone of {landed}, with all 2 tasks done:",
        "",
        "```",
        f"2. Do 2: {landed}",
        "10. Do 10: there was nothing to do",
        "```",
    ]
    assert_sound(storage)


def test_nobody_wants_a_pull_request(hub: GitHub):
    """None is made without --pr, nor where nothing was changed."""
    storage = moor(hub, task("1"), open_pr=False)
    storage.land()
    storage.verify()
    storage.mirror()
    assert not storage.due()
    unchanged = Mirrored(storage.home.with_name("other"), [task("1")], storage.token)
    unchanged.finish("ship-0")
    unchanged.verify()
    assert unchanged.order("status")["state"] == "complete"
    (unchanged.folder / "mirror.lock").unlink(missing_ok=True)
    git(hub.folder / f"{NAME}.git", "update-ref", "-d", f"refs/heads/{VOYAGE}")
    unchanged.mirror()
    assert not unchanged.due()
    assert hub.pulls == []


def test_a_base_that_is_not_known(hub: GitHub):
    """Where the voyage did not start from a branch, GitHub's default one is taken."""
    storage = moor(hub, task("1"), base_branch=None)
    storage.land()
    storage.verify()
    storage.mirror()
    assert [pull["base"]["ref"] for pull in hub.pulls] == ["main"]


def test_a_pull_request_that_is_there_already(hub: GitHub):
    """Whoever made it, possibly a mirror that was killed, it is the voyage's."""
    storage = moor(hub, task("1"))
    storage.land()
    storage.mirror()
    asked = {"title": "Mine", "head": VOYAGE, "base": "main"}
    token = storage.token or ""
    made = hub.api("POST", f"/repos/{NAME}/pulls", f"Bearer {token}", json.dumps(asked).encode())
    storage.verify()
    storage.mirror()
    assert storage.news()[1:] == [made[1]["html_url"], None]
    assert len(hub.pulls) == 1


def test_a_pull_request_that_is_refused(hub: GitHub):
    """Status says why, the branch is there all the same, and later it is tried again."""
    storage = moor(hub, task("1"))
    head = storage.land()
    storage.verify()
    token = hub.token(write=[NAME], pulls=False)
    (storage.folder / "credentials").write_text(f"https://x-access-token:{token}@github.com\n")
    storage.mirror()
    mirrored, pull, fault = storage.news()
    assert (mirrored, pull, remote(hub)) == (head, None, head)
    assert fault.startswith("no pull request: 403 ")
    assert "Resource not accessible by personal access token" in fault
    for state in ("errors", "down"):
        setattr(hub.faults, state, 3)
        storage.mirror()
        assert storage.news()[2] != fault
        fault = storage.news()[2]
    hub.faults.down, hub.tokens[token] = False, hub.tokens[storage.token or ""]
    storage.mirror()
    assert storage.news() == [head, hub.pulls[0]["html_url"], None]


HOSTILE = [
    "` @everyone `",
    "``` \n\n- 7 `Done`\n# Heading",
    "a\r\n\r\n<img src=x onerror=alert(1)> @octocat fixes #1",
    "[click](https://example.com) \x1b[31m \u202e \\`",
    "",
    "@" * 100_000,
]


def test_hostile_text_is_harmless():
    """What agents wrote is in a block of code, a line for each task, and there is an end to it."""
    subjects = [*HOSTILE, *(f"@{number}" * 200 for number in range(300))]
    tasks = [{**task(str(number)), "subject": text} for number, text in enumerate(subjects)]
    done: Json = {
        each["id"]: {**each, "metadata": {"note": each["subject"] + "\n"}} for each in tasks
    }
    body = mirror.summary("0" * 40, done)
    head, empty, begin, *lines, end = body.splitlines()
    assert (head.count("306"), empty, begin, end) == (1, "", "```", "```")
    assert len(lines) == 150
    assert len(body) < 65_536
    for number, line in enumerate(lines):
        assert re.fullmatch(rf"{number}\. .*: .*", line)
        assert line.isprintable()


# How it is started


@pytest.mark.parametrize("who", ["ship-0", "captain"])
def test_any_call_sees_to_it(hub: GitHub, who: str):
    """A ship's call or the captain's starts a mirror where one is due, and does not wait for it."""
    storage = moor(hub, task("1"))
    storage.land()
    hub.faults.delay, hub.faults.only = 4, PUSH
    begun = time.monotonic()
    assert storage.ask_process(who, "status" if who == "captain" else "beat", claim=1)["ok"]
    assert time.monotonic() - begun < 4
    assert until(lambda: storage.news()[0] == storage.head(), 20)
    assert hub.requests.count(PUSH) == 1


def test_a_voyage_is_mirrored_by_its_own_calls(hub: GitHub):
    """From the first claim to the pull request nobody has to think of it."""
    storage = moor(hub, task("1"))
    held = storage.ask_process("ship-0", "claim", run_id="r")
    commit = storage.push(held["ref"])
    assert storage.ask_process("ship-0", "land", claim=1, commit=commit, id="a")["ok"]
    held = storage.ask_process("ship-0", "claim", run_id="r")
    assert storage.ask_process("ship-0", "land", claim=held["claim"], commit=commit, id="b")["ok"]
    assert until(lambda: storage.ask_process("captain", "status")["pr_url"], 20)
    assert storage.ask_process("captain", "status")["mirrored"] == commit == remote(hub)
    assert len(hub.pulls) == 1


def test_harbor_does_not_pay_for_it(hub: GitHub):
    """A call with nothing to mirror loads nothing that only a mirror needs."""
    storage = moor(hub, task("1"))
    look = (
        f"import sys; sys.path.insert(0, {str(storage.folder / 'lib')!r}); "
        "import onboard.storage.serve; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-IS", "-c", look], capture_output=True, check=True)
    loaded = set(done.stdout.decode().split())
    assert {"onboard.storage.mirror", "onboard.storage.notify"} <= loaded
    assert not loaded & {"urllib.request", "http", "subprocess", "onboard.process"}

"""The way of what landed to GitHub."""

import subprocess
import sys
import time

import pytest

from ocaptain.onboard.storage import background
from ocaptain.onboard.storage.job import Timing
from tests.fakes import github_rules
from tests.fakes.github import USER, GitHub
from tests.support.machine import command_lines, until
from tests.support.mirrored import BRANCH, HIDDEN, NAME, URL, Mirrored, hub_repo, moor, remote
from tests.support.rules import rule
from tests.support.storage import Json, assert_sound, git, task

PUSH = f"POST /{NAME}.git/git-receive-pack"


# The commits


@rule("R59", "R119")
def test_what_lands_is_brought_to_origin(hub: GitHub):
    """Whatever has landed is pushed, and status says up to where; what is there is left alone.

    No branch is touched meanwhile."""
    storage = moor(hub, task("1"), task("2"))
    for _ in range(2):
        head = storage.land()
        assert storage.due()
        storage.mirror()
        assert remote(hub) == head
        assert storage.news() == [head, None, None]
        [*_, line] = storage.lines()
        assert (line["who"], line["op"]) == ("harbor", "mirror")
        assert line["set"]["meta"]["mirrored"] == head
    assert storage.order("status")["mirrored_ref"] == HIDDEN
    assert git(hub_repo(hub), "branch", "--format=%(refname:short)") == "main"
    assert not storage.due()
    requests, journal = len(hub.requests), storage.journal_file.read_bytes()
    storage.mirror()
    assert (len(hub.requests), storage.journal_file.read_bytes()) == (requests, journal)
    assert remote(hub, "refs/heads/main") == storage.start
    assert_sound(storage)


@rule("R59", "R119")
def test_a_complete_voyage_has_a_branch_on_origin(hub: GitHub):
    """Until verify.sh has passed no workflow runs; then it runs for that commit alone."""
    storage = moor(hub, task("1"), task("2"), open_pr=False)
    storage.give_token(hub.token(write=[NAME], workflow=True))
    storage.land({".github/workflows/ci.yml": "on: push\n"})
    storage.mirror()
    head = storage.land()
    storage.mirror()
    assert (remote(hub), remote(hub, BRANCH)) == (head, "")
    assert github_rules.runs(hub_repo(hub)) == []
    storage.verify()
    storage.mirror()
    assert (remote(hub), remote(hub, BRANCH)) == (head, head)
    assert github_rules.runs(hub_repo(hub)) == [BRANCH]
    assert storage.order("status")["mirrored_ref"] == BRANCH
    assert not storage.due()
    assert_sound(storage)


@rule("R99")
def test_the_token_shows_nowhere(hub: GitHub):
    """No process has it among its arguments while git pushes, and no file but its own holds it."""
    storage = moor(hub, task("1"))
    storage.land()
    hub.faults.delay, seen = 0.2, set[bytes]()
    with subprocess.Popen([*storage.lib, "background", "mirror"]) as child:
        while child.poll() is None:
            seen |= command_lines()
    assert storage.token
    assert storage.news()[0] == storage.head()
    assert any(argv.startswith(b"git\0-C") and b"\0push\0" in argv for argv in seen)
    assert any(b"remote-https" in argv for argv in seen)
    assert not [argv for argv in seen if storage.token.encode() in argv]
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
    assert storage.lines()[-1]["set"]["meta"] == {
        "mirrored": head,
        "mirrored_ref": HIDDEN,
        "mirror_fault": None,
    }
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
    storage.give_token(token)
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
    assert "Invalid username or token." in storage.news()[2]
    assert "export GH_TOKEN=…; ocaptain resume" in storage.news()[2]
    hub.tokens = tokens
    storage.mirror(at=time.time() + 60)
    assert storage.news() == [head, None, None]


@rule("R59")
def test_nothing_on_origin_is_overwritten(hub: GitHub):
    """Where somebody else has pushed to our refs, that stays, and status says why ours is not."""
    storage = moor(hub, task("1"))
    theirs = git(hub_repo(hub), "commit-tree", "main^{tree}", "-p", "main", "-m", "Theirs")
    for ref in (HIDDEN, BRANCH):
        git(hub_repo(hub), "update-ref", ref, theirs)
    storage.land()
    storage.verify()
    storage.mirror()
    assert f"{BRANCH} is refused: fetch first." in storage.news()[2]
    assert (remote(hub), remote(hub, BRANCH)) == (theirs, theirs)


# What origin does not take


@rule("R59")
def test_what_is_refused_is_tried_again_rarely_and_never_forgotten(hub: GitHub):
    """Once a minute has passed, then two, four and so on; at once if the branch moves on, and after
    `resume`. What origin said stands in status all the time."""
    storage = moor(hub, task("1"), task("2"))
    github_rules.close(hub_repo(hub), "refs/ocaptain/")
    storage.land()
    began = time.time()
    tries = []
    for minute in (0, 0.9, 1, 1.9, 2, 3.9, 4, 7.9, 8):
        requests = hub.requests.count(PUSH)
        storage.mirror(Timing(), began + minute * 60)
        assert "refused" in storage.news()[2]
        tries += [minute] * (hub.requests.count(PUSH) > requests)
    assert tries == [0, 1, 2, 4, 8]
    storage.order("resume")
    assert storage.due()
    storage.mirror(Timing())
    assert not storage.due()
    storage.land()
    assert storage.due()


@rule("R59")
def test_origin_takes_no_refs_of_ours(hub: GitHub):
    """Status says so, and that the branch is pushed in the end; it is, and all is well."""
    storage = moor(hub, task("1"))
    github_rules.close(hub_repo(hub), "refs/ocaptain/")
    head = storage.land()
    storage.mirror(Timing())
    [mirrored, _, fault] = storage.news()
    assert mirrored is None
    assert fault.startswith(f"no push: {HIDDEN} is refused: push declined due to")
    assert "The branch is pushed once the voyage is complete." in fault
    storage.verify()
    storage.mirror(Timing())
    assert storage.news() == [head, hub.pulls[0]["html_url"], None]
    assert (remote(hub), remote(hub, BRANCH)) == ("", head)
    assert not storage.due()


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
    late = {"onboard.storage.pull_request", "onboard.storage.refusal", "onboard.process"}
    assert not loaded & {"urllib.request", "http", "subprocess", *late}

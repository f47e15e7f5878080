"""Voyages of a repository on GitHub, from its check to the pull request; both are stand-ins."""

import json
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.fakes.github import GitHub, git
from tests.support.captain import Json, Voyage, task
from tests.support.exe_captain import Ending, ExeCaptain, exe_captain, on_new
from tests.support.machine import put, until
from tests.support.rules import rule
from tests.support.secrets import Sampler, found_in, objects, sampling

NAME = "owner/name"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHub]:
    """GitHub, with a private repository."""
    with GitHub(tmp_path_factory.mktemp("hub")) as somewhere:
        somewhere.repository(NAME)
        yield somewhere


@pytest.fixture(scope="module")
def captain(tools: None, hub: GitHub) -> Iterator[ExeCaptain]:
    """Somebody whose machines reach GitHub, and who has no token yet."""
    with exe_captain(hub.proxy_env(), hosts=hub.hosts, ca=hub.ca) as somebody:
        yield somebody


@pytest.fixture(autouse=True)
def fresh(captain: ExeCaptain, hub: GitHub) -> Iterator[None]:
    """Each test begins without a token, and with GitHub up."""
    captain.env.pop("GH_TOKEN", None)
    yield
    hub.faults.down = False


def plan(captain: ExeCaptain, name: str, repo: str = NAME) -> Path:
    """A plan of one task for a repository on GitHub."""
    return captain.plan(Path(repo), {"1": task("One", "echo 1 >one")}, name=name)


def refs(hub: GitHub, voyage: str) -> dict[str, str]:
    """What GitHub has of a voyage: the commits of its refs."""
    listed = git(hub.folder / f"{NAME}.git", "for-each-ref", "--format=%(refname) %(objectname)")
    pairs = dict(line.split() for line in listed.splitlines())
    return {ref: commit for ref, commit in pairs.items() if ref.endswith(f"/{voyage}")}


def at_once(voyage: Voyage) -> None:
    """Have the next call try the mirror again, as the one that waits to do so is killed."""
    assert isinstance(voyage.captain, ExeCaptain)
    machine = voyage.captain.exe.machines[f"{voyage.id}-storage"]
    machine.run("sudo pkill -KILL -f '[b]ackground mirror'")


def gate(number: int) -> str:
    return f"until [ -e ~/gate{number} ]; do sleep 0.1; done; echo {number} >{number}"


def open_gate(voyage: Voyage, number: int) -> None:
    put(voyage.home("ship0") / f"gate{number}", "")


@dataclass
class Story:
    """A voyage that is complete, what was seen of it on the way, and by whom."""

    voyage: Voyage
    token: str
    sampler: Sampler
    seen: dict[str, Json] = field(default_factory=dict)
    pushed: dict[str, dict[str, str]] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def story(captain: ExeCaptain, hub: GitHub) -> Story:
    """A voyage with --pr, in whose middle GitHub was down for a while."""
    captain.env["GH_TOKEN"] = token = hub.token(write=[NAME])
    tasks = {
        str(n): task(f"Task {n} #{n} @you", gate(n), after=[str(n - 1)] * (n > 1))
        for n in (1, 2, 3)
    }
    with sampling() as sampler:
        words = ("sail", str(captain.plan(Path(NAME), tasks)), "-n", "1", "--pr")
        out = captain.run(*words).out
        voyage = Voyage(captain, next(w for w in out.split() if w.startswith("voyage-")))
        tale = Story(voyage, token, sampler)

        def look(name: str, seen: Json) -> None:
            tale.seen[name], tale.pushed[name] = seen, refs(hub, voyage.id)
            tale.told[name] = captain.run("status", voyage.id).out

        open_gate(voyage, 1)
        start = voyage.journal()[0]["set"]["meta"]["head"]
        look("landed", voyage.until(lambda seen: seen["mirrored"] not in (None, start)))
        hub.faults.down = True
        open_gate(voyage, 2)
        look("down", voyage.until(lambda seen: seen["mirror_fault"]))
        hub.faults.down = False
        at_once(voyage)
        look("up", voyage.until(lambda seen: seen["mirrored"] == seen["head"]))
        open_gate(voyage, 3)
        voyage.wait()
        look("over", voyage.until(lambda seen: seen["pr_url"]))
    captain.env.pop("GH_TOKEN")
    return tale


def origin(story: Story, name: str) -> str:
    """What `status` tells people of GitHub, on one line."""
    (line,) = [line for line in story.told[name].splitlines() if line.startswith("origin")]
    return line


@rule("R119")
def test_what_lands_is_pushed_while_the_voyage_goes_on(story):
    """To no branch, so that no workflow runs; `status` says how far, and where."""
    seen = story.seen["landed"]
    hidden = f"refs/ocaptain/{story.voyage.id}"
    assert seen["tasks"]["completed"] == 1
    assert story.pushed["landed"] == {hidden: seen["head"]}
    assert (seen["mirrored"], seen["mirrored_ref"]) == (seen["head"], hidden)
    assert origin(story, "landed").split()[1:] == [seen["head"][:12], "at", hidden]


def test_where_github_is_down_status_says_so_and_the_voyage_goes_on(story):
    """What it said stands there, also for people, until a push has gone well."""
    seen = story.seen["down"]
    assert seen["tasks"]["completed"] == 2
    assert seen["head"] != seen["mirrored"] == story.seen["landed"]["head"]
    assert "unable to access 'https://github.com/owner/name.git/'" in seen["mirror_fault"]
    assert "fatal: unable to access" in origin(story, "down")


def test_once_github_is_back_it_catches_up(story):
    """By the next call after a while, and without a word about what was."""
    seen = story.seen["up"]
    hidden = f"refs/ocaptain/{story.voyage.id}"
    assert story.pushed["up"] == {hidden: seen["head"]}
    assert seen["mirrored"] == seen["head"]
    assert seen["mirror_fault"] is None
    assert origin(story, "up").split()[1:] == [seen["head"][:12], "at", hidden]


def test_in_the_end_there_is_one_pull_request_that_says_what_became_of_each_task(story, hub):
    """With all commits, whose subjects mention nobody and close nothing."""
    seen = story.seen["over"]
    (pull,) = [pull for pull in hub.pulls if pull["head"]["ref"] == story.voyage.id]
    assert set(story.pushed["over"].values()) == {seen["head"]}
    assert f"refs/heads/{story.voyage.id}" in story.pushed["over"]
    assert seen["mirrored"] == seen["head"] == pull["head"]["sha"]
    assert (seen["pr_url"], pull["base"]["ref"]) == (pull["html_url"], "main")
    assert origin(story, "over").split()[1:] == [
        seen["head"][:12],
        "at",
        story.voyage.id,
        pull["html_url"],
    ]
    for number in "123":
        commit = story.voyage.task(number)["commit"]
        link = f"[`{commit[:12]}`](https://github.com/{NAME}/commit/{commit})"
        line = f"- {link} `{number}. Task {number} #{number} @you`"
        assert line in pull["body"].splitlines()
    landed = git(hub.folder / f"{NAME}.git", "log", "--format=%s", f"main..{story.voyage.id}")
    assert len(landed.splitlines()) == 3


def test_the_token_is_in_one_file_of_harbors_and_nowhere_else(story, hub):
    """On no ship, in no command line, log, journal, commit, or what the captain sees."""
    captain, voyage = story.voyage.captain, story.voyage
    assert isinstance(captain, ExeCaptain)
    uppers = {name: machine.folder / "upper" for name, machine in captain.exe.machines.items()}
    place = uppers[f"{voyage.id}-storage"] / "home/harbor/voyage/credentials"
    found = [path for upper in uppers.values() for path in found_in(upper, story.token)]
    assert found == [str(place)]
    assert place.stat().st_mode & 0o777 == 0o600
    assert place.stat().st_uid == voyage.storage.stat().st_uid
    seen = objects(voyage, voyage.storage / "repo.git") + json.dumps(hub.pulls)
    seen += "".join(captain.run(verb, voyage.id).out for verb in ("logs", "status", "tasks"))
    assert "Task 1" in seen
    assert story.token not in seen
    assert any(b"background" in words for words in story.sampler.seen)
    assert not any(story.token.encode() in words for words in story.sampler.seen)


@pytest.mark.parametrize("served", ["internal", "shell"])
def test_a_ship_cannot_read_the_token(story, served):
    """Neither over SFTP, whoever serves it, nor through git or harbor, or as its own user."""
    voyage = story.voyage
    assert isinstance(voyage.captain, ExeCaptain)
    storage = voyage.captain.exe.machines[f"{voyage.id}-storage"]
    storage.faults.sftp = served
    ssh, place = "-F ~/voyage/ssh_config -o ControlPath=none", "/home/harbor/voyage"
    paths = (f"{place}/credentials", f"{place}/repo.git/../credentials", f"{place}/boot.json")
    batch = shlex.quote("".join(f"-get {path} stolen\n" for path in paths))
    done = voyage.ssh("ship0", f"echo {batch} | sftp -b - {ssh} storage; cat stolen")
    assert done.err.count("denied") == 2, done
    assert "boot.json" in done.err.partition("not found")[0].rpartition("\n")[2]
    for command in ("cat credentials", "git-upload-pack ../credentials", "harbor"):
        done = voyage.ssh("ship0", f"echo '{{}}' | ssh {ssh} storage {shlex.quote(command)}; id")
        assert story.token not in done.out + done.err
    become = "sudo setpriv --reuid=ship-0 --regid=ocaptain-ships --init-groups"
    assert storage.run(f"{become} cat {place}/credentials", check=False).stdout == b""


# What is refused before anything is made


@contextmanager
def nothing_made(captain: ExeCaptain) -> Iterator[None]:
    """The account is as it was, and was not even asked for a VM."""
    before, asked = captain.account(), len(captain.exe.commands)
    yield
    assert captain.account() == before
    assert not [line for line in captain.exe.commands[asked:] if line.startswith("new")]


TOKENS = {"none": None, "bad": "ghp_of-nobody", "for-another": "other"}


@pytest.mark.parametrize("token", TOKENS)
def test_a_repository_that_the_token_does_not_open_is_refused_by_the_check(captain, hub, token):
    """Before anything is made, with what GitHub says and what to do."""
    if token != "none":
        captain.env["GH_TOKEN"] = hub.token() if token == "for-another" else "ghp_of-nobody"
    given = plan(captain, f"refused-{token}")
    with nothing_made(captain):
        for verb in ("check", "sail"):
            done = captain.run(verb, str(given), status=1)
            assert 'voyage.json: "repo"' in done.err, verb
            assert "export GH_TOKEN" in done.err, verb
            assert captain.env.get("GH_TOKEN", "ghp_") not in done.err


def test_a_pull_request_needs_a_token(captain, hub):
    """`--pr` on a public repository without GH_TOKEN is refused."""
    hub.repository("owner/public", private=False)
    given = plan(captain, "tokenless", repo="owner/public")
    with nothing_made(captain):
        done = captain.run("sail", str(given), "--pr", status=1)
    assert "A pull request needs a repo on GitHub" in done.err


def test_a_pull_request_needs_a_repository_on_github(captain, hub):
    """`--pr` for a checkout of the captain's is refused, with a token, too."""
    captain.env["GH_TOKEN"] = hub.token(write=[NAME])
    given = captain.plan(captain.repository(), {"1": task("One", "true")}, name="path")
    with nothing_made(captain):
        done = captain.run("sail", str(given), "--pr", status=1)
    assert "A pull request needs a repo on GitHub" in done.err


# What GitHub does not let


def test_a_token_that_may_not_write_is_told_and_the_voyage_completes(captain, hub):
    """Its branch is on storage alone then, and `sink` says so."""
    captain.env["GH_TOKEN"] = hub.token(read=[NAME])
    voyage = captain.sail(plan(captain, "reader"))
    voyage.wait()
    seen = voyage.until(lambda seen: seen["mirror_fault"])
    assert (seen["state"], seen["mirrored"], seen["pr_url"]) == ("complete", None, None)
    assert "Permission to owner/name.git denied" in seen["mirror_fault"]
    assert "denied" in captain.run("status", voyage.id).out
    assert refs(hub, voyage.id) == {}
    risk = captain.run("sink", "-s", "--force", voyage.id).out
    assert "never fetched or pushed: 1 commit on its branch" in risk


def test_a_clone_that_fails_ends_sail_at_once(captain, hub, monkeypatch):
    """Storage's word is enough: nobody waits for ships that may never come, and nothing is left."""
    captain.env["GH_TOKEN"] = hub.token(write=[NAME])
    given = plan(captain, "cloneless")
    before = captain.account()
    captain.exe.faults.stuck = Ending({"ship0", "ship1"})
    on_new(captain, monkeypatch, "-storage", lambda _: setattr(hub.faults, "down", True))
    began = time.monotonic()
    done = captain.run("sail", str(given), "-n", "2", status=1)
    assert time.monotonic() - began < 20
    captain.exe.faults.stuck = set()
    assert "storage could not be set up" in done.err
    assert "Failed to connect to github.com port 443" in done.err
    until(lambda: captain.account() == before)

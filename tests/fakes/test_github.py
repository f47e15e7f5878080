import json
import os
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

import pytest

from tests.fakes import github_rules
from tests.fakes.github import PORT, USER, GitHub

NAME = "owner/name"
URL = f"https://github.com/{NAME}.git"
API = f"https://api.github.com/repos/{NAME}"
QUIET = {"GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_GLOBAL": "/dev/null", "LC_ALL": "C"}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[GitHub]:
    with GitHub(tmp_path) as running:
        yield running


def run(hub: GitHub, *words: str | Path, token: str = "") -> subprocess.CompletedProcess[str]:
    """Run git with a captain's token, if any, as GitHub is reached on this machine."""
    helper = f'!f() {{ test "$1" != get || printf "username=x\\npassword={token}\\n"; }}; f'
    identity = ["-c", "user.name=captain", "-c", "user.email=captain@localhost"]
    argv = ["git", *identity, *(["-c", f"credential.helper={helper}"] if token else []), *words]
    env = {**os.environ, **QUIET, **hub.proxy_env()}
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=60)


def git(hub: GitHub, *words: str | Path, token: str = "") -> str:
    """What git prints, where it does not fail."""
    done = run(hub, *words, token=token)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def clone(hub: GitHub, tmp_path: Path) -> Path:
    """A clone of a private repository, with a commit of its own."""
    hub.repository(NAME)
    folder = tmp_path / "clone"
    git(hub, "clone", "-q", URL, folder, token=hub.token(read=[NAME]))
    git(hub, "-C", folder, "commit", "-q", "--allow-empty", "-m", "More")
    return folder


@pytest.fixture
def pushed(hub: GitHub, clone: Path) -> str:
    """A token that has pushed a branch `voyage`."""
    token = hub.token(write=[NAME])
    git(hub, "-C", clone, "push", "-q", URL, "HEAD:refs/heads/voyage", token=token)
    return token


def ask(
    hub: GitHub, monkeypatch: pytest.MonkeyPatch, url: str, token: str = "", body: Any = None
) -> tuple[int, Any]:
    """An API request by Python: the status, and what was answered."""
    for name, value in hub.proxy_env().items():
        monkeypatch.setenv(name, value)
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    opener = urllib.request.build_opener()  # urlopen's keeps the proxy of its first request
    try:
        with opener.open(urllib.request.Request(url, data, headers)) as answer:
            return answer.status, json.load(answer)
    except HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


def test_who_may_clone_a_private_repository(hub: GitHub, tmp_path: Path):
    """Nobody does without a token, nor with a wrong one; to a token for others it is not there."""
    hub.repository(NAME)
    hub.repository("owner/other")
    for number, (token, said) in enumerate(
        {
            "": "could not read Username",
            "ghp_wrong": "Authentication failed",
            hub.token(write=["owner/other"]): "Repository not found",
        }.items()
    ):
        done = run(hub, "clone", URL, tmp_path / str(number), token=token)
        assert done.returncode != 0
        assert said in done.stderr
    git(hub, "clone", "-q", URL, tmp_path / "clone", token=hub.token(read=[NAME]))
    assert git(hub, "-C", tmp_path / "clone", "log", "--format=%s") == "Initial commit"
    assert git(hub, "-C", tmp_path / "clone", "branch", "--show-current") == "main"


def test_anybody_may_clone_a_public_repository(hub: GitHub, tmp_path: Path):
    """No token is asked for, and the name goes without .git as well; a missing one asks."""
    hub.repository(NAME, private=False)
    git(hub, "clone", "-q", f"https://github.com/{NAME}", tmp_path / "clone")
    assert hub.requests[0] == f"GET /{NAME}/info/refs?service=git-upload-pack"
    missing = run(hub, "ls-remote", "https://github.com/owner/missing.git")
    assert "could not read Username" in missing.stderr


def test_a_push(hub: GitHub, pushed: str, clone: Path):
    """What a token with write access pushes is there, also what is too large for one piece."""
    (clone / "large").write_bytes(os.urandom(3_000_000))
    git(hub, "-C", clone, "add", "-A")
    git(hub, "-C", clone, "commit", "-q", "-m", "Large")
    git(hub, "-C", clone, "push", "-q", URL, "HEAD:refs/heads/voyage", token=pushed)
    head = git(hub, "-C", clone, "rev-parse", "HEAD")
    assert git(hub, "-C", hub.folder / f"{NAME}.git", "rev-parse", "voyage") == head


def add(hub: GitHub, clone: Path, path: str, body: bytes) -> None:
    """Commit a file in a clone."""
    (clone / path).parent.mkdir(parents=True, exist_ok=True)
    (clone / path).write_bytes(body)
    git(hub, "-C", clone, "add", "-A")
    git(hub, "-C", clone, "commit", "-q", "-m", path)


def test_refs_that_are_no_branches(hub: GitHub, pushed: str, clone: Path):
    """They are taken, and start no workflow, as a push to a branch or of a tag does; those of pull
    requests are GitHub's own."""
    repo = hub.folder / f"{NAME}.git"
    add(hub, clone, ".github/workflows/ci.yml", b"on: push\n")
    token = hub.token(write=[NAME], workflow=True)
    push = ("-C", clone, "push", "-q", URL)
    git(hub, *push, "HEAD:refs/some/thing", token=token)
    assert github_rules.runs(repo) == []
    git(hub, *push, "HEAD:refs/heads/x", "HEAD:refs/tags/y", token=token)
    assert github_rules.runs(repo) == ["refs/heads/x", "refs/tags/y"]
    refused = run(hub, *push, "HEAD:refs/pull/1/head", token=token)
    assert "(deny updating a hidden ref)" in refused.stderr


def test_a_file_that_is_too_large(hub: GitHub, pushed: str, clone: Path):
    """Wherever it is pushed to, and though a later commit removes it."""
    github_rules.limit_files(hub.folder / f"{NAME}.git", 1)
    add(hub, clone, "a large one.bin", bytes(1_500_000))
    (clone / "a large one.bin").unlink()
    add(hub, clone, "small", bytes(900_000))
    for ref in ("refs/heads/x", "refs/some/thing"):
        refused = run(hub, "-C", clone, "push", "-q", URL, f"HEAD:{ref}", token=pushed)
        assert (
            "remote: error: File a large one.bin is 1.43 MB; "
            "this exceeds GitHub's file size limit of 1.00 MB" in refused.stderr
        )
        assert "(pre-receive hook declined)" in refused.stderr


def test_a_workflow_needs_a_scope(hub: GitHub, pushed: str, clone: Path):
    """Without it the ref is refused, with the file's name; other refs go on."""
    add(hub, clone, ".github/workflows/ci.yml", b"on: push\n")
    push = ("-C", clone, "push", "-q", "--porcelain", URL)
    refused = run(hub, *push, "HEAD:refs/heads/x", "HEAD~1:refs/heads/y", token=pushed)
    assert (
        "!\tHEAD:refs/heads/x\t[remote rejected] (refusing to allow a Personal Access Token to "
        "create or update workflow `.github/workflows/ci.yml` without `workflow` scope)"
    ) in refused.stdout.splitlines()
    branches = git(hub, "-C", hub.folder / f"{NAME}.git", "branch", "--format=%(refname:short)")
    assert branches.split() == ["main", "voyage", "y"]


def test_a_ruleset_closes_refs(hub: GitHub, pushed: str, clone: Path):
    """What begins as it says is refused."""
    github_rules.close(hub.folder / f"{NAME}.git", "refs/some/")
    push = ("-C", clone, "push", "-q", URL)
    refused = run(hub, *push, "HEAD:refs/some/thing", token=pushed)
    assert "GH013: Repository rule violations found for refs/some/thing." in refused.stderr
    assert "(push declined due to repository rule violations)" in refused.stderr
    git(hub, *push, "HEAD:refs/other/thing", token=pushed)


@pytest.mark.parametrize("private", [True, False])
def test_a_refused_push(hub: GitHub, clone: Path, private: bool):
    """Who may only read is told so, and nothing changes; who has no token is asked for one."""
    hub.private[NAME] = private
    push = ("-C", clone, "push", URL, "HEAD:refs/heads/voyage")
    done = run(hub, *push, token=hub.token(read=[NAME]))
    assert done.returncode != 0
    assert f"Permission to {NAME}.git denied to {USER}." in done.stderr
    assert "error: 403" in done.stderr
    assert "could not read Username" in run(hub, *push).stderr
    branches = git(hub, "-C", hub.folder / f"{NAME}.git", "branch", "--format=%(refname:short)")
    assert branches == "main"


def test_a_repository_by_the_api(hub: GitHub, clone: Path, monkeypatch: pytest.MonkeyPatch):
    """It tells what it is and what the token may; to others it is not there."""
    status, about = ask(hub, monkeypatch, API, hub.token(read=[NAME]))
    assert (status, about["default_branch"], about["private"]) == (200, "main", True)
    assert about["permissions"] == {"pull": True, "push": False, "admin": False}
    status, about = ask(hub, monkeypatch, API, hub.token(write=[NAME]))
    assert about["permissions"]["push"] is True
    assert ask(hub, monkeypatch, API)[0] == 404
    assert ask(hub, monkeypatch, API, hub.token())[0] == 404
    status, refused = ask(hub, monkeypatch, API, "ghp_wrong")
    assert (status, refused["message"]) == (401, "Bad credentials")


def test_a_pull_request(hub: GitHub, pushed: str, monkeypatch: pytest.MonkeyPatch):
    """It is made once, can be looked up by its head, and a second one is refused."""
    asked = {"title": "Voyage", "head": "voyage", "base": "main", "body": "What was done"}
    status, made = ask(hub, monkeypatch, f"{API}/pulls", pushed, asked)
    assert (status, made["number"]) == (201, 1)
    assert made["html_url"] == f"https://github.com/{NAME}/pull/1"
    assert [(p["title"], p["body"], p["head"]["ref"]) for p in hub.pulls] == [
        ("Voyage", "What was done", "voyage")
    ]
    status, refused = ask(hub, monkeypatch, f"{API}/pulls", pushed, asked)
    assert (status, refused["message"]) == (422, "Validation Failed")
    said = "A pull request already exists for owner:voyage."
    assert refused["errors"] == [{"resource": "PullRequest", "code": "custom", "message": said}]
    for query, count in {"head=owner:voyage": 1, "head=owner:other": 0, "state=closed": 0}.items():
        status, found = ask(hub, monkeypatch, f"{API}/pulls?{query}", pushed)
        assert (status, len(found)) == (200, count)
    hub.pulls[0]["state"] = "closed"
    assert ask(hub, monkeypatch, f"{API}/pulls", pushed, asked)[1]["number"] == 2


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"head": "no"}, {"field": "head", "code": "invalid"}),
        ({"base": "no"}, {"field": "base", "code": "invalid"}),
        ({"title": ""}, {"field": "title", "code": "missing_field"}),
        (
            {"head": "main"},
            {"code": "custom", "message": "No commits between main and main"},
        ),
    ],
)
def test_a_pull_request_that_cannot_be(
    hub: GitHub,
    pushed: str,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, str],
    error: dict[str, str],
):
    """Branches that do not exist or do not differ are named as GitHub names them."""
    asked = {"title": "Voyage", "head": "voyage", "base": "main", **change}
    status, refused = ask(hub, monkeypatch, f"{API}/pulls", pushed, asked)
    assert (status, refused["errors"]) == (422, [{"resource": "PullRequest", **error}])
    assert hub.pulls == []


def test_who_may_make_a_pull_request(hub: GitHub, pushed: str, monkeypatch: pytest.MonkeyPatch):
    """A token has to be known, to see the repository, and to be allowed to."""
    asked = {"title": "Voyage", "head": "voyage", "base": "main"}
    tokens = {
        "ghp_wrong": 401,
        hub.token(): 404,
        hub.token(read=[NAME]): 403,
        hub.token(write=[NAME], pulls=False): 403,
    }
    statuses = [ask(hub, monkeypatch, f"{API}/pulls", t, asked)[0] for t in tokens]
    assert statuses == list(tokens.values())


def test_down_and_up_again(hub: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """While it is down connections are refused, and afterwards all is as it was."""
    hub.repository(NAME, private=False)
    hub.faults.down = True
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((hub.address, PORT)).close()
    assert run(hub, "ls-remote", URL).returncode != 0
    with pytest.raises(URLError):
        ask(hub, monkeypatch, API)
    assert hub.requests == []
    hub.faults.down = False
    assert "refs/heads/main" in git(hub, "ls-remote", URL)


def test_errors_and_delays(hub: GitHub, monkeypatch: pytest.MonkeyPatch):
    """So many of the requests that are meant fail; a slow answer comes in the end."""
    hub.repository(NAME, private=False)
    hub.faults.errors, hub.faults.only = 1, "/pulls"
    git(hub, "ls-remote", URL)
    assert ask(hub, monkeypatch, API)[0] == 200
    assert ask(hub, monkeypatch, f"{API}/pulls")[0] == 503
    assert ask(hub, monkeypatch, f"{API}/pulls") == (200, [])
    hub.faults.delay = 0.3
    begun = time.monotonic()
    assert ask(hub, monkeypatch, f"{API}/pulls") == (200, [])
    assert time.monotonic() - begun > 0.3


def test_the_proxy_knows_no_other_name(hub: GitHub):
    """Nothing on the internet is reached by way of it."""
    done = run(hub, "ls-remote", "https://example.com/owner/name.git")
    assert "403" in done.stderr


def test_nobody_trusts_it_by_chance(hub: GitHub, tmp_path: Path):
    """Its certificate is good for nobody who was not given the CA."""
    hub.repository(NAME, private=False)
    with GitHub(tmp_path / "other") as other:
        env = {**os.environ, **QUIET, **hub.proxy_env(), "GIT_SSL_CAINFO": str(other.ca)}
        argv = ["git", "ls-remote", URL]
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
        assert other.address != hub.address
    assert "certificate" in done.stderr


def test_an_address_of_the_callers_choice(tmp_path: Path):
    """The caller may say where it is; what it started ends with it, and the place is free again."""
    threads = threading.active_count()
    for number in range(2):
        with GitHub(tmp_path / str(number), "127.78.0.77") as hub:
            assert hub.hosts == dict.fromkeys(("github.com", "api.github.com"), "127.78.0.77")
            hub.faults.delay = 60
            slow = threading.Thread(target=run, args=(hub, "ls-remote", URL))
            slow.start()
            while not hub.requests:
                time.sleep(0.01)
        slow.join()
        assert threading.active_count() == threads
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.78.0.77", PORT)).close()

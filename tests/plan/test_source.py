"""The repository that a plan names: what is read of it."""

import os
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from ocaptain.plan.plan import Source
from ocaptain.plan.source import AS_STORAGE
from tests.support.plans import checked, faults, git, patch, sound


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"branch": "nowhere"}, 'has no branch "nowhere"'),
        (
            {"repo": "ext::sh"},
            '"ext::sh" is no owner/name, git URL or path (/…, ./…, ../…, ~/…)',
        ),
    ],
)
def test_source_that_is_none(plan: Path, settings: dict[str, Any], expected: str):
    """A branch or repository that cannot be is reported, and nothing else."""
    patch(plan, "voyage.json", **settings)
    report = checked(plan)
    assert report.faults == [f'voyage.json: "repo": {expected}']
    assert report.plan is None


def test_branch_of_a_checkout(plan: Path, repo: Path):
    """A branch other than the one checked out is read at its own commit."""
    git(repo, "checkout", "-q", "-b", "feature/x")
    git(repo, "commit", "-q", "--allow-empty", "-m", "second")
    feature = git(repo, "rev-parse", "HEAD")
    git(repo, "checkout", "-q", "main")
    patch(plan, "voyage.json", branch="feature/x")
    source = sound(plan).source
    assert (source.branch, source.head) == ("feature/x", feature)


def test_detached_head(plan: Path, repo: Path):
    """A checkout on no branch is read at its commit."""
    git(repo, "checkout", "-q", "--detach")
    source = sound(plan).source
    assert (source.branch, source.head) == (None, git(repo, "rev-parse", "HEAD"))


def test_relative_repo(plan: Path, repo: Path, monkeypatch: pytest.MonkeyPatch):
    """A relative repo counts from the current directory, which may be deep in a checkout."""
    (repo / "deep/er").mkdir(parents=True)
    patch(plan, "voyage.json", repo=".")
    monkeypatch.chdir(repo / "deep/er")
    source = sound(plan).source
    assert (source.path, source.branch) == (repo / "deep/er", "main")


def test_bare_repo(plan: Path, repo: Path, tmp_path: Path):
    """A bare repository on this machine will do as well."""
    git(tmp_path, "clone", "-q", "--bare", str(repo), "bare.git")
    patch(plan, "voyage.json", repo=str(tmp_path / "bare.git"))
    report = checked(plan)
    assert report.plan
    assert report.plan.source.head == git(repo, "rev-parse", "HEAD")
    assert [note for note in report.notes if "bare.git" in note] == []


def test_repo_that_is_none(plan: Path, tmp_path: Path):
    """A path without a repository, and one where nothing was ever committed, are at fault."""
    patch(plan, "voyage.json", repo=str(tmp_path / "nowhere"))
    assert "cannot change to" in faults(plan)[0]
    git(tmp_path, "init", "-q", "empty")
    patch(plan, "voyage.json", repo=str(tmp_path / "empty"))
    assert faults(plan) == ['voyage.json: "repo": has no commit to start from']


@pytest.fixture
def github(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in for GitHub: git goes to a directory, and tells `seen` what it was run with."""
    git(tmp_path, "clone", "-q", "--bare", str(repo), "github/me/code.git")
    config, seen = tmp_path / "gitconfig", tmp_path / "seen"
    config.write_text(f'[url "file://{tmp_path}/github/"]\n\tinsteadOf = https://github.com/\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    real = subprocess.run(["which", "git"], check=True, capture_output=True, text=True).stdout
    wrapper = tmp_path / "bin/git"
    wrapper.parent.mkdir()
    wrapper.write_text(
        f'#!/bin/sh\n{{ echo "argv: $*"; env; }} >>{seen}\nexec {real.strip()} "$@"\n'
    )
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    return seen


def test_github(plan: Path, repo: Path, github: Path):
    """owner/name is on GitHub, even if there is a directory of that name."""
    patch(plan, "voyage.json", repo="me/code")
    source = sound(plan).source
    head = git(repo, "rev-parse", "HEAD")
    assert source == Source("https://github.com/me/code.git", None, "main", head)


def test_github_without_the_branch(plan: Path, github: Path):
    """A branch that GitHub does not have, and a repository that it does not have, are at fault."""
    patch(plan, "voyage.json", repo="me/code", branch="mai*")
    assert faults(plan) == ['voyage.json: "repo": has no branch "mai*"']
    patch(plan, "voyage.json", repo="me/nothing", branch=...)
    assert "does not appear to be a git repository" in faults(plan)[0]


def test_github_token_is_in_no_argv(plan: Path, github: Path):
    """git is given GH_TOKEN by its environment, and a helper that tells it to github.com alone."""
    patch(plan, "voyage.json", repo="me/code")
    sound(plan, GH_TOKEN="ghp_0123456789")
    lines = github.read_text().splitlines()
    assert "GH_TOKEN=ghp_0123456789" in lines
    assert "GIT_TERMINAL_PROMPT=0" in lines
    argv = [line.removeprefix("argv: ") for line in lines if line.startswith("argv: ")]
    assert argv
    assert not [line for line in argv if "ghp_" in line]


def test_github_token_is_for_github(tmp_path: Path):
    """The helper answers for github.com and nobody else, and no helper of the user's is asked."""
    kept, config = tmp_path / "kept", tmp_path / "gitconfig"
    theirs = f'helper = "!cat >>{kept}; echo username=u; echo password=p; :"'
    sections = ("credential", 'credential "https://github.com"')
    config.write_text("".join(f"[{section}]\n\t{theirs}\n" for section in sections))

    def asked(host: str, action: str = "fill", **login: str) -> str:
        told = {"protocol": "https", "host": host, **login}
        env = {"GIT_CONFIG_GLOBAL": str(config), "GH_TOKEN": "ghp_0", "GIT_TERMINAL_PROMPT": "0"}
        return subprocess.run(
            ["git", *AS_STORAGE, "credential", action],
            input="".join(f"{key}={value}\n" for key, value in told.items()),
            env={**os.environ, **env},
            capture_output=True,
            text=True,
        ).stdout

    assert "password=ghp_0" in asked("github.com")
    asked("github.com", "approve", username="x-access-token", password="ghp_0")
    assert asked("github.com.example.org") == ""
    assert not kept.exists()


@pytest.fixture
def private(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The URL of a host where everything is private, and for which the captain has a helper."""

    class Closed(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers["Authorization"]
            self.send_response(200 if known else 401)
            self.send_header("WWW-Authenticate", 'Basic realm="private"')
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    config = tmp_path / "gitconfig"
    config.write_text('[credential]\n\thelper = "!echo username=u; echo password=p; :"\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    with ThreadingHTTPServer(("127.0.0.1", 0), Closed) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/me/code.git"
        server.shutdown()


def test_repo_that_only_the_captain_can_read(plan: Path, private: str):
    """What storage could not clone is at fault, with what to do, though the captain has access."""
    patch(plan, "voyage.json", repo=private)
    [fault] = faults(plan)
    assert "could not read Username" in fault
    assert "GH_TOKEN" in fault


@pytest.mark.parametrize(
    "repo",
    [
        "https://me:hush@github.com/me/code",
        "https://hush@github.com/me/code",
        "https://me:hu@sh/hush@github.com/me/code",
        "ssh://me:hush@example.org/me/code",
    ],
)
def test_repo_with_a_password_in_it(plan: Path, repo: str):
    """A URL that would be kept with its password is refused, without a word of it."""
    patch(plan, "voyage.json", repo=repo)
    [fault] = faults(plan)
    assert fault.startswith('voyage.json: "repo": has a name or password before its host')
    assert "hu" not in fault.replace("GitHub", "")


def test_repo_over_ssh(plan: Path, repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A URL is read through the user's own ssh command, which may not ask for anything."""
    ssh = tmp_path / "ssh"
    ssh.write_text(
        "#!/bin/sh\n"
        'test "$1 $2" = "-o BatchMode=yes" || exit 1\n'
        "for command; do :; done\n"
        'case "$command" in git-*) eval "exec $command" ;; *) exit 1 ;; esac\n'
    )
    ssh.chmod(0o755)
    patch(plan, "voyage.json", repo=f"me@example.org:{repo}")
    monkeypatch.setenv("GIT_SSH_COMMAND", str(ssh))
    assert sound(plan).source.head == git(repo, "rev-parse", "HEAD")
    ssh.write_text("#!/bin/sh\necho 'Permission denied (publickey).' >&2\nexit 255\n")
    (fault,) = faults(plan)
    assert fault.startswith('voyage.json: "repo": Permission denied (publickey). fatal: ')

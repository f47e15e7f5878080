"""The captain's git: what it prints, what it says if it fails, and that it waits for nobody."""

import asyncio
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from ocaptain.errors import Failure
from ocaptain.git import author, git, try_git
from tests.support.plans import repository


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return repository(tmp_path / "repo")


def test_it_returns_what_git_prints(repo: Path):
    """Without the end of the line, and the same if nothing may come of it."""
    subject = ("-C", str(repo), "log", "--format=%s")
    assert asyncio.run(git(*subject)) == "first"
    assert asyncio.run(try_git(*subject)) == "first"


def test_it_raises_what_git_says(repo: Path):
    """In one line; where a failure is no matter, there is nothing."""
    words = ("-C", str(repo), "rev-parse", "--verify", "nowhere")
    with pytest.raises(Failure, match=r"^fatal: Needed a single revision$"):
        asyncio.run(git(*words))
    assert asyncio.run(try_git(*words)) == ""


def test_what_it_says_has_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A secret of the environment may stand in a path or a URL that git complains about."""
    monkeypatch.setenv("GH_TOKEN", "hush-hush")
    with pytest.raises(Failure, match="cannot change to") as caught:
        asyncio.run(git("-C", str(tmp_path / "hush-hush"), "status"))
    assert "hush" not in str(caught.value)


def test_variables_are_added(monkeypatch: pytest.MonkeyPatch):
    """Those of git's that this process has for another purpose are not there."""
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Bob")
    monkeypatch.setenv("GIT_PREFIX", "deep/")
    who = {"GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@localhost"}
    ident = asyncio.run(git("var", "GIT_AUTHOR_IDENT", env=who))
    assert ident.startswith("Ada <ada@localhost>")
    aliased = asyncio.run(git("-c", "alias.told=!env", "told"))
    assert "GIT_AUTHOR_NAME" not in aliased
    assert "GIT_PREFIX=deep/" not in aliased


def test_the_captains_settings_change_nothing(repo: Path, monkeypatch: pytest.MonkeyPatch):
    """Hooks, colours, and which repositories may be read are as ocaptain has chosen."""
    odd = repo.parent / "odd"
    odd.write_text(
        "[color]\n\tui = always\n[core]\n\thooksPath = /nowhere\n\tfsmonitor = touch here\n"
        "[protocol]\n\tallow = never\n[safe]\n\tbareRepository = explicit\n"
        "[status]\n\tshowUntrackedFiles = no\n[core]\n\taskPass = touch asked\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(odd))
    (repo / "new").touch()
    assert asyncio.run(git("-C", str(repo), "status", "--porcelain")) == "?? new"
    assert asyncio.run(git("-C", str(repo / ".git"), "rev-parse", "HEAD"))
    assert asyncio.run(git("-C", str(repo), "ls-remote", ".", "HEAD"))
    assert asyncio.run(git("-C", str(repo), "config", "core.hooksPath")) == "/dev/null"


def test_an_author_is_whoever_commits_in_a_folder(repo: Path, monkeypatch: pytest.MonkeyPatch):
    """Its own settings come first, wherever one is; what nobody set has a stand-in."""
    mine = repo.parent / "mine"
    mine.write_bytes(b"[user]\n\tname = Ad\xe9la\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(mine))
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "of-a-hook@localhost")
    asyncio.run(git("-C", str(repo), "config", "user.email", "ada@work"))
    assert asyncio.run(author(repo)) == {"user.name": "Ad\ufffdla", "user.email": "ada@work"}
    somewhere = asyncio.run(author(repo.parent))
    assert somewhere["user.email"] == "ocaptain@localhost"


def test_a_server_that_does_not_answer_is_not_waited_for():
    """The time that it may take is said in the failure."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"git://127.0.0.1:{server.getsockname()[1]}/code.git"
        with pytest.raises(Failure, match=r"^git did not end within 0\.3 s: git://"):
            asyncio.run(git("ls-remote", url, timeout=0.3))


class Closed(BaseHTTPRequestHandler):
    """A server that lets nobody in."""

    def do_GET(self) -> None:
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="private"')
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_nobody_is_asked_for_a_password(monkeypatch: pytest.MonkeyPatch):
    """A repository that may be private is a failure, with what to do about it."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    with ThreadingHTTPServer(("127.0.0.1", 0), Closed) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/code.git"
        with pytest.raises(Failure, match=r"terminal prompts disabled \(if it is private: export"):
            asyncio.run(git("ls-remote", url))
        server.shutdown()


def test_the_users_own_ssh_asks_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Git goes through the command that they have set, in batch mode."""
    seen = tmp_path / "seen"
    monkeypatch.setenv("GIT_SSH_COMMAND", f"echo >{seen} mine")
    with pytest.raises(Failure, match="Could not read from remote repository"):
        asyncio.run(git("ls-remote", "ada@example.org:code.git"))
    assert seen.read_text().startswith("mine -o BatchMode=yes ")

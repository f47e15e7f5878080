"""What git does for helm depends on nothing that a ship's machine or its agents have set."""

import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import pytest

from ocaptain.onboard.ship.git import Git, GitFailed
from ocaptain.onboard.ship.work import Work
from tests.support.rules import rule
from tests.support.storage import git
from tests.support.yard import Yard

CONTRARY = {
    "apply.whitespace": "error",
    "color.ui": "always",
    "column.ui": "always",
    "commit.gpgSign": "true",
    "core.autocrlf": "true",
    "core.hooksPath": "/nowhere",
    "core.safecrlf": "true",
    "diff.external": "false",
    "diff.noprefix": "true",
    "fetch.fsckObjects": "true",
    "filter.lfs.clean": "false",
    "filter.lfs.required": "true",
    "log.showSignature": "true",
    "merge.conflictStyle": "zdiff3",
    "protocol.allow": "never",
    "push.default": "nothing",
    "push.gpgSign": "true",
    "rebase.autoStash": "true",
    "rebase.backend": "apply",
    "rebase.updateRefs": "true",
    "rerere.autoUpdate": "true",
    "rerere.enabled": "true",
    "transfer.fsckObjects": "true",
    "user.useConfigOnly": "true",
}

VARIABLES = {
    "GIT_DIR": "/nowhere",
    "GIT_WORK_TREE": "/nowhere",
    "GIT_INDEX_FILE": "/nowhere",
    "GIT_OBJECT_DIRECTORY": "/nowhere",
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "core.bare",
    "GIT_CONFIG_VALUE_0": "true",
    "GIT_AUTHOR_NAME": "Somebody Else",
    "GIT_COMMITTER_EMAIL": "else@example.com",
    "GIT_SEQUENCE_EDITOR": "false",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_TRACE": "1",
    "GIT_NAMESPACE": "elsewhere",
}


def contrary(path: Path, keys: list[str]) -> Path:
    """A file of git's configuration that wants all of it otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for key in keys:
        git(path.parent, "config", "--file", str(path), key, CONTRARY[key])
    return path


Surroundings = Callable[[], AbstractContextManager[object]]


def work(yard: Yard, surroundings: Surroundings = nullcontext) -> tuple[str, str]:
    """A task in a fresh clone, with a conflict on its way; what came of it."""
    yard.work = Work(yard.clone)
    with surroundings():
        yard.make()
        yard.begin("work/1-1")
    yard.write("poem", "mine\n")
    yard.write("a.log", "trailing \r\n")
    yard.land(poem="theirs\n")
    with surroundings():
        yard.commit_rest()
        assert yard.rebase() == ["poem"]
    assert "|||||||" not in (yard.path / "poem").read_text()
    yard.write("poem", "both\n")
    with surroundings():
        yard.commit_rest()
        assert yard.rebase() == []
        yard.push()
    shown = git(yard.bare, "log", "-1", "--format=%s %an %cn %ce", "work/1-1")
    return shown, git(yard.bare, "ls-tree", "-r", "work/1-1")


@rule("R124")
def test_the_machines_settings_change_nothing(yard: Yard, monkeypatch: pytest.MonkeyPatch):
    """Neither the system's, nor a user's, nor files of theirs that git reads by itself, nor
    variables."""
    home, system = yard.root / "home", yard.root / "system"
    contrary(home / ".gitconfig", list(CONTRARY))
    contrary(system, list(CONTRARY))
    (home / ".config" / "git").mkdir(parents=True)
    (home / ".config" / "git" / "ignore").write_text("*.log\n")
    (home / ".config" / "git" / "attributes").write_text("* -diff merge=binary eol=crlf\n")
    trouble = {**VARIABLES, "HOME": str(home), "GIT_CONFIG_SYSTEM": str(system)}

    @contextmanager
    def troubled() -> Iterator[None]:
        with monkeypatch.context() as patch:
            patch.delenv("GIT_CONFIG_GLOBAL")
            for name, value in trouble.items():
                patch.setenv(name, value)
            yield

    expected = work(yard)
    yard.land(poem="one\ntwo\nthree\n")
    assert work(yard, troubled) == expected


@rule("R124")
def test_the_plans_settings_stop_no_landing(yard: Yard):
    """What `setup.sh` sets in the clone is for whoever works in it, not for helm."""
    not_for_helm = {"core.autocrlf", "protocol.allow", "user.useConfigOnly", "diff.external"}
    keys = sorted(CONTRARY.keys() - not_for_helm)
    contrary(yard.path / ".git" / "config", keys)
    yard.clone.keep()
    yard.begin("work/1-1")
    yard.write("poem", "mine\n")
    yard.land(poem="theirs\n")
    yard.write("a.log", "trailing \r\n")
    yard.commit_rest()
    assert yard.rebase() == ["poem"]
    yard.write("poem", "both\n")
    yard.commit_rest()
    assert yard.rebase() == []
    yard.push()
    assert yard.shown("work/1-1", "poem") == "both"
    names = git(yard.bare, "ls-tree", "--name-only", "work/1-1").split()
    assert names == ["a.log", "gone", "poem"]


@rule("R124")
def test_replaced_and_grafted_history_is_what_it_was(yard: Yard):
    """An agent's stand-ins for commits are seen by its own git alone."""
    yard.commit("Mine", a="a")
    git(yard.path, "replace", "HEAD", "HEAD~1")
    head = (yard.path / ".git" / "refs" / "heads" / "work" / "1-1").read_text()
    (yard.path / ".git" / "info" / "grafts").write_text(head)
    yard.land(b="b")
    assert yard.ready() == ["Mine"]
    assert sorted(git(yard.path, "ls-files").split()) == ["a", "b", "gone", "poem"]


# If storage does not answer


def git_at(folder: Path, *answers: str) -> tuple[Git, list[str]]:
    """Git in a fresh repository, whose ssh says one thing after the other; and what it logs."""
    for number, answer in enumerate(answers):
        (folder / f"answer{number}").write_text(answer)
    ssh = folder / "ssh"
    ssh.write_text(f"#!/bin/sh\ncd {folder}\nset -- answer*\ncat $1 >&2\nrm -f $1\nexit 255\n")
    ssh.chmod(ssh.stat().st_mode | stat.S_IXUSR)
    log: list[str] = []
    git = Git(folder, str(ssh), threading.Event(), log.append, first_pause_s=0.01)
    git.run("init", "--quiet", ".")
    git.run("remote", "add", "origin", "storage:repo.git")
    return git, log


@rule("R91")
def test_each_try_to_reach_storage_leaves_a_line_in_the_log(tmp_path: Path):
    """Until it is answered, or the claim is over."""
    git, log = git_at(tmp_path, "connect: timed out\n", "connect: refused\n", "no more\n")

    def say(line: str) -> None:
        log.append(line)
        if "refused" in line:
            git._give_up.set()

    git._say = say
    with pytest.raises(GitFailed, match="connect: refused"):
        git.run_with_storage("fetch", "origin")
    first, second = log
    assert first.startswith("git cannot reach storage, and tries again: ")
    assert ("timed out" in first, "refused" in second) == (True, True)


@rule("R91")
@pytest.mark.parametrize(
    "why",
    [
        "ship-0@storage: Permission denied (publickey).",
        "Host key verification failed.",
        "fatal: 'repo.git' does not appear to be a git repository",
    ],
)
def test_what_waiting_hardly_mends_is_given_up(tmp_path: Path, why: str):
    """After some tries, as trouble of this ship, with ssh's own words."""
    git, log = git_at(tmp_path, *[f"{why}\n"] * 9)
    with pytest.raises(GitFailed, match=r"Could not read from remote") as raised:
        git.run_with_storage("fetch", "origin")
    assert why in str(raised.value)
    assert len(log) == 6

"""What git does for helm depends on nothing that a ship's machine or its agents have set."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import pytest

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
    with surroundings():
        yard.make()
        yard.clone.begin("work/1-1")
    yard.write("poem", "mine\n")
    yard.write("a.log", "trailing \r\n")
    yard.land(poem="theirs\n")
    with surroundings():
        yard.work.commit_rest("Rest")
        assert yard.work.rebase() == ["poem"]
    assert "|||||||" not in (yard.path / "poem").read_text()
    yard.write("poem", "both\n")
    with surroundings():
        yard.work.commit_rest("Rest")
        assert yard.work.rebase() == []
        yard.clone.tidy()
        yard.work.push("work/1-1", [])
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
    yard.clone.begin("work/1-1")
    yard.write("poem", "mine\n")
    yard.land(poem="theirs\n")
    yard.write("a.log", "trailing \r\n")
    yard.work.commit_rest("Rest")
    assert yard.work.rebase() == ["poem"]
    yard.write("poem", "both\n")
    yard.work.commit_rest("Rest")
    assert yard.work.rebase() == []
    yard.work.push("work/1-1", [])
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

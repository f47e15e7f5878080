"""What of a tree git can add, and what it refuses."""

import os

from tests.support.rules import rule
from tests.support.storage import git
from tests.support.yard import Yard


@rule("R137")
def test_what_git_cannot_add_is_named_and_the_rest_is_kept(yard: Yard):
    """A filter that fails takes one file with it, not all, and git's words are there."""
    yard.write(".gitattributes", "*.bad filter=eat\n")
    git(yard.path, "config", "--file", "../workspace.set-up/config", "filter.eat.clean", "false")
    git(yard.path, "config", "--file", "../workspace.set-up/config", "filter.eat.required", "true")
    yard.clone.mend()
    for name in ("a", "b", "c.bad", "d"):
        yard.write(name, name)
    [finding] = [finding for finding in yard.found() if finding[0] == "refused"]
    assert finding[1] == ("c.bad",)
    assert "clean filter 'eat' failed" in yard.work.survey.take().refused[0][1]
    assert yard.work.save("work/1-1", []) == ["c.bad"]
    assert [yard.shown("work/1-1", name) for name in "abd"] == ["a", "b", "d"]


def test_a_lock_of_a_killed_git_keeps_nothing_from_being_saved(yard: Yard):
    """Also in the index that snapshots are made of."""
    yard.write("a", "a")
    (yard.path / ".git" / "ocaptain-index.lock").touch()
    assert yard.work.save("work/1-1", []) == []
    assert yard.shown("work/1-1", "a") == "a"


def test_a_path_too_long_for_git_is_named(yard: Yard):
    """git cuts its warning off."""
    here = os.open(yard.path, os.O_DIRECTORY)
    for _ in range(21):
        os.mkdir("d" * 200, dir_fd=here)
        inner = os.open("d" * 200, os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    yard.write("good", "good")
    assert [kind for kind, _ in yard.found()] == ["refused"]
    [path] = yard.work.save("work/1-1", [])
    assert path.startswith("d" * 200)
    assert yard.shown("work/1-1", "good") == "good"

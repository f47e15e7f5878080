"""What is found in a clone at the end of a turn: real repositories, in all kinds of states."""

import os
from collections.abc import Callable

import pytest

from tests.support.rules import rule
from tests.support.storage import VOYAGE, git
from tests.support.yard import OTHERS, Yard, fails, two_sides, with_submodule


@rule("R134")
@pytest.mark.parametrize(
    ("words", "operation"),
    [
        (["merge", "aside"], "merge"),
        (["cherry-pick", "aside"], "cherry-pick"),
        (["revert", "HEAD~1"], "revert"),
        (["am", "--3way"], "am"),
        (["rebase", "aside"], "rebase"),
        (["rebase", "--apply", "aside"], "rebase"),
    ],
)
@pytest.mark.parametrize("staged", [False, True])
def test_what_git_is_in_the_middle_of(yard: Yard, words: list[str], operation: str, staged: bool):
    """An operation of the agent's own that stopped is told of, also if it staged the markers."""
    patch = two_sides(yard)
    if operation == "revert":
        yard.commit("More", poem="more\n")
    fails(yard.path, *words, stdin=patch)
    if staged:
        git(yard.path, "add", "-A")
    stock = yard.work.survey.take()
    assert stock.operation == operation
    assert not stock.ours
    kinds = dict(yard.found())
    assert kinds.get("markers", ("poem",)) == ("poem",)
    assert ("markers" in kinds) == staged
    assert ("operation" in kinds) == (not staged or operation in ("am", "rebase"))


def test_a_merge_of_which_all_is_resolved_is_concluded(yard: Yard):
    """What was staged without a marker in it is the agent's resolution."""
    two_sides(yard)
    fails(yard.path, "merge", "aside")
    yard.write("poem", "both\n")
    git(yard.path, "add", "poem")
    assert yard.ready() == ["Rest", "Mine", "Aside"]
    assert (yard.path / "poem").read_text() == "both\n"


def test_what_looks_like_a_rebase_does_not_keep_work_from_being_saved(yard: Yard):
    """A folder of git's that has nothing in it is a rebase to git, and so to the agent."""
    (yard.path / ".git" / "rebase-merge").mkdir()
    yard.write("a", "a")
    assert yard.found() == [("operation", ())]
    yard.work.save("work/1-1", [], ended=True)
    assert yard.shown("work/1-1", "a") == "a"


def test_a_search_that_is_not_over(yard: Yard):
    """In a bisection another commit than the agent's is checked out."""
    yard.commit("Mine", a="a")
    git(yard.path, "bisect", "start", "HEAD", "HEAD~1")
    assert ("operation", ()) in yard.found()


@rule("R134")
@pytest.mark.parametrize("style", ["merge", "diff3", "zdiff3"])
def test_what_a_stash_left_in_conflict(yard: Yard, style: str):
    """`stash pop` leaves paths unmerged, and no file says that it was at work."""
    yard.write("poem", "stashed\n")
    git(yard.path, "stash")
    yard.commit("Mine", poem="mine\n")
    fails(yard.path, "-c", f"merge.conflictStyle={style}", "stash", "pop")
    assert yard.found()[0] == ("unmerged", ("poem",))
    git(yard.path, "add", "poem")
    assert yard.found()[0] == ("markers", ("poem",))
    git(yard.path, "commit", "-q", "-m", "With markers")
    assert yard.found()[0] == ("markers", ("poem",))
    yard.write("poem", "both\n")
    git(yard.path, "stash", "drop", "-q")
    assert yard.ready() == ["Rest", "With markers", "Mine"]


def binary(yard: Yard) -> None:
    yard.land(poem="theirs\0\n")
    yard.commit("Mine", poem="mine\0\n")


def unmergeable(yard: Yard) -> None:
    yard.land(poem="theirs\n")
    yard.commit("Mine", poem="mine\n", **{".gitattributes": "poem -merge\n"})


def deleted(yard: Yard) -> None:
    yard.land(poem="theirs\n")
    git(yard.path, "rm", "-q", "poem")
    yard.commit("Mine")


def renamed(yard: Yard) -> None:
    git(yard.other, "mv", "poem", "theirs")
    yard.land(other="x")
    git(yard.path, "mv", "poem", "mine")
    yard.commit("Mine")


def oddly_named(yard: Yard) -> None:
    yard.land(**{'"é\n': "theirs\n"})
    yard.commit("Mine", **{'"é\n': "mine\n"})


@rule("R136")
@pytest.mark.parametrize("conflict", [binary, unmergeable, deleted, renamed, oddly_named])
def test_conflicts_are_settled_by_the_agent_alone(yard: Yard, conflict: Callable[[Yard], None]):
    """Whether or not markers show it, a path counts as settled once the agent has staged it, or
    written to it since it was told."""
    conflict(yard)
    paths = yard.rebase()
    assert paths
    assert yard.found() == [("conflict", tuple(paths))]
    for path in paths:
        (yard.path / path).unlink(missing_ok=True)
        yard.write(path, "both\n")
    assert yard.found() == []
    yard.ready()
    assert (yard.path / paths[0]).read_text() == "both\n"


def unfit_repository(yard: Yard) -> None:
    git(yard.path, "init", "-q", "app")
    yard.write("app/x", "x")


def repository(yard: Yard) -> None:
    unfit_repository(yard)
    git(yard.path / "app", "add", "-A")
    git(yard.path / "app", *OTHERS, "commit", "-q", "-m", "Inner")


def staged_repository(yard: Yard) -> None:
    repository(yard)
    git(yard.path, "add", "-A")


def committed_repository(yard: Yard) -> None:
    repository(yard)
    yard.commit("Mine")


@rule("R137")
@pytest.mark.parametrize(
    "make", [unfit_repository, repository, staged_repository, committed_repository]
)
def test_repositories_in_the_tree(yard: Yard, make: Callable[[Yard], None]):
    """No link to nothing lands; what they have is in what is saved, and lands without `.git`."""
    make(yard)
    yard.write("good", "good")
    assert yard.found() == [("repository", ("app",))]
    yard.work.save("work/1-1", [])
    assert yard.shown("work/1-1", "good") == "good"
    assert yard.shown("work/1-1", "app/x") == "x"
    git(yard.root, "init", "-q", "elsewhere")
    (yard.path / "app" / ".git").rename(yard.root / "elsewhere" / "old")
    if make in (staged_repository, committed_repository):
        git(yard.path, "rm", "-q", "-f", "--cached", "app")
    yard.ready()
    assert git(yard.path, "ls-tree", "-r", "--name-only", "HEAD", "app", "good") == "app/x\ngood"


@rule("R137")
def test_a_repository_in_the_place_of_a_file_is_told_as_one(yard: Yard):
    """Also one without a commit, which git refuses to add; what is in it is saved."""
    (yard.path / "poem").unlink()
    git(yard.path, "init", "-q", "poem")
    yard.write("poem/verse", "x")
    assert yard.found() == [("repository", ("poem",))]
    yard.work.save("work/1-1", [])
    assert yard.shown("work/1-1", "poem/verse") == "x"


@rule("R138")
def test_names_that_an_agent_has_had_ignored_are_found(yard: Yard):
    """Where only its own clone ignores them, new files land all the same; no attribute that it
    sets there counts."""
    (yard.path / ".git" / "info" / "exclude").write_text("hidden\n")
    (yard.path / ".git" / "info" / "attributes").write_text("poem -text eol=crlf ident\n")
    yard.write("names", "other\n")
    git(yard.path, "config", "core.excludesFile", "names")
    for name in ("hidden", "other", "__pycache__/x"):
        yard.write(name, "x")
    yard.write("poem", "$Id: mine $\n")
    yard.commit_rest()
    changed = git(yard.path, "diff", "--name-only", "HEAD~1").split()
    assert changed == ["hidden", "names", "other", "poem"]
    assert git(yard.path, "show", "HEAD:poem") == "$Id: mine $"


@pytest.mark.parametrize("text", ["a\r\nb\r\n", "a\nb\r\n"])
def test_what_nobody_changed_is_not_committed(yard: Yard, text: str):
    """Files that git would write anew for their line ends stay as they are on the branch."""
    (yard.other / "w.txt").write_bytes(text.encode())
    git(yard.other, "-c", "core.autocrlf=false", "add", "-A")
    yard.land(x="x")
    yard.land(**{".gitattributes": "*.txt text eol=crlf\n"})
    yard.begin("work/1-1")
    os.utime(yard.path / "w.txt")
    yard.write("mine", "mine")
    yard.commit_rest()
    assert git(yard.path, "show", "--name-only", "--format=").split() == ["mine"]
    yard.write("w.txt", "mine\n")
    assert "w.txt" in [change.path for change in yard.work.survey.take().changes]


@rule("R139")
def test_submodules(yard: Yard):
    """A commit that only this ship has does not land; one that the remote has does."""
    library = with_submodule(yard)
    assert yard.found() == []
    (yard.path / "lib" / "x").write_text("changed")
    assert yard.found() == [("submodule", ("lib",))]
    git(yard.path / "lib", *OTHERS, "commit", "-q", "-a", "-m", "Mine")
    assert yard.found() == [("unpublished", ("lib",))]
    git(library, "checkout", "-q", "-b", "aside")
    git(yard.path / "lib", "push", "-q", "origin", "HEAD:refs/heads/theirs")
    assert yard.found() == []
    assert yard.ready() == ["Rest"]


def test_a_branch_without_a_commit(yard: Yard):
    """An orphan branch has no commit to compare with."""
    git(yard.path, "checkout", "-q", "--orphan", "new")
    yard.write("a", "a")
    assert yard.found() == []
    yard.work.save("work/1-1", [])
    assert yard.shown("work/1-1", "a") == "a"


@rule("R138")
@pytest.mark.parametrize("bit", ["--assume-unchanged", "--skip-worktree"])
def test_what_git_was_told_not_to_look_for_is_found(yard: Yard, bit: str):
    """What the agent changed behind such a bit is work like any other."""
    git(yard.path, "update-index", bit, "poem")
    yard.write("poem", "mine\n")
    yard.commit_rest()
    assert git(yard.path, "show", "HEAD:poem") == "mine"


def test_bits_of_the_plans_setup_stay(yard: Yard):
    """What it has hidden is not the task's, and is not landed."""
    git(yard.path, "update-index", "--skip-worktree", "poem")
    yard.write("poem", "settings\n")
    yard.clone.keep()
    yard.begin("work/1-1")
    assert (yard.path / "poem").read_text() == "settings\n"
    yard.write("mine", "mine")
    assert yard.ready() == ["Rest"]
    assert git(yard.path, "show", "--name-only", "--format=") == "mine"


def test_saving_goes_on_after_the_agent_has_cleaned_up(yard: Yard):
    """`git gc` removes what only a snapshot had here."""
    yard.write("a", "a")
    yard.work.save("work/1-1", [])
    yard.write("a", "b")
    git(yard.path, "gc", "-q", "--prune=now")
    yard.work.save("work/1-1", [])
    assert yard.shown("work/1-1", "a") == "b"
    assert yard.shown("work/1-1^2", "a") == "a"


def test_a_history_that_the_agent_has_cut_off_is_fetched(yard: Yard):
    """After `git fetch --depth 1` nothing would be shared with the branch."""
    yard.commit("Mine", a="a")
    yard.land(poem="theirs\n")
    git(yard.path, "fetch", "-q", "--depth", "1", f"file://{yard.bare}", VOYAGE)
    assert yard.ready() == ["Mine"]


def test_a_history_that_the_agent_has_cut_off_is_fetched_for_the_train(yard: Yard):
    """Nor with what is ahead in the train, onto which all of it would be put again."""
    yard.commit("Mine", a="a")
    ahead = yard.land(poem="theirs\n")
    git(yard.path, "fetch", "-q", "--depth", "1", f"file://{yard.bare}", VOYAGE)
    assert yard.work.rebase(ahead) == []
    assert git(yard.path, "log", "--format=%s", f"{ahead}..HEAD") == "Mine"


def test_submodules_go_back_with_the_work(yard: Yard):
    """What somebody ahead in the train did to one is not left in the tree for the agent to add."""
    library = with_submodule(yard)
    yard.commit("Mine", a="a")
    own = yard.work.tip()
    (library / "x").write_text("new")
    git(library, *OTHERS, "commit", "-q", "-a", "-m", "New")
    update = ("submodule", "--quiet", "update", "--remote")
    git(yard.other, "-c", "protocol.file.allow=always", *update)
    git(yard.path / "lib", "fetch", "-q")
    ahead = yard.land(poem="theirs\n")
    assert yard.work.rebase(ahead) == []
    assert (yard.path / "lib" / "x").read_text() == "new"
    yard.work.go_back("work/1-1", own)
    assert (yard.path / "lib" / "x").read_text() == "x"
    assert git(yard.path, "status", "--porcelain") == ""


@rule("R139")
def test_a_submodule_that_others_moved_is_not_moved_back(yard: Yard):
    """Neither when a rebase stops nor after it; it is checked out as the branch has it."""
    library = with_submodule(yard)
    yard.commit("Mine", poem="mine\n")
    (library / "x").write_text("new")
    git(library, *OTHERS, "commit", "-q", "-a", "-m", "New")
    update = ("submodule", "--quiet", "update", "--remote")
    git(yard.other, "-c", "protocol.file.allow=always", *update)
    yard.land(poem="theirs\n")
    assert yard.rebase() == ["poem"]
    assert (yard.path / "lib" / "x").read_text() == "new"
    git(yard.path / "lib", "checkout", "-q", "HEAD~1")
    yard.work.survey.note_submodules()
    yard.write("poem", "both\n")
    assert yard.ready() == ["Mine"]
    assert git(yard.path, "show", "--name-only", "--format=") == "poem"


@rule("R136")
def test_a_submodule_in_conflict_is_settled_by_staging(yard: Yard):
    """What is written in its folder says nothing of which commit is meant."""
    library = with_submodule(yard)
    base = git(library, "rev-parse", "HEAD")
    for name in ("one", "two"):
        git(library, "checkout", "-q", "-b", name, base)
        (library / name).write_text("x")
        git(library, "add", "-A")
        git(library, *OTHERS, "commit", "-q", "-m", name)
    for path, name in ((yard.path, "one"), (yard.other, "two")):
        git(path / "lib", "fetch", "-q", "origin")
        git(path / "lib", "checkout", "-q", f"origin/{name}")
    yard.commit_rest()
    yard.land(y="y")
    assert yard.rebase() == ["lib"]
    (yard.path / "lib" / "x").rename(yard.path / "lib" / "moved")
    assert ("conflict", ("lib",)) in yard.found()
    git(yard.path / "lib", "checkout", "-q", "-f", "origin/two")
    (yard.path / "lib" / "moved").unlink()
    git(yard.path, "add", "lib")
    assert yard.found() == []


@rule("R136")
@pytest.mark.parametrize("ours", ["gone", "a folder", "a link", "a new name", "new"])
def test_conflicts_of_kinds_are_told_as_such(yard: Yard, ours: str):
    """None of them lands before the agent has settled it."""
    yard.land(**({"n": "theirs\n"} if ours == "new" else {"poem": "theirs\n"}))
    if ours == "a new name":
        yard.land(poem=None)
        git(yard.path, "mv", "poem", "n")
    elif ours == "new":
        yard.write("n", "mine\n")
    else:
        (yard.path / "poem").unlink()
    if ours == "a folder":
        yard.write("poem/x", "x")
    if ours == "a link":
        (yard.path / "poem").symlink_to("gone")
    yard.commit()
    paths = yard.rebase()
    assert paths
    assert yard.found() == [("conflict", tuple(paths))]
    yard.work.save("work/1-1", [], ended=True)
    git(yard.path, "add", "-A")
    assert "conflict" not in dict(yard.found())

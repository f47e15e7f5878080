"""What is found in a clone at the end of a turn: real repositories, in all kinds of states."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.rules import rule
from tests.support.storage import VOYAGE, git
from tests.support.yard import OTHERS, Yard, with_submodule

MARKED = "<<<<<<< ours\nmine\n=======\ntheirs\n>>>>>>> theirs\n"


def fails(path: Path, *words: str, stdin: str = "") -> None:
    """Run a git command that stops half-way."""
    with pytest.raises(AssertionError):
        git(path, *words, stdin=stdin)


def two_sides(yard: Yard) -> str:
    """Make two branches that change the same line. Returns the other one as a patch."""
    git(yard.path, "checkout", "-q", "-b", "aside")
    yard.commit("Aside", poem="aside\n")
    patch = git(yard.path, "format-patch", "-1", "--stdout") + "\n"
    git(yard.path, "checkout", "-q", "work/1-1")
    yard.commit("Mine", poem="mine\n")
    return patch


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


@rule("R134")
@pytest.mark.parametrize("left", ["<<<<<<< HEAD\n", ">>>>>>> 1f2e3d (Theirs)\r\n", ">>>>>>>\n"])
def test_half_of_the_markers_are_markers(yard: Yard, left: str):
    """Whichever of them was forgotten."""
    yard.write("new", f"a\n{left}b\n")
    assert yard.found() == [("markers", ("new",))]


@pytest.mark.parametrize(
    "text", ["Title\n=======\n", ">>>>>> six\n", "> >>>>>>> quoted\n", "a\0" + MARKED]
)
def test_what_only_looks_like_a_marker(yard: Yard, text: str):
    """Headings, quotes and binary files are no conflicts."""
    yard.write("new", text)
    assert yard.found() == []


@rule("R135")
def test_marker_lines_that_a_file_had_before(yard: Yard):
    """A page about merging may be changed, renamed, and be in conflict like any other."""
    yard.land(page=f"{MARKED}start\n")
    yard.begin("work/1-1")
    yard.commit("Mine", page=f"{MARKED}mine\n")
    assert yard.found() == []
    yard.land(page=f"{MARKED}theirs\n")
    assert yard.rebase() == ["page"]
    yard.write("page", f"{MARKED}mine\n<<<<<<< HEAD\ntheirs\n")
    assert yard.found() == [("markers", ("page",))]
    yard.write("page", f"{MARKED}mine and theirs\n")
    assert yard.ready() == ["Mine"]
    git(yard.path, "mv", "page", "moved")
    assert yard.found() == []


def test_markers_of_another_size(yard: Yard):
    """The attribute `conflict-marker-size` is heeded."""
    yard.land(attributes="")
    yard.write(".gitattributes", "*.rst conflict-marker-size=12\n")
    yard.write("a.rst", "<<<<<<< seven\n")
    yard.write("b.rst", f"{'<' * 12} HEAD\n")
    assert yard.found() == [("markers", ("b.rst",))]


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


def on_a_branch(yard: Yard) -> str:
    git(yard.path, "checkout", "-q", "-b", "feature")
    yard.commit("Elsewhere", lost="lost")
    git(yard.path, "checkout", "-q", "work/1-1")
    return "feature"


def on_no_branch(yard: Yard) -> str:
    git(yard.path, "checkout", "-q", "--detach")
    yard.commit("Elsewhere", lost="lost")
    commit = git(yard.path, "rev-parse", "--short=12", "HEAD")
    git(yard.path, "checkout", "-q", "work/1-1")
    return f"commit {commit}, on no branch"


def in_the_stash(yard: Yard) -> str:
    yard.write("poem", "stashed\n")
    yard.write("lost", "lost")
    git(yard.path, "stash", "-u")
    return "stash@{0}"


def in_a_worktree(yard: Yard) -> str:
    git(yard.path, "worktree", "add", "-q", "--detach", "../beside")
    (yard.path / "../beside/lost").write_text("lost")
    return "the worktree ../beside"


def in_a_worktree_within(yard: Yard) -> str:
    git(yard.path, "worktree", "add", "-q", ".claude/worktrees/x", "-b", "sub")
    (yard.path / ".claude/worktrees/x/lost").write_text("lost")
    return "the worktree .claude/worktrees/x"


def in_a_worktree_on_an_orphan_branch(yard: Yard) -> str:
    git(yard.path, "worktree", "add", "-q", "--detach", "../beside")
    git(yard.path.with_name("beside"), "checkout", "-q", "--orphan", "fresh")
    (yard.path / "../beside/lost").write_text("lost")
    return "the worktree ../beside"


def under_another_ref(yard: Yard) -> str:
    on_no_branch(yard)
    git(yard.path, "tag", "mine", "HEAD@{1}")
    return "refs/tags/mine"


def under_a_tag_with_a_message(yard: Yard) -> str:
    on_no_branch(yard)
    git(yard.path, "tag", "-a", "-m", "Mine", "mine", "HEAD@{1}")
    return "refs/tags/mine"


def under_odd_names(yard: Yard) -> str:
    git(yard.path, "branch", "odd\u2028name")
    yard.write("lost", "lost")
    git(yard.path, "stash", "push", "-q", "-u", "-m", "odd\f\u2028message")
    return "stash@{0}"


ELSEWHERE = [
    on_a_branch,
    on_no_branch,
    in_the_stash,
    in_a_worktree,
    in_a_worktree_within,
    in_a_worktree_on_an_orphan_branch,
    under_another_ref,
    under_a_tag_with_a_message,
    under_odd_names,
]


@rule("R138")
@pytest.mark.parametrize("make", ELSEWHERE)
def test_work_elsewhere_is_found_and_kept(yard: Yard, make: Callable[[Yard], str]):
    """Wherever it was left: it is named, and all of it is saved under further refs."""
    name = make(yard)
    [(kind, names)] = yard.found()
    assert kind == "elsewhere"
    assert name in names
    yard.work.save("work/1-1", [], ended=True)
    refs = git(yard.bare, "for-each-ref", "--format=%(refname)", "refs/heads/work").split()
    assert refs
    assert all(ref.startswith("refs/heads/work/1-1+") for ref in refs)
    files = [git(yard.bare, "ls-tree", "-r", "--name-only", ref).split() for ref in refs]
    assert any("lost" in names for names in files)


def test_work_that_was_brought_over_is_not_elsewhere(yard: Yard):
    """A branch that was merged, picked or squashed, and a stash that was applied, are taken."""
    on_a_branch(yard)
    git(yard.path, "merge", "-q", "--squash", "feature")
    in_the_stash(yard)
    git(yard.path, "stash", "apply", "-q", "--index")
    git(yard.path, "worktree", "add", "-q", "../clean")
    assert yard.found() == []


def test_what_was_there_before_is_not_the_tasks(yard: Yard):
    """Stash and branches of an earlier task are none of this one's work."""
    in_the_stash(yard)
    on_a_branch(yard)
    yard.work.begin()
    assert yard.found() == []


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


def test_what_was_staged_and_then_overwritten_is_kept(yard: Yard):
    """The index may have what neither the tree nor the branch has."""
    yard.write("a", "staged")
    git(yard.path, "add", "a")
    yard.write("a", "later")
    assert yard.found() == []
    yard.work.save("work/1-1", [], ended=True)
    [ref] = git(yard.bare, "for-each-ref", "--format=%(refname)", "refs/heads/work/1-1+*").split()
    assert yard.shown(ref, "a") == "staged"
    assert yard.shown("work/1-1", "a") == "later"


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


def test_a_name_that_is_no_text(yard: Yard):
    """Bytes that no encoding has are a name like any other."""
    name = os.fsdecode(b"odd\xff name")
    (yard.path / name).write_text(MARKED)
    assert yard.found() == [("markers", (name,))]
    (yard.path / name).write_text("x")
    yard.commit_rest()
    assert "odd" in git(yard.path, "ls-tree", "--name-only", "HEAD")


def test_a_branch_without_a_commit(yard: Yard):
    """An orphan branch has no commit to compare with."""
    git(yard.path, "checkout", "-q", "--orphan", "new")
    yard.write("a", "a")
    assert yard.found() == []
    yard.work.save("work/1-1", [])
    assert yard.shown("work/1-1", "a") == "a"


def test_a_landing_of_others_is_no_leftover(yard: Yard):
    """What the agent merged from the branch by itself is not its own change."""
    yard.commit("Mine", a="a")
    yard.land(page=MARKED)
    git(yard.path, "fetch", "-q", "origin")
    git(yard.path, "merge", "-q", f"origin/{VOYAGE}")
    assert yard.found() == []


@rule("R134")
def test_markers_that_come_from_the_agents_own_branch(yard: Yard):
    """A merge that is not committed yet makes them no lines of the file's own."""
    git(yard.path, "checkout", "-q", "-b", "side")
    yard.commit("Side", page=MARKED)
    git(yard.path, "checkout", "-q", "work/1-1")
    git(yard.path, "merge", "-q", "--no-commit", "--no-ff", "side")
    assert yard.found() == [("markers", ("page",))]


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


@pytest.mark.parametrize("delete", ["git rm -q gone", "git rm -q gone; git commit -qm Gone"])
def test_files_deleted_elsewhere_are_work_elsewhere(yard: Yard, delete: str):
    """In the stash, or on another branch."""
    git(yard.path, "checkout", "-q", "-b", "feature")
    subprocess.run(f"{delete}; git stash -q", cwd=yard.path, shell=True, check=True)
    git(yard.path, "checkout", "-q", "work/1-1")
    [(kind, names)] = yard.found()
    assert kind == "elsewhere"
    assert names
    git(yard.path, "rm", "-q", "gone")
    assert yard.found() == []


def test_what_an_operation_has_put_aside_is_kept(yard: Yard):
    """`--autostash` keeps it in a file of git's, and in no ref."""
    two_sides(yard)
    yard.write("gone", "aside\n")
    fails(yard.path, "rebase", "--autostash", "aside")
    assert "the stash of a rebase" in dict(yard.found())["elsewhere"]


def test_saving_goes_on_after_the_agent_has_cleaned_up(yard: Yard):
    """`git gc` removes what only a snapshot had here."""
    yard.write("a", "a")
    yard.work.save("work/1-1", [])
    yard.write("a", "b")
    git(yard.path, "gc", "-q", "--prune=now")
    yard.work.save("work/1-1", [])
    assert yard.shown("work/1-1", "a") == "b"
    assert yard.shown("work/1-1^2", "a") == "a"


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

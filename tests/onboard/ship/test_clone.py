"""A ship's clone: real repositories, whatever an agent does to them."""

import os
import shutil
import subprocess
import threading
from collections.abc import Callable

import pytest

from ocaptain.onboard.ship.git import GitFailed
from ocaptain.onboard.ship.work import Work
from tests.support.memory import forget_peak, memory
from tests.support.rules import rule
from tests.support.storage import VOYAGE, git
from tests.support.yard import Yard

SECRET = "sk-secret-value-0123456789"


@rule("R49")
def test_a_dirty_tree_is_committed_as_the_captain(yard: Yard):
    """New, changed and deleted files that the agent left are one commit of the captain's."""
    yard.write("sub/new file é.txt", "new")
    yard.write("poem", "changed\n")
    (yard.path / "gone").unlink()
    assert yard.ready() == ["Rest"]
    shown = git(yard.path, "log", "-1", "--format=%an <%ae> %cn", "--name-status")
    assert shown.splitlines()[0] == "Ada Captain <ada@example.com> Ada Captain"
    assert {line[0] for line in shown.splitlines()[2:]} == {"A", "M", "D"}


def test_nothing_done_is_nothing_to_land(yard: Yard):
    """A clean tree makes no commit; what is ignored, or junk, neither."""
    yard.write("__pycache__/x.pyc", "junk")
    yard.write("node_modules/x/y.js", "junk")
    assert yard.ready() == []
    assert (yard.path / "node_modules/x/y.js").exists()


@rule("R49")
def test_the_agents_own_commits_are_kept(yard: Yard):
    """What the agent committed stays as it is, with what it left uncommitted on top."""
    yard.commit("First", a="a")
    yard.commit("Second", b="b")
    yard.write("c", "c")
    assert yard.ready() == ["Rest", "Second", "First"]


@rule("R49")
@pytest.mark.parametrize("where", [["checkout", "-qb", "feature"], ["checkout", "-q", "--detach"]])
def test_work_on_another_branch_counts(yard: Yard, where: list[str]):
    """Where the agent left its branch, what is checked out lands."""
    git(yard.path, *where)
    yard.commit("Elsewhere", a="a")
    yard.land(other="x")
    assert yard.ready() == ["Elsewhere"]
    yard.push()
    assert yard.shown("work/1-1", "a") == "a"
    assert yard.shown("work/1-1", "other") == "x"
    yard.begin("work/2-2")
    assert git(yard.path, "branch", "--show-current") == "work/2-2"
    assert not (yard.path / "a").exists()


def test_a_task_begins_at_what_the_ship_has_landed(yard: Yard):
    """For that storage is not asked; it is if something of the commit has got lost."""
    away = yard.bare.with_name("away")
    for number in (2, 3):
        yard.commit("Mine", **{f"file-{number}": str(number)})
        yard.push()
        head = yard.work.tip()
        git(yard.bare, "update-ref", f"refs/heads/{VOYAGE}", head)
        if number == 2:
            yard.bare.rename(away)
        else:
            blob = git(yard.path, "rev-parse", f"HEAD:file-{number}")
            (yard.path / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
        yard.clone.begin(f"work/{number}-{number}", head)
        yard.work.begin()
        assert git(yard.path, "rev-parse", "HEAD", f"origin/{VOYAGE}").split() == [head, head]
        assert git(yard.path, "branch", "--show-current") == f"work/{number}-{number}"
        assert git(yard.path, "show", f"HEAD:file-{number}") == str(number)
        if number == 2:
            away.rename(yard.bare)


@rule("R50")
def test_a_landing_by_others_is_rebased_on(yard: Yard):
    """Work goes on top of what others landed meanwhile: history stays linear."""
    yard.commit("Mine", a="a")
    head = yard.land(b="b")
    assert yard.ready() == ["Mine"]
    assert git(yard.path, "rev-parse", "HEAD~1") == head
    assert git(yard.path, "rev-list", "--merges", "HEAD") == ""


@rule("R52")
def test_a_conflict_is_resolved_and_goes_on(yard: Yard):
    """Paths in conflict are named; once the agent resolved them the rebase goes on."""
    yard.commit("Before", a="a")
    yard.commit("Mine", poem="one\nmine\nthree\n")
    yard.commit("After", b="b")
    yard.land(poem="one\ntheirs\nthree\n")
    yard.commit_rest()
    assert yard.rebase() == ["poem"]
    assert yard.work.is_rebasing()
    yard.write("poem", "one\ntheirs\nmine\nthree\n")
    assert yard.ready() == ["After", "Mine", "Before"]
    assert (yard.path / "poem").read_text() == "one\ntheirs\nmine\nthree\n"
    assert git(yard.path, "log", "-3", "--format=%cn") == "\n".join(["Ada Captain"] * 3)


@rule("R52")
def test_left_markers_are_still_a_conflict(yard: Yard):
    """While markers stand in a file nothing goes on, and the path is named again."""
    yard.commit("Mine", poem="mine\n")
    yard.land(poem="theirs\n")
    yard.commit_rest()
    assert yard.rebase() == ["poem"]
    assert yard.found() == [("conflict", ("poem",))]
    git(yard.path, "add", "poem")
    assert yard.found() == [("markers", ("poem",))]
    yard.land(unrelated="x")
    yard.write("poem", "both\n")
    assert yard.ready() == ["Mine"]
    assert (yard.path / "unrelated").exists()


def test_two_conflicts_one_after_the_other(yard: Yard):
    """A rebase that stops twice is gone on with twice."""
    yard.commit("Mine 1", poem="mine 1\n")
    yard.commit("Mine 2", poem="mine 2\n", gone="mine\n")
    yard.land(poem="theirs\n", gone="theirs\n")
    yard.commit_rest()
    assert yard.rebase() == ["poem"]
    yard.write("poem", "both 1\n")
    yard.commit_rest()
    assert yard.rebase() == ["gone", "poem"]
    yard.write("poem", "both 2\n")
    yard.write("gone", "both\n")
    assert yard.ready() == ["Mine 2", "Mine 1"]


def test_the_agent_may_go_on_or_give_up_itself(yard: Yard):
    """An agent that runs `rebase --continue`, or `--abort`, itself confuses nobody."""
    yard.commit("Mine", poem="mine\n")
    yard.land(poem="theirs\n")
    assert yard.rebase() == ["poem"]
    git(yard.path, "rebase", "--abort")
    yard.commit_rest()
    assert yard.rebase() == ["poem"]
    yard.write("poem", "both\n")
    git(yard.path, "add", "-A")
    git(yard.path, "-c", "core.editor=true", "rebase", "--continue")
    assert yard.ready() == ["Mine"]


@pytest.mark.parametrize("keep", [True, False])
def test_a_file_changed_here_and_deleted_there(yard: Yard, keep: bool):
    """Where one changed what another deleted, the agent decides, and either way lands."""
    yard.commit("Mine", gone="changed\n", other="x")
    yard.land(gone=None)
    yard.commit_rest()
    assert yard.rebase() == ["gone"]
    assert yard.found() == [("conflict", ("gone",))]
    if keep:
        git(yard.path, "add", "gone")
    else:
        (yard.path / "gone").unlink()
    assert yard.ready() == ["Mine"]
    assert (yard.path / "gone").exists() == keep
    assert (yard.path / "other").exists()


def test_a_file_deleted_here_and_changed_there(yard: Yard):
    """The other way round it is no different."""
    git(yard.path, "rm", "-q", "gone")
    yard.commit("Mine", other="x")
    yard.land(gone="changed\n")
    yard.commit_rest()
    assert yard.rebase() == ["gone"]
    (yard.path / "gone").unlink(missing_ok=True)
    assert yard.ready() == ["Mine"]
    assert not (yard.path / "gone").exists()


@rule("R50")
def test_work_that_others_did_too_is_empty(yard: Yard):
    """A commit of which nothing is left is dropped, and the rest is kept."""
    yard.commit("Same", poem="same\n")
    yard.commit("More", more="more")
    yard.land(poem="same\n")
    assert yard.ready() == ["More"]


def test_a_conflict_resolved_to_what_is_there_is_empty(yard: Yard):
    """Where the agent takes the others' version nothing is left to land."""
    yard.commit("Mine", poem="mine\n")
    yard.land(poem="theirs\n")
    yard.rebase()
    yard.write("poem", "theirs\n")
    assert yard.ready() == []


@rule("R50")
def test_a_pick_that_fails_without_a_conflict_is_not_dropped(yard: Yard):
    """A file that appears in its way is an error, which git explains; no commit is skipped."""
    yard.commit("Mine", poem="mine\n")
    yard.commit("More", late="mine\n")
    yard.land(poem="theirs\n")
    (yard.path / ".git" / "info" / "attributes").write_text("poem merge=meanwhile\n")
    git(yard.path, "config", "merge.meanwhile.driver", "cp %B %A; echo stray >late")
    with pytest.raises(GitFailed, match="late"):
        yard.rebase()
    assert "More" in git(yard.path, "status")
    (yard.path / "late").unlink()
    assert yard.ready() == ["More", "Mine"]


@rule("R50")
def test_a_step_that_becomes_empty_drops_no_other(yard: Yard):
    """Where the agent takes the others' version in one step, those around it stay."""
    yard.commit("Before", a="a")
    yard.commit("Mine", poem="mine\n")
    yard.commit("Between", b="b")
    yard.commit("Mine too", gone="mine\n")
    yard.commit("After", c="c")
    yard.land(poem="theirs\n", gone="theirs\n")
    yard.commit_rest()
    for path in ("poem", "gone"):
        assert yard.rebase() == [path]
        yard.write(path, "theirs\n")
        yard.commit_rest()
    assert yard.ready() == ["After", "Between", "Before"]


@rule("R116")
def test_what_was_done_in_a_merge_is_kept(yard: Yard):
    """A rebase drops merges, with what the agent changed in them: so they become one commit."""
    yard.commit("Mine", a="a")
    yard.land(b="theirs\n")
    git(yard.path, "fetch", "-q", "origin")
    git(yard.path, "merge", "-q", "--no-commit", f"origin/{VOYAGE}")
    yard.commit("Merged", b="theirs, mended\n", fix="fix")
    yard.land(c="c")
    assert yard.ready() == ["Merged"]
    assert git(yard.path, "rev-list", "--merges", "HEAD") == ""
    assert [(yard.path / name).read_text() for name in ("a", "b", "fix", "c")] == [
        "a",
        "theirs, mended\n",
        "fix",
        "c",
    ]


def orphan(yard: Yard) -> None:
    git(yard.path, "checkout", "-q", "--orphan", "new")


def amended(yard: Yard) -> None:
    yard.write("a", "a")
    git(yard.path, "add", "-A")
    git(yard.path, "commit", "-q", "--amend", "-m", "Amended")


def squashed(yard: Yard) -> None:
    git(yard.path, "reset", "-q", "--soft", "HEAD~1")


def reset_to_an_older_one(yard: Yard) -> None:
    git(yard.path, "reset", "-q", "--hard", "HEAD~1")


@rule("R116")
@pytest.mark.parametrize("rewrite", [orphan, amended, squashed, reset_to_an_older_one])
@pytest.mark.parametrize("moved", [True, False])
def test_history_that_the_agent_rewrote_lands(yard: Yard, rewrite: Callable, moved: bool):
    """Others' commits stay on the branch, untouched, and the agent's work comes on top."""
    head = yard.land(theirs="theirs")
    yard.begin("work/2-2")
    rewrite(yard)
    yard.write("a", "a")
    head = yard.land(b="b") if moved else head
    yard.commit_rest()
    assert yard.work.tip() != yard.clone.upstream
    assert len(yard.ready()) == 1
    assert git(yard.path, "rev-parse", "HEAD~1") == head
    assert git(yard.path, "diff", "--name-only", "HEAD~1") == "a"


@rule("R116")
def test_the_branch_is_what_was_fetched_whatever_the_agent_makes_of_its_name(yard: Yard):
    """A ref that the agent moved does not make its work look as if it had landed."""
    yard.commit("Mine", a="a")
    git(yard.path, "update-ref", f"refs/remotes/origin/{VOYAGE}", "HEAD")
    git(yard.path, "update-ref", "refs/remotes/origin/work/1-1", "HEAD")
    yard.commit_rest()
    assert yard.work.tip() != yard.clone.upstream
    assert yard.ready() == ["Mine"]
    yard.push()
    assert yard.shown("work/1-1", "a") == "a"


SETTINGS = {
    "core.sshCommand": "false",
    "core.fsmonitor": "false",
    "core.bare": "true",
    "core.worktree": "/nowhere",
    "core.attributesFile": "/nowhere",
    "credential.helper": "!touch ran",
    "remote.origin.url": "nowhere:at-all",
    "remote.origin.pushurl": "nowhere:at-all",
    "remote.origin.fetch": "+refs/heads/*:refs/elsewhere/*",
    "url.nowhere:.insteadOf": "storage:",
    "url.nowhere:.pushInsteadOf": "storage:",
    "push.gpgSign": "true",
    "commit.cleanup": "scissors",
    "rebase.missingCommitsCheck": "error",
    "filter.eat.clean": "false",
    "filter.eat.smudge": "false",
    "filter.eat.required": "true",
    "merge.ff": "false",
    "user.useConfigOnly": "true",
    "user.email": "agent@example.com",
    "alias.commit": "!touch ran",
    "extensions.worktreeConfig": "true",
}


@rule("R116")
def test_an_agents_settings_keep_nothing_from_landing(yard: Yard, monkeypatch: pytest.MonkeyPatch):
    """Whatever it configures in the clone or for the user, its work is committed, rebased, pushed;
    and the next task begins."""
    mine = yard.root / "gitconfig"
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(mine))
    yard.write(".gitattributes", "* filter=eat\n")
    yard.write("a", "a")
    (yard.path / ".git" / "info" / "attributes").write_text("* filter=eat merge=eat\n")
    yard.land(b="b")
    for key, value in SETTINGS.items():
        for path in (yard.path / ".git" / "config", mine):
            git(yard.root, "config", "--file", str(path), key, value)
    assert yard.ready() == ["Rest"]
    yard.push([SECRET])
    assert yard.shown("work/1-1", "a") == "a"
    assert git(yard.path, "log", "-1", "--format=%ae") == "ada@example.com"
    yard.begin("work/2-2")
    assert yard.ready() == []
    assert not (yard.path / "ran").exists()


@rule("R50")
def test_an_empty_message_loses_nothing(yard: Yard):
    """A commit without a message is rebased like any other."""
    yard.write("a", "a")
    git(yard.path, "add", "-A")
    git(yard.path, "commit", "-q", "--allow-empty-message", "-m", "")
    yard.land(b="b")
    yard.ready()
    assert git(yard.path, "rev-list", "--count", f"{yard.clone.upstream}..HEAD") == "1"
    assert (yard.path / "a").exists()


def half(yard: Yard, what: str) -> None:
    """Leave git in the middle of something, in conflict."""
    git(yard.path, "checkout", "-q", "-b", "aside", "HEAD")
    yard.commit("Aside", poem="aside\n")
    patch = git(yard.path, "format-patch", "-1", "--stdout")
    git(yard.path, "checkout", "-q", "work/1-1")
    yard.commit("Mine", poem="mine\n", kept="kept")
    words = {
        "merge": ["merge", "aside"],
        "cherry-pick": ["cherry-pick", "aside"],
        "revert": ["revert", "HEAD~1"],
        "am": ["am", "--3way"],
        "rebase": ["rebase", "aside"],
        "rebase --apply": ["rebase", "--apply", "aside"],
    }[what]
    with pytest.raises(AssertionError):
        git(yard.path, *words, stdin=patch + "\n")


@rule("R83")
@pytest.mark.parametrize("what", ["merge", "cherry-pick", "am", "rebase", "rebase --apply"])
def test_a_clone_left_half_way_begins_anew(yard: Yard, what: str):
    """Whatever git was in the middle of, the next task starts clean, and lands."""
    half(yard, what)
    yard.land(b="b")
    yard.begin("work/2-2")
    assert git(yard.path, "status", "--porcelain") == ""
    yard.commit("Next", a="a")
    yard.land(c="c")
    assert yard.ready() == ["Next"]
    assert git(yard.path, "ls-files").split() == ["a", "b", "c", "gone", "poem"]


@rule("R100")
def test_a_secret_is_found(yard: Yard):
    """A secret in a commit, also an undone one, in a message or in a name is found; then undone."""
    assert not yard.work.contains([SECRET])
    hide: list[Callable[[], object]] = [
        lambda: yard.commit("Plain", config=f"token={SECRET}\n"),
        lambda: yard.commit(f"With {SECRET}", a="a"),
        lambda: yard.commit("Named", **{SECRET: "x"}),
        lambda: yard.commits("In", "Out", b=(SECRET, "x")),
        lambda: (yard.path / "bin").write_bytes(b"\0\1" + SECRET.encode() + b"\0"),
    ]
    for number, act in enumerate(hide, 1):
        act()
        yard.commit_rest()
        assert yard.work.contains([SECRET]), number
        assert not yard.work.contains(["another-secret"])
        assert not yard.work.contains([])
        yard.work.uncommit()
        assert yard.work.tip() == yard.clone.upstream
        yard.begin("work/1-1")


@rule("R100")
def test_a_secret_in_a_merge_is_found(yard: Yard):
    """A secret that came in with the resolution of a merge is found as well."""
    half(yard, "merge")
    yard.write("poem", f"{SECRET}\n")
    git(yard.path, "add", "poem")
    yard.commit_rest()
    assert yard.work.contains([SECRET])


@rule("R100")
def test_attributes_hide_no_secret(yard: Yard):
    """A file that git is told not to show is looked into all the same."""
    yard.write(".gitattributes", "* -diff binary diff=quiet\n")
    git(yard.path, "config", "diff.quiet.textconv", "true")
    yard.commit("Hidden", a=SECRET)
    assert yard.work.contains([SECRET])


def test_a_large_file_is_looked_into_without_taking_memory(yard: Yard):
    """100 MB that an agent committed are read as they come, on whatever ship."""
    (yard.path / "big").write_bytes(os.urandom(100_000_000) + SECRET.encode())
    git(yard.path, "add", "-A")
    git(yard.path, "commit", "-q", "-m", "Big")
    forget_peak()
    before = memory("VmRSS")
    assert yard.work.contains([SECRET])
    assert memory("VmHWM") - before < 30_000_000


@rule("R100")
def test_undoing_keeps_the_work(yard: Yard):
    """Without its commits, what the agent did is in the tree, to be mended."""
    yard.commit("Mine", a=SECRET, poem="mine\n")
    yard.work.uncommit()
    yard.write("a", "clean")
    assert yard.ready() == ["Rest"]
    assert not yard.work.contains([SECRET])
    assert (yard.path / "poem").read_text() == "mine\n"


@rule("R83")
def test_a_lock_that_was_left_holds_nothing_up(yard: Yard):
    """A git of the agent's that was killed leaves a lock; it is removed."""
    yard.write("a", "a")
    (yard.path / ".git" / "index.lock").touch()
    assert yard.ready() == ["Rest"]
    (yard.path / ".git" / "index.lock").touch()
    yard.begin("work/2-2")


@rule("R116")
@pytest.mark.parametrize("lock", ["index.lock", "HEAD.lock", "refs/heads/work/1-1.lock"])
def test_locks_of_all_kinds_that_were_left_hold_nothing_up(yard: Yard, lock: str):
    """A killed git may have been about to write any of them."""
    yard.write("a", "a")
    (yard.path / ".git" / lock).touch()
    assert yard.ready() == ["Rest"]
    (yard.path / ".git" / lock).touch()
    yard.begin("work/2-2")


@rule("R117")
def test_what_is_being_rebased_is_saved_whole(yard: Yard):
    """While a rebase waits for the agent, storage has all of what it had done before."""
    yard.commit("Mine", poem="mine\n")
    yard.commit("More", a="a")
    mine = yard.work.tip()
    yard.land(poem="theirs\n")
    assert yard.rebase() == ["poem"]
    assert yard.work.tip() == mine
    yard.work.save("work/1-1", [])
    assert git(yard.bare, "rev-parse", "work/1-1") == mine


@rule("R100")
def test_a_secret_in_what_is_being_rebased_is_found_and_undone(yard: Yard):
    """The commits that are not yet put on the branch count too."""
    yard.commit("Mine", poem="mine\n")
    yard.commit("More", a=SECRET)
    yard.land(poem="theirs\n")
    assert yard.rebase() == ["poem"]
    assert not yard.push([SECRET])
    yard.work.uncommit()
    assert not yard.work.is_rebasing()
    assert (yard.path / "a").read_text() == SECRET
    assert (yard.path / "poem").read_text() == "mine\n"


def test_a_new_clone_leaves_nothing_of_old_ones(yard: Yard):
    """Nor does it matter what the agent put in its place; else the disk would fill up."""
    left = yard.path.with_name("workspace.0123abcd")
    (left / "deep").mkdir(parents=True)
    shutil.rmtree(yard.path)
    yard.path.symlink_to("/nowhere")
    yard.make()
    yard.begin("work/2-2")
    assert not left.exists()
    assert yard.path.is_dir()
    assert not yard.path.is_symlink()


def test_a_clone_has_the_branch_and_no_wreck(yard: Yard):
    """Nor what else storage has, but tags on the branch; a wreck is fetched by name."""
    git(yard.other, "tag", "v1")
    git(yard.other, "push", "-q", "origin", "v1", "HEAD:refs/heads/another")
    git(yard.other, "commit", "-q", "--allow-empty", "-m", "Wreck")
    git(yard.other, "tag", "v2")
    git(yard.other, "push", "-q", "origin", "v2", "HEAD:refs/heads/work/7-7")
    wreck = git(yard.other, "rev-parse", "HEAD")
    yard.make()
    yard.clone.begin("work/2-2")
    refs = git(yard.path, "for-each-ref", "--format=%(refname)").split()
    branches = [f"refs/heads/{VOYAGE}", "refs/heads/work/2-2"]
    fetched = ["refs/remotes/origin/HEAD", f"refs/remotes/origin/{VOYAGE}"]
    assert refs == [*branches, *fetched, "refs/tags/v1"]
    assert wreck not in git(yard.path, "cat-file", "--batch-all-objects", "--batch-check")
    git(yard.path, "fetch", "-q", "origin", "work/7-7")
    assert git(yard.path, "rev-parse", "FETCH_HEAD") == wreck


@rule("R54")
def test_a_snapshot_disturbs_nothing(yard: Yard):
    """A dirty tree, new files too, is saved to the work ref; index and tree stay as they are."""
    yard.commit("Mine", a="a")
    yard.write("staged", "1")
    git(yard.path, "add", "staged")
    yard.write("staged", "2")
    yard.write("untracked", "3")
    yard.write("__pycache__/x.pyc", "junk")
    before, index = git(yard.path, "status", "--porcelain"), git(yard.path, "ls-files", "-s")
    yard.work.save("work/1-1", [SECRET])
    assert git(yard.path, "status", "--porcelain") == before
    assert git(yard.path, "ls-files", "-s") == index
    assert git(yard.bare, "ls-tree", "-r", "--name-only", "work/1-1").split() == [
        "a",
        "gone",
        "poem",
        "staged",
        "untracked",
    ]
    assert yard.shown("work/1-1", "staged") == "2"
    assert git(yard.bare, "rev-parse", "work/1-1~1") == git(yard.path, "rev-parse", "HEAD")


@rule("R116")
def test_a_tree_elsewhere_is_neither_saved_nor_written_to(yard: Yard):
    """Wherever the agent has its git look, what is saved and reset is the clone's tree."""
    elsewhere = yard.root / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "private").write_text("not the task's")
    git(yard.path, "config", "core.worktree", str(elsewhere))
    yard.write("mine", "of the task")
    yard.work.save("work/1-1", [])
    assert yard.shown("work/1-1", "mine") == "of the task"
    yard.clone.restore("work/1-1", "HEAD")
    assert [path.name for path in elsewhere.iterdir()] == ["private"]


@rule("R54")
def test_commits_are_saved_once(yard: Yard):
    """New commits are pushed with the next save; without one, or a change, nothing is."""
    yard.work.save("work/1-1", [])
    assert git(yard.bare, "for-each-ref", "refs/heads/work") == ""
    yard.commit("Mine", a="a")
    yard.work.save("work/1-1", [])
    assert git(yard.bare, "rev-parse", "work/1-1") == git(yard.path, "rev-parse", "HEAD")
    git(yard.bare, "update-ref", "-d", "refs/heads/work/1-1")
    yard.work.save("work/1-1", [])
    assert git(yard.bare, "for-each-ref", "refs/heads/work") == ""


@rule("R100")
@pytest.mark.parametrize("committed", [True, False])
def test_a_secret_is_never_saved(yard: Yard, committed: bool):
    """Neither a commit nor a snapshot with a secret goes to storage."""
    yard.write("a", SECRET)
    if committed:
        yard.commit("Mine")
        yard.write("b", "b")
    yard.work.save("work/1-1", [SECRET])
    dump = ["git", "-C", str(yard.bare), "cat-file", "--batch-all-objects", "--batch"]
    assert SECRET.encode() not in subprocess.run(dump, capture_output=True, check=True).stdout


@rule("R54")
def test_a_snapshot_goes_on_after_a_crash(yard: Yard):
    """The lock that a snapshot cut short left behind does not end all later ones."""
    yard.write("a", "a")
    (yard.path / ".git" / "ocaptain-index.lock").touch()
    yard.begin("work/2-2")
    yard.write("a", "a")
    yard.work.save("work/2-2", [])
    assert yard.shown("work/2-2", "a") == "a"


@rule("R90")
def test_hooks_are_ignored(yard: Yard):
    """No hook runs, neither one in .git/hooks nor where the agent pointed core.hooksPath."""
    for folder in (yard.path / ".git" / "hooks", yard.root / "hooks"):
        folder.mkdir(exist_ok=True)
        for name in ("pre-commit", "commit-msg", "pre-push", "pre-rebase", "post-checkout"):
            hook = folder / name
            hook.write_text(f"#!/bin/sh\ntouch {yard.root}/ran\nexit 1\n")
            hook.chmod(0o755)
    for path in (None, str(yard.root / "hooks")):
        if path:
            git(yard.path, "config", "core.hooksPath", path)
        yard.write("a", f"{path}")
        yard.land(b=f"{path}")
        assert "Rest" in yard.ready()
        yard.push()
        yard.begin("work/1-1")
    assert not (yard.root / "ran").exists()


@rule("R83")
@pytest.mark.parametrize("what", ["workspace", ".git", ".git/objects"])
def test_a_broken_clone_is_made_anew(yard: Yard, what: str):
    """Where the workspace, or git's part of it, is gone, that is an error; a new clone is whole."""
    target = yard.path if what == "workspace" else yard.path / what
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    with pytest.raises(OSError, match="git"):
        yard.begin("work/2-2")
    with pytest.raises(OSError, match="git"):
        yard.commit_rest()
    yard.make()
    yard.begin("work/2-2")
    yard.commit("Mine", a="a")
    assert yard.ready() == ["Mine"]
    assert not (yard.path.parent / "workspace.old").exists()


def test_a_clone_that_has_lost_its_origin_does_not_wait_for_it(yard: Yard):
    """Where the clone's own settings are gone, storage is not what is out of reach."""
    (yard.clone.kept / "config").write_text("")
    with pytest.raises(GitFailed, match="'origin' does not appear"):
        yard.begin("work/2-2")


@rule("R83")
def test_no_other_repository_is_taken_for_the_clone(yard: Yard):
    """Where the agent removed .git, a repository further up, as of dotfiles, is left alone."""
    git(yard.path.parent, "init", "-q")
    git(yard.path.parent, "commit", "-q", "--allow-empty", "-m", "Dotfiles")
    before = git(yard.path.parent, "rev-parse", "HEAD")
    shutil.rmtree(yard.path / ".git")
    yard.write("a", "a")
    for act in (yard.commit_rest, lambda: yard.clone.restore("work/1-1", "HEAD")):
        with pytest.raises(OSError, match="git"):
            act()
    assert git(yard.path.parent, "rev-parse", "HEAD") == before
    assert (yard.path / "a").exists()


def test_storages_git_is_run_as_the_way_there_wants(yard: Yard):
    """Words that go before each command on storage stand before git's, the agent's own as well."""
    (yard.root / "via").write_text(f'#!/bin/sh\necho "$*" >>{yard.root}/ran\nexec "$@"\n')
    (yard.root / "via").chmod(0o755)
    clone = yard.a_clone(yard.root / "other ship" / "workspace", "sh", str(yard.root / "via"))
    clone.path.parent.mkdir()

    def ran() -> list[str]:
        told = (yard.root / "ran").read_text().split("\n")
        (yard.root / "ran").unlink()
        return [line.split()[0] for line in told if line]

    clone.make()
    clone.keep()
    assert ran() == ["git-upload-pack"]
    clone.begin("work/1-1")
    Work(clone).push("HEAD", "work/1-1", [])
    assert ran() == ["git-upload-pack", "git-receive-pack"]
    git(clone.path, "fetch", "-q", "origin")
    assert ran() == ["git-upload-pack"]


@rule("R91")
def test_what_needs_storage_waits_for_it(yard: Yard):
    """While storage is out of reach git is tried again; a lost claim ends that."""
    yard.commit("Mine", a="a")
    away = yard.bare.with_name("away")
    yard.bare.rename(away)
    timer = threading.Timer(0.5, away.rename, [yard.bare])
    timer.start()
    yard.push()
    assert git(yard.bare, "rev-parse", "work/1-1") == git(yard.path, "rev-parse", "HEAD")
    yard.bare.rename(away)
    yard.give_up.set()
    with pytest.raises(GitFailed, match="Could not read from remote"):
        yard.rebase()

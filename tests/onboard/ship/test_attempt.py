"""An attempt at a task, from its claim to the landing."""

from typing import Any

import pytest

from ocaptain.onboard.ship import trees
from ocaptain.onboard.ship.agents import AGENTS
from ocaptain.onboard.ship.heartbeat import GiveUp
from ocaptain.onboard.ship.helm import hold
from tests.support.rules import rule
from tests.support.sessions import Talking
from tests.support.ship import Harbor
from tests.support.storage import VOYAGE, git
from tests.support.yard import Yard, at_sea, with_submodule, wreck

pytestmark = pytest.mark.usefixtures("children")

LEAVES_WRITER = """\
(setsid sh -c 'while echo x >>ticks; do sleep 0.01; done' >/dev/null 2>&1 &)
until test -e ticks; do sleep 0.01; done
"""
"""Leaves a daemon that writes into the clone."""


@rule("R48")
@pytest.mark.parametrize("code", ["lost", "claim", "unheard-of"])
def test_a_completion_that_is_refused_is_none(yard: Yard, code: str):
    """Where harbor does not take it that nothing had to change, whatever it says, the claim is
    given up, and no log says that the task was completed."""
    refused = {"ok": False, "code": code, "error": "no"}
    work = at_sea(yard, Harbor(land=refused))
    work.begin()
    with pytest.raises(GiveUp, match="no"):
        work.land(last_words="")
    assert not work.ship.log.exists() or "completed" not in work.ship.log.read_text()


def test_a_check_that_fails_leaves_nothing_in_the_tree(yard: Yard):
    """What it wrote is not taken for the agent's work."""
    work = at_sea(yard, Harbor(), "echo x >a", check="echo x >rubbish; exit 1")
    assert hold(work.ship, work)
    assert "a" in wreck(yard).split()
    assert "rubbish" not in wreck(yard).split()


LOSES_A_VERSION = """\
lost=$(git rev-parse HEAD:long)
mkdir packs
mv .git/objects/pack/* packs
for pack in packs/*.pack; do git unpack-objects -q <$pack; done
rm -rf packs
path=$(echo $lost | sed 's,..,&/,')
rm -f .git/objects/$path
mv long moved
echo more >>moved
"""
"""Renames a file whose version in HEAD is lost, so that git cannot compare the two."""


@rule("R48")
def test_what_git_cannot_compare_is_not_taken_for_no_change(yard: Yard):
    """A task is not completed without its work since git could not say what that was."""
    yard.land(long="".join(f"line {number}\n" for number in range(50)))
    harbor = Harbor()
    work = at_sea(yard, harbor, LOSES_A_VERSION)
    assert hold(work.ship, work), work.ship.log.read_text()
    [landing] = harbor.requests("land")
    assert git(yard.path, "show", f"{landing['commit']}:moved").endswith("more")


@rule("R151")
def test_a_command_that_begins_its_own_repository_lands_what_it_made(yard: Yard):
    """Whatever became of git's folder, the rest of the attempt goes on as always."""
    harbor = Harbor()
    run = "echo x >a; rm -rf .git; git init -q; git add a; git commit -qm A; echo y >b"
    work = at_sea(yard, harbor, run, check="git rm -qr --cached . && git status && test -e b")
    assert hold(work.ship, work)
    [landing] = harbor.requests("land")
    changed = git(yard.bare, "show", "--format=", "--name-only", landing["commit"])
    assert changed.split() == ["a", "b"]
    assert "git's folder is broken" in work.ship.log.read_text()


@rule("R117")
def test_what_waits_for_the_berth_is_on_storage_meanwhile(yard: Yard):
    """Finished work does not die with its ship while others land."""

    class Busy(Harbor):
        """Storage while another has the berth, until the work is there."""

        def ask(self, op: str, **fields: Any) -> dict[str, Any]:
            if op == "land" and "work/1-1" in git(yard.bare, "for-each-ref"):
                self.answers.clear()
            return super().ask(op, **fields)

    harbor = Busy(land={"ok": False, "code": "berth", "error": "another lands"})
    work = at_sea(yard, harbor, "echo x >a")
    assert hold(work.ship, work)
    assert "a" in wreck(yard).split()
    assert harbor.requests("release") == []


@pytest.fixture
def talking(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of an agent that can be told things, and runs the task's program."""
    monkeypatch.setitem(AGENTS, "talking", Talking())
    return "talking"


def test_a_red_check_goes_back_into_the_same_session(yard: Yard, talking: str):
    """The agent is told what failed, mends it, and its work lands in one piece."""
    harbor = Harbor()
    run = (
        "hear(); open('a', 'w'); result()\n"
        "message = hear(); open('told', 'w').write(message); result()\n"
        "hear()"
    )
    work = at_sea(yard, harbor, run, check="echo no telling; test -e told", agent=talking)
    assert hold(work.ship, work)
    [landing] = harbor.requests("land")
    told = yard.shown(landing["commit"], "told")
    assert "`echo no telling; test -e told` fails with status 1:\n\nno telling" in told
    assert "a" in wreck(yard).split()


@rule("R87")
@pytest.mark.parametrize("check", [None, "true"])
def test_a_daemon_that_a_command_left_writes_no_more_while_its_work_lands(
    yard: Yard, check: str | None
):
    """What is checked is what lands, and what is in the clone then."""
    harbor = Harbor()
    work = at_sea(yard, harbor, LEAVES_WRITER, check=check)
    assert hold(work.ship, work)
    [landing] = harbor.requests("land")
    ticks = git(yard.path, "show", f"{landing['commit']}:ticks")
    assert ticks == (yard.path / "ticks").read_text().strip()
    assert "stopping what the agent left running" in work.ship.log.read_text()


@rule("R87")
def test_a_daemon_of_an_agent_that_lives_on_ends_with_the_turn_and_its_tools_do_not(
    yard: Yard, talking: str
):
    """A tool is a child of the agent's, or of such a child's; a daemon has left its parents."""
    harbor = Harbor()
    run = (
        "tool = subprocess.Popen(['sh', '-c', 'sleep 600; exit'])\n"
        f"hear(); subprocess.run({LEAVES_WRITER!r}, shell=True); result()\n"
        "hear(); open('told', 'w').write(f'tool: {tool.poll()}'); result()\n"
        "hear()"
    )
    work = at_sea(yard, harbor, run, check="test -e told", agent=talking)
    assert hold(work.ship, work)
    [landing] = harbor.requests("land")
    assert yard.shown(landing["commit"], "told") == "tool: None"
    ticks = yard.shown(landing["commit"], "ticks")
    assert ticks == (yard.path / "ticks").read_text().strip()


def test_work_that_never_lands_is_given_back(yard: Yard, talking: str):
    """An agent is told three times what is wrong, not for ever."""
    harbor = Harbor()
    run = "while hear(): open('a', 'a').write('x'); result()"
    work = at_sea(yard, harbor, run, check="false", agent=talking)
    assert hold(work.ship, work)
    assert yard.shown("work/1-1", "a") == "xxxx"
    [release] = harbor.requests("release")
    assert release["why"].startswith("still, after 3 more turns: ")
    assert release["fault"] == "agent"


def test_an_agent_that_changed_nothing_is_asked_why(yard: Yard, talking: str):
    """What it says then completes the task, and is kept as a note."""
    harbor = Harbor()
    run = "hear(); result(); hear(); say('NO CHANGE: it is there'); result(); hear()"
    work = at_sea(yard, harbor, run, agent=talking)
    assert hold(work.ship, work)
    [landing] = harbor.requests("land")
    assert (landing["commit"], landing["note"]) == (None, "it is there")


def test_an_agent_that_does_not_say_why_has_failed(yard: Yard, talking: str):
    """Silence is not taken for an answer, and it is asked once only."""
    harbor = Harbor()
    work = at_sea(yard, harbor, "while hear(): result()", agent=talking)
    assert hold(work.ship, work)
    [release] = harbor.requests("release")
    assert release["why"] == "it changed nothing, and did not say why"
    assert harbor.requests("land") == []


def test_others_who_land_first_are_rebased_on(yard: Yard):
    """Storage says that the branch has moved on; what is asked for next is on top of it."""

    class Racing(Harbor):
        """Storage where somebody else lands just before."""

        def ask(self, op: str, **fields: Any) -> dict[str, Any]:
            if op == "land" and not self.requests("land"):
                yard.land(theirs="theirs\n")
                super().ask(op, **fields)
                return {"ok": False, "code": "stale", "error": "the branch has moved on"}
            return super().ask(op, **fields)

    harbor = Racing()
    work = at_sea(yard, harbor, "echo x >a")
    assert hold(work.ship, work)
    first, second = harbor.requests("land")
    assert second["base_commit"] != first["base_commit"]
    assert yard.shown(second["commit"], "theirs") == "theirs"
    assert yard.shown(second["commit"], "a") == "x"


class Strict(Harbor):
    """Storage that lands only what was pushed, on top of the branch.

    Somebody else changes a file just before the first landings, so many of them."""

    def __init__(self, yard: Yard, contested: int = 0) -> None:
        super().__init__()
        self.yard, self.contested = yard, contested

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        """Answer a request."""
        answer = super().ask(op, **fields)
        if op == "land" and self.contested:
            self.contested -= 1
            self.yard.land(poem=f"theirs {self.contested}\n")
        if op == "land" and fields["commit"]:
            refs = dict(line.split() for line in git(self.yard.bare, *REFS).splitlines())
            if fields["base_commit"] != refs[VOYAGE]:
                return {"ok": False, "code": "stale", "error": "the branch has moved on"}
            if fields["commit"] != refs.get("work/1-1"):
                return {"ok": False, "code": "ref", "error": "that was not pushed"}
            if git(self.yard.bare, "merge-base", VOYAGE, fields["commit"]) != refs[VOYAGE]:
                return {"ok": False, "code": "stale", "error": "the branch has moved on"}
        return answer


REFS = ("for-each-ref", "--format=%(refname:lstrip=2) %(objectname)")


def further_refs(yard: Yard) -> list[str]:
    """Where the claim's ship keeps what does not land."""
    return git(yard.bare, *REFS, "refs/heads/work/1-1+*").split()[::2]


@rule("R134")
def test_a_command_that_left_a_conflict_has_failed(yard: Yard):
    """It cannot be told, and what it left half-done does not land; all of it is kept."""
    harbor = Strict(yard)
    work = at_sea(yard, harbor, f"{STASHED}; echo x >a")
    assert hold(work.ship, work)
    assert harbor.requests("land") == []
    [release] = harbor.requests("release")
    assert release["fault"] == "agent"
    assert (
        release["why"] == "it has left conflicts: poem; work that is not on the branch: stash@{0}"
    )
    assert yard.shown("work/1-1", "a") == "x"


STASHED = "echo 1 >poem; git stash -q; echo 2 >poem; git commit -qam 2; git stash pop -q || true"


@rule("R134", "R135")
def test_an_agent_is_told_what_it_left(yard: Yard, talking: str):
    """It hears of the paths, and lands once it has mended them, or says that they are meant."""
    harbor = Strict(yard)
    marked = "open('page', 'w').write('<<<<<<< a\\n'); "
    run = (
        f"hear(); os.system({STASHED!r}); {marked} result()\n"
        "open('told', 'w').write(hear())\n"
        "os.system('echo 3 >poem; git add poem; git stash drop -q'); result()\n"
        "hear(); say('**MARKERS MEANT: page is about them**'); result(); hear()"
    )
    work = at_sea(yard, harbor, run, agent=talking)
    assert hold(work.ship, work)
    landing = harbor.requests("land")[-1]
    told = yard.shown(landing["commit"], "told")
    assert "still in conflict:\n\npoem\n" in told
    assert "not in them before:\n\npage\n" in told
    assert yard.shown(landing["commit"], "page") == "<<<<<<< a"


def test_an_agent_is_asked_once_about_work_elsewhere(yard: Yard, talking: str):
    """What it leaves there, once it was asked, is kept on a further ref, and the rest lands."""
    harbor = Strict(yard)
    run = (
        "hear(); os.system('echo x >a; git stash -qu; echo y >b'); result()\n"
        "open('told', 'w').write(hear()); result(); hear()"
    )
    work = at_sea(yard, harbor, run, agent=talking)
    assert hold(work.ship, work)
    landing = harbor.requests("land")[-1]
    assert "stash@{0}" in yard.shown(landing["commit"], "told")
    [further] = git(
        yard.bare, "for-each-ref", "--format=%(refname)", "refs/heads/work/1-1+*"
    ).split()
    assert yard.shown(further, "a") == "x"


def test_a_command_that_changed_nothing_but_elsewhere_has_failed(yard: Yard):
    """That is no change to complete a task with, and what it did is kept."""
    harbor = Strict(yard)
    run = "git switch -qc feature; echo x >a; git add a; git commit -qm A; git switch -q -"
    work = at_sea(yard, harbor, run)
    assert hold(work.ship, work)
    [release] = harbor.requests("release")
    assert release["why"] == "it changed nothing on its branch, but left work in feature"
    assert further_refs(yard)


def test_a_command_that_changed_nothing_but_a_submodule_has_failed(yard: Yard):
    """What it wrote there does not land, and no log says that nothing had to change."""
    with_submodule(yard)
    harbor = Strict(yard)
    work = at_sea(yard, harbor, "git submodule -q update --init; echo mine >lib/x")
    work.clone.git.run(
        "config", "--file", "../workspace.set-up/config", "protocol.file.allow", "always"
    )
    assert hold(work.ship, work)
    [release] = harbor.requests("release")
    assert release["why"] == "it changed nothing on its branch, but left work in lib"


def test_an_agent_that_only_looked_at_an_older_commit_is_asked_why(yard: Yard, talking: str):
    """What it left checked out is on the branch: that is no change."""
    yard.land(x="x")
    harbor = Strict(yard)
    look = "os.system('git checkout -q HEAD~1')"
    work = at_sea(yard, harbor, f"hear(); {look}; result()\nwhile hear(): result()", agent=talking)
    assert hold(work.ship, work)
    [release] = harbor.requests("release")
    assert release["why"] == "it changed nothing, and did not say why"


def test_an_agent_that_aborts_the_rebase_each_time_is_not_told_for_ever(yard: Yard, talking: str):
    """It is the same conflict again, but the agent has not got on."""
    harbor = Strict(yard, contested=1)
    run = (
        "hear(); open('poem', 'w').write('mine\\n'); result()\n"
        "while hear(): os.system('git rebase --abort'); result()"
    )
    work = at_sea(yard, harbor, run, agent=talking)
    assert hold(work.ship, work)
    [release] = harbor.requests("release")
    assert release["why"] == "still, after 3 more turns: it has left conflicts: poem"


def test_a_command_that_removes_its_repository_may_be_run_again(yard: Yard):
    """In the new clone is what was pushed, so that the work ref can move on."""
    harbor = Strict(yard, contested=1)
    work = at_sea(yard, harbor, "echo mine >>poem; echo x >>a", check="true")
    begin, begun = work.clone.begin, []

    def break_and_begin(ref: str, head: str = "") -> None:
        begun.append(ref)
        if len(begun) == 2:
            trees.remove(yard.path / ".git")
        begin(ref, head)

    work.clone.begin = break_and_begin  # type: ignore[method-assign]
    assert hold(work.ship, work)
    landing = harbor.requests("land")[-1]
    assert yard.shown(landing["commit"], "poem").endswith("theirs 0\nmine")
    assert further_refs(yard)


@rule("R140")
@pytest.mark.parametrize(
    "check",
    [
        "git checkout -q HEAD~1",
        "git reset -q --hard HEAD~1; echo x >poem",
        "echo more >a; git commit -qam More; echo rubbish >rubbish",
        "git rm -q --cached a; git stash -qu",
    ],
)
def test_what_was_pushed_lands_whatever_the_check_does(yard: Yard, check: str):
    """HEAD, index and tree are the check's to play with."""
    harbor = Strict(yard)
    work = at_sea(yard, harbor, "echo x >a", check=check)
    assert hold(work.ship, work)
    landing = harbor.requests("land")[-1]
    assert git(yard.bare, "rev-parse", "work/1-1") == landing["commit"]
    assert git(yard.bare, "diff", "--name-only", f"{VOYAGE}..{landing['commit']}") == "a"
    assert yard.shown(landing["commit"], "a") == "x"


@rule("R141")
@pytest.mark.parametrize("check", [None, "true"])
def test_a_command_in_conflict_is_run_again(yard: Yard, check: str | None):
    """It lands on top of what others did, in the same claim, while its ship is landing."""
    harbor = Strict(yard, contested=1)
    work = at_sea(yard, harbor, "echo mine >>poem; echo x >>a", check=check)
    if check:
        yard.land(poem="theirs\n")
        work.clone.fetch()
    assert hold(work.ship, work)
    assert harbor.requests("release") == []
    landing = harbor.requests("land")[-1]
    assert landing["state"] == "landing"
    assert yard.shown(landing["commit"], "poem").endswith("theirs 0\nmine")
    assert yard.shown(landing["commit"], "a") == "x"


def test_a_conflict_of_many_commits_is_one(yard: Yard, talking: str):
    """However often the same rebase stops, the agent is told each time, and it counts once."""
    harbor = Strict(yard, contested=1)
    commit = "open('poem', 'w').write(f'{n}\\n'); os.system('git commit -qam ' + str(n))"
    run = (
        f"hear()\nfor n in range(6): {commit}\nresult()\n"
        "while 'conflicts' in hear():\n"
        " open('poem', 'a').write('x'); text = open('poem').read()\n"
        " open('poem', 'w').write('\\n'.join(l for l in text.splitlines() if l[:3] not in "
        "('<<<', '===', '>>>')) + '\\n')\n"
        " os.system('git add poem'); result()"
    )
    work = at_sea(yard, harbor, run, agent=talking)
    assert hold(work.ship, work)
    assert harbor.requests("release") == []
    landing = harbor.requests("land")[-1]
    subjects = git(yard.bare, "log", "--format=%s", f"{VOYAGE}..{landing['commit']}")
    assert subjects.split() == ["5", "4", "3", "2", "1", "0"]


@rule("R136")
def test_work_that_a_conflict_leaves_nothing_of_is_asked_about(yard: Yard, talking: str):
    """It is kept, and the task is not completed as done by others."""
    harbor = Strict(yard, contested=1)
    run = (
        "hear(); open('poem', 'w').write('mine\\n'); result()\n"
        "hear(); os.system('git checkout -q --ours poem; git add poem'); result()\n"
        "assert 'nothing of your work' in hear(); say('NO CHANGE: theirs is better'); result()\n"
        "hear()"
    )
    work = at_sea(yard, harbor, run, agent=talking)
    assert hold(work.ship, work)
    landing = harbor.requests("land")[-1]
    assert (landing["commit"], landing["note"]) == (None, "theirs is better")
    [further] = further_refs(yard)
    assert yard.shown(further, "poem") == "mine"


def test_a_subject_that_looks_like_a_comment_stays(yard: Yard, talking: str):
    """Also when the commit was in conflict."""
    harbor = Strict(yard, contested=1)
    run = (
        "hear(); open('poem', 'w').write('mine\\n'); result()\n"
        "hear(); open('poem', 'w').write('both\\n'); result(); hear()"
    )
    work = at_sea(yard, harbor, run, agent=talking)
    work.task["subject"] = "#12 mend it"
    assert hold(work.ship, work)
    landing = harbor.requests("land")[-1]
    message = git(yard.bare, "show", "-s", "--format=%B", landing["commit"])
    assert message.startswith("#12 mend it\n\nVoyage: ")
    assert "onflict" not in message
    [further] = git(
        yard.bare, "for-each-ref", "--format=%(refname)", "refs/heads/work/1-1+*"
    ).split()
    assert yard.shown(further, "poem") == "mine"


ATTRIBUTES = "*.psd filter=lfs diff=lfs merge=lfs -text\n"


@rule("R123")
def test_a_large_file_that_others_could_not_get_does_not_land(yard: Yard):
    """The path is named, and what was done is kept."""
    yard.land(**{".gitattributes": ATTRIBUTES})
    harbor = Harbor()
    work = at_sea(yard, harbor, "echo contents >big.psd")
    assert hold(work.ship, work)
    assert harbor.requests("land") == []
    [release] = harbor.requests("release")
    assert release["fault"] == "agent"
    assert release["why"] == "nobody else could get its large files: big.psd"
    assert "big.psd" in wreck(yard).split()


@rule("R123")
def test_contents_that_an_agent_commits_land_as_a_pointer(yard: Yard, talking: str):
    """If there is a server for them."""
    server = yard.root / "server.git"
    git(yard.root, "init", "-q", "--bare", str(server))
    yard.land(**{".gitattributes": ATTRIBUTES, ".lfsconfig": f"[lfs]\nurl = file://{server}\n"})
    harbor = Harbor()
    commit = "git add big.psd; git commit -qm Mine"
    run = f"hear(); open('big.psd', 'w').write('contents'); os.system('{commit}'); result(); hear()"
    work = at_sea(yard, harbor, run, agent=talking)
    assert hold(work.ship, work)
    landing = harbor.requests("land")[-1]
    work.clone.git.run_with_storage("push", "origin", f"{landing['commit']}:refs/heads/shown")
    assert yard.shown("shown", "big.psd").startswith("version https://git-lfs.github.com/spec/v1")
    assert len(list((server / "lfs" / "objects").rglob("*"))) == 3

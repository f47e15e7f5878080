"""Whatever an agent does with git, what it made lands, is kept, or is named to it."""

import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocaptain.onboard.ship import trees
from ocaptain.onboard.ship.stock import bars, findings
from tests.support.rules import rule
from tests.support.storage import git
from tests.support.yard import Yard

NAMES = ("poem", "gone", "new", "a b", 'q"\n', "-x", "sub/é", "sub/deep/f")
EXAMPLES = 3
"""How many agents are tried; with --long 2,000."""


class Agent:
    """An agent that does things with git, some of which fail."""

    def __init__(self, yard: Yard) -> None:
        self.yard = yard
        self.left: dict[str, str] = {}
        """What it has written, each time another text, and where."""

    def run(self, *words: str) -> None:
        """Run git, as agents do: whether or not it succeeds."""
        environment = ["-c", "protocol.file.allow=always", "-c", "core.editor=true"]
        subprocess.run(
            ["git", *environment, *words], cwd=self.yard.path, capture_output=True, check=False
        )

    def write(self, name: str) -> None:
        """Write a text that is nowhere else."""
        text = f"text {len(self.left)}"
        path = self.yard.path / name
        if any(parent.is_file() for parent in path.parents) or path.is_dir():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n" * 3)
        self.left[text] = name


def nest(agent: Agent, name: str) -> None:
    agent.run("init", "-q", "nested")
    agent.write("nested/" + name.strip("-"))


def am(agent: Agent, _: str) -> None:
    words = "git format-patch -1 side --stdout | git am -q --3way"
    subprocess.run(words, cwd=agent.yard.path, shell=True, capture_output=True, check=False)


def large(agent: Agent, _: str) -> None:
    agent.write("large")
    with (agent.yard.path / "large").open("a") as file:
        file.write("0" * 2_000_000)


def save(agent: Agent, _: str) -> None:
    with suppress(OSError):  # as it is if git's folder is broken, until the turn ends
        agent.yard.work.save("work/1-1", [])


def no_git(agent: Agent, _: str) -> None:
    trees.remove(agent.yard.path / ".git")


def anew(agent: Agent, name: str) -> None:
    no_git(agent, name)
    agent.run("init", "-q")


def break_index(agent: Agent, _: str) -> None:
    with suppress(OSError):
        (agent.yard.path / ".git" / "index").write_text("DIRC")


def ignore(agent: Agent, name: str) -> None:
    with suppress(OSError), (agent.yard.path / ".git" / "info" / "exclude").open("a") as file:
        file.write(f"{name}\n")


def steps() -> dict[str, Callable[[Agent, str], None]]:
    """What an agent may do, each to a file."""

    def with_git(*words: str) -> Callable[[Agent, str], None]:
        return lambda agent, name: agent.run(*(word.replace("NAME", name) for word in words))

    return {
        "write": Agent.write,
        "commit": with_git("commit", "-qam", "Commit NAME"),
        "add": with_git("add", "-A"),
        "rm": with_git("rm", "-qf", "--", "NAME"),
        "mv": with_git("mv", "--", "NAME", "moved"),
        "stash": with_git("stash", "-u"),
        "pop": with_git("stash", "pop"),
        "branch": with_git("checkout", "-q", "-b", "side"),
        "back": with_git("checkout", "-q", "work/1-1"),
        "detach": with_git("checkout", "-q", "--detach"),
        "merge": with_git("merge", "side"),
        "pick": with_git("cherry-pick", "side"),
        "rebase": with_git("rebase", "side"),
        "continue": with_git("rebase", "--continue"),
        "worktree": with_git("worktree", "add", "-q", "tree", "-b", "tree"),
        "in worktree": lambda agent, name: agent.write("tree/" + name.strip("-")),
        "nest": nest,
        "nested commit": with_git("-C", "nested", "commit", "-q", "--allow-empty", "-m", "x"),
        "conclude": with_git("merge", "--continue"),
        "abort": with_git("rebase", "--abort"),
        "am": am,
        "reset": with_git("reset", "-q", "HEAD~1"),
        "clean": with_git("clean", "-fdq"),
        "clone": with_git("clone", "-q", ".", "cloned"),
        "submodule": with_git("submodule", "--quiet", "add", "./.git", "inner"),
        "tag": with_git("tag", "-f", "-a", "-m", "NAME", "mine"),
        "hide": with_git("update-index", "--assume-unchanged", "--", "NAME"),
        "skip": with_git("update-index", "--skip-worktree", "--", "NAME"),
        "intend": with_git("add", "-N", "--", "NAME"),
        "gc": with_git("gc", "-q", "--prune=now"),
        "large": large,
        "save": save,
        "no git": no_git,
        "anew": anew,
        "break index": break_index,
        "ignore": ignore,
        "chmod": lambda agent, _: (
            (agent.yard.path / "poem").is_file() and (agent.yard.path / "poem").chmod(0o755)
        ),
    }


STEPS = steps()
DEED = st.tuples(st.sampled_from(sorted(STEPS)), st.sampled_from(NAMES))


def objects_of(yard: Yard, refs: str) -> str:
    """All contents that refs of storage have, their history included."""
    names = git(yard.bare, "rev-list", "--objects", "--no-object-names", f"--glob={refs}")
    batch = ["git", "-C", str(yard.bare), "cat-file", "--batch"]
    done = subprocess.run(batch, input=names.encode(), capture_output=True, check=True)
    return done.stdout.decode(errors="replace")


def in_tree(yard: Yard) -> str:
    """All that the clone's tree has."""
    apart = {".git", "inner"}  # a submodule is a copy
    files = [path for path in yard.path.rglob("*") if path.is_file()]
    files = [path for path in files if apart.isdisjoint(path.parts)]
    return "\n".join(path.read_text(errors="replace") for path in files)


def stashed(yard: Yard) -> str:
    """All that is in the stash, as a patch."""
    words = ["git", "stash", "list", "-p", "-u"]
    done = subprocess.run(words, cwd=yard.path, capture_output=True, check=False)
    return done.stdout.decode(errors="replace")


def is_marked(yard: Yard) -> bool:
    """Whether HEAD has a file with markers."""
    words = ["git", "grep", "-qE", "^(<{7}|>{7})( |$)", "HEAD", "--"]
    return subprocess.run(words, cwd=yard.path, check=False).returncode == 0


@given(deeds=st.lists(DEED, min_size=3, max_size=10))
def random_agent(deeds: list[tuple[str, str]]) -> None:
    """Have an agent do these things, and its ship do what it does when a turn ends."""
    with tempfile.TemporaryDirectory() as folder:
        yard = Yard(Path(folder))
        agent = Agent(yard)
        for deed, name in deeds:
            STEPS[deed](agent, name)
        there, in_stash = in_tree(yard), stashed(yard)
        stock = yard.work.take_stock()
        found = findings(stock)
        yard.work.save("work/1-1", [], ended=True)
        kept = objects_of(yard, "refs/heads/work")
        named = " ".join(name for finding in found for name in finding.names)
        for text, name in agent.left.items():
            if f"{text}\n" in there or f"+{text}\n" in in_stash:
                assert f"{text}\n" in kept or name.split("/")[0] in named, (text, name, found)
        if not any(map(bars, found)):
            yard.work.commit(stock, "Rest")
            assert not is_marked(yard)


@rule("R134", "R138", "R151")
def test_random_agents(request: pytest.FixtureRequest):
    """What is in the tree or the stash is kept, or named, and no markers are committed."""
    examples = 2_000 if request.config.getoption("--long") else EXAMPLES
    check = settings(max_examples=examples, suppress_health_check=list(HealthCheck), deadline=None)
    check(random_agent)()

"""A shared repository, a ship's clone of it, and somebody else who lands there."""

import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from ocaptain.onboard.protocol import Reviewer, Task
from ocaptain.onboard.ship.attempt import Attempt
from ocaptain.onboard.ship.clone import Clone
from ocaptain.onboard.ship.git import pack_settings
from ocaptain.onboard.ship.stock import findings
from ocaptain.onboard.ship.work import Work
from tests.support.ship import Harbor, a_grant, a_ship
from tests.support.storage import VOYAGE, git

AUTHOR = {"user.name": "Ada Captain", "user.email": "ada@example.com"}

OTHERS = ("-c", "user.name=Bea", "-c", "user.email=bea@example.com")


class Yard:
    """A shared repository, a ship's clone of it, and somebody else who lands there."""

    def __init__(self, root: Path) -> None:
        self.root, self.bare, self.other = root, root / "repo.git", root / "other"
        git(root, "init", "-q", "--bare", "-b", VOYAGE, str(self.bare))
        git(root, "clone", "-q", str(self.bare), str(self.other))
        git(self.other, "checkout", "-q", "-B", VOYAGE)
        self.land(poem="one\ntwo\nthree\n", gone="old\n")
        self.give_up = threading.Event()
        self.settings = {**AUTHOR, f"url.file://{self.bare}.insteadOf": "storage:repo.git"}
        self.said: list[str] = []
        self.clone = self.a_clone(root / "voyage" / "workspace")
        self.work = Work(self.clone)
        self.path = self.clone.path
        self.path.parent.mkdir()
        self.make()
        self.begin("work/1-1")

    def a_clone(self, path: Path, *sudo_prefix: str) -> Clone:
        """A clone that is yet to be made."""
        settings = {**self.settings, **pack_settings(sudo_prefix)}
        return Clone(path, VOYAGE, "false", settings, self.give_up, self.said.append)

    def make(self) -> None:
        """A clone that is set up."""
        self.clone.make()
        self.clone.keep()

    def begin(self, ref: str) -> None:
        """Begin a task."""
        self.clone.begin(ref)
        self.work.begin()

    def land(self, **files: str | None) -> str:
        """Change files on the branch, as another ship; None removes one. The new head."""
        for name, text in files.items():
            path = self.other / name
            path.unlink() if text is None else path.write_text(text)
        git(self.other, "add", "-A")
        git(self.other, "commit", "-q", "-m", f"Land {' '.join(files)}")
        git(self.other, "push", "-q", "origin", VOYAGE)
        return git(self.other, "rev-parse", "HEAD")

    def write(self, name: str, text: str) -> None:
        """What the agent writes."""
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_text(text)

    def commit(self, message: str = "Agent's", **files: str) -> None:
        """What the agent commits by itself."""
        for name, text in files.items():
            self.write(name, text)
        git(self.path, "add", "-A")
        git(self.path, "commit", "-q", "--allow-empty", "-m", message)

    def commits(self, *messages: str, **versions: tuple[str, ...]) -> None:
        """Commits of files, one version after the other."""
        for number, message in enumerate(messages):
            self.commit(message, **{name: texts[number] for name, texts in versions.items()})

    def shown(self, commit: str, name: str) -> str:
        """A file as it is in a commit of the shared repository."""
        return git(self.bare, "show", f"{commit}:{name}")

    def found(self) -> list[tuple[str, tuple[str, ...]]]:
        """The kinds of what is found in the clone, and the names."""
        return [finding[:2] for finding in findings(self.work.survey.take())]

    def commit_rest(self) -> None:
        """What helm does at the end of a turn, if there is nothing to tell the agent."""
        self.clone.mend()
        stock = self.work.survey.take()
        assert findings(stock) == []
        self.work.commit(stock, "Rest")

    def rebase(self) -> list[str]:
        """Rebase, as helm does, and have told the agent of the conflicts."""
        conflicts = self.work.rebase()
        self.work.survey.tell(conflicts)
        return conflicts

    def push(self, secrets: Sequence[str] = ()) -> bool:
        """Push all the work to the claim's work ref."""
        return self.work.push(self.work.tip(), "work/1-1", secrets)

    def ready(self) -> list[str]:
        """Commit, rebase, and the subjects of what is then on top of the branch."""
        self.commit_rest()
        assert self.rebase() == []
        assert git(self.path, "status", "--porcelain") == ""
        return git(self.path, "log", "--format=%s", f"{self.clone.upstream}..HEAD").splitlines()


def at_sea(
    yard: Yard,
    harbor: Harbor,
    run: str = "true",
    check: str | None = None,
    agent: str = "shell",
    review: Reviewer | None = None,
) -> Attempt:
    """A ship with this clone, and its claim of a task that runs a command."""
    harbor.repo = yard.bare
    ship = a_ship(
        yard.root,
        harbor,
        ship=f"ship-{os.urandom(4).hex()}",
        author=yard.settings,
        agent=agent,
        lease_seconds=6,
        stall_minutes=1,
        time_limit_minutes=1,
        check=check,
        review=review,
    )
    task: Task = {"id": "1", "subject": "Work", "metadata": {"run": run}}
    return Attempt(ship, a_grant(task, ref="work/1-1"))


def wreck(yard: Yard) -> str:
    """The paths in what was saved of the attempt."""
    return git(yard.bare, "ls-tree", "-r", "--name-only", "work/1-1")


def with_submodule(yard: Yard) -> Path:
    """Have a submodule on the branch, populated in the clone."""
    library = yard.root / "library"
    git(yard.root, "init", "-q", "library")
    (library / "x").write_text("x")
    git(library, "add", "-A")
    git(library, *OTHERS, "commit", "-q", "-m", "Library")
    allow = ["-c", "protocol.file.allow=always"]
    git(yard.other, *allow, "submodule", "--quiet", "add", str(library), "lib")
    yard.land(x="x")
    yard.begin("work/1-1")
    git(yard.path, *allow, "submodule", "--quiet", "update", "--init")
    yard.work.begin()
    return library


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

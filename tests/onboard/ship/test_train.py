"""Ships bring their work through a check to the branch, at once, on a real storage."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ocaptain.onboard.ship.agents import AGENTS
from ocaptain.onboard.ship.attempt import Attempt
from ocaptain.onboard.ship.heartbeat import Heartbeat
from ocaptain.onboard.ship.helm import hold
from ocaptain.onboard.ship.train import Watch
from tests.support.machine import until
from tests.support.rules import rule
from tests.support.sessions import Talking
from tests.support.ship import Harbor, a_ship
from tests.support.storage import Json, Sail, Storage, assert_sound, git, task

pytestmark = pytest.mark.usefixtures("children")

WAIT_S = 60


class Door:
    """A ship's way to a storage in this process, which answers at once."""

    def __init__(self, storage: Storage, ship: str) -> None:
        self.storage = storage
        self.ship = ship

    def ask(self, op: str, **fields: Any) -> Json:
        fields.pop("wait", None)
        return self.storage.ask(self.ship, op, **fields)


class Fleet:
    """Ships that work on tasks at once, in threads."""

    def __init__(
        self, sail: Sail, root: Path, check: str, landing_window: int = 16, **runs: str
    ) -> None:
        """`runs` are the tasks' programs, by the ships that are to work on them."""
        self.root = root
        tasks = [task(str(at + 1), run=run) for at, run in enumerate(runs.values())]
        self.settings = {"check": check, "lease_seconds": 60, "time_limit_minutes": 1}
        self.storage: Storage = sail(*tasks, landing_window=landing_window, **self.settings)
        self.attempts: dict[str, Attempt] = {}
        self.threads: dict[str, threading.Thread] = {}
        self.agent = "shell"
        self.secrets: list[str] = []

    def start(self, at: int) -> None:
        """Have a ship claim, and work until that is over."""
        name = f"ship-{at}"
        home = self.root / name
        home.mkdir()
        author = {
            "user.name": "Ada Captain",
            "user.email": "ada@example.com",
            f"url.file://{self.storage.repo}.insteadOf": "storage:repo.git",
        }
        door = Door(self.storage, name)
        voyage = {**self.settings, "author": author, "agent": self.agent, "stall_minutes": 1}
        git_hook = ["env", f"OCAPTAIN_SHIP={name}"]
        ship = a_ship(home, door, ship=name, sudo_prefix=git_hook, **voyage)
        ship.secrets.extend(self.secrets)
        grant: Any = self.storage.claim(name)
        attempt = Attempt(ship, grant)
        self.attempts[name] = attempt
        self.threads[name] = threading.Thread(target=hold, args=[ship, attempt], daemon=True)
        self.threads[name].start()

    def join(self) -> None:
        """Wait until all of them are done."""
        for name, thread in self.threads.items():
            thread.join(WAIT_S)
            assert not thread.is_alive(), f"{name} is still at it"
        assert_sound(self.storage)

    def file(self, name: str) -> Path:
        """A file that commands make, or wait for."""
        return self.root / name

    def first_is_checked(self) -> bool:
        """Whether the first in the train has pushed its work, and runs its check."""
        train = self.storage.sections()["meta"].get("train", {"cars": []})
        return bool(train["cars"] and train["cars"][0]["commit"])

    def landed(self) -> list[str]:
        """What the branch has, in the order in which it came."""
        span = f"{self.storage.start}..{self.storage.head()}"
        return git(self.storage.repo, "log", "--reverse", "--format=%s", span).splitlines()

    def shown(self, name: str) -> str:
        """A file as the branch has it."""
        return git(self.storage.repo, "show", f"{self.storage.head()}:{name}")

    def log(self, at: int) -> str:
        """What a ship has logged."""
        log = self.attempts[f"ship-{at}"].ship.log
        return log.read_text() if log.exists() else ""

    def attempts_used(self) -> list[int]:
        """How many attempts each task has cost."""
        tasks = self.storage.tasks()
        return [tasks[each]["metadata"].get("attempts", 0) for each in sorted(tasks)]


@pytest.fixture
def fleet(sail: Sail, tmp_path: Path) -> Callable[..., Fleet]:
    """A maker of fleets."""
    return lambda check, **settings: Fleet(sail, tmp_path, check, **settings)


@rule("R51", "R142")
def test_checks_run_at_once_and_what_they_ran_on_lands(fleet: Callable[..., Fleet], tmp_path: Path):
    """Each check waits until the other has begun; both land, each on top of what it was checked
    on."""
    check = f"ls >{tmp_path}/seen-$(ls | wc -l); until test -e {tmp_path}/seen-3; do sleep .1; done"
    ships = fleet(check, a="echo x >a", b="echo x >b")
    ships.start(0)
    until(ships.file("seen-2").exists, WAIT_S)
    ships.start(1)
    ships.join()
    assert ships.landed() == ["Do 1", "Do 2"]
    assert ships.file("seen-3").read_text().split() == ["README", "a", "b"]


@rule("R145")
def test_a_conflict_with_what_has_not_landed_waits_for_it(
    fleet: Callable[..., Fleet], tmp_path: Path
):
    """A command is run again only once what it is in conflict with has landed."""
    gate = tmp_path / "gate"
    ships = fleet(
        f"until test -e {gate}; do sleep .1; done", a="echo one >>README", b="echo two >>README"
    )
    ships.start(0)
    until(ships.first_is_checked, WAIT_S)
    ships.start(1)
    until(lambda: "waits for what is ahead of it and changes README" in ships.log(1), WAIT_S)
    assert "runs it again" not in ships.log(1)
    gate.touch()
    ships.join()
    assert ships.shown("README").split() == ["begin", "one", "two"]
    assert "runs it again" in ships.log(1)
    assert ships.attempts_used() == [0, 0]


@rule("R143", "R144")
def test_a_red_that_its_base_is_to_blame_for_costs_nothing(
    fleet: Callable[..., Fleet], tmp_path: Path
):
    """Work that is red only on top of what turns out red is checked again, and lands."""
    judged = tmp_path / "judged"
    check = (
        f"test ! -e bad || {{ test -e b || until test -e {judged}; do sleep .1; done; exit 1; }}"
    )
    ships = fleet(check, a="echo x >bad", b="echo x >b")
    ships.start(0)
    until(ships.first_is_checked, WAIT_S)
    ships.start(1)
    until(lambda: "check exited 1" in ships.log(1), WAIT_S)
    judged.touch()
    ships.join()
    assert ships.landed() == ["Do 2"]
    assert ships.attempts_used() == [1, 0]
    assert "checks again" in ships.log(1)
    assert git(ships.storage.repo, "ls-tree", "--name-only", ships.storage.head()).split() == [
        "README",
        "b",
    ]


@rule("R143")
def test_a_check_on_what_does_not_land_is_stopped(fleet: Callable[..., Fleet], tmp_path: Path):
    """It would take for ever; who is behind a car that leaves is checked anew without it."""
    judged = tmp_path / "judged"
    began = tmp_path / "began"
    check = (
        f"test ! -e bad && exit 0; test -e b && {{ touch {began}; sleep 999; }}; "
        f"until test -e {judged}; do sleep .1; done; exit 1"
    )
    ships = fleet(check, a="echo x >bad", b="echo x >b")
    ships.start(0)
    until(ships.first_is_checked, WAIT_S)
    ships.start(1)
    until(began.exists, WAIT_S)
    judged.touch()
    ships.join()
    assert ships.landed() == ["Do 2"]
    assert "checks again: what was ahead of it does not land as it was" in ships.log(1)


def test_an_agents_own_red_comes_back_to_it_outside_the_train(
    fleet: Callable[..., Fleet], monkeypatch: pytest.MonkeyPatch
):
    """What it is told of is on top of the branch, and others go by while it mends that."""
    monkeypatch.setitem(AGENTS, "talking", Talking())
    mend = "hear(); open('a', 'w'); result(); hear(); open('told', 'w'); result(); hear()"
    ships = fleet("test -e told", a=mend)
    ships.agent = "talking"
    ships.start(0)
    ships.join()
    assert ships.landed() == ["Do 1", "Do 1"], "what it did in each turn"
    assert ships.storage.sections()["meta"]["train"]["cars"] == []
    assert ships.attempts_used() == [0]


def test_what_is_in_a_car_ahead_already_waits_for_that(fleet: Callable[..., Fleet], tmp_path: Path):
    """Work that has nothing new on top of a car is completed without a change once that landed."""
    gate = tmp_path / "gate"
    ships = fleet(f"until test -e {gate}; do sleep .1; done", a="echo x >a", b="echo x >a")
    ships.start(0)
    until(ships.first_is_checked, WAIT_S)
    ships.start(1)
    until(lambda: "leave" in [line["op"] for line in ships.storage.lines()], WAIT_S)
    gate.touch()
    ships.join()
    assert ships.landed() == ["Do 1"]
    assert ships.storage.tasks()["2"]["metadata"]["note"] == "the branch has all that it did"


def test_who_has_to_mend_its_work_while_it_waits_for_a_place_waits_no_more(
    fleet: Callable[..., Fleet], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """Or it would have a place, and hold up all others, while its agent is at work."""
    monkeypatch.setitem(AGENTS, "talking", Talking())
    gate = tmp_path / "gate"
    mended = tmp_path / "mended"
    leak = (
        "hear(); open('b', 'w').write('s3cr3t'); result(); hear()\n"
        f"while not os.path.exists('{mended}'): time.sleep(0.1)\n"
        "open('b', 'w').write('x'); result(); hear()"
    )
    check = f"test -e b || until test -e {gate}; do sleep .1; done"
    ships = fleet(check, landing_window=1, a="echo x >a", b=leak, c="echo x >c")
    ships.start(0)
    until(ships.first_is_checked, WAIT_S)
    ships.agent = "talking"
    ships.secrets = ["s3cr3t"]
    ships.start(1)
    until(lambda: "leave" in [line["op"] for line in ships.storage.lines()], WAIT_S)
    ships.agent = "shell"
    ships.start(2)
    gate.touch()
    until(lambda: ships.landed() == ["Do 1", "Do 3"], WAIT_S)
    mended.touch()
    ships.join()
    assert ships.landed() == ["Do 1", "Do 3", "Do 2"]


def test_what_is_ahead_is_gone_when_an_agent_mends_its_work(
    fleet: Callable[..., Fleet], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """Even if it breaks git's folder then: what is put back has the branch's head."""
    monkeypatch.setitem(AGENTS, "talking", Talking())
    gate = tmp_path / "gate"
    mend = (
        "hear(); open('b', 'w').write('s3cr3t'); result(); hear()\n"
        "open('b', 'w').write('x'); os.remove('.git/HEAD'); result(); hear()"
    )
    check = f"test ! -e a || {{ until test -e {gate}; do sleep .1; done; exit 1; }}"
    ships = fleet(check, a="echo x >a", b=mend)
    ships.start(0)
    until(ships.first_is_checked, WAIT_S)
    ships.agent = "talking"
    ships.secrets = ["s3cr3t"]
    ships.start(1)
    until(lambda: "is put back" in ships.log(1), WAIT_S)
    gate.touch()
    ships.join()
    assert ships.landed() == ["Do 2"]
    assert "gives up" not in ships.log(1)


def test_what_is_kept_of_a_claim_that_ends_in_the_train_is_its_own(
    fleet: Callable[..., Fleet], tmp_path: Path
):
    """Whoever takes it up again has nothing of what was ahead, which perhaps never lands."""
    gate = tmp_path / "gate"
    began = tmp_path / "began"
    check = f"test ! -e b || touch {began}; until test -e {gate}; do sleep .1; done"
    ships = fleet(check, a="echo x >a", b="echo x >b")
    ships.start(0)
    until(ships.first_is_checked, WAIT_S)
    ships.start(1)
    until(began.exists, WAIT_S)
    assert ships.storage.order("release", task="2")["ok"]
    ships.threads["ship-1"].join(WAIT_S)
    kept = git(ships.storage.repo, "ls-tree", "--name-only", "work/2-2")
    assert kept.split() == ["README", "b"]
    assert git(ships.storage.repo, "rev-parse", "work/2-2~1") == ships.storage.start
    gate.touch()
    ships.join()


class Slow:
    """Something that runs for a claim, and takes its time to be killed."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.ended = threading.Event()
        self.is_over = False

    def pids(self) -> set[int]:
        return set()

    def kill(self, spare: set[int]) -> None:
        assert spare == set()
        self.began.set()
        self.is_over = self.ended.wait(WAIT_S)


def test_nothing_is_killed_after_the_check(tmp_path: Path):
    """What is started next is safe: the watch is over when the last kill is."""
    slow: Any = Slow()
    ship = a_ship(tmp_path, Harbor(beat={"checking": False}), time_limit_minutes=1)
    ship.processes = slow
    beating = Heartbeat(ship, 1, "1", {})
    with Watch(ship, beating, "a commit") as watch:
        assert slow.began.wait(WAIT_S)
        threading.Timer(0.2, slow.ended.set).start()
    assert slow.is_over
    assert watch.is_stale

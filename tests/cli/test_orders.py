"""Orders as they are typed, to a storage without ships; tests/integration has what ships do."""

import json
from collections.abc import Iterator

import pytest

from tests.support.commands import Done
from tests.support.moored import Moored, moored
from tests.support.rules import rule
from tests.support.shell import Shell
from tests.support.storage import Json, task


class Office:
    """Somebody's shell, and the one voyage that there is."""

    def __init__(self, shell: Shell, fleet: Moored) -> None:
        self.shell = shell
        self.fleet = fleet
        self.storage = fleet.storage
        self.voyage = fleet.name.removesuffix("-storage")

    def type(self, *words: str) -> Done:
        """Type `ocaptain WORDS`."""
        return self.shell.type(*words, **self.fleet.environ)

    def type_json(self, *words: str) -> Json:
        """What `ocaptain WORDS --json` prints."""
        done = self.type(*words, "--json")
        assert done.status == 0, done.err
        return dict(json.loads(done.out))

    def add_silent_ship(self, name: str) -> str:
        """Make what looks like a ship's VM, and does not answer. Returns its name."""
        vm = f"{self.voyage}-{name}"
        self.shell.vm(vm)
        return vm

    def orders(self) -> list[Json]:
        """The lines of orders in the journal."""
        return [line for line in self.storage.lines() if "by" in line]


@pytest.fixture
def office(shell: Shell, tools: None) -> Iterator[Office]:
    """A voyage of the agent `claude` whose captain has none of Claude's credentials."""
    with moored(shell.home, [task("1"), task("2", "1")], max_attempts=1) as fleet:
        yield Office(shell, fleet)


def test_each_order_is_answered_with_a_sentence_and_signed_with_its_reason(office: Office):
    """Who gave it and why is in the journal; a voyage that is the only one need not be named."""
    office.storage.claim("ship-0")
    answers = {
        ("pause",): "Nothing more is handed out; 1 ship will work on to the end.",
        ("release", "1"): "Task 1 is pending again; ship-0 drops it.",
        ("halt",): "Nothing more is handed out; no ship is at work.",
        ("resume",): "Tasks are handed out.",
        ("tasks", "add", "Do more"): "Task 3 is in the list.",
        ("tasks", "edit", "2", "--run", "make"): "Task 2 is changed.",
    }
    for words, sentence in answers.items():
        done = office.type(*words, "--why", f"of {words[0]}")
        assert (done.status, done.out) == (0, f"{sentence}\n"), done.err
    signed = [(line["op"], line["why"]) for line in office.orders()]
    assert signed == [
        ("pause", "of pause"),
        ("release", "of release"),
        ("halt", "of halt"),
        ("resume", "of resume"),
        ("edit_task", "of tasks"),
        ("edit_task", "of tasks"),
    ]


def test_what_an_edit_does_not_name_stays_as_it_is(office: Office):
    """Options that may be given more than once add up, and an empty --after waits for nothing."""
    words = ["--files", "a", "--files", "b", "--after", "1", "-d", "Do it well."]
    added = office.type_json("tasks", "add", "More", *words)
    assert added == {"message": "Task 3 is in the list.", "id": "3", "unheard": []}
    office.type_json("tasks", "edit", "3", "--subject", "Much more", "--after", "")
    changed = office.storage.tasks()["3"]
    assert (changed["subject"], changed["description"]) == ("Much more", "Do it well.")
    assert changed["blockedBy"] == []
    assert changed["metadata"]["files"] == ["a", "b"]
    office.type_json("tasks", "edit", "3", "--model", "haiku")
    shell = ["--agent", "shell", "--run", "make"]
    office.type_json("tasks", "add", "Yet more", *shell)
    tasks = office.storage.order("tasks")["tasks"]
    assert [(row["agent"], row["model"]) for row in tasks[-2:]] == [
        ("claude", "haiku"),
        ("shell", None),
    ]
    done = office.type("tasks", "edit", "3", "--agent", "codecs")
    assert (done.status, done.out) == (1, "")
    assert 'did you mean "codex"?' in done.err


def test_an_order_that_is_refused_is_a_failure(office: Office):
    """Exit status 1, the reason on stderr, and nothing for programs to take for an answer."""
    refused = {
        ("retry", "9"): "there is no task '9'",
        ("retry", "1"): "task 1 is pending, and was not set aside",
        ("retry", "verify"): "verify.sh was not given up: the voyage is running",
        ("release", "1"): "no ship has task 1; it is pending",
    }
    for words, reason in refused.items():
        done = office.type(*words, "--json")
        assert (done.status, done.out) == (1, "")
        assert reason in done.err


@rule("R73")
def test_a_halt_names_the_ships_that_could_not_be_told(office: Office):
    """The order stands all the same."""
    office.storage.claim("ship-0")
    vm = office.add_silent_ship("ship1")
    late = "cannot be reached now. It will hear of this when it asks storage next."
    done = office.type("halt")
    assert done.status == 0
    assert done.out.splitlines()[1:] == [f"{vm} {late}"]
    assert office.storage.order("status")["state"] == "halted"


def test_a_message_to_a_ship_is_for_that_ship_alone(office: Office):
    """A ship without a task gets it with its next one, and the answer says so."""
    done = office.type("hail", "ship-1", office.voyage, "Mind the rocks")
    assert done.status == 0
    assert done.out.startswith("The message is on its way to ship-1.\n")
    assert done.out.endswith("\nIt waits for ship-1's next task.\n")
    ships = office.type_json("hail", "All hands")["ships"]
    assert {ship["id"]: ship["hails"] for ship in ships} == {"ship-0": 1, "ship-1": 2, "ship-2": 1}


def test_a_relieved_ship_is_destroyed_once_it_has_no_task(office: Office):
    """Storage has let it go by then, and the others are left alone."""
    gone = office.add_silent_ship("ship1")
    kept = office.add_silent_ship("ship2")
    outcome = office.type_json("relieve", "ship-1", "--why", "too many")
    assert outcome == {
        "message": "ship-1 has gone home, and its VM is destroyed.",
        "done": True,
        "unheard": [],
    }
    assert not (office.shell.vms / gone).exists()
    assert (office.shell.vms / kept).exists()
    assert office.storage.sections()["ships"].keys() == {"ship-0", "ship-2"}


def test_without_credentials_ships_keep_theirs_and_no_new_ones_are_made(office: Office):
    """`resume` says so and goes on; `reinforce` fails before it lets any ship go."""
    done = office.type("resume")
    assert (done.status, done.out) == (0, "Tasks are handed out.\n")
    assert done.err.startswith("Ships keep the credentials that they have.")
    done = office.type("reinforce", "-n", "2")
    assert (done.status, done.out) == (1, "")
    assert "No ship can be made from here" in done.err
    assert office.storage.sections()["ships"].keys() == {"ship-0", "ship-1", "ship-2"}


@rule("R81")
def test_fsck_fails_while_anything_is_wrong(office: Office):
    """What it mended is no fault; what it cannot mend is one, and status 1 says so to programs."""
    (office.storage.tasks_folder / "1.json").write_text("{}")
    done = office.type("fsck")
    assert done.status == 0
    assert "mended: " in done.out
    with (journal := office.storage.journal()).locked():
        odd = {**office.storage.tasks()["1"], "status": "in_progress", "owner": "ship-0"}
        journal.commit("nobody", {"op": "x"}, {"tasks": {"1": odd}})
    done = office.type("fsck", "--json")
    assert done.status == 1
    assert json.loads(done.out)["faults"]

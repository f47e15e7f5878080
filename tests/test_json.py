"""docs/json.md against what ocaptain prints, and against the types of that: none has a key more."""

import json
import re
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from ocaptain.board.changes import Change
from ocaptain.cli import cli
from ocaptain.doctor import FindingJson
from ocaptain.fleet import orders
from ocaptain.fleet.fetch import FetchOutcome
from ocaptain.fleet.launch import SailOutcome
from ocaptain.fleet.sink import SinkOutcome
from ocaptain.fleet.tasks import TaskShown
from ocaptain.fleet.usage import UsageShown
from ocaptain.fleet.voyage import VoyageStatus
from ocaptain.loglines import LogEntry
from ocaptain.onboard.protocol import TaskRow
from ocaptain.plan.plan import ReportJson
from ocaptain.settings import SettingRow
from ocaptain.terminal import VoyageRow
from tests.support.captain import Captain, Json, Voyage, new_captain, task
from tests.support.documented import DOC, example, section

TYPES = {
    "check": ReportJson,
    "config": list[SettingRow],
    "doctor": list[FindingJson],
    "sail": SailOutcome,
    "fetch": FetchOutcome,
    "sink": SinkOutcome,
    "status": VoyageStatus,
    "status --watch": Change,
    "tasks": list[TaskRow],
    "tasks show": TaskShown,
    "logs": LogEntry,
    "usage": UsageShown,
    "voyages": list[VoyageRow],
    "pause": orders.Outcome,
    "relieve": orders.RelieveOutcome,
    "tasks add": orders.TaskOutcome,
    "hail": orders.HailOutcome,
    "reinforce": orders.ReinforceOutcome,
    "fsck": orders.FsckOutcome,
}
VERBS = ["check", "config", "doctor", "sail", "fetch", "sink", "voyages"]
VERBS += ["status", "status --watch", "tasks", "tasks show", "logs", "usage"]
VERBS += ["pause", "relieve", "tasks add", "hail", "reinforce", "fsck"]
VOYAGE_STATES = "provisioning running stalled verifying complete failed paused halted idle"
SHIP_STATES = (
    "starting waiting working reviewing landing verifying limited paused broken lost relieved "
    "sunk done"
)
PROMISED = {
    "status": "voyage objective state repo branch agent ships[].id ships[].state ships[].task "
    "ships[].since ships[].completed ships[].cost_usd ships[].seen_s ships[].reason ships[].until "
    "tasks.total tasks.pending tasks.in_progress tasks.completed tasks.failed verify cost_usd "
    "reason mirrored pr_url mirror_fault",
    "tasks": "[].id [].subject [].status [].owner [].blocked_by [].claim [].attempts [].commit "
    "[].reason",
}


def table(verb: str, head: str) -> dict[str, list[str]]:
    """The rows of the first table with this head: the other columns, by the first."""
    _, _, rest = section(verb).partition(f"| {head} |")
    lines = rest.partition("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {cells[0].strip("` "): cells[1:] for cells in rows}


def documented(verb: str) -> dict[str, tuple[str, list[str]]]:
    """By key: its type, and the values that it may have where they are listed."""
    rows = table(verb, "Key | Type")
    listed = {key: meaning.partition("One of: ")[2] for key, (_, meaning) in rows.items()}
    return {key: (kind, re.findall(r"`(\w+)`", listed[key])) for key, (kind, _) in rows.items()}


def declared(kind: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every key of a type, as the tables write it, and what the type of its value is called."""
    if is_typeddict(kind):
        for key, inner in get_type_hints(kind).items():
            place = f"{path}.{key}".lstrip(".")
            yield place, called(inner)
            yield from declared(inner, place)
    elif get_origin(kind) is list:
        yield from declared(get_args(kind)[0], f"{path}[]")
    elif get_origin(kind) in (Union, UnionType):
        for each in get_args(kind):
            yield from declared(each, path)


def called(kind: Any) -> str:
    """What the tables call a type."""
    if is_typeddict(kind):
        return "object"
    if get_origin(kind) in (list, tuple):
        noun, *rest = called(get_args(kind)[0]).split(" ", 1)
        return " ".join(["array of", f"{noun}s", *rest])
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(map(called, get_args(kind)))
    names = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}
    return names[kind]


def places(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every key in a value, as the tables write it, and what stands there."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield f"{path}.{key}".lstrip("."), inner
            yield from places(inner, f"{path}.{key}".lstrip("."))
    if isinstance(value, list):
        for inner in value:
            yield from places(inner, f"{path}[]")


def fits(value: Any, kind: str) -> bool:
    """Whether a value is of a type as the tables write it."""
    if " or " in kind:
        return any(fits(value, each) for each in kind.split(" or "))
    if kind.startswith("array of "):
        each = re.sub(r"^(\w+)s\b", r"\1", kind.removeprefix("array of "))
        return isinstance(value, list) and all(fits(inner, each) for inner in value)
    known = {"string": str, "integer": int, "number": int | float, "object": dict, "boolean": bool}
    return value is None if kind == "null" else isinstance(value, known[kind])


def compare(verb: str, value: Any) -> None:
    """Fail unless a value has just the documented keys, with documented types and values.

    What would be in an array that is empty, or an object that is null, need not be there."""
    rows, found = documented(verb), list(places(value))
    empty = tuple(f"{key}[]" for key, inner in found if inner == [])
    empty += tuple(f"{key}." for key, inner in found if inner is None)
    assert {key for key in rows if not key.startswith(empty)} <= {key for key, _ in found}
    assert {key for key, _ in found} <= rows.keys()
    for key, inner in found:
        kind, values = rows[key]
        assert fits(inner, kind), f"{key} is {inner!r}, no {kind}"
        assert not values or inner in values, f"{key} is {inner!r}, none of {values}"


@pytest.fixture(scope="module")
def captain(tools: None) -> Iterator[Captain]:
    """Somebody who types."""
    with new_captain() as somebody:
        yield somebody


@pytest.fixture(scope="module")
def voyage(captain: Captain) -> Voyage:
    """A voyage that failed: a task landed, one needed no change, one was set aside, one waits."""
    plan = captain.plan(
        captain.repository(),
        {
            "1": task("Land", "echo A >>a"),
            "2": task("Change nothing", "true", after=["1"]),
            "3": task("Fail", "exit 3"),
            "4": task("Wait", "true", after=["3"]),
        },
        max_attempts=1,
    )
    return captain.sail(plan, ships=2)


@pytest.mark.parametrize("verb", VERBS)
def test_the_examples_are_as_the_tables_say(verb: str):
    """A reader may trust either."""
    compare(verb, example(verb))


@pytest.mark.parametrize("verb", TYPES)
def test_the_tables_say_what_the_types_say(verb: str):
    """A key that is added to a type has to be explained, with its type."""
    assert {key: kind for key, (kind, _) in documented(verb).items()} == dict(declared(TYPES[verb]))


def test_each_verb_that_prints_json_is_named():
    """In a heading, or as one that prints the same as another."""
    printing = {
        name
        for name, command in cli.commands.items()
        if any("--json" in param.opts for param in command.params)
    }
    named = re.findall(r"`(?:ocaptain )?([a-z]+(?: [a-z]+)?)[ `]", DOC.read_text())
    assert printing - {*named} == set()


@pytest.mark.parametrize("verb", PROMISED)
def test_no_key_that_was_promised_is_missing(verb: str):
    """Programs are written against these."""
    assert set(PROMISED[verb].split()) <= set(documented(verb))


@pytest.mark.parametrize(
    ("key", "head", "states"),
    [
        ("state", "The voyage's `state`", VOYAGE_STATES),
        ("ships[].state", "A ship's `state`", SHIP_STATES),
    ],
)
def test_every_state_is_explained(key: str, head: str, states: str):
    """The list in the table of keys, the table of states and what was promised are the same."""
    _, _, rest = section("status").partition(f"{head}:\n\n")
    explained = re.findall(r"^\| `(\w+)` \| \S", rest.partition("\n\n")[0], re.M)
    assert explained == documented("status")[key][1] == states.split()


def test_status_and_tasks_are_as_documented_from_the_first_moment_to_the_end(voyage: Voyage):
    """Also while ships are yet to call in, and when nothing more can happen."""
    seen: list[Json] = []
    while not seen or seen[-1]["state"] != "failed":
        seen.append(voyage.status())
        compare("status", seen[-1])
        compare("tasks", voyage.captain.json("tasks", voyage.id))
    assert seen[-1]["tasks"] == {
        "total": 4,
        "pending": 1,
        "in_progress": 0,
        "completed": 2,
        "failed": 1,
    }
    assert "task 3" in seen[-1]["reason"]
    assert seen[-1]["branch"] == seen[-1]["voyage"] == voyage.id
    assert seen[-1]["head"] == voyage.git("rev-parse", voyage.id)


def test_voyages_are_as_documented_also_one_whose_storage_is_gone(captain: Captain, voyage: Voyage):
    """What cannot be seen is said to be `unseen`, and why."""
    [seen] = captain.json("voyages")
    compare("voyages", [seen])
    assert (seen["voyage"], seen["vms"]) == (voyage.id, 3)
    assert seen["created"] == voyage.status()["created"]
    storage = captain.vms / f"{voyage.id}-storage"
    aside = storage.rename(captain.vms.parent / "aside")
    try:
        [unseen] = captain.json("voyages")
    finally:
        aside.rename(storage)
    compare("voyages", [unseen])
    assert (unseen["state"], unseen["vms"], unseen["created"]) == ("unseen", 2, None)
    assert "no storage" in unseen["reason"]


def test_tasks_tell_how_each_ended(voyage: Voyage):
    """A commit, a reason for none, a failure, or what it waits for."""
    voyage.wait(status=4)
    landed, unchanged, failed, waiting = voyage.captain.json("tasks", voyage.id)
    assert landed["commit"] == voyage.git("rev-parse", voyage.id)
    assert (landed["status"], landed["owner"][:5], landed["reason"]) == ("completed", "ship-", None)
    assert (unchanged["status"], unchanged["commit"]) == ("completed", None)
    assert "changed nothing" in unchanged["reason"]
    assert (failed["status"], failed["attempts"], failed["owner"]) == ("failed", 1, None)
    assert "status 3" in failed["reason"]
    assert (waiting["status"], waiting["claim"]) == ("pending", None)
    assert waiting["blocked_by"] == ["3"]
    assert voyage.captain.json("tasks", voyage.id, "--status", "failed") == [failed]


def test_a_task_is_shown_as_documented(voyage: Voyage):
    """Whatever became of it."""
    voyage.wait(status=4)
    landed, unchanged, failed, waiting = [
        voyage.captain.json("tasks", "show", voyage.id, task_id) for task_id in "1234"
    ]
    for shown in (landed, unchanged, failed, waiting):
        compare("tasks show", shown)
    assert landed["landed"]["files"] == [{"path": "a", "added": 1, "removed": 0}]
    assert landed["landed"]["commits"][0]["commit"] == voyage.git("rev-parse", voyage.id)
    assert (unchanged["landed"], unchanged["blockers"][0]["id"]) == (None, "1")
    assert failed["claims"][0]["state"] == "released"
    assert "status 3" in failed["claims"][0]["reason"]
    assert failed["dependants"] == [{"id": "4", "subject": "Wait", "status": "pending"}]
    assert (waiting["claims"], waiting["log"]) == ([], [])


def test_logs_are_as_documented(voyage: Voyage):
    """An object a line, by time."""
    for text in ("[3] gives up", "ship-0 is under way", "ship-1 is under way"):
        voyage.until_log(text)
    lines = voyage.captain.run("logs", voyage.id, "--json").out.splitlines()
    entries = [json.loads(line) for line in lines]
    for entry in entries:
        compare("logs", entry)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["time"])
    assert [entry["time"] for entry in entries] == sorted(entry["time"] for entry in entries)
    assert {entry["ship"] for entry in entries} >= {"ship-0", "ship-1"}
    assert "[3] claims it: Fail" in [entry["text"] for entry in entries]


def test_usage_is_as_documented(captain: Captain, voyage: Voyage):
    """Commands use nothing of a model, which is said with zeros."""
    compare("usage", captain.json("usage", voyage.id))


def test_doctor_is_as_documented(captain: Captain):
    """Whatever it finds."""
    compare("doctor", json.loads(captain.run("doctor", "--json", status=None).out))


def test_sail_and_wait_are_as_documented(captain: Captain):
    """First what was made, and once it has ended what `status` prints."""
    plan = captain.plan(captain.repository("sailed"), {"1": task("One", "true")}, name="sailed")
    sailed = captain.json("sail", str(plan), "-n", "1")
    compare("sail", sailed)
    voyage = sailed["voyage"]
    assert sailed["vms"] == [f"{voyage}-ship0", f"{voyage}-storage"]
    assert sailed["plan"] == str(plan)
    ended = captain.json("wait", voyage)
    compare("status", ended)
    assert (ended["voyage"], ended["state"]) == (voyage, "complete")
    compare("fetch", captain.json("fetch", voyage, "--into", str(captain.home / "sailed")))
    compare("sink", captain.json("sink", "-s", "-f", voyage))


def test_check_is_as_documented(captain: Captain):
    """Sound or not; with faults, the rest says nothing and the exit status is 1."""
    files: Json = {"metadata": {"run": "true", "files": ["a"]}}
    tasks = {"1": task("One", **files), "2": task("Two", **files), "3": task("Three", "true", "1")}
    repo = captain.repository("checked")
    plan = captain.plan(repo, tasks, name="sound", recommended_ships=5)
    sound = captain.json("check", str(plan))
    compare("check", sound)
    assert (sound["plan"], sound["tasks"], sound["longest_chain"]) == ("sound", 3, ["1", "3"])
    assert (sound["max_parallel"], sound["recommended_ships"]) == (2, 5)
    assert (sound["overlaps"], sound["faults"]) == ([["1", "2"]], [])
    assert any("5 ships are recommended" in note for note in sound["notes"])
    (plan / "spec.md").unlink()
    unsound = json.loads(captain.run("check", str(plan), "--json", status=1).out)
    compare("check", unsound)
    assert (unsound["plan"], unsound["faults"]) == (None, ["spec.md: is missing or empty"])


def test_config_is_as_documented(captain: Captain):
    """Whether a setting is set or not, and whether or not it is a secret."""
    captain.env["GH_TOKEN"] = "hush"
    try:
        rows = captain.json("config")
    finally:
        del captain.env["GH_TOKEN"]
    compare("config", rows)
    by_key = {row["key"]: row for row in rows}
    assert by_key["provider"]["origin"] == "environment"
    assert (by_key["gh_token"]["value"], by_key["gh_token"]["secret"]) == (None, True)
    assert by_key["default_ships"]["origin"] == "default"
    assert by_key["cpu"]["origin"] is None


def test_orders_are_as_documented(captain: Captain, voyage: Voyage):
    """Each answers with a sentence, and with what it is about."""
    voyage.wait(status=4)
    compare("fsck", captain.json("fsck", voyage.id))
    compare("tasks add", captain.json("tasks", "add", voyage.id, "More", "--run", "true"))
    compare("tasks add", captain.json("tasks", "edit", voyage.id, "4", "--subject", "Wait on"))
    for words in (["pause"], ["halt"], ["retry", "3"], ["resume"]):
        compare("pause", captain.json(words[0], voyage.id, *words[1:], "--why", "to see"))
    compare("relieve", captain.json("relieve", voyage.id, "ship-1"))


@pytest.mark.parametrize("verb", ["status", "tasks", "logs", "pause", "fsck"])
def test_a_failure_leaves_stdout_empty(captain: Captain, voyage: Voyage, verb: str):
    """What went wrong is on stderr, where no program takes it for an answer."""
    done = captain.run(verb, "voyage-no", "--json", status=1)
    assert done.out == ""
    assert done.err.startswith("ocaptain: ")

"""state.json, which is read in parts."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from ocaptain.onboard import tasklist
from ocaptain.onboard.storage import serve
from ocaptain.onboard.storage.journal import Journal
from ocaptain.onboard.storage.snapshot import Entries, Snapshot, Spoilt
from tests.support.rules import rule
from tests.support.storage import VOYAGE, Sail, Storage, assert_sound, fold, task


def at_work(sail: Sail) -> Storage:
    """A storage with a state.json, and claims of all kinds before it and after."""
    long = "d" * 6_000
    storage = sail(*({**task(str(number)), "description": long} for number in range(1, 13)))
    storage.finish("ship-0")
    storage.claim("ship-0")
    storage.claim("ship-0", "anew")
    storage.write_state(storage.sections())
    storage.finish("ship-1")
    storage.claim("ship-2")
    return storage


def test_entries_are_read_when_they_are_wanted(sail: Sail):
    """Opening state.json reads no task; each is there under its name, in its order."""
    storage = at_work(sail)
    snapshot = Snapshot(storage.folder / "state.json")
    tasks: Any = snapshot.sections()["tasks"]
    assert tasks._values == {}
    assert tasks["7"]["description"] == "d" * 6_000
    assert [*tasks._values] == ["7"]
    assert [*tasks] == [str(number) for number in range(1, 13)]
    assert len(tasks) == 12
    assert "13" not in tasks
    assert tasks.get("13") is None


def test_ended_claims_are_not_looked_for_until_somebody_asks(sail: Sail):
    """A beat reads the claims that hold, and of the rest not even where they are."""
    storage = at_work(sail)
    snapshot = Snapshot(storage.folder / "state.json")
    claims: Any = snapshot.sections()["claims"]
    assert claims["3"]["state"] == "live"
    claims["4"] = {"state": "live"}
    assert claims._all_places is None
    assert claims["1"]["state"] == "landed"
    assert [*claims] == ["1", "2", "3", "4"]
    assert len(claims) == 4
    assert claims.get("5") is None


@pytest.mark.parametrize("number", ["2", "3"])
def test_an_entry_that_was_removed_is_nowhere(sail: Sail, number: str):
    """Neither among all, nor among the outlines, whatever was read before; be it in use or not."""
    storage = at_work(sail)
    looks: list[Callable[[Any], object]] = [
        lambda _: None,
        lambda claims: len(claims),
        lambda claims: claims.outlines,
        lambda claims: claims[number],
    ]
    for look in looks:
        claims: Any = Snapshot(storage.folder / "state.json").sections()["claims"]
        look(claims)
        del claims[number]
        assert claims.get(number) is None
        assert number not in claims
        assert number not in claims.in_use
        assert [*claims] == [*claims.outlines] == [left for left in "123" if left != number]


@rule("R7")
@pytest.mark.parametrize("section", ["tasks", "hails", "answers"])
def test_a_line_that_removes_an_entry(sail: Sail, section: str):
    """Its file goes, if it has one, and state.json stays good."""
    storage = at_work(sail)
    storage.order("hail", text="Mind the units.", id="h")
    storage.write_state(storage.sections())
    key = [*storage.sections()[section]][-1]
    with (journal := storage.journal()).locked():
        journal.commit("captain", {"op": "x"}, {section: {key: None}})
        left: Any = journal.sections
        assert key not in left[section]
    for _ in range(2):
        assert storage.sections() == fold(storage.lines())
    assert "restored" not in storage.harbor_log()


def test_outlines_lead_to_the_same_choice(sail: Sail):
    """What is looked for among all tasks is in their outlines: states, blockers, files, counts."""
    storage = at_work(sail)
    sections = storage.sections()
    with (journal := storage.journal()).locked():
        tasks: Any = journal.sections["tasks"]
        outlines = tasks.outlines
    whole = sections["tasks"]
    ranked = tasklist.ranking(whole)
    assert tasklist.ranking(outlines) == ranked
    assert tasklist.choose(outlines, ranked) == tasklist.choose(whole, ranked)
    assert tasklist.counts(outlines) == tasklist.counts(whole)
    assert all("description" not in outlines[str(number)] for number in range(5, 13))


def test_a_copy_is_changed_alone(sail: Sail):
    """What a refused request set in its copy is nowhere else."""
    entries = Entries()
    entries["a"] = {"state": "live"}
    twin = entries.copy()
    twin["a"] = {"state": "over"}
    twin["b"] = {}
    del twin["b"]
    assert entries == {"a": {"state": "live"}}
    assert entries.outlines == {"a": {"state": "live"}}
    assert twin == {"a": {"state": "over"}}


@rule("R7")
@pytest.mark.parametrize("kept", [0, 50, 5_000])
def test_a_state_json_that_is_cut_short_while_it_is_in_use(sail: Sail, kept: int):
    """Whoever has it open does without it, and answers from the journal."""
    storage = at_work(sail)
    storage.write_state(storage.sections())
    standing = storage.journal()
    with standing.locked():
        pass
    path = storage.folder / "state.json"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(Spoilt), standing.locked():
        assert [*standing.sections["tasks"].values()]
    storage.join()
    request = {"op": "claim", "run_id": "r"}
    answer = serve.decide(standing, storage.voyage, "ship-3", request).answer
    assert answer["task"]["description"] == "d" * 6_000
    assert_sound(storage)


@rule("R7")
@pytest.mark.parametrize(
    ("what", "section", "wrong"),
    [
        ("places", "tasks", [-7, 20]),
        ("places", "claims", [-7, 20]),
        ("outlines", "tasks", [10**7, 20]),
        ("outlines", "claims", 7),
        ("in_use", "claims", {"3": -7}),
    ],
)
def test_a_state_json_whose_parts_are_not_where_it_says(
    sail: Sail, what: str, section: str, wrong: object
):
    """It is done without, as one that does not parse."""
    storage = at_work(sail)
    storage.write_state(storage.sections())
    path = storage.folder / "state.json"
    written = path.read_bytes()
    index = json.loads(written.splitlines()[-2])
    index[what][section] = wrong
    place = int(written.splitlines()[-1])
    line = json.dumps(index).encode() + b"\n"
    path.write_bytes(written[:place] + line + b"%020d\n" % place)
    storage.claim("ship-0", "anew")
    storage.finish("ship-2")
    assert storage.sections() == fold(storage.lines())
    assert_sound(storage)


@rule("R7")
def test_a_state_json_of_another_boot_is_not_believed(sail: Sail):
    """It is not synced: nobody knows what of it a power cut has left."""
    storage = at_work(sail)
    storage.write_state({**storage.sections(), "claims": {}}, boot="another")
    assert storage.sections() == fold(storage.lines())


def test_only_who_changes_something_writes_it(sail: Sail):
    """Looking never writes state.json, and of many changes only some do."""
    storage = sail(task("1"))
    path = storage.folder / "state.json"
    storage.claim("ship-0")
    path.unlink(missing_ok=True)
    with Journal(storage.home, VOYAGE, storage.time, snapshot_bytes=1).locked():
        pass
    assert not path.exists()
    for _ in range(3):
        storage.ask("ship-0", "beat", claim=1)
    assert not path.exists()
    big = {"answers": {"a": {"x": "y" * 70_000}}}
    with (journal := storage.journal()).locked():
        journal.commit("captain", {"op": "big"}, big)
        assert not path.exists(), "it was written under the lock"
    assert path.exists()


@rule("R29")
def test_the_ranking_is_kept_and_made_anew_when_the_list_changes(sail: Sail):
    """A new task, and other blockers, count from the next claim on, after any state.json."""
    storage = sail(task("1"), task("2"))
    journal = storage.journal()
    with journal.locked():
        assert journal.ranking() == ["1", "2"]
    for number in range(3):
        storage.order("edit_task", fields={"subject": "More", "blockedBy": ["2"]}, id=str(number))
    with journal.locked():
        assert journal.ranking()[0] == "2"
    assert storage.claim("ship-0")["task"]["id"] == "2"
    storage.order("edit_task", task="3", fields={"blockedBy": ["1"]}, id="x")
    storage.order("edit_task", task="4", fields={"blockedBy": ["3"]}, id="y")
    with journal.locked():
        assert journal.ranking()[0] == "1"


def test_the_agents_are_known_without_the_tasks_and_told_anew_when_they_change(sail: Sail):
    """Which agents tasks name is kept with state.json, and counts from the next edit on."""
    storage = sail(task("1"), task("2", agent="codex"))
    storage.write_state(storage.sections())
    with (journal := storage.journal()).locked():
        assert journal.named_agents() == ["codex"]
    storage.order("edit_task", task="2", fields={"metadata": {"agent": "gemini"}}, id="x")
    with (journal := storage.journal()).locked():
        journal._write_snapshot()
    with (journal := storage.journal()).locked():
        assert journal.named_agents() == ["gemini"]
        tasks: Any = journal.sections["tasks"]
        assert tasks._outlines is None

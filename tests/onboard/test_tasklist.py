import copy
import subprocess
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocaptain.onboard import tasklist
from tests.support.rules import rule
from tests.support.storage import task


def by_id(*tasks: dict[str, Any]) -> dict[str, Any]:
    return {t["id"]: t for t in tasks}


@st.composite
def dags(draw: st.DrawFn) -> dict[str, Any]:
    """Task lists without circles, in any state, whose files may overlap."""
    size = draw(st.integers(0, 9))
    found = {}
    for number in range(size):
        earlier = [str(n) for n in range(number)]
        blockers = draw(st.lists(st.sampled_from(earlier), unique=True)) if earlier else []
        made = task(
            str(number), *blockers, files=draw(st.lists(st.sampled_from(["a", "a/b", "c"])))
        )
        status = draw(st.sampled_from(["pending", "in_progress", "completed"]))
        found[str(number)] = {**made, "status": status}
    return found


def test_ids_are_ordered_by_their_numbers():
    """Numbers come first, by value, then names."""
    assert sorted(["b", "10", "9", "a1"], key=tasklist.order) == ["9", "10", "a1", "b"]


def test_unknown_fields_survive():
    """Patching and annotating keep what ocaptain does not know, and change no task in place."""
    before: Any = {
        "id": "1",
        "color": ["red"],
        "owner": "x",
        "metadata": {"mine": 1, "claim": 2},
    }
    known = copy.deepcopy(before)
    pending = tasklist.patched(before, {"status": "pending"})
    assert tasklist.without_owner(pending) == {
        "id": "1",
        "color": ["red"],
        "metadata": {"mine": 1, "claim": 2},
        "status": "pending",
    }
    noted = tasklist.annotated(before, {"note": "n"})
    assert tasklist.without_notes(noted, "claim")["metadata"] == {"mine": 1, "note": "n"}
    assert before == known


@pytest.mark.parametrize("metadata", [None, [], "x", 5, {"files": "a"}, {"files": [1, None]}])
def test_odd_metadata_is_none(metadata):
    """Metadata and files of another shape than they should have count as none."""
    odd: Any = {"id": "1", "status": "pending", "metadata": metadata}
    assert tasklist.files(odd) == []
    assert tasklist.state(odd) == "pending"
    assert tasklist.annotated(odd, {"claim": 1})["metadata"]["claim"] == 1


@pytest.mark.parametrize(
    ("notes", "agent", "model"),
    [
        ({}, "claude", "opus"),
        ({"agent": "claude"}, "claude", "opus"),
        ({"agent": "codex"}, "codex", None),
        ({"agent": "codex", "model": "gpt"}, "codex", "gpt"),
        ({"model": "haiku"}, "claude", "haiku"),
        ({"agent": 5, "model": []}, "claude", "opus"),
    ],
)
def test_a_task_may_name_its_agent_and_model(notes, agent, model):
    """The voyage's model is for the voyage's agent alone."""
    made: Any = {**task("1"), "metadata": notes}
    assert tasklist.agent(made, "claude") == agent
    assert tasklist.model(made, "claude", "opus") == model


@pytest.mark.parametrize(
    ("a", "b", "shared"),
    [
        ("src", "src/x.py", True),
        ("src/", "src/x.py", True),
        ("src/x.py", "src/x.py", True),
        ("src/x", "src/x.py", False),
        ("src", "lib", False),
    ],
)
def test_paths_overlap(a, b, shared):
    """A path overlaps itself and what is below it, not what begins with the same letters."""
    one, other = task("1", files=[a]), task("2", files=[b])
    assert tasklist.share_files(one, [other]) is shared
    assert tasklist.share_files(other, [task("3"), one]) is shared


def test_unknown_and_failed_blockers_block():
    """A task waits for blockers that do not exist or were set aside."""
    tasks = by_id(task("1", failed="why"), task("2", "1"), task("3", "nowhere"), task("4"))
    assert list(tasklist.ready(tasks, tasks)) == [tasks["4"]]
    del tasks["4"]
    assert not list(tasklist.ready(tasks, tasks))
    assert tasklist.waiting_for(tasks["2"], tasks) == ["1"]


def test_circles_are_an_error():
    """The length of a chain that never ends is an error, not an endless loop."""
    with pytest.raises(ValueError, match="cycle"):
        tasklist.chains(by_id(task("1", "3"), task("2", "1"), task("3", "2"), task("4")))


def test_a_blocker_named_twice_counts_once_for_the_chain():
    """Doubled blockers do not confuse the length of chains."""
    assert tasklist.chains(by_id(task("1"), task("2", "1", "1"))) == {"1": 2, "2": 1}


@rule("R29")
@given(dags())
def test_chains_are_the_longest(tasks):
    """A chain is one longer than the longest of what waits for its first task."""
    length, below = tasklist.chains(tasks), tasklist.dependants(tasks)
    assert length == {
        task_id: 1 + max((length[d] for d in below[task_id]), default=0) for task_id in tasks
    }


@rule("R30")
@given(dags())
def test_choose_takes_something_ready(tasks):
    """What is chosen is ready; nothing is chosen only where nothing is ready."""
    ready = [
        t
        for t in tasks.values()
        if tasklist.state(t) == "pending" and not tasklist.waiting_for(t, tasks)
    ]
    chosen = tasklist.choose(tasks, tasklist.ranking(tasks))
    assert (chosen is None) == (not ready)
    assert list(tasklist.ready(tasks, tasks)) == ready
    if chosen:
        busy = [t for t in tasks.values() if t["status"] == "in_progress"]
        assert tasks[chosen] in ready
        free = [t for t in ready if not tasklist.share_files(t, busy)]
        length = tasklist.chains(tasks)
        assert tasks[chosen] in (free or ready)
        assert length[chosen] == max(length[t["id"]] for t in free or ready)


@rule("R29")
@given(dags(), st.randoms(use_true_random=False))
def test_the_ranking_outlives_what_becomes_of_the_tasks(tasks: Any, dice):
    """All ids are ranked, longest chain first, and just so whatever state the tasks are in."""
    ranked, length = tasklist.ranking(tasks), tasklist.chains(tasks)
    assert sorted(ranked) == sorted(tasks)
    assert [length[i] for i in ranked] == sorted(length.values(), reverse=True)
    states = ["pending", "in_progress", "completed"]
    changed: Any = {i: {**t, "status": dice.choice(states)} for i, t in tasks.items()}
    assert ranked == tasklist.ranking(changed)


@given(dags())
def test_counts_add_up(tasks):
    """Every task is in one state."""
    counts: Any = tasklist.counts(tasks)
    total = counts.pop("total")
    assert total == sum(counts.values()) == len(tasks)


@pytest.mark.parametrize(
    ("known", "new"), [([], "1"), (["1", "7"], "8"), (["a", "b9"], "1"), (["007"], "8")]
)
def test_a_new_id_is_the_next_number(known, new):
    """A new task's id is one more than the greatest number."""
    assert tasklist.new_id(by_id(*map(task, known))) == new


@settings(max_examples=50)
@given(st.from_regex(tasklist.ID, fullmatch=True))
def test_ids_make_git_refs(task_id):
    """Each id that a plan may use makes a work ref that git takes."""
    if ".." not in task_id:  # which plans are refused for
        name = f"refs/heads/work/{task_id}-1"
        assert subprocess.run(["git", "check-ref-format", name], check=False).returncode == 0

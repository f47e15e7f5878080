"""Anything at all that ships may send."""

import json
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocaptain.onboard.storage.call import shortened
from tests.support.rules import rule
from tests.support.storage import SHIPS, Sail, Storage, assert_sound, task


@rule("R17")
def test_an_answer_is_kept_for_a_while(sail: Sail):
    """Answers of a ship are kept by the last few ids only, so that state does not grow."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    for n in range(40):
        storage.ask("ship-0", "add", claim=1, task={}, id=f"id-{n}")
    kept = storage.sections()["answers"]["ship-0"]
    assert list(kept) == [f"id-{n}" for n in range(40 - len(kept), 40)]
    assert 2 <= len(kept) <= 20


@rule("R17")
def test_a_refusal_is_short(sail: Sail):
    """However much a ship sends, what it is refused with, and the journal, stay small."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    before = storage.journal_file.stat().st_size
    huge = "x" * 1_000_000
    for n in range(3):
        answer = storage.ask("ship-0", "land", claim=1, commit=huge, id=str(n))
        assert len(json.dumps(answer)) < 2_000
        storage.ask("ship-0", "beat", claim=huge, id=huge, reason=huge, run_id=huge)
    assert storage.journal_file.stat().st_size - before < 500_000


@rule("R17")
def test_what_is_taken_however_little_room_there_is_is_small(sail: Sail):
    """No claim, beat or landing makes the journal grow by much, whatever is in it."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    journal, long = storage.folder / "journal.jsonl", "x" * 16_000
    for op in ("claim", "beat", "land"):
        before = journal.stat().st_size
        told = dict.fromkeys(("run_id", "commit", "base_commit", "reason", "state"), long)
        for number in range(20):
            storage.ask("ship-0", op, id=f"{long}{number}", **{"claim": 1, **told})
        assert journal.stat().st_size - before < 20 * 6_000, op


@rule("R17")
@pytest.mark.parametrize("length", [100, 16_000, 16_001, 1_000_000])
@pytest.mark.parametrize("limit", [100, 16_000])
def test_of_a_long_text_beginning_and_end_are_kept(length: int, limit: int):
    """And a word of what was cut between them, so that nobody takes it for the whole."""
    whole = "".join(chr(ord("a") + number % 26) for number in range(length))
    kept = shortened(whole, limit)
    assert len(kept) <= limit
    begin, _, rest = kept.partition("\n[")
    cut, _, end = rest.partition(" characters were cut here]\n")
    assert whole.startswith(begin)
    assert whole.endswith(end)
    assert (kept == whole) == (length <= limit)
    assert length == len(begin) + len(end) + int(cut or 0)


# Anything at all


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from([1, 2, 3, "1", "x", 1e308, -1, 2**70, "\ud800", "\x1b[2J", "a" * 20_000])
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


FIELDS: tuple[str, ...] = (
    "id",
    "run_id",
    "claim",
    "commit",
    "note",
    "why",
    "fault",
    "task",
    "state",
    "reason",
    "until",
)

FIELDS += ("base_commit", "wait", "cost_usd", "subject", "files", "metadata", "unknown")


OPS = st.sampled_from(["claim", "beat", "land", "release", "add", "status", "serve", ""])


NUMBERS = st.integers(1, 6)


REQUESTS = st.fixed_dictionaries(
    {"op": OPS | JSON},
    optional={
        **dict.fromkeys(FIELDS, JSON),
        "claim": NUMBERS | NUMBERS | JSON,
        "commit": st.none() | JSON,
        "fault": st.sampled_from(["agent", "infrastructure", "refused"]) | JSON,
        "run_id": st.sampled_from(["a", "b"]) | JSON,
        "task": st.fixed_dictionaries({"subject": st.text(min_size=1)}) | JSON,
    },
)


@rule("R15")
@settings(max_examples=settings().max_examples // 4)
@given(st.lists(st.tuples(st.sampled_from(SHIPS), REQUESTS, st.floats(0, 70)), max_size=6))
def test_whatever_a_ship_sends_it_gets_an_answer(
    model_storage: Path, calls: list[tuple[str, dict[str, Any], float]]
):
    """Requests of any shape are granted or refused, and leave a sound state."""
    with tempfile.TemporaryDirectory() as folder:
        tasks = [task("1"), task("2", "1"), task("3")]
        storage = Storage(model_storage, Path(folder) / "home", tasks)
        storage.claim("ship-0", "a")
        for ship, request, seconds in calls:
            storage.now += seconds
            answer = storage.ask(ship, **request)
            assert isinstance(answer["ok"], bool)
            json.dumps(answer).encode()
        assert_sound(storage)


def story(storage: Storage, dice: random.Random) -> None:
    """One random, sensible step of one of the ships."""
    ship = dice.choice(SHIPS)
    storage.now += dice.choice([0, 1, 10, 20, 500])
    live = [c for c in storage.sections()["claims"].values() if c["ship"] == ship]
    if not live or dice.random() < 0.4:
        storage.claim(ship, dice.choice("aab"))
        return
    number = dice.choice(live)["number"]
    what = dice.choice(["beat", "land", "land", "release", "add"])
    fault = dice.choice(["agent", "infrastructure"])
    told = {"commit": None, "fault": fault, "task": {"subject": "more"}, "id": dice.choice("xyz")}
    if what != "add" or len(storage.tasks()) < 8:
        storage.ask(ship, what, claim=number, **told)


@rule("R24", "R45")
@settings(max_examples=settings().max_examples // 4)
@given(st.randoms(use_true_random=False))
def test_a_random_voyage_stays_sound(model_storage: Path, dice: random.Random):
    """Whatever ships do, in any order and with any delay, no task is held twice or done twice."""
    with tempfile.TemporaryDirectory() as folder:
        tasks = [task("1"), task("2", "1"), task("3", "1"), task("4", "2", "3")]
        storage = Storage(model_storage, Path(folder) / "home", tasks)
        for _ in range(12):
            story(storage, dice)
        assert_sound(storage)
        completed: list[str] = []
        for line in storage.lines():
            done = [
                i for i, t in line["set"].get("tasks", {}).items() if t["status"] == "completed"
            ]
            assert not {*done} & {*completed}, "a completed task was changed"
            completed += done
            for task_id in done:
                blockers = {"2": ["1"], "3": ["1"], "4": ["2", "3"]}.get(task_id, [])
                assert {*blockers} <= {*completed}

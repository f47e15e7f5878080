"""The head of the board."""

from dataclasses import replace

import pytest
from rich.console import Console

from ocaptain.board import glance
from ocaptain.board.changes import standing
from ocaptain.board.watching import Sight
from tests.support.sights import NOW, row, sight


def lines(seen: Sight, now: float = NOW) -> list[str]:
    """What stands on a terminal of 80 columns."""
    console = Console(width=80)
    with console.capture() as capture:
        console.print(glance.head(seen, now))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_a_voyage_under_way():
    """State, age and cost, what it is for, how far it is and how long it may take, what landed."""
    assert lines(sight()) == [
        "voyage-3f9a1c0b7d52  running  sailed 10m00s ago  on local  $0.42",
        "Write a short guide for new contributors",
        "█████░░░░░░░░░░░░░░░░░░░░░░░░░ 1 of 6 tasks, about 3m00s left",
        "last landed: 4b0a30fb4299 1m00s ago, 6 Subject 6",
    ]


def test_agents_that_tell_no_dollars_have_tokens():
    """The head has them, and so has the line that says how a voyage stands."""
    used = sight().status["usage"]
    seen = sight(cost_usd=0.0, usage={**used, "input_tokens": 2_000_000})
    assert lines(seen)[0].endswith("on local  2.2M tokens")
    assert standing(seen).endswith(", 2.2M tokens")


def test_work_on_its_way_to_the_branch():
    """How many are checked at once, and how many wait for that."""
    cars = [
        {"ship": "ship-0", "task": "2", "state": state, "behind": None, "since": None}
        for state in ("checking", "waiting")
    ]
    train = {"window": 2, "check_s": 60, "landings_per_hour": 30, "cars": cars}
    assert lines(sight(train=train))[4] == (
        "on the way to the branch: 1 of 2 at once, 1 waiting, 1m00s each: at most 30 lan…"
    )


def test_a_voyage_that_waits_for_somebody():
    """Why, for how long, and what to type; nothing is estimated."""
    seen = sight(
        state="paused",
        reason="paused by ada",
        since=NOW - 5,
        next=[{"command": "ocaptain resume", "why": "Tasks are handed out again."}],
    )
    assert (
        lines(seen)[0] == "voyage-3f9a1c0b7d52  paused  for 5s, sailed 10m00s ago  on local  $0.42"
    )
    assert lines(seen)[2].endswith("1 of 6 tasks")
    assert lines(seen)[4:] == ["paused by ada", "→ ocaptain resume  Tasks are handed out again."]


def test_a_voyage_that_is_over_says_so():
    """How long it took, when it ended, and that the board may be left."""
    seen = sight(state="complete", took_s=300, since=NOW - 300)
    assert lines(seen)[0] == "voyage-3f9a1c0b7d52  complete  in 5m00s, 5m00s ago  on local  $0.42"
    assert lines(seen)[-1].startswith("The voyage is over.")


def test_storage_that_does_not_answer():
    """The age of all that is shown stands there, and why there is nothing newer."""
    seen = replace(sight(), fault="storage gave no answer")
    head = lines(seen, NOW + 34)
    assert head[0].startswith("voyage-3f9a1c0b7d52  unseen")
    assert head[4].startswith("This was seen 34s ago (")
    assert "storage gave no answer" in " ".join(head[4:])


@pytest.mark.parametrize("lack", ["a task that landed", "a ship"])
def test_what_cannot_be_told_is_not_estimated(lack: str):
    """Without a task that was completed, or without a ship at work."""
    seen = sight(ships=0) if lack == "a ship" else replace(sight(), tasks=[row(2), row(4)])
    assert glance.estimate(seen, NOW) is None

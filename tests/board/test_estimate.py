"""How long the rest of a voyage may take."""

import pytest

from ocaptain.board.estimate import time_left
from ocaptain.onboard.protocol import TaskRow
from tests.support.sights import row


def pending(task: int, *after: int) -> TaskRow:
    """A task that waits for others."""
    return row(task, status="pending", blocked_by=[str(blocker) for blocker in after])


@pytest.mark.parametrize(
    ("tasks", "ships", "seconds"),
    [
        ([], 2, 0),
        ([pending(1), pending(2), pending(3)], 2, 20),
        ([pending(1), pending(2), pending(3)], 9, 10),
        ([pending(1), pending(2, 1), pending(3, 2)], 9, 30),
        ([pending(1), pending(2, 99)], 1, 10),
        ([row(1, status="failed"), pending(2, 1)], 1, 0),
        ([row(1, status="completed"), pending(2)], 1, 10),
    ],
)
def test_tasks_are_spread_over_the_ships(tasks: list[TaskRow], ships: int, seconds: float):
    """A chain takes as long as its tasks do; what waits for a failed task is left out."""
    assert time_left(tasks, ships, 10, {}) == seconds


def test_the_longest_chain_goes_first():
    """As storage hands tasks out: otherwise three steps would not do."""
    tasks = [pending(1), pending(2), pending(3), pending(4, 3), pending(5, 4)]
    assert time_left(tasks, 2, 10, {}) == 30


def test_what_is_under_way_has_begun_already():
    """It needs the rest of its time, and a quarter of that which it took if it is late."""
    under_way = row(1, status="in_progress", blocked_by=[])
    assert time_left([under_way], 1, 10, {"1": 4}) == 6
    assert time_left([under_way], 1, 10, {"1": 40}) == 10
    assert time_left([under_way, pending(2)], 1, 10, {"1": 4}) == 16

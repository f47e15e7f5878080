"""How long an agent waits for an API that limits it."""

import time

import pytest

from ocaptain.onboard.ship.heartbeat import GiveUp
from ocaptain.onboard.ship.limits import LIMITS_IN_A_ROW, LONGEST_LIMIT_S, Limits


def left_s(limits: Limits, announced: float = 0.0) -> float:
    """How long the limit lasts from now on."""
    return limits.ends_at(announced) - time.time()


def test_a_limit_without_an_end_doubles_up_to_the_longest():
    """Until the agent works again."""
    limits = Limits(first_s=60, longest_s=200)
    seen = []
    for _ in range(4):
        limits.note("Slow down.")
        seen.append(round(left_s(limits)))
    assert seen == [60, 120, 200, 200]
    limits.clear()
    limits.note("Slow down.")
    assert round(left_s(limits)) == 60


@pytest.mark.parametrize(
    ("announced_s", "waited_s"), [(300, 300), (10 * 86400, LONGEST_LIMIT_S), (-5, 60)]
)
def test_an_announced_end_is_heeded(announced_s: float, waited_s: float):
    """Unless it has passed, or is farther away than any that is known."""
    limits = Limits(first_s=60, longest_s=200)
    limits.note("Slow down.")
    assert left_s(limits, time.time() + announced_s) == pytest.approx(waited_s, abs=1)


def test_one_limit_too_many_gives_up():
    """The message has what the API said at last."""
    limits = Limits(first_s=60, longest_s=200)
    for _ in range(LIMITS_IN_A_ROW):
        limits.note("Slow down.")
    with pytest.raises(GiveUp, match=r"10 times in a row, at last: Enough\."):
        limits.note("Enough.")

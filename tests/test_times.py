"""Times as people say them."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from ocaptain import times

NOON = datetime(2026, 3, 4, 12, 0, 7, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0s"),
        (0.9, "0s"),
        (45, "45s"),
        (59.9, "59s"),
        (98, "1m38s"),
        (3_599, "59m59s"),
        (7_500, "2h05m"),
        (86_399, "23h59m"),
        (47 * 3_600, "1d23h"),
        (400 * 86_400, "400d00h"),
    ],
)
def test_durations_are_said_in_two_units(seconds: float, text: str):
    """The smaller one has two digits, so that nobody takes 2h5m for 2h50m."""
    assert times.duration(seconds) == text


def test_what_is_not_known_has_no_age():
    """A dash stands in its place."""
    assert times.since(None) == "-"
    assert times.since(time.time() - 98) in ("1m38s", "1m39s")


def test_another_day_has_its_date():
    """Today's time stands alone."""
    now = time.time()
    assert times.clock(now) == time.strftime("%H:%M", time.localtime(now))
    assert times.clock(now, utc=True) == time.strftime("%H:%MZ", time.gmtime(now))
    assert times.clock(NOON, utc=True) == "2026-03-04 12:00Z"
    assert times.clock(NOON, utc=True, seconds=True) == "2026-03-04 12:00:07Z"
    assert times.clock(1e15) == "?"


def test_a_moment_in_the_past():
    """It may be said in several ways."""
    now = datetime.now(UTC)
    ago = times.past("1h30m")
    assert ago is not None
    assert abs(now - ago - timedelta(minutes=90)) < timedelta(seconds=10)
    assert times.past("2026-03-04T12:00:07Z") == datetime.fromtimestamp(NOON, UTC)
    assert times.past("2026-03-04 12:00:07+00:00") == datetime.fromtimestamp(NOON, UTC)
    today = datetime.now().astimezone().replace(hour=9, minute=5, second=0, microsecond=0)
    assert times.past("9:05") == today


@pytest.mark.parametrize("text", ["", "soon", "1w", "10", "25:00", "2026-13-01", "-5m"])
def test_what_is_no_moment(text: str):
    """A word that nobody can place in time is none."""
    assert times.past(text) is None

"""Lines of logs, as the captain is shown them."""

import json
import time

import pytest

from ocaptain.loglines import HUES, LogPrinter, as_json, parsed

NOW = 1_772_600_767.0
TODAY = "2026-03-04T05:06:07.000Z"


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch):
    """A terminal without colours, in a time zone of its own."""
    monkeypatch.setenv("TZ", "UTC-2")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_line_has_its_time_on_this_clock_and_its_date():
    """In UTC it has a Z, and today's time stands alone."""
    line = f"{TODAY} ship-0 [7] landed 8c1f0b6a4de2"
    assert LogPrinter().text(line) == "2026-03-04 07:06:07 ship-0   [7] landed 8c1f0b6a4de2"
    assert LogPrinter(utc=True).text(line).startswith("2026-03-04 05:06:07Z ship-0   [7]")
    now = time.time()
    today = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(now))
    clock = time.strftime("%H:%M:%S", time.localtime(now))
    assert LogPrinter().text(f"{today} captain ada pauses") == f"{clock} captain  ada pauses"


@pytest.mark.parametrize("line", ["", "now", "now ship-0", "9999-99-99T00:00:00Z ship-0 [x"])
def test_whatever_stands_in_a_log_is_shown(line: str):
    """A ship may have written anything."""
    assert LogPrinter().text(line).split() == line.split()


def test_each_ship_has_its_colour(monkeypatch: pytest.MonkeyPatch):
    """It keeps it, and captain and storage look like no ship."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    printer = LogPrinter()
    names = ["ship-0", "ship-1", "captain", "harbor", "ship-0"]
    painted = [printer.text(f"{TODAY} {name} text").split()[2] for name in names]
    assert painted[0] == painted[4]
    assert len({text.partition("m")[0] for text in painted}) == 4
    many = {printer.text(f"{TODAY} ship-{number} text") for number in range(len(HUES) + 1)}
    assert len(many) == len(HUES) + 1


def test_the_task_of_a_line():
    """It is the one that the text begins with."""
    assert parsed(f"{TODAY} ship-0 [a.7] [b] text").task == "a.7"
    assert parsed(f"{TODAY} ship-0 ship-0 is [7] under way").task is None
    assert json.loads(as_json(f"{TODAY} ship-0 [7] text"))["task"] == "7"

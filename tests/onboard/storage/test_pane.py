"""What runs in a pane of `shell`."""

import re
import threading
import time

import pytest

from ocaptain.onboard.protocol import ShipRecord
from ocaptain.onboard.storage import pane
from ocaptain.onboard.storage.panes import View
from tests.support.documented import example
from tests.support.storage import SHIPS, Sail, task

PLAIN = View(coloured=False)


@pytest.mark.parametrize(
    ("task", "title"), [(None, "ship-0 · done"), ("7", "ship-0 · done · 7 Do\ufffd ##[it]")]
)
def test_a_pane_has_a_title(task: str | None, title: str):
    """The ship, its state, and its task, whose subject steers no terminal and no tmux."""
    record: ShipRecord = {"state": "waiting", "task": task, "subject": "Do\x1b #[it]"}
    assert pane.title("ship-0", record, "done") == title


def test_a_pane_shows_the_log_while_there_is_the_ship(sail: Sail, capsys):
    """On the captain's clock; it ends once the ship has been let go. It names the window if there
    is no overview for that."""
    storage = sail(task("1"))
    storage.ask(SHIPS[0], "claim", run_id="r", wait=False)
    home = storage.home
    record = home / "voyage" / "ships" / f"{SHIPS[0]}.json"
    stamp = time.strftime("%Y-%m-%dT00:00:01.000Z", time.gmtime())
    (home / "voyage" / "logs" / f"{SHIPS[0]}.log").write_text(f"{stamp} [1] one\n")
    threading.Timer(0.2, record.unlink).start()
    with pytest.raises(FileNotFoundError):
        pane.of_ship(home, PLAIN._replace(leads=True), SHIPS[0])
    out = capsys.readouterr().out
    assert f"\033]2;{SHIPS[0]} · working · 1 " in out
    assert f"\033k{storage.voyage['voyage']}  running  0 of 1 tasks\033" in out
    assert re.sub(r"\033[\]k].*?\033\\", "", out).startswith("00:00:01 [1] one\r\n")


def test_what_a_waiting_ship_is_called_follows_from_the_voyage(sail: Sail):
    """It only says of itself that it waits."""
    storage = sail(task("1"))
    storage.ask(SHIPS[0], "claim", run_id="r", wait=False)
    storage.order("pause")
    voyage = pane.Voyage(storage.home)
    waits: ShipRecord = {"state": "waiting"}
    works: ShipRecord = {"state": "working"}
    assert voyage.of_idle(works, SHIPS[0]) == "working"
    assert voyage.of_idle(waits, SHIPS[1]) != "waiting"


def test_lines_have_colours_by_their_kind_and_a_date_if_it_is_not_todays():
    """The date once, and the clock as the captain's."""
    log = pane.Lines(View(utc_offset_s=3_600))
    first = log.shown("2026-01-01T23:30:00.000Z [1] landed 4b0a30fb4299")
    date, line = first.splitlines()
    assert date == "\033[2m2026-01-02\033[0m"
    assert line == "\033[2m00:30:00\033[0m \033[32m[1] landed 4b0a30fb4299\033[0m"
    assert pane.Lines(PLAIN).shown("no time at all").endswith(" time at all\r\n")
    assert "2026" not in log.shown("2026-01-01T23:31:00.000Z [1] more")


def test_the_overview_has_the_voyage_and_a_line_for_each_ship():
    """How far it is, and what each ship is at, without what could steer a terminal."""
    seen = example("status")
    seen.update(reason="pau\x1bsed", state="paused")
    lines = pane.overview(seen, PLAIN, seen["ships"][0]["since"] + 98)
    assert lines == [
        "voyage-3f9a1c0b7d52  paused",
        "Write a short guide for new contributors",
        "█████░░░░░░░░░░░░░░░ 1 of 4 tasks",
        "pau\ufffdsed",
        "ship-0  working     1m  2 Say what is where",
        "ship-1  starting    0s   ",
    ]
    assert "\033[33mpaused" in pane.overview(seen, View(), 0)[0]

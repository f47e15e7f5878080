"""Logs, as they come from storage."""

import asyncio
from typing import Any

import pytest

from ocaptain.errors import Failure
from ocaptain.fleet.logs import query_of, read_logs
from ocaptain.ssh import Unreachable
from tests.support.rules import rule
from tests.support.sailing import Sailing


def read(sailing: Sailing, **changes: Any) -> list[str]:
    """The lines that are asked for."""
    lines: list[str] = []
    count = asyncio.run(read_logs(sailing.voyage, query_of(**changes), lines.append))
    assert count == len(lines)
    return lines


def test_logs_are_read_line_by_line(sailing: Sailing):
    """By time, of one ship or all of them; the last ones, or those that match."""
    logs = sailing.home() / "voyage" / "logs"
    (logs / "ship-7.log").write_text("2001-01-01T00:00:01Z one\n2001-01-01T00:00:03Z three\n")
    (logs / "ship-8.log").write_text("2001-01-01T00:00:02Z two\n")
    one, two, three = read(sailing, pattern="^2001")
    assert (one, two) == ("2001-01-01T00:00:01Z ship-7 one", "2001-01-01T00:00:02Z ship-8 two")
    assert three == "2001-01-01T00:00:03Z ship-7 three"
    assert read(sailing, ship="ship-7") == [one, three]
    assert read(sailing, pattern="^2001", tail=2) == [two, three]
    assert read(sailing, pattern="two$") == [two]


def test_a_ship_that_there_is_not_is_refused(sailing: Sailing):
    """Nobody takes its silence for an answer."""
    with pytest.raises(Failure, match="there is no ship 'ship-99'"):
        read(sailing, ship="ship-99")


@rule("R101")
def test_logs_steer_no_terminal(sailing: Sailing):
    """Even if storage is somebody else's by then, and prints what it likes."""
    main = sailing.home() / "voyage" / "lib" / "__main__.py"
    before = main.read_text()
    main.write_text(r"""print('{"ok": true}\nnow ship-0 one\x1b[2J\r\ntwo')""")
    lines = read(sailing)
    main.write_text("print('welcome')")
    with pytest.raises(Unreachable, match="gave no log: welcome"):
        read(sailing)
    main.write_text(before)
    assert len(lines) == 2
    assert "\x1b" not in lines[0]
    assert lines[1] == "two"

"""A voyage that is followed, as lines and in place."""

import asyncio
import io
import json

import pytest
from rich.console import Console

from ocaptain.board import stream
from ocaptain.board.watching import Sight
from tests.support.sights import Told, altered, row, sight

from .conftest import Nowhere


class Telling(Told):
    """A watcher that is told several sights, one after the other, and does not rest."""

    def __init__(self, voyage: Nowhere, *told: Sight) -> None:
        super().__init__(voyage, told[0])
        self.later = list(told)
        self.pause_s = 0.0

    async def look(self) -> Sight:
        """See what comes next; the last of them stays."""
        self.tell(self.later.pop(0) if self.later else self.told)
        return await super().look()


def over(seen: Sight) -> bool:
    """Whether the voyage is complete."""
    return seen.state == "complete"


def test_changes_are_lines_until_the_voyage_is_over(
    voyage: Nowhere, capsys: pytest.CaptureFixture[str]
):
    """One for each event, whole, with its time; or as many objects."""
    first = sight(tasks=2)
    claimed = altered(first, tasks=[row(1), row(2, status="completed", commit="a" * 40)])
    told = (first, claimed, altered(claimed, state="complete"))
    last = asyncio.run(stream.follow(Telling(voyage, *told), stream.print_lines, over))
    assert last.state == "complete"
    lines = capsys.readouterr().out.splitlines(keepends=True)
    assert [line.endswith("\n") for line in lines] == [True] * 4
    assert [line.split()[0] for line in lines] == ["2027-01-15T08:00:00.000Z"] * 4
    assert "task 2 completed by ship-1, landed aaaaaaaaaaaa" in lines[2]
    assert " complete, " in lines[3]
    asyncio.run(stream.follow(Telling(voyage, *told), stream.print_objects, over))
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [f"{change['seen_at']} {change['text']}\n" for change in objects] == lines


def test_following_ends_when_the_time_is_up(voyage: Nowhere):
    """With what was seen last, though that is not the end."""
    last = asyncio.run(stream.follow(Telling(voyage, sight()), lambda *_: None, over, timeout=0))
    assert last.state == "running"


def shown(seen: Sight, rows: int) -> list[str]:
    """What a terminal of 80 columns and so many rows has of a voyage that is shown in place."""
    output = io.StringIO()
    console = Console(file=output, width=80, height=rows, force_terminal=False)
    screen = stream.Screen(console)
    console.print(screen.content(seen))
    return [line.rstrip() for line in output.getvalue().splitlines()]


def test_what_is_shown_in_place_fits_the_terminal():
    """Ships in trouble come first, the others are counted, and the last line is empty: what the
    terminal puts there at Ctrl-C moves nothing."""
    lines = shown(sight(ships=30), 24)
    assert len(lines) <= 24
    assert lines[4] == "ships  5 lost, 5 limited, 5 landing, 10 working, 5 waiting"
    assert lines[6].startswith("ship-4   lost")
    assert lines[-2] == "and 14 more"
    assert lines[-1] == ""
    assert len([line for line in shown(sight(ships=30), 50) if line.startswith("ship-")]) == 30

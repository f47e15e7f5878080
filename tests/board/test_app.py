"""The live board, by textual's pilot: what stands on the screen, and what keys do."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from textual.pilot import Pilot

from ocaptain.board.app import Board
from ocaptain.board.watching import Sight
from ocaptain.errors import Failure
from tests.support.sights import Told, altered, row, ship, sight

from .conftest import Nowhere

Acts = Callable[[Pilot[int], Told], Awaitable[None]]


def screen(pilot: Pilot[int]) -> list[str]:
    """What stands on the screen, line by line."""
    strips = pilot.app.screen._compositor.render_strips()
    return [strip.text.rstrip() for strip in strips]


def ids(pilot: Pilot[int]) -> list[str]:
    """The ships that stand on the screen, from top to bottom."""
    lines = [line for line in screen(pilot) if line.startswith("ship-")]
    return [line.split()[0] for line in lines[:-1]]  # the last is of what the cursor is at


async def until(pilot: Pilot[int], text: str) -> None:
    """Wait until a text is on the screen."""
    async with asyncio.timeout(20):
        while text not in "\n".join(screen(pilot)):
            await pilot.pause(0.02)


def board(voyage: Nowhere, seen: Sight, acts: Acts, size: tuple[int, int] = (80, 24)) -> int | None:
    """Show a board, and do something with it. Returns its exit status."""
    watcher = Told(voyage, seen)
    shown = Board(watcher)

    async def run() -> None:
        async with shown.run_test(size=size, notifications=True) as pilot:
            await until(pilot, "$0.42")
            await acts(pilot, watcher)

    asyncio.run(run())
    return shown.return_value


def test_thirty_ships_at_80_by_24(voyage: Nowhere):
    """Head, counts by state, the ships that need somebody, and all about the one at the cursor.
    The rest is there when one goes down to it."""

    async def acts(pilot: Pilot[int], _: Told) -> None:
        await until(pilot, "\nnot heard from for 40 s\nsays: [5] Bash: ls 4\n1 completed")
        lines = screen(pilot)
        assert lines[0] == "voyage-3f9a1c0b7d52  running  sailed 10m00s ago  on local  $0.42"
        assert " 6 of 40 tasks, about " in lines[2]
        assert lines[4] == "[1] ships  5 lost, 5 limited, 5 landing, 10 working, 5 waiting"
        assert lines[5].startswith("[2] tasks  7 failed, 14 in progress, ")
        assert lines[7].split()[:2] == ["ship-4", "lost"]
        assert lines[20] == "not heard from for 40 s"
        assert lines[23].startswith("tab ships/tasks")
        assert all(len(line) <= 80 for line in lines)
        await pilot.press("G")
        await until(pilot, "ship-27 waiting: no task")
        await pilot.press("g", "j")
        await until(pilot, "ship-10 lost: no task")

    board(voyage, sight(ships=30, tasks=40), acts)


def test_a_wide_terminal_has_room_for_what_ships_say(voyage: Nowhere):
    """At 200 columns a long line is there as a whole; hostile text is text there, too."""
    said = f"[bold]{'word ' * 12}[/bold]\x1b[2J"

    async def acts(pilot: Pilot[int], _: Told) -> None:
        assert f"[bold]{'word ' * 12}[/bold]\ufffd[2J" in "\n".join(screen(pilot))

    board(voyage, altered(sight(), ships=[ship(0, said=said)]), acts, (200, 50))


def test_the_cursor_stays_with_its_ship(voyage: Nowhere):
    """Whatever becomes of the ship, and of the order."""

    async def acts(pilot: Pilot[int], watcher: Told) -> None:
        assert ids(pilot) == ["ship-2", "ship-0", "ship-1"]
        await pilot.press("down")
        await until(pilot, "ship-0 working: 1 Subject 1")
        ships = [ship(0), ship(1, state="broken", reason="no disk"), ship(2), ship(6)]
        watcher.tell(altered(watcher.told, ships=ships))
        await until(pilot, "no disk")
        assert ids(pilot) == ["ship-1", "ship-2", "ship-0", "ship-6"]
        assert any(line.startswith("ship-0 working: 1 Subject 1") for line in screen(pilot))

    board(voyage, sight(), acts)


def test_tasks_are_the_other_view(voyage: Nowhere):
    """Failed ones first, and why; what landed last; tab goes there and back."""

    async def acts(pilot: Pilot[int], _: Told) -> None:
        await pilot.press("tab")
        await until(pilot, "r brings it back")
        lines = screen(pilot)
        assert lines[6].split() == ["id", "state", "for", "ship", "subject", "why"]
        assert [line.split()[0] for line in lines[7:13]] == ["1", "2", "3", "4", "5", "6"]
        assert "the check is " in lines[7]
        assert "after 2" in lines[11]
        await pilot.press("tab")
        await until(pilot, "says: ")
        assert ids(pilot) == ["ship-2", "ship-0", "ship-1"]

    board(voyage, sight(), acts)


def test_it_stays_whatever_becomes_of_the_voyage(voyage: Nowhere):
    """Paused, unseen, complete: it says so and goes on, until one leaves."""

    async def acts(pilot: Pilot[int], watcher: Told) -> None:
        seen = watcher.told
        watcher.tell(altered(seen, state="paused", reason="paused by ada"))
        await until(pilot, "paused by ada")
        watcher.tell(replace(seen, fault="storage gave no answer"))
        await until(pilot, "This was seen ")
        watcher.tell(altered(seen, state="complete", took_s=9, tasks=[row(6)]))
        await until(pilot, "The voyage is over.")
        await pilot.press("q")

    assert board(voyage, sight(), acts) == 0


def test_ctrl_c_leaves_as_it_does_elsewhere(voyage: Nowhere):
    """With the exit status of an interrupt."""

    async def acts(pilot: Pilot[int], _: Told) -> None:
        await pilot.press("ctrl+c")

    assert board(voyage, sight(), acts) == 130


def test_orders_are_given_by_keys(voyage: Nowhere):
    """Pause and resume ask first; a message may be for a ship or for all; a failed task is brought
    back. What is said meanwhile, and what came of it, is shown; a refusal too."""

    async def acts(pilot: Pilot[int], watcher: Told) -> None:
        await pilot.press("p", "n")
        assert voyage.ordered == []
        await pilot.press("p", "y")
        await until(pilot, "pause is on its way")
        await until(pilot, "It is so.")
        await pilot.press("tab", "r")
        await until(pilot, "1 failed")
        voyage.answer = {"message": "On its way.", "ships": ["ship-0"], "resting": []}
        await pilot.press("tab", "h", *"moon", "enter")
        await pilot.press("H", *"all", "enter")
        await until(pilot, "It was taken in by ship-2's agent.")
        await until(pilot, "It was taken in by the agents of")
        voyage.answer = Failure("storage [refuses] that")
        watcher.tell(altered(watcher.told, state="failed", tasks=[row(6)]))
        await until(pilot, " failed ")
        await pilot.press("r")
        await until(pilot, "storage [refuses] that")

    board(voyage, sight(), acts)
    assert voyage.ordered == [
        ("pause", {}),
        ("retry", {"task": "1"}),
        ("hail", {"ship": "ship-2", "text": "moon"}),
        ("hail", {"ship": "", "text": "all"}),
        ("retry", {"task": "verify"}),
    ]


def test_keys_are_explained(voyage: Nowhere):
    """And whatever key comes twice closes it once."""

    async def acts(pilot: Pilot[int], _: Told) -> None:
        await pilot.press("question_mark")
        assert "hail: tell the agent of the ship something" in "\n".join(screen(pilot))
        await pilot.press("escape", "escape")
        assert ids(pilot) == ["ship-2", "ship-0", "ship-1"]

    board(voyage, sight(), acts)


def test_a_voyage_that_cannot_be_seen_at_first_ends_it(voyage: Nowhere):
    """The failure is for whoever shows the board."""

    class Blind(Told):
        async def look(self) -> Sight:
            raise Failure("there is no storage")

    shown = Board(Blind(voyage, sight()))

    async def run() -> None:
        async with asyncio.timeout(20), shown.run_test() as pilot:
            while shown.is_running:
                await pilot.pause(0.02)

    with pytest.raises(Exception, match="there is no storage"):
        asyncio.run(run())
    assert isinstance(shown.trouble, Failure)

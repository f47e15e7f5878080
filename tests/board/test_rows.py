"""Ships and tasks in the order of what needs a person."""

from ocaptain.board import rows
from tests.support.sights import NOW, row, ship, sight


def plain(found: list[rows.Row]) -> list[list[str]]:
    """What the cells of rows say."""
    return [[cell.plain for cell in row.cells] for row in found]


def keys(found: list[rows.Row]) -> list[str]:
    """What rows are of."""
    return [row.key for row in found]


def test_ships_in_trouble_stand_first():
    """Then those at work, then those that wait; of the same state, by number. A state that this
    version does not know is first of all."""
    ships = [ship(number) for number in (11, 10, 3, 2, 1, 0)]
    ships.append(ship(7, state="adrift"))
    found = rows.ship_rows(ships, NOW)
    order = "ship-7 ship-10 ship-11 ship-2 ship-0 ship-1 ship-3"
    assert keys(found) == order.split()
    assert plain(found)[1:3] == [
        ["ship-10", "lost", "1m38s", "", "not heard from for 40 s"],
        ["ship-11", "limited", "1m38s", "12 Subject 12", "usage limit reached"],
    ]
    counted = "1 adrift, 1 lost, 1 limited, 1 landing, 2 working, 1 waiting"
    assert rows.ship_counts(ships) == counted


def test_failed_tasks_stand_first_and_what_landed_last_before_the_rest():
    """Those under way the longest come before others, and of pending ones those that are ready."""
    tasks = [*sight().tasks, row(12, since=NOW - 5), row(7, status="in_progress", since=NOW - 900)]
    found = rows.task_rows(tasks, NOW)
    assert keys(found) == ["1", "7", "2", "3", "4", "5", "12", "6"]
    assert plain(found)[0] == ["1", "failed", "1m00s", "", "Subject 1", "the check is red"]
    assert plain(found)[5] == ["5", "blocked", "", "", "Subject 5", "after 2"]
    assert plain(found)[7][:4] == ["6", "completed", "2m00s", "ship-5"]
    assert plain(found)[7][4:] == ["Subject 6", "4b0a30fb4299"]
    counted = "1 failed, 3 in progress, 1 ready, 1 blocked, 2 completed"
    landing = rows.task_rows([row(2, landing="checking", behind="1")], NOW)
    assert plain(landing)[0][5] == "checking, behind 1"
    assert rows.task_counts(tasks) == counted


def test_hostile_text_stays_text():
    """No markup, no escape, no second line comes out of a subject or of what an agent says."""
    found = rows.ship_rows([ship(0, subject="[red]a[/]\x1b[2J\nb", said="x" * 9_999)], NOW)
    task, says = found[0].cells[3:]
    assert task.plain == "1 [red]a[/]\ufffd[2J b"
    assert task.spans == []
    assert len(says.plain) <= 500


def test_a_table_fits_the_terminal():
    """Cells are cut to their columns, also those of wide characters; all columns are in it."""
    ships = [ship(0, subject="解析器を追加する" * 9), ship(1)]
    cells = [row.cells for row in rows.ship_rows(ships, NOW)]
    for width in (60, 80, 200):
        lines = rows.table(rows.SHIP_COLUMNS, cells, width).split("\n")
        assert [line.cell_len <= width for line in lines] == [True] * 3
        assert lines[0].plain.split() == ["ship", "state", "for", "task", "says"]
    assert "…" in rows.table(rows.SHIP_COLUMNS, cells, 80).plain

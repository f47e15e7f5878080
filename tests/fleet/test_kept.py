"""Telemetry as it comes from storage."""

from typing import Any

from ocaptain.fleet import kept
from ocaptain.fleet.kept import KeptLines


def pieces(ship: str, *texts: str) -> list[Any]:
    """What storage tells of a ship's."""
    return [{"ship": ship, "text": text} for text in texts]


def test_lines_that_come_in_pieces_are_whole():
    """Each is there once it is, whatever comes of other ships meanwhile; also after it was read."""
    with KeptLines() as lines:
        for piece in [*pieces("ship-0", "a", "b\nc"), *pieces("ship-1", "d\n")]:
            lines.take(piece)
        assert list(lines.lines()) == [b"ab\n", b"d\n"]
        assert list(lines.lines()) == []
        assert lines.sizes == {"ship-0": 4, "ship-1": 2}
        reading = lines.lines()
        for piece in pieces("ship-0", "\xff\ne\n", "f"):
            lines.take(piece)
        assert next(reading) == b"c\xff\n"
        lines.take(pieces("ship-1", "g\n")[0])
        assert list(reading) == [b"e\n", b"g\n"]
        assert list(lines.unfinished()) == [b"f"]


def test_a_line_without_end_is_not_waited_for():
    """Whoever sends that cannot fill this machine's memory; later lines are read."""
    with KeptLines() as lines:
        for _ in range(3):
            lines.take(pieces("ship-0", "x" * (kept.LONGEST_LINE // 2))[0])
        assert list(lines.unfinished()) == []
        lines.take(pieces("ship-0", "y\nz\n")[0])
        assert list(lines.lines()) == [b"y\n", b"z\n"]

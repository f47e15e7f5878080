"""What a ship said last."""

from pathlib import Path

from ocaptain.onboard.storage.said import END_BYTES, last_line

AT = "2026-01-01T00:00:01.000Z"


def test_the_last_whole_line_with_its_time(tmp_path: Path):
    """What is still being written does not count, and what could steer a terminal is replaced."""
    log = tmp_path / "ship-0.log"
    log.write_bytes(f"{AT} [1] one\n".encode() * 1_000 + f"{AT} [2] t\x1bwo\n{AT} thr".encode())
    assert last_line(log) == (AT, "[2] t\ufffdwo")


def test_a_ship_that_said_nothing(tmp_path: Path):
    """Its log is empty, or is not there."""
    log = tmp_path / "ship-0.log"
    assert last_line(log) == (None, None)
    log.write_text("")
    assert last_line(log) == (None, None)


def test_a_line_without_an_end_is_as_good_as_none(tmp_path: Path):
    """No more is read of a log than its end."""
    log = tmp_path / "ship-0.log"
    log.write_text("x" * 2 * END_BYTES + "\n")
    assert len(last_line(log).at or "") <= 40

"""Reading files of which anything may be wrong."""

from pathlib import Path

import msgspec
import pytest

from ocaptain.errors import Failure
from ocaptain.plan.reading import Findings, read_object, read_text, sound_fields


class Shape(msgspec.Struct):
    """Some fields."""

    name: str
    size: int = 3
    note: str | None = None


def test_faults_are_written_down_and_reading_goes_on():
    """What is expected to go wrong becomes a fault of its place; a bug does not."""
    findings = Findings()
    for error in (Failure("is away"), ValueError("is odd"), OSError("is locked"), RecursionError()):
        with findings.reading("a.json"):
            raise error
    assert findings.faults == [
        "a.json: is away",
        "a.json: is odd",
        "a.json: is locked",
        "a.json: is nested too deeply",
    ]
    with pytest.raises(KeyError), findings.reading("a.json"):
        raise KeyError


def test_text_may_begin_with_a_byte_order_mark(tmp_path: Path):
    """Editors on Windows write one, and it is no part of the text."""
    path = tmp_path / "spec.md"
    path.write_bytes(b"\xef\xbb\xbf# Draw")
    assert read_text(path) == "# Draw"


def test_an_object_can_be_written_again(tmp_path: Path):
    """What JSON cannot hold is refused when it is read, though Python reads it."""
    path = tmp_path / "1.json"
    path.write_text('{"size": Infinity}')
    with pytest.raises(ValueError, match="not JSON compliant"):
        read_object(path)


def test_sound_fields_leave_out_what_is_at_fault():
    """The rest comes with its defaults, but for what is null."""
    findings = Findings()
    assert sound_fields(Shape, {"size": "x", "other": 1}, "a.json", findings) == {}
    assert findings.faults == [
        'a.json: "name" is missing',
        'a.json: "size": has to be a whole number, not "x"',
    ]
    assert sound_fields(Shape, {"name": "x", "note": None}, "a.json", Findings()) == {
        "name": "x",
        "size": 3,
    }

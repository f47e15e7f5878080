"""Files that are replaced as a whole."""

import json
from pathlib import Path

import pytest

from ocaptain.onboard import files


def test_a_file_is_replaced_with_its_time(tmp_path: Path):
    """The folder is made, the contents are replaced, and the time is the one that was asked for."""
    path = tmp_path / "a" / "b"
    for text in ("one", "two"):
        files.put(path, text, ns=1_234_567_890_000_000_001)
        assert path.read_text() == text
        assert path.stat().st_mtime_ns == 1_234_567_890_000_000_001
    assert [*path.parent.iterdir()] == [path]


def test_a_value_is_written_for_people_or_for_programs(tmp_path: Path):
    """With an indent, as Claude Code writes its tasks, or on one line."""
    path = tmp_path / "a.json"
    files.write(path, {"a": [1]})
    assert path.read_text() == json.dumps({"a": [1]}, indent=2)
    files.write(path, {"a": [1]}, indent=None)
    assert path.read_text() == '{"a": [1]}'


def test_no_value_is_no_file(tmp_path: Path):
    """None removes a file, also one that is gone already."""
    path = tmp_path / "a.json"
    files.write(path, 1)
    for _ in range(2):
        files.write(path, None)
        assert not path.exists()


def test_what_cannot_be_written_leaves_the_old_file(tmp_path: Path):
    """A value that is no JSON spoils nothing."""
    path = tmp_path / "a.json"
    files.write(path, "old")
    with pytest.raises(TypeError):
        files.write(path, {1, 2})
    assert json.loads(path.read_text()) == "old"

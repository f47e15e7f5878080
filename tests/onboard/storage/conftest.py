"""Fixtures for tests of storage."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ocaptain.onboard.process import marked
from tests.support.machine import until


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """What the environment of processes holds that this test starts; they are gone in the end."""
    monkeypatch.setenv("JOBS_OF", str(tmp_path))
    yield f"JOBS_OF={tmp_path}"
    assert until(lambda: not marked(f"JOBS_OF={tmp_path}"), 20)

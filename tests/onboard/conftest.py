"""Fixtures for tests of storage's side."""

import itertools
from pathlib import Path
from typing import Any

import pytest

from ocaptain.onboard import harbor
from tests.onboard.storage import Json, Sail, Storage, template


@pytest.fixture(scope="session")
def model_storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A storage to copy."""
    return template(tmp_path_factory.mktemp("model"))


@pytest.fixture
def sail(model_storage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sail:
    """Makes a storage with the given tasks, whose clock stands still until the test moves it."""
    numbers = itertools.count()

    def make(*tasks: Json, **voyage: Any) -> Storage:
        storage = Storage(model_storage, tmp_path / f"home{next(numbers)}", list(tasks), **voyage)
        monkeypatch.setattr(harbor, "time", storage)
        return storage

    return make

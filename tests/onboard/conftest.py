"""Fixtures for tests of the onboard half."""

import itertools
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from ocaptain.onboard import process
from tests.support.storage import Json, Sail, Storage, template


@pytest.fixture(scope="session")
def model_storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A storage to copy."""
    return template(tmp_path_factory.mktemp("model"))


@pytest.fixture
def sail(model_storage: Path, tmp_path: Path) -> Sail:
    """Makes a storage with the given tasks, whose clock stands still until the test moves it."""
    numbers = itertools.count()

    def make(*tasks: Json, **voyage: Any) -> Storage:
        return Storage(model_storage, tmp_path / f"home{next(numbers)}", list(tasks), **voyage)

    return make


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Popen[bytes]]]:
    """The processes that are started; in the end they are gone, and their pipes closed."""
    started: list[Popen[bytes]] = []
    really = process.start

    def start(*argv: Any, **how: Any) -> Popen[bytes]:
        started.append(really(*argv, **how))
        return started[-1]

    monkeypatch.setattr(process, "start", start)
    yield started
    for child in started:
        child.kill()
    for thread in threading.enumerate():
        if thread.name == "agent's output":
            thread.join()  # it reads from a pipe that is about to be closed
    for child in started:
        with suppress(BrokenPipeError), child:
            pass

"""Fixtures for tests of storage."""

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocaptain.onboard.process import marked
from tests.fakes.github import GitHub
from tests.support.machine import until
from tests.support.mirrored import NAME


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """What the environment of processes holds that this test starts; they are gone in the end."""
    monkeypatch.setenv("JOBS_OF", str(tmp_path))
    yield f"JOBS_OF={tmp_path}"
    assert until(lambda: not marked(f"JOBS_OF={tmp_path}"), 20)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHub]:
    """GitHub, as whatever runs on this machine reaches it."""
    with GitHub(tmp_path) as running:
        running.repository(NAME)
        for name, value in {**running.proxy_env(), "GIT_CONFIG_GLOBAL": "/dev/null"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(urllib.request, "_opener", None)  # which keeps another test's proxy
        yield running

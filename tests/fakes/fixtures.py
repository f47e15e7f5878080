"""Fixtures for tests that run the real Claude Code against a scripted model."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from .messages_api import ScriptedModel

ROOT = Path(__file__).parents[2]
CACHE = Path("~/.cache/ocaptain-test/claude-code").expanduser()


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    """A model that says what a test scripted; it listens on loopback."""
    with ScriptedModel() as scripted:
        yield scripted


@pytest.fixture(scope="session")
def claude_binary() -> Path:
    """The pinned Claude Code: `OCAPTAIN_TEST_CLAUDE`, or what script/setup installed."""
    version = (ROOT / "script" / "claude-code-version").read_text().strip()
    installed = CACHE / version / "node_modules" / ".bin" / "claude"
    binary = Path(os.environ.get("OCAPTAIN_TEST_CLAUDE") or installed)
    if binary.is_file():
        return binary
    reason = f"no Claude Code at {binary}: script/setup --for test installs it"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)

"""What the tests of plans share: a repository, and a plan beside it."""

from pathlib import Path

import pytest

from tests.support.plans import diamond, repository


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A repository with one commit on `main`, beside the plan."""
    return repository(tmp_path / "code")


@pytest.fixture
def plan(tmp_path: Path, repo: Path) -> Path:
    """A sound plan: a diamond of four tasks for the shell agent."""
    return diamond(tmp_path / "plan", repo)

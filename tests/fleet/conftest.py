"""A voyage under way, one for each file of tests; and settings for voyages yet to be."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ocaptain.config import Config
from tests.support.sailing import Sailing, local_config, under_way


@pytest.fixture(scope="module")
def sailing(tools: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sailing]:
    with under_way(tmp_path_factory.mktemp("sailing")) as voyage:
        yield voyage


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Config]:
    with local_config(tmp_path) as settings:
        yield settings

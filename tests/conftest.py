"""What all tests share."""

import os

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("tests.support")
pytest_plugins = ["tests.support.fixtures"]

LONG = ("/integration/", "/test_bench.py", "/test_chaos.py", "/test_protocol.py")
"""Where the long tests are, by what their paths contain."""

settings.register_profile("ci", max_examples=100, derandomize=True, deadline=None)
settings.register_profile("long", max_examples=2_000, deadline=None, print_blob=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="try twenty times as much, and more")


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("long" if config.getoption("--long") else "ci")


def pytest_xdist_auto_num_workers() -> int:
    """Three workers for two cores: a test of a voyage waits for almost half of its time."""
    return (os.cpu_count() or 2) * 3 // 2


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give each worker its share of the long tests first, so that none ends with one alone.

    A worker begins with a run of tests that stand together; later it takes from others' ends."""
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    long = [item for item in items if _is_long(item)]
    short = [item for item in items if not _is_long(item)]
    share = -(-len(short) // workers)
    items.clear()
    for worker in range(workers):
        items.extend(long[worker::workers])
        items.extend(short[worker * share : (worker + 1) * share])


def _is_long(item: pytest.Item) -> bool:
    return any(part in item.path.as_posix() for part in LONG)

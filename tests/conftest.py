"""What all tests share."""

import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("tests.support")
pytest_plugins = ["tests.support.fixtures"]

LONG = ("/integration/", "/test_bench.py", "/test_chaos.py", "/test_protocol.py")
"""Where the long tests are, by what their paths contain."""

WHOLE = ("test_github.py", "test_chaos.py", "test_exedev.py", "test_hostile.py")
"""Files whose tests share a voyage or a fleet: each worker that has one of them has to make it."""

settings.register_profile("ci", max_examples=50, derandomize=True, deadline=None)
settings.register_profile("long", max_examples=2_000, deadline=None, print_blob=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="try forty times as much, and more")
    parser.addoption("--agents", action="store_true", help="run all real agents")


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("long" if config.getoption("--long") else "ci")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Remove what the ships of tests had in /tmp for their sockets, once no worker is at it."""
    from tests.support.storage import VOYAGE  # not before its asserts can be rewritten

    if not hasattr(session.config, "workerinput"):
        for folder in Path("/tmp").glob(f"oc-{VOYAGE}-*"):
            with suppress(OSError):
                folder.rmdir()


def pytest_xdist_auto_num_workers() -> int:
    """Three workers for two cores: a test of a voyage waits for almost half of its time."""
    return (os.cpu_count() or 2) * 3 // 2


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """With --agents, run what needs Claude Code with the newest one as well."""
    if "claude_binary" in metafunc.fixturenames and metafunc.config.getoption("--agents"):
        metafunc.parametrize("claude_binary", ["pinned", "newest"], indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is for --long, and order the rest so that workers end together.

    Each worker gets its share of the long tests first. It begins with a run of tests that stand
    together; later it takes from others' ends."""
    if not config.getoption("--agents"):
        config.hook.pytest_deselected(items=[item for item in items if _is_for_agents(item)])
        items[:] = [item for item in items if not _is_for_agents(item)]
    if not config.getoption("--long"):
        config.hook.pytest_deselected(items=[item for item in items if _is_for_long_runs(item)])
        items[:] = [item for item in items if not _is_for_long_runs(item)]
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    blocks = _blocks([item for item in items if _is_long(item)])
    short = [item for item in items if not _is_long(item)]
    share = -(-len(short) // workers)
    items.clear()
    for worker in range(workers):
        for block in blocks[worker::workers]:
            items.extend(block)
        items.extend(short[worker * share : (worker + 1) * share])


def _blocks(items: list[pytest.Item]) -> list[list[pytest.Item]]:
    """Return what one worker should run together: some files as a whole, before single tests."""
    files = [[item for item in items if item.path.name == name] for name in WHOLE]
    single = [[item] for item in items if item.path.name not in WHOLE]
    return [*filter(None, files), *single]


def _is_for_long_runs(item: pytest.Item) -> bool:
    return item.get_closest_marker("long") is not None


def _is_for_agents(item: pytest.Item) -> bool:
    return item.get_closest_marker("agents") is not None


def _is_long(item: pytest.Item) -> bool:
    return any(part in item.path.as_posix() for part in LONG)

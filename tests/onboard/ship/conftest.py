"""Fixtures for tests of what runs on a ship."""

import os
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from subprocess import Popen

import pytest

from ocaptain.onboard.ship.agents import Agent
from ocaptain.onboard.ship.heartbeat import Heartbeat
from ocaptain.onboard.ship.session import Session, Timing
from tests.support.sessions import Start, Talking, grant
from tests.support.ship import Harbor, a_ship
from tests.support.storage import AS_TEST, VOYAGE
from tests.support.yard import Yard

numbers = count()


@pytest.fixture
def yard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Yard:
    for name, value in AS_TEST.items():
        if "AUTHOR" not in name and "COMMITTER" not in name:
            monkeypatch.setenv(name, value)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return Yard(tmp_path)


@pytest.fixture
def harbor() -> Harbor:
    """What the ship reports to."""
    return Harbor()


@pytest.fixture
def vmstat(tmp_path: Path) -> Path:
    """What the kernel tells a session's ship of memory, if the test writes it."""
    return tmp_path / "vmstat"


@pytest.fixture
def start(
    tmp_path: Path,
    harbor: Harbor,
    children: list[Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
    vmstat: Path,
) -> Iterator[Start]:
    """Starts an agent's session; whatever the agent leaves is killed."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    begun: list[Session] = []

    def make(
        run: str,
        agent: Agent | None = None,
        stall_s: float = 60,
        limit_s: float = 60,
        timing: Timing | None = None,
    ) -> Session:
        ship = a_ship(
            tmp_path,
            harbor,
            agent="claude",
            voyage=f"{VOYAGE}-{os.getpid()}-{next(numbers)}",
            stall_minutes=stall_s / 60,
            lease_seconds=60,
            time_limit_minutes=limit_s / 60,
        )
        ship.processes.vmstat = vmstat
        ship.workspace.mkdir(exist_ok=True)
        heartbeat = Heartbeat(ship, 1, "7", {})
        begun.append(Session(ship, grant(run), agent or Talking(), heartbeat, lambda: None, timing))
        return begun[-1]

    yield make
    for session in begun:
        session.ship.processes.kill()

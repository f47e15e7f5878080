"""A voyage that is nowhere, for a board to be shown of."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from ocaptain.errors import progress
from ocaptain.fleet.voyage import RUN_S, Signature, Voyage, VoyageStatus
from ocaptain.onboard.protocol import Json, TaskRow
from ocaptain.providers.local import Local
from tests.support.sailing import local_config
from tests.support.sights import sight

T = TypeVar("T")
ID = "voyage-3f9a1c0b7d52"


class Nowhere(Voyage):
    """A voyage whose storage answers what the test says, and notes what it is asked.

    An answer that is an exception is raised."""

    def __init__(self, *words: Any) -> None:
        super().__init__(*words)
        self.asked: list[str] = []
        self.ordered: list[tuple[str, Json]] = []
        self.status: VoyageStatus | Exception = sight().status
        self.tasks: list[TaskRow] = sight().tasks
        self.answer: Any = {"message": "It is so.", "resting": []}

    async def ask_status(self, timeout: float = RUN_S) -> VoyageStatus:
        """Answer the status."""
        self.asked.append("status")
        if isinstance(self.status, Exception):
            raise self.status
        return self.status

    async def ask_tasks(self) -> list[TaskRow]:
        """Answer the tasks."""
        self.asked.append("tasks")
        return self.tasks

    async def order(
        self,
        op: str,
        kind: type[T],
        signature: Signature,
        fields: Json | None = None,
        *,
        timeout: float = RUN_S,
    ) -> T:
        """Take an order."""
        self.ordered.append((op, fields or {}))
        progress(f"{op} is on its way")
        if isinstance(self.answer, Exception):
            raise self.answer
        answer: T = self.answer
        return answer


@pytest.fixture
def voyage(tmp_path: Path) -> Iterator[Nowhere]:
    with local_config(tmp_path) as config:
        yield Nowhere(config, Local(config), ID)

"""Ships for tests: one that asks whatever it is given, and what storage grants it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from ocaptain.onboard.protocol import Task, TaskGrant, VoyageRecord
from ocaptain.onboard.ship.ship import Ship
from tests.support.storage import RECORD, VOYAGE, Json


def a_voyage(**changes: Any) -> VoyageRecord:
    """voyage.json."""
    return cast(VoyageRecord, {**RECORD, "author": {}, "objective": "", "spec": "", **changes})


def a_grant(
    task: Task, claim: int = 1, ref: str = "", budget_usd: float | None = None
) -> TaskGrant:
    """A claim of a task, with nothing that came before it."""
    return {
        "claim": claim,
        "head": "",
        "task": task,
        "ref": ref,
        "landed": [],
        "wrecks": [],
        "hails": {},
        "budget_usd": budget_usd,
    }


def a_ship(home: Path, storage: Any = None, ship: str = "ship-0", **voyage: Any) -> Ship:
    """A ship that calls `storage.ask(op, **fields)`, if it is given, in place of SSH."""
    (home / "voyage").mkdir(exist_ok=True)
    record = {"ship": ship, "voyage": a_voyage(**voyage), "accounts": False, "sudo_prefix": []}
    (home / "voyage" / "ship.json").write_text(json.dumps(record))
    (home / "voyage" / "agent_env.json").write_text("{}")
    if storage is None:
        return Ship(home)

    def exchange(_command: Sequence[str], line: str) -> Json:
        request = json.loads(line)
        answer: Json = storage.ask(request.pop("op"), **request)
        return answer

    return Ship(home, exchange)


__all__ = ["VOYAGE", "a_grant", "a_ship", "a_voyage"]

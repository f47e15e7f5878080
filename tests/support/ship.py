"""Ships for tests, what they ask, and what storage grants them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from ocaptain.onboard.protocol import Task, TaskGrant, VoyageRecord
from ocaptain.onboard.ship.agents import Job
from ocaptain.onboard.ship.ship import Ship
from ocaptain.onboard.ship.workgroup import WorkGroup
from tests.support.storage import RECORD, VOYAGE, Json, git


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
        "budget_tokens": None,
    }


AGENT_SECRET = "sk-ant-oat01-secret"
JOB = Job(
    a_voyage(voyage="voyage-1f", model=None),
    "ship-2",
    a_grant({"id": "7", "metadata": {"run": "make it"}}),
    hook=("python3", "-IS", "/home/a b/lib", "task-hook", "12", "ssh", "harbor"),
    agent_env={"CLAUDE_CODE_OAUTH_TOKEN": AGENT_SECRET},
    bridge=("python3", "-IS", "/home/a b/lib", "acp"),
)


class Harbor:
    """Storage, as far as work on a claim goes: it keeps what it is asked.

    `answers` are its answers by operation; what has none is fine. In its train nobody is ahead of
    whoever enters, and what is green lands; `repo` is its repository."""

    repo = Path()

    def __init__(self, **answers: Json) -> None:
        self.answers = answers
        self.lost: str | None = None
        self.hails: dict[str, str] = {}
        self.asked: list[Json] = []

    def ask(self, op: str, **fields: Any) -> Json:
        """Answer a request."""
        self.asked.append({"op": op, **fields})
        answer: Json = {"ok": True, "lost": self.lost, "hails": self.hails}
        if op == "enter":
            answer |= {"base": git(self.repo, "rev-parse", VOYAGE), "ahead": []}
        elif op == "leave":
            answer["landed"] = True
        elif op == "land":
            answer["next"] = None
        elif op == "beat":
            answer["checking"] = self.lost is None
        return {**answer, **self.answers.get(op, {})}

    def requests(self, op: str) -> list[Json]:
        """What it was asked of one kind."""
        return [request for request in self.asked if request["op"] == op]


def a_ship(
    home: Path,
    storage: Any = None,
    ship: str = "ship-0",
    sudo_prefix: Sequence[str] = (),
    **voyage: Any,
) -> Ship:
    """A ship that calls `storage.ask(op, **fields)`, if it is given, in place of SSH."""
    (home / "voyage").mkdir(exist_ok=True)
    record = {"ship": ship, "voyage": a_voyage(**voyage), "accounts": False}
    record["sudo_prefix"] = [*sudo_prefix]
    (home / "voyage" / "ship.json").write_text(json.dumps(record))
    (home / "voyage" / "agent_env.json").write_text("{}")
    if storage is None:
        return apart(Ship(home), home)

    def exchange(_command: Sequence[str], line: str) -> Json:
        request = json.loads(line)
        answer: Json = storage.ask(request.pop("op"), **request)
        return answer

    return apart(Ship(home, exchange), home)


def apart(ship: Ship, home: Path) -> Ship:
    """Have a ship find and kill nothing of its like in tests that run beside this one."""
    ship.processes = WorkGroup(str(home), {"OCAPTAIN_SHIP_NUMBER": ship.name.rpartition("-")[2]})
    return ship

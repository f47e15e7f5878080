"""Many ships at one storage, over real SSH."""

import random
import threading
from pathlib import Path
from typing import Any

from tests.support.moored import Moored, moored
from tests.support.rules import rule
from tests.support.storage import assert_sound, task

SHIPS = tuple(f"ship-{number}" for number in range(16))


def graph(count: int, chance: random.Random) -> dict[str, list[str]]:
    """For each task the earlier ones that it waits for."""
    blockers = {}
    for number in range(1, count + 1):
        near = range(max(1, number - 40), number)
        wanted = min(len(near), chance.choice([0, 1, 2, 3]))
        blockers[str(number)] = [str(blocker) for blocker in chance.sample(near, wanted)]
    return blockers


class Claimant(threading.Thread):
    """A ship without an agent: claims, completes, and claims again, until all is done."""

    def __init__(self, fleet: Moored, ship: str) -> None:
        super().__init__(name=ship)
        self.fleet = fleet
        self.ship = ship
        self.claims: list[tuple[int, str]] = []
        self.strange: list[Any] = []

    def run(self) -> None:
        """Race until the voyage is over; what should not be is kept for the test to see."""
        while True:
            claim = self.fleet.ask(self.ship, "claim", run_id=self.ship, wait=True)
            if claim.get("state") in ("complete", "failed"):
                return
            if claim.get("claim"):
                self.finish(claim)
            elif not claim["ok"]:
                self.strange.append(claim)
                return

    def finish(self, claim: dict[str, Any]) -> None:
        """Complete a task, or pass the verification, without a commit of its own."""
        task_id = claim["task"]["id"] if claim["task"] else ""
        self.claims.append((claim["claim"], task_id))
        commit = None if task_id else claim["head"]
        answer = self.fleet.ask(
            self.ship,
            "land",
            claim=claim["claim"],
            commit=commit,
            note="nothing to do",
            id=f"land-{claim['claim']}",
        )
        if not answer["ok"]:
            self.strange.append(answer)


@rule("R24", "R26", "R27", "R45")
def test_sixteen_ships_race_for_all_tasks(tmp_path: Path, is_long: bool):
    """Each task is claimed and completed once, none before its blockers, as the journal tells."""
    count = 200 if is_long else 40
    blockers = graph(count, random.Random(7))
    tasks = [task(task_id, *waits) for task_id, waits in blockers.items()]
    with moored(tmp_path, tasks, SHIPS, lease_seconds=120) as fleet:
        racers = [Claimant(fleet, ship) for ship in SHIPS]
        for racer in racers:
            racer.start()
        for racer in racers:
            racer.join(100)
        assert [racer.strange for racer in racers] == [[]] * len(SHIPS)
        claims = sorted(claim for racer in racers for claim in racer.claims)
        assert [number for number, _ in claims] == list(range(1, count + 2))
        assert sorted(task_id for _, task_id in claims) == sorted([*blockers, ""])
        assert claims[-1][1] == "", "the verification comes last"
        assert sum(1 for racer in racers if racer.claims) > len(SHIPS) / 2
        assert_told(fleet.storage.lines(), blockers)
        assert_sound(fleet.storage)
        assert (fleet.storage.folder / "artifacts" / "voyage-complete.marker").exists()


def assert_told(lines: list[dict[str, Any]], blockers: dict[str, list[str]]) -> None:
    """Fail unless the journal tells of one claim and one landing of each task, in a due order."""
    owner: dict[str, str] = {}
    completed: set[str] = set()
    for line in lines[1:]:
        for task_id, changed in line["set"].get("tasks", {}).items():
            if line["op"] == "claim":
                assert task_id not in owner
                assert {*blockers[task_id]} <= completed
                assert (changed["status"], changed["owner"]) == ("in_progress", line["who"])
                owner[task_id] = line["who"]
            else:
                assert (line["op"], changed["status"]) == ("land", "completed")
                assert owner[task_id] == line["who"]
                assert task_id not in completed
                completed.add(task_id)
    assert completed == {*blockers}

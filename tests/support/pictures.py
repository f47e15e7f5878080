"""Pictures of voyages that never sailed, of any size, as the page takes them."""

import time
from typing import Any

Json = dict[str, Any]
VOYAGE = "voyage-3f9a52c0b7d1"
SUBJECTS = (
    "Read durations such as 1h30m",
    "Read sizes such as 4GiB",
    "Retry with growing pauses",
    "Put them on the command line",
    "Say what a timeout cost",
    "Describe the options for people who have not met them before",
    "Try it all from a fresh clone",
)
COMMIT = "8c1f0b6a4de2395b7c60f1a2d4e88b3c5a917d02"
FULL_S = 300.0
"""How long an attempt lasts at most."""
SHARES = (
    ("working", 0.55),
    ("waiting", 0.1),
    ("rebasing", 0.05),
    ("checking", 0.2),
    ("green", 0.06),
    ("landing", 0.04),
)
"""What an attempt is at, one after the other, and for which share of it."""


class Drawn:
    """A picture that is drawn: ships that have worked through some of the tasks."""

    def __init__(self, tasks: int, ships: int, done: int, **record: object) -> None:
        self.now = time.time()
        self.total = tasks
        self.ships = ships
        self.done = min(done, tasks)
        rounds = -(-self.done // ships) + 1
        self.began = self.now - rounds * FULL_S - 20
        self.record: Json = {
            "name": "durations",
            "objective": "Understand durations and sizes on the command line",
            "spec": "",
            "repo": "/srv/code/app",
            "branch": None,
            "agent": "claude",
            "model": None,
            "check": "make test",
            "recommended_ships": ships,
            "max_attempts": 3,
            "max_repairs": 3,
            "stall_minutes": 10,
            "lease_seconds": 300,
            "budget_usd": None,
            "budget_tokens": None,
            "created": self.began,
            "interactive": True,
            **record,
        }
        self.claims: list[Json] = []
        self.tasks = [self._task(number) for number in range(1, tasks + 1)]

    def _task(self, number: int) -> Json:
        index = number - 1
        ship = f"ship-{index % self.ships}"
        begin = self.began + 10 + index // self.ships * FULL_S
        state = "pending"
        if number <= self.done:
            state = "completed"
        elif number <= self.done + self.ships:
            state = "in_progress"
        blockers = [str(before) for before in (number - self.ships, number - self.ships - 1)]
        after = [name for name in blockers if int(name) > 0]
        row: Json = {
            "id": str(number),
            "subject": SUBJECTS[index % len(SUBJECTS)],
            "status": state,
            "since": None if state == "pending" else begin,
            "since_at": None,
            "took_s": None,
            "owner": None if state == "pending" else ship,
            "blocked_by": [name for name in after if int(name) > self.done],
            "claim": None if state == "pending" else number,
            "attempts": 0,
            "commit": None,
            "reason": None,
            "landing": None,
            "behind": None,
            "blockers": after,
            "files": ["src/durations.py"],
            "cost_usd": 0.0,
            "agent": None,
            "model": None,
        }
        if state != "pending":
            self._claim(row, begin, FULL_S * (0.6 + number * 37 % 40 / 100))
        return row

    def _claim(self, row: Json, begin: float, took: float) -> None:
        is_over = row["status"] == "completed"
        end = min(begin + took, self.now - 1)
        row["cost_usd"] = round(0.1 + int(row["id"]) * 13 % 50 / 100, 2)
        if is_over:
            row["took_s"] = took
            row["commit"] = COMMIT
        self.claims.append(
            {
                "number": int(row["id"]),
                "ship": row["owner"],
                "task": row["id"],
                "agent": "claude",
                "state": "landed" if is_over else "live",
                "claimed_at": begin,
                "ended_at": end if is_over else None,
                "why": None,
                "commit": row["commit"],
                "cost_usd": row["cost_usd"],
                "usage": {"claude-opus-4-8": {"input_tokens": 2100, "output_tokens": 940}},
                "phases": phases(begin, end, is_over=is_over),
            }
        )

    def fail(self, task: str, reason: str) -> None:
        """Have a task be set aside, after an attempt by the ship that had it."""
        row = self.tasks[int(task) - 1]
        row.update(status="failed", reason=reason, attempts=3, took_s=None, commit=None)
        for claim in self.claims:
            if claim["task"] == task:
                claim.update(state="released", why=reason, commit=None)
                claim["ended_at"] = claim["ended_at"] or self.now - 30
                claim["phases"][-1]["until"] = claim["ended_at"]

    def picture(self, **status: object) -> Json:
        """Return it, with what is to be otherwise in its status."""
        counts = {"total": self.total, "pending": 0, "in_progress": 0, "completed": 0, "failed": 0}
        for row in self.tasks:
            counts[row["status"]] += 1
        cost = round(sum(claim["cost_usd"] for claim in self.claims), 4)
        return {
            "voyage": VOYAGE,
            "now": self.now,
            "seen_at": self.now,
            "fault": "",
            "record": self.record,
            "status": {
                "voyage": VOYAGE,
                "name": self.record["name"],
                "objective": self.record["objective"],
                "provider": "local",
                "repo": self.record["repo"],
                "branch": VOYAGE,
                "head": COMMIT,
                "agent": "claude",
                "created": self.began,
                "state": "running",
                "reason": None,
                "next": [],
                "ended_at": None,
                "took_s": None,
                "ships": [self._ship(number) for number in range(self.ships)],
                "tasks": counts,
                "verify": "pending",
                "cost_usd": cost,
                "mirror_fault": None,
                "notify_fault": None,
                "upkeep_fault": None,
                "pr_url": None,
                "train": {
                    "window": 8,
                    "check_s": 42.5,
                    "landings_per_hour": 169.4,
                    "cars": [],
                },
                **status,
            },
            "tasks": self.tasks,
            "claims": self.claims,
            "landings": self._landings(),
            "costs": self._costs(),
            "chain": self._chain(),
            "is_whole": True,
        }

    def _ship(self, number: int) -> Json:
        name = f"ship-{number}"
        task = next((row for row in self.tasks if row["owner"] == name and not row["commit"]), None)
        is_busy = task is not None and task["status"] == "in_progress"
        return {
            "id": name,
            "state": "working" if is_busy else "waiting",
            "task": task["id"] if task and is_busy else None,
            "subject": task["subject"] if task and is_busy else None,
            "since": self.now - 90,
            "reason": None,
            "until": None,
            "completed": 1,
            "cost_usd": 0.42,
            "hails": 0,
            "seen_s": 2.0,
            "said": "Bash: python -m pytest tests/test_durations.py",
        }

    def _landings(self) -> list[Json]:
        landed = [claim for claim in self.claims if claim["state"] == "landed"]
        return [
            {
                "task": claim["task"],
                "claim": claim["number"],
                "ship": claim["ship"],
                "commit": claim["commit"],
                "subject": self.tasks[int(claim["task"]) - 1]["subject"],
                "at": claim["ended_at"],
            }
            for claim in sorted(landed, key=lambda claim: claim["ended_at"])
        ]

    def _costs(self) -> list[tuple[float, float]]:
        spent = 0.0
        points = []
        for claim in sorted(self.claims, key=lambda claim: claim["ended_at"] or self.now):
            spent += claim["cost_usd"]
            points.append((claim["ended_at"] or self.now, round(spent, 4)))
        return points

    def _chain(self) -> list[str]:
        first = self.done + 1
        return [str(number) for number in range(first, self.total + 1, self.ships)]


def phases(begin: float, end: float, *, is_over: bool) -> list[Json]:
    """Return what an attempt was at; one that is not over is at its work."""
    if not is_over:
        return [{"state": "working", "from": begin, "until": None}]
    found = []
    at = begin
    for state, share in SHARES:
        until = at + (end - begin) * share
        found.append({"state": state, "from": at, "until": until})
        at = until
    found[-1]["until"] = end
    return found


def report(picture: Json, **more: object) -> Json:
    """Return the data of a report with that picture."""
    return {
        "version": "0.1.0",
        "made_at": picture["now"],
        "picture": picture,
        "details": {},
        "diffs": {},
        "logs": [],
        "transcripts": {},
        "cut": [],
        **more,
    }

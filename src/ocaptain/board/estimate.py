"""How long a voyage may still take, by what its tasks took so far."""

from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush

from ocaptain.onboard import tasklist
from ocaptain.onboard.protocol import Task, TaskRow

LATE_SHARE = 0.25
"""A task that takes longer than others is thought to need so much more of its time."""


def time_left(
    rows: Sequence[TaskRow], ships: int, task_s: float, spent_s: Mapping[str, float]
) -> float:
    """Return in how many seconds all is done that can be done, if a task takes `task_s`.

    `spent_s` says how long the tasks in progress have taken so far. Ships claim as storage hands
    out: the longest chain first. Tasks that wait for failed ones are left out."""
    plan = _Left(rows)
    at_work = [(_rest(task_s, spent_s.get(task, 0.0)), task) for task in plan.in_progress]
    heapify(at_work)
    moment = 0.0
    while True:
        while plan.ready and len(at_work) < ships:
            heappush(at_work, (moment + task_s, plan.claim()))
        if not at_work:
            return moment
        moment, done = heappop(at_work)
        plan.complete(done)


def _rest(task_s: float, spent_s: float) -> float:
    return max(task_s - spent_s, LATE_SHARE * spent_s)


class _Left:
    """The tasks that are left to do, as the forecast completes them one after the other."""

    def __init__(self, rows: Sequence[TaskRow]) -> None:
        left = [row for row in rows if row["status"] in ("pending", "in_progress")]
        tasks: dict[str, Task] = {
            row["id"]: {"id": row["id"], "blockedBy": row["blocked_by"]} for row in left
        }
        self._names = tasklist.ranking(tasks)
        self._ranks = {task: rank for rank, task in enumerate(self._names)}
        self._below = tasklist.dependants(tasks)
        self._blockers = {row["id"]: set(row["blocked_by"]) for row in left}
        self.in_progress = [row["id"] for row in left if row["status"] == "in_progress"]
        self.ready: list[int] = []
        """Ranks of the tasks that can be claimed, a heap."""
        for row in left:
            if row["status"] == "pending":
                self._free(row["id"])

    def claim(self) -> str:
        """Take the task that is handed out next."""
        return self._names[heappop(self.ready)]

    def complete(self, task: str) -> None:
        """Have the tasks that waited for one wait no more."""
        for waiting in self._below.get(task, []):
            self._blockers[waiting].discard(task)
            self._free(waiting)

    def _free(self, task: str) -> None:
        if not self._blockers[task]:
            heappush(self.ready, self._ranks[task])

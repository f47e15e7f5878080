"""A plan, as data: the directory that a voyage is sailed from. docs/plans.md has the format."""

from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec

from ocaptain.onboard.protocol import Task

Text = Annotated[str, msgspec.Meta(min_length=1)]
Count = Annotated[int, msgspec.Meta(ge=1, le=99)]
Amount = Annotated[float, msgspec.Meta(gt=0, le=1_000_000)]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What voyage.json may hold; each annotation is what its value must be."""

    name: Text
    repo: Text
    objective: str = ""
    recommended_ships: Count | None = None
    agent: Text = "claude"
    model: Text | None = None
    check: Text | None = None
    branch: Text | None = None
    max_attempts: Count = 3
    stall_minutes: Amount = 10
    lease_seconds: Amount = 300
    time_limit_minutes: Amount = 60
    budget_usd: Amount | None = None
    notify: Text | None = None


class Source(NamedTuple):
    """Where the voyage's code comes from, as it was when the plan was checked.

    `url` is what git takes; a checkout on this machine has its `path` as well. `branch` is None
    where HEAD is on no branch; `head` is the full name of the commit to start from, and `ref` what
    to fetch. `shallow` says where its history ends before its beginning, as git's own file does.
    """

    url: str
    path: Path | None
    branch: str | None
    head: str
    ref: str = "HEAD"
    shallow: str = ""


class Plan(Settings, frozen=True, kw_only=True):
    """A sound plan. `artifacts` are its other files by their names. `tasks` are Claude Code's own
    task dicts, patched and otherwise untouched; `ships` is how many sail unless the captain says
    otherwise."""

    source: Source
    artifacts: dict[str, str]
    tasks: list[Task]
    ships: int


class Report(msgspec.Struct):
    """What a check has found so far; `plan`, and all after `notes`, only where nothing is at fault.

    `faults` begin with the file that each is in. `longest_chain` is the ids of a longest run of
    tasks that wait for one another, `max_parallel` the most tasks that can ever run at once, and
    `overlaps` the pairs of tasks that could run together though their `metadata.files` share paths.
    """

    plan: Plan | None = None
    faults: list[str] = []
    notes: list[str] = []
    tasks: int = 0
    longest_chain: list[str] = []
    max_parallel: int = 0
    recommended_ships: int | None = None
    overlaps: list[tuple[str, str]] = []

    def as_json(self) -> dict[str, Any]:
        """The report as `check --json` prints it; `plan` is the plan's name, null if unsound."""
        return {**msgspec.structs.asdict(self), "plan": self.plan and self.plan.name}

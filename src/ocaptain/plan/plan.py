"""A plan and what `check` says of it, as values. docs/plans.md has the format of a plan."""

from pathlib import Path
from typing import Annotated, NamedTuple, TypedDict

import msgspec

from ocaptain.onboard.protocol import Task
from ocaptain.onboard.tasklist import agent

Text = Annotated[str, msgspec.Meta(min_length=1)]
Count = Annotated[int, msgspec.Meta(ge=1, le=99)]
Rounds = Annotated[int, msgspec.Meta(ge=1, le=9)]
Window = Annotated[int, msgspec.Meta(ge=1, le=16)]
Amount = Annotated[float, msgspec.Meta(gt=0, le=1_000_000)]
Tokens = Annotated[int, msgspec.Meta(ge=1, le=10**12)]


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """What `review` of voyage.json may hold."""

    agent: Text
    model: Text | None = None
    rounds: Rounds = 2


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What voyage.json may hold; each annotation is what its value must be."""

    name: Text
    repo: Text
    objective: str = ""
    recommended_ships: Count | None = None
    agent: Text = "claude"
    model: Text | None = None
    agent_command: list[Text] | None = None
    agent_setup: Text | None = None
    check: Text | None = None
    review: Review | None = None
    landing_window: Window = 16
    branch: Text | None = None
    max_attempts: Count = 3
    stall_minutes: Amount = 10
    lease_seconds: Amount = 300
    time_limit_minutes: Amount = 60
    budget_usd: Amount | None = None
    budget_tokens: Tokens | None = None
    notify: Text | None = None


class Source(NamedTuple):
    """Where the voyage's code comes from, as it was when the plan was checked."""

    url: str
    """What git takes."""
    path: Path | None
    """The directory, if it is a checkout on this machine."""
    branch: str | None
    """None if HEAD is on no branch."""
    head: str
    """The full name of the commit to start from."""
    ref: str = "HEAD"
    """What to fetch."""
    shallow: str = ""
    """Where the history ends, as git's own file has it; empty if it is whole."""


class Plan(Settings, frozen=True, kw_only=True):
    """A sound plan: its settings, and what the rest of the directory holds."""

    folder: Path = Path()
    """The directory itself."""
    source: Source
    artifacts: dict[str, str]
    """spec.md, verify.sh and perhaps setup.sh: their contents by their names."""
    tasks: list[Task]
    """Claude Code's own task dicts, patched and otherwise untouched."""
    ships: int
    """How many sail unless the captain says otherwise."""

    def agents(self) -> list[str]:
        """Return the agents that its tasks need; the first is the plan's own, which repairs."""
        named = [agent(task, self.agent) for task in self.tasks]
        return list(dict.fromkeys([self.agent, *named]))

    def crew(self) -> list[str]:
        """Return the agents that its tasks and their reviews need."""
        reviewers = [self.review.agent] if self.review else []
        return list(dict.fromkeys([*self.agents(), *reviewers]))


class Forecast(msgspec.Struct, frozen=True):
    """What can be said of tasks before any is begun."""

    tasks: int = 0
    longest_chain: list[str] = []
    """Ids of a longest run of tasks that wait for one another."""
    max_parallel: int = 0
    """The most tasks that can ever run at once."""
    overlaps: list[tuple[str, str]] = []
    """Pairs of tasks that could run at once though their `metadata.files` share paths."""


class ReportJson(TypedDict):
    """What `check --json` prints; docs/json.md has the meaning of each key."""

    plan: str | None
    faults: list[str]
    notes: list[str]
    tasks: int
    longest_chain: list[str]
    max_parallel: int
    recommended_ships: int | None
    overlaps: list[tuple[str, str]]


class Report(msgspec.Struct, frozen=True):
    """What `check` found. `plan` is None if anything is at fault, and then `forecast` is empty."""

    faults: list[str] = []
    """Each begins with the file that it is in."""
    notes: list[str] = []
    plan: Plan | None = None
    forecast: Forecast = Forecast()

    def as_json(self) -> ReportJson:
        """Return the report as `check --json` prints it."""
        return {
            "plan": self.plan.name if self.plan else None,
            "faults": self.faults,
            "notes": self.notes,
            "tasks": self.forecast.tasks,
            "longest_chain": self.forecast.longest_chain,
            "max_parallel": self.forecast.max_parallel,
            "recommended_ships": self.plan.recommended_ships if self.plan else None,
            "overlaps": self.forecast.overlaps,
        }

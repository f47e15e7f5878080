"""The picture of a whole voyage, as storage sends it: the types.

Storage's program `picture` prints a line of JSON, `ok` or a Refusal, and then News, one a line."""

from typing import Literal, TypedDict

from .protocol import (
    Amount,
    ClaimState,
    Count,
    ModelUsage,
    Name,
    ShipName,
    Status,
    TaskDetails,
    TaskRow,
)

PhaseState = Literal[
    "working",
    "reviewing",
    "limited",
    "waiting",
    "rebasing",
    "checking",
    "green",
    "landing",
    "verifying",
    "lost",
]
"""What a claim is at: `waiting` for a place in the train, `green` until those ahead have landed."""
Phase = TypedDict("Phase", {"state": PhaseState, "from": Amount, "until": Amount | None})
"""What a claim was at, from when until when, in UNIX time; it goes on while `until` is None."""


class Query(TypedDict):
    """What the captain wants to see of a voyage."""

    follow: bool
    """Whether changes are wanted that come later."""
    details: bool
    """Whether all that is known of each task is wanted too, with what it has changed."""
    telemetry: dict[ShipName, Count] | None
    """How many bytes of each ship's telemetry are known; None: none of it is wanted."""


class Begun(TypedDict):
    """The answer to a Query, before any News."""


class Record(TypedDict):
    """What is told of voyage.json."""

    name: str
    objective: str
    spec: str
    repo: str
    branch: str | None
    agent: str
    model: str | None
    check: str | None
    recommended_ships: int | None
    max_attempts: int
    max_repairs: int
    stall_minutes: float
    lease_seconds: float
    budget_usd: float | None
    budget_tokens: int | None
    created: Amount
    interactive: bool
    """Whether the agent can be told something while it runs."""


class Task(TaskRow):
    """A task, with what it is linked with."""

    blockers: list[str]
    """All that it waits for, or has waited for."""
    files: list[str]
    """Paths that it said it would touch."""


class Claim(TypedDict):
    """A claim: an attempt at a task, or at the verification. Times are in UNIX time."""

    number: Count
    ship: ShipName
    task: str | None
    """None: it is the verification."""
    agent: str | None
    state: ClaimState
    claimed_at: Amount
    ended_at: Amount | None
    why: str | None
    """Why it ended without landing."""
    commit: str | None
    cost_usd: Amount
    usage: dict[str, ModelUsage]
    """What it has used, by model."""
    phases: list[Phase]
    """The earliest first; empty while the journal has not been read."""


class Diff(TypedDict):
    """What a task has changed on the branch."""

    task: str
    base: Name
    """The commit that it has landed on."""
    commit: Name
    text: str
    """As git prints it."""
    cut: bool
    """Whether there is more of it than the text has."""


class Kept(TypedDict):
    """The next of what a ship has kept of telemetry: of its lines, which may be cut anywhere."""

    ship: ShipName
    text: str
    """Bytes, each as the character of its number (Latin 1)."""


class Heard(TypedDict):
    """What all News have."""

    now: Amount
    """Storage's clock, in UNIX time."""


class News(Heard, total=False):
    """What is new. Rows take the place of those of the same id, or number."""

    record: Record
    status: Status
    tasks: list[Task]
    claims: list[Claim]
    costs: list[tuple[Amount, Amount]]
    """UNIX time, and USD that all claims had cost by then: all points that are kept."""
    chain: list[str]
    """Tasks of the longest chain that is left, the first to be done first."""
    is_there: bool
    """Whether all rows have come by now, be it without phases."""
    is_whole: bool
    """Whether all has come that was asked for."""
    details: TaskDetails
    diff: Diff
    telemetry: Kept

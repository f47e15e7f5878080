"""What captain, ships and storage say to one another, and the files that hold it.

Each shape is a plain dict at run time, and a TypedDict here so that mypy holds both halves to it.
docs/protocol.md explains the operations, docs/json.md what `--json` prints.

A request is one line of JSON: `protocol`, `op`, mostly an `id`, and the fields of its operation.
An answer is one line of JSON: `ok` true and the fields of the operation's answer, or a `Refusal`.
What arrives from another machine is not of these shapes before it has been checked.
"""

from collections.abc import Mapping, MutableMapping
from typing import Annotated, Any, Literal, NamedTuple, TypedDict

from . import LOG_LIMIT as LOG_LIMIT
from . import PROTOCOL as PROTOCOL
from . import TRANSCRIPT_LIMIT as TRANSCRIPT_LIMIT

# Bounds that the captain holds an answer of storage to.


class Pattern(NamedTuple):
    """The whole text matches this regular expression."""

    regex: str


class Range(NamedTuple):
    """The number is at least `least` and at most `most`."""

    least: float
    most: float


Name = Annotated[str, Pattern(r"[\w-]+")]
ShipName = Annotated[str, Pattern(r"ship-\d{1,9}")]
Amount = Annotated[float, Range(0, 1e15)]
Time = Annotated[str, Pattern(r"\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")]
"""A moment as RFC 3339 has it, in UTC."""
Count = Annotated[int, Range(0, 10**15)]

# States

ClaimState = Literal["live", "landed", "released", "expired", "abandoned"]
TaskState = Literal["pending", "in_progress", "completed", "failed"]

# The task list, in Claude Code's own format


class TaskMetadata(TypedDict, total=False):
    """`metadata` of a task: down to `budget_tokens` it is the plan's, all else is ocaptain's."""

    files: list[str]
    """Paths that the task will touch."""
    run: str
    """What the `shell` agent executes."""
    agent: str
    """Who does it, if not the voyage's agent."""
    model: str
    """Its model, if not the voyage's."""
    budget_usd: float
    budget_tokens: int
    """What one attempt at it may spend."""
    claim: int
    attempts: int
    """How many have failed since the captain brought it back last."""
    interruptedBy: list[str]
    """Ships, once for each interruption that counts."""
    commit: str | None
    failed: str
    """Why the task was set aside, to follow its id: `after 3 attempts, the last: …`."""
    note: str
    """Why nothing had to change."""
    repair: int
    addedBy: str
    addedIn: int


class TaskOutline(TypedDict, total=False):
    """Of a task what the list as a whole depends on."""

    id: str
    status: Literal["pending", "in_progress", "completed"]
    blockedBy: list[str]
    metadata: TaskMetadata
    """Some of it: see tasklist.outline."""


class Task(TaskOutline, total=False):
    """A task, as its file has it. Fields that are not here are kept."""

    subject: str
    description: str
    activeForm: str
    owner: str
    blocks: list[str]


Tasks = Mapping[str, TaskOutline]
"""A list of tasks, by their ids, of which no more than outlines is looked at."""

# voyage.json and boot.json


class Reviewer(TypedDict):
    """Who reads the work on tasks before it may land."""

    agent: str
    model: str | None
    """By the agent's own name for it; None: its usual one."""
    rounds: int
    """After how many reviews without an approval an attempt has failed."""


class VoyageRecord(TypedDict):
    """voyage.json: the voyage as it was sailed. It never changes."""

    voyage: str
    name: str
    objective: str
    spec: str
    repo: str
    branch: str | None
    agent: str
    """Who does the tasks that name nobody."""
    agents: list[str]
    """All that its tasks and their reviews needed when the ship was made."""
    model: str | None
    agent_command: list[str] | None
    """What starts the agent `acp`: its program, and what follows that."""
    agent_setup: str | None
    """What installs missing agents on a ship, for a shell; None: what is usual for each."""
    interactive: bool
    """Whether one of them can be told something while it runs."""
    check: str | None
    review: Reviewer | None
    recommended_ships: int | None
    max_attempts: int
    max_repairs: int
    landing_window: int
    """How many ships may run the check at once, at most."""
    stall_minutes: float
    lease_seconds: float
    time_limit_minutes: float
    budget_usd: float | None
    budget_tokens: int | None
    notify: str | None
    author: dict[str, str]
    """`user.name` and `user.email` of the captain."""
    created: float
    """UNIX time."""
    origin: str | None
    """The URL of the repository, unless it is a checkout on the captain's machine."""
    base_branch: str | None
    """The branch of origin that the voyage began at."""
    open_pr: bool
    ships: list[str]


class Source(TypedDict):
    """Where storage has the repository from."""

    url: str | None
    """None: from the bundle that was sent along."""
    ref: str
    shallow: str
    """Where the history ends, as git's own file has it; empty if it is whole."""
    token: str | None
    """The git host's token."""


class NewVoyage(TypedDict):
    """What makes a VM the storage of a new voyage."""

    voyage: VoyageRecord
    artifacts: dict[str, str]
    """The plan's files by their names."""
    tasks: list[Task]
    source: Source


class StorageBoot(TypedDict):
    """boot.json on storage."""

    accounts: bool
    """Whether harbor and the ships have Unix accounts of their own here."""
    ship_keys: dict[str, str]
    """Public keys of ships that are to be let in, by the ships' names."""
    new: NewVoyage | None
    """None if the voyage is there already."""


class ShipFile(TypedDict):
    """ship.json: what a ship knows of itself."""

    ship: str
    voyage: VoyageRecord
    accounts: bool
    sudo_prefix: list[str]
    """Words that go before each command on storage."""


class ShipBoot(ShipFile):
    """boot.json on a ship."""

    key: str
    """The private key that opens storage."""
    host_key: str
    """Lines of known_hosts for storage, without their pattern."""
    ssh_options: list[tuple[str, str]]
    """Keywords and values of the ssh_config that reaches storage."""
    artifacts: dict[str, str]
    agent_env: dict[str, str]
    """The captain's environment variables for agents. They hold tokens."""


# The journal's state


class ModelUsage(TypedDict):
    """What a claim has used of one model."""

    input_tokens: Count
    """Neither read from the cache nor written to it."""
    output_tokens: Count
    cache_read_tokens: Count
    cache_write_tokens: Count
    cost_usd: Amount | None
    """None if the agent tells no dollars."""
    api_s: Amount
    """For how long the API was at it, in seconds."""


class ModelRow(ModelUsage):
    """The same, as it is shown."""

    model: str


class Used(TypedDict):
    """What some claims have used together, of whatever model."""

    input_tokens: Count
    output_tokens: Count
    cache_read_tokens: Count
    cache_write_tokens: Count
    api_s: Amount


Decision = Literal["approve", "reject", "none"]
"""What a review came to; `none`: the reviewer did not say."""


class Review(TypedDict):
    """What a second agent said of the work on a claim."""

    agent: str
    model: str | None
    verdict: Decision
    words: str
    """What it said last, or why there is no verdict."""
    commit: str
    reviewed_at: float
    """When it was done, in UNIX time."""
    took_s: float
    cost_usd: float
    """A part of what the claim has cost, as `usage` is."""
    usage: dict[str, ModelUsage]


class ClaimOutline(TypedDict, total=False):
    """Of a claim what is looked for among all claims."""

    number: int
    ship: str
    state: ClaimState
    task: str | None
    """None: it is the verification."""
    cost_usd: float
    usage: dict[str, ModelUsage]
    """By model; not there if the agent tells nothing. Its dollars add up to `cost_usd`."""


class Claim(ClaimOutline, total=False):
    """A claim of a task, or of the verification."""

    run_id: str
    agent: str
    """Who works on the task."""
    head: str
    """The branch's commit when it was claimed."""
    tasks: int
    """How many tasks there were then."""
    claimed_at: float
    expires: float
    """On the voyage clock, in seconds."""
    why: str
    """Why it ended without landing."""
    commit: str | None
    ended_at: float
    last_words: str
    """What the agent said last."""
    reviews: list[Review]
    """The earliest first. Not there before the claim has ended."""
    refused: str
    """Whose credential the API refused, if that is not the agent at work."""
    budget_usd: float
    """What its session may spend, if there is a limit; of the voyage's budget it is set apart."""
    budget_of: Literal["task"]
    """If the task's own budget is that limit."""
    budget_tokens: int
    tokens_of: Literal["task"]
    """The same of tokens."""
    overtaken: int
    """How often others' work has kept its own from landing."""


class Trouble(TypedDict):
    """What went wrong on a ship since it last completed something."""

    count: int
    """How often in a row the ship was at fault."""
    at: str
    """The task that it was at last; empty: the verification."""


class Broken(TypedDict):
    """Why a ship is handed nothing for now."""

    reason: str
    since: float
    """UNIX time."""
    until: float
    """When it may try again, on the voyage clock, in seconds."""
    refused: bool
    """Whether the agent's API does not accept its credential."""


class Limit(TypedDict):
    """A usage limit of a credential, which several ships may have."""

    claim: int
    """Whose session told it, or tries whether it is over."""
    reason: str
    since: float
    """UNIX time."""
    until: float
    """When it ends, in UNIX time."""


class Moment(TypedDict):
    """A moment as storage alone has it: neither its sleep nor its clock's jumps count."""

    boot: str
    """Tells one boot of storage from the next."""
    awake_s: float
    """Seconds that storage was awake in that boot."""


class ShipRecord(TypedDict, total=False):
    """What a ship said of itself last."""

    id: str
    state: str
    claim: int | None
    task: str | None
    subject: str | None
    since: float
    reason: str
    until: float
    last_seen_at: float | None
    heard: Moment
    """When it called last, or joined if it never has."""
    trouble: Trouble
    """Not there if it has completed something since."""
    broken: Broken
    """Not there if it is sound."""
    relieved: bool
    sunk: float
    """When the captain said that its VM is destroyed, in UNIX time. Not there if it is not."""
    agents: list[str]
    """Those that it can run. Not there if it has not said."""
    lacks: dict[str, str]
    """What keeps it from running others that tasks need, in sentences, by their names."""
    refused: dict[str, Broken]
    """Agents of its whose API does not accept the credential, though others of its go on."""
    credentials: dict[str, str]
    """Digests of what its agents are let in with, by their names. Not there if it has not said."""
    rest_s: float
    """For how long it may be silent, as there is nothing to ask for. Not there if it asks."""


class Hail(TypedDict):
    """A message of the captain's to a ship's agent."""

    ship: str
    text: str
    delivered_at: float | None


class Berth(TypedDict):
    """Who alone may land for now."""

    claim: int
    until: float
    """On the voyage clock, in seconds."""


class Car(TypedDict):
    """A claim's place in the train."""

    claim: int
    base: str | None
    """The commit that its work is to be on; None while that of the car ahead is not known."""
    commit: str | None
    """Its work on top of `base`, pushed; None while it is being put there."""
    green: bool
    """Whether the check has passed on `commit`."""
    since: float
    """When it got its base, its commit or its green check, in UNIX time."""
    until: float
    """On the voyage clock, in seconds: when it loses its place to others, unless it is green."""


class Train(TypedDict):
    """Whose work is on its way through the check to the branch."""

    window: float
    """How many cars there may be; the whole part of it counts."""
    cars: list[Car]
    """The first is on the branch's head, and each other on the commit of the one ahead."""
    queue: list[int]
    """Claims that wait for a place, the first one first."""
    checks_s: list[float]
    """How long the last few checks took that passed, in seconds."""


class Standing(TypedDict):
    """How the voyage stands, apart from whether its ships are heard."""

    state: str
    since: float
    """UNIX time."""


class Pause(TypedDict):
    """Why nothing is handed out."""

    state: Literal["paused", "halted"]
    reason: str


class Verified(TypedDict):
    """What `verify.sh` passed on; voyage-complete.marker has it too."""

    head: str
    tasks: int
    claim: int
    verified_at: float


class OriginRefusal(TypedDict):
    """What origin would not take, and when it is offered again."""

    head: str
    """The branch's commit, as it was then."""
    since: float
    """UNIX time of the first refusal."""
    again_at: float
    """UNIX time."""


class Meta(TypedDict, total=False):
    """What the journal knows of the voyage as a whole."""

    start: str
    """The commit that the branch began at."""
    head: str
    """The branch's commit."""
    next_ship: int
    """The number that the next new ship gets."""
    clock: float
    """The voyage clock, in seconds."""
    last_call_at: float
    """When a ship called last, in UNIX time."""
    berth: Berth
    train: Train
    """Not there if nobody was ever in it."""
    standing: Standing
    paused: Pause
    limits: dict[str, Limit]
    """By the digests of the credentials that they are of. One that is over stays until a session
    with that credential works."""
    verified: Verified
    repairs: int
    """How many repair tasks there were."""
    failed_reason: str
    """Why verify.sh was given up."""
    verify_interrupted_by: list[str]
    """Ships, once for each interruption of the verification that counts."""
    fetched: dict[str, str]
    """Commits that the captain has brought home: `head`, and wrecks by their ref."""
    mirrored: str
    """The commit that origin has."""
    mirrored_ref: str
    """The ref of origin's that was moved there last."""
    mirror_refused: dict[str, OriginRefusal] | None
    """What origin would not take: refs, and the pull request."""
    pr_url: str
    mirror_fault: str | None
    notify_fault: str | None
    upkeep_fault: str | None
    notified: dict[str, str]
    """News that `notify` was told, or that were given up, and that are still so."""
    untold: list[str] | None
    """What of these was given up, until something else can be told."""
    stalled_looks: int
    """How many looks for news in a row have found the voyage stalled, up to some."""


class Sections(TypedDict):
    """All that the journal knows. What there is much of is read when it is wanted."""

    tasks: MutableMapping[str, Task]
    claims: MutableMapping[str, Claim]
    """By number: every one that there ever was."""
    ships: dict[str, ShipRecord]
    hails: MutableMapping[str, Hail]
    """By number."""
    answers: MutableMapping[str, dict[str, Any]]
    """The last few by who asked, and then by the ids of their requests."""
    meta: Meta


# What ships ask

Fault = Literal["agent", "infrastructure", "refused", "spent", "lost", "error", "stalled"]
"""Whose fault it is that a claim is given back."""

LeaveReason = Literal["red", "conflict", "berth", ""]
"""Why a claim gives up its place in the train."""

ErrorCode = Literal[
    "protocol",
    "op",
    "ship",
    "task",
    "claim",
    "lost",
    "berth",
    "place",
    "ref",
    "stale",
    "void",
    "room",
    "hail",
]


class Report(TypedDict, total=False):
    """What a ship says of a claim with each request about it."""

    state: Literal["working", "reviewing", "landing", "verifying", "limited"]
    reason: str
    """Of a wait."""
    until: float
    """When the wait ends, in UNIX time."""
    credential: str
    """Of a wait: the digest of the credential that it is of; empty if it is of this session."""
    cost_usd: float
    usage: dict[str, ModelUsage]
    """What the claim has used so far, by model."""
    delivered: list[int]
    """Numbers of the hails that the agent has taken in."""
    last_words: str
    """What the agent said last. Only with what ends the claim."""
    reviews: list[Review]
    """What others said of its work. Only with what ends the claim."""


class Abilities(TypedDict):
    """What a ship says of agents when it asks for a claim."""

    agents: list[str]
    """Those that it can run."""
    lacks: dict[str, str]
    """What it lacks for the others, in sentences with what mends that, by their names."""
    credentials: dict[str, str]
    """Digests of what those are let in with, by their names; of some none is known."""


class Refusal(TypedDict):
    """The answer to what cannot be granted."""

    ok: Literal[False]
    code: ErrorCode
    error: str
    """A sentence for people."""


class Wreck(TypedDict):
    """Work on storage that did not land."""

    ref: str
    commit: str
    number: int
    """Of the claim."""
    ship: str
    why: str


class NoClaim(TypedDict):
    """The answer to `claim` if there is nothing to do."""

    claim: None
    state: str
    reason: str | None
    rest_s: float
    """For how long not to ask again, unless somebody knocks. 0: storage has waited already."""


class VerificationGrant(TypedDict):
    """The answer to `claim` that hands out the verification."""

    claim: int
    head: str
    task: None


class TaskGrant(TypedDict):
    """The answer to `claim` that hands out a task."""

    claim: int
    head: str
    task: Task
    ref: str
    """The work ref that the claim may push to."""
    landed: list[Task]
    """The tasks that it builds on."""
    wrecks: list[Wreck]
    hails: dict[str, str]
    """The captain's messages that wait for the ship's agent, by number."""
    budget_usd: float | None
    budget_tokens: int | None
    """What the session may spend; None: as much as it likes."""


class BeatAnswer(TypedDict):
    """The answer to `beat`."""

    lost: str | None
    """Why the claim is no longer live."""
    hails: dict[str, str]
    checking: bool
    """Whether the claim's place in the train is that of the commit asked about, not green yet."""


class EnterAnswer(TypedDict):
    """The answer to `enter`."""

    base: str
    """The commit to put the work on."""
    ahead: list[str]
    """The commits of the cars ahead that lead to it, the first one first."""


class LeaveAnswer(TypedDict):
    """The answer to `leave`."""

    landed: bool
    """Whether the commit that was asked about is on the branch."""


class LandAnswer(TypedDict):
    """The answer to `land`."""

    head: str
    next: "TaskGrant | VerificationGrant | None"
    """The ship's next claim, if it wants one at once and there is one."""


class LogNews(TypedDict):
    """What a ship's log has from some byte on."""

    offset: int
    text: str


class LogAnswer(TypedDict):
    """The answer to `log`."""

    size: int
    """Bytes of the ship's log that storage has."""


class TranscriptKept(TypedDict):
    """The answer to a ship's `transcript`."""

    size: int
    """Bytes that storage has of it: from there on it goes on."""
    kept: bool
    """Whether that is all of it."""


# What the captain asks


class Message(TypedDict):
    """The answer to an order."""

    message: str
    """A sentence for people."""


class WakingAnswer(Message):
    """The answer to an order after which there may be something to do again."""

    resting: list[ShipName]
    """Ships that hear of it late unless somebody knocks."""


class RelieveAnswer(Message):
    """The answer to `relieve`."""

    done: bool
    """Whether the ship has nothing to do any more."""


class EditAnswer(WakingAnswer):
    """The answer to `edit_task`."""

    id: str


class HailAnswer(Message):
    """The answer to `hail`."""

    ships: list[ShipName]


class UpdateShipsAnswer(Message):
    """The answer to `update_ships`."""

    lost: list[ShipName]
    """Those that were let go."""
    kept: list[ShipName]
    """Those that were not: they called in lately, or are being made."""
    new: list[ShipName]


class FsckAnswer(Message):
    """The answer to `fsck`."""

    faults: list[str]
    mended: list[str]


class TaskCounts(TypedDict):
    """How many tasks there are, in all and by state."""

    total: Count
    pending: Count
    in_progress: Count
    completed: Count
    failed: Count


class ShipStatus(TypedDict):
    """A ship in `status`."""

    id: ShipName
    state: Name
    task: str | None
    subject: str | None
    agent: Name | None
    """Who is at the task; None if there is none."""
    since: Amount | None
    """When the state began, in UNIX time."""
    since_at: Time | None
    reason: str | None
    until: Amount | None
    """When a wait ends, in UNIX time."""
    until_at: Time | None
    completed: Count
    """Tasks that it has completed."""
    hails: Count
    """Messages that its agent has not taken in."""
    cost_usd: Amount
    usage: Used
    seen_s: Amount | None
    """Seconds since it last called; None if it never has."""
    seen_at: Time | None
    said: str | None
    """The last line of its log, without the time."""
    said_at: str | None
    """When it wrote that: RFC 3339, in UTC."""


class NextCommand(TypedDict):
    """What the captain may type now."""

    command: str
    why: str


class CarStatus(TypedDict):
    """A task on its way through the check, in `status`."""

    ship: ShipName
    task: str
    state: Name
    behind: str | None
    """The task on top of whose work it is checked; None: on the branch, or not in the train yet."""
    since: Amount | None
    """When the state began, in UNIX time."""


class TrainStatus(TypedDict):
    """The train, in `status`."""

    window: Count | None
    """How many checks may run at once; None if the plan has none."""
    check_s: Amount | None
    """How long a check took lately, in seconds."""
    landings_per_hour: Amount | None
    """How many tasks can land in an hour, at most."""
    cars: list[CarStatus]


class VoyageTimes(TypedDict):
    """When a voyage began, and how long it stands as it does."""

    created: Amount
    """When it set sail, in UNIX time."""
    created_at: Time
    since: Amount | None
    """When its state began, in UNIX time."""
    since_at: Time | None
    ended_at: Time | None
    """When it was completed or failed; None before that."""
    took_s: Amount | None
    """Seconds from when it set sail until then."""


class Status(VoyageTimes):
    """The voyage at a glance."""

    voyage: Name
    name: str
    objective: str
    repo: str
    branch: Name
    agent: Name
    agents: list[Name]
    """All that its tasks and their reviews need, in alphabetical order."""
    state: Name
    reason: str | None
    next: list[NextCommand]
    tasks: TaskCounts
    verify: Name
    cost_usd: Amount
    usage: Used
    budget_spent: bool
    head: str
    mirrored: str | None
    mirrored_ref: str | None
    pr_url: str | None
    mirror_fault: str | None
    notify_fault: str | None
    upkeep_fault: str | None
    train: TrainStatus
    ships: list[ShipStatus]


class TaskTimes(TypedDict):
    """Since when a task has its status, and how long it took."""

    since: Amount | None
    """When it was claimed, completed or set aside, in UNIX time; None of a pending one."""
    since_at: Time | None
    took_s: Amount | None
    """Seconds that the ship was at it that has completed it."""


class TaskRow(TaskTimes):
    """A task in `tasks`."""

    id: str
    subject: str
    status: str
    owner: str | None
    agent: str
    """Who does it."""
    model: str | None
    """By the agent's own name for it; None: its usual one."""
    blocked_by: list[str]
    claim: int | None
    attempts: int
    commit: str | None
    reason: str | None
    landing: str | None
    """Where it is in the train; None if it is not."""
    behind: str | None
    """The task on top of whose work it is checked."""
    cost_usd: Amount
    """What all attempts at it have cost."""
    usage: Used


class Overall(TypedDict, total=False):
    """How the voyage stands, unless storage is older."""

    state: Name
    """As `status` has it, but for ships that are not being heard from."""


class TaskRows(Overall):
    """The answer to `tasks`."""

    tasks: list[TaskRow]


class LinkedTask(TypedDict):
    """A task that another waits for, or that waits for it."""

    id: str
    subject: str
    status: str


class KeptTranscript(TypedDict, total=False):
    """What storage says of a claim's transcript, unless it is older."""

    transcript: Count | None
    """Bytes of it, compressed; None if there is none."""


class ReviewRow(TypedDict):
    """A review in `task`."""

    agent: str
    model: str | None
    verdict: Name
    """A Decision."""
    words: str
    commit: str
    reviewed: Amount
    """When it was done, in UNIX time."""
    reviewed_at: Time
    took_s: Amount
    cost_usd: Amount
    usage: list[ModelRow]


class ClaimRow(KeptTranscript):
    """A claim in `task`: an attempt at it."""

    number: Count
    ship: ShipName
    agent: Name | None
    """Who worked on it; None if nobody knows."""
    state: Name
    """A ClaimState."""
    claimed: Amount
    """UNIX time."""
    claimed_at: Time
    ended: Amount | None
    """UNIX time."""
    ended_at: Time | None
    took_s: Amount | None
    cost_usd: Amount
    usage: list[ModelRow]
    reason: str | None
    """Why it ended without landing."""
    last_words: str | None
    """What the agent said last."""
    reviews: list[ReviewRow]
    """What others said of its work, the earliest first."""
    commit: str | None


class LandedCommit(TypedDict):
    """A commit of what a task has landed."""

    commit: Name
    subject: str


class ChangedFile(TypedDict):
    """A file in what a task has landed."""

    path: str
    added: Count | None
    """Lines; None if it is binary."""
    removed: Count | None


class Landed(TypedDict):
    """What a task has brought to the branch."""

    commits: list[LandedCommit]
    """The latest first, and not all of them if they are many."""
    files: list[ChangedFile]
    """Not all of them if they are many."""
    changed: Count
    """How many files there are."""
    added: Count
    """Lines, in all files."""
    removed: Count


class TaskDetails(TaskRow):
    """The answer to `task`: all that is known of a task."""

    description: str
    files: list[str]
    """Paths that it said it would touch."""
    run: str | None
    blockers: list[LinkedTask]
    """All that it waits for, or has waited for."""
    dependants: list[LinkedTask]
    """What waits for it."""
    claims: list[ClaimRow]
    """The earliest first."""
    base: Name | None
    """The commit that it has landed on."""
    landed: Landed | None


class TranscriptAnswer(TypedDict):
    """The answer to the captain's `transcript`: a part of one."""

    task: str
    subject: str
    claim: Count
    ship: ShipName
    state: Name
    """A ClaimState."""
    others: list[Count]
    """Claims of the task that have one, too."""
    size: Count
    """Bytes of all of it, compressed."""
    offset: Count
    data: str
    """The bytes from there on, as far as they fit into an answer, in base64."""


class Beginning(TypedDict, total=False):
    """Where a voyage began, unless storage is older."""

    start: Name
    """The commit."""


class Unfetched(Beginning):
    """What storage alone has."""

    head: Name
    commits: Count
    """Of the branch."""
    wrecks: dict[str, str]
    """Commits by their ref."""


class LogQuery(TypedDict):
    """Which lines of the ships' logs the captain wants."""

    ship: str
    """`ship-0` and so on, `captain`, `harbor`; empty: of all."""
    task: str
    """The id of the task that they are about; empty: whatever they are about."""
    since: str
    """Not earlier than this moment, as RFC 3339 has it in UTC; empty: from the beginning."""
    pattern: str
    """A regular expression, which a line has a match of."""
    tail: int
    """Only so many of them, the last. 0: all."""
    follow: bool
    """Whether lines that come later are wanted too."""


class LogsAnswer(TypedDict):
    """The answer to a LogQuery, before the lines."""


class VoyageRecordAnswer(TypedDict):
    """The answer to `voyage_record`: what another ship is made from."""

    voyage: VoyageRecord
    artifacts: dict[str, str]
    ships: list[ShipName]


Json = dict[str, Any]
"""What another machine sent, before it has been checked."""

"""What the captain may look at: the voyage at a glance, its tasks, what is news, what is unfetched.

docs/json.md explains what `status` and `tasks` have."""

from __future__ import annotations

from .. import tasklist
from ..text import several
from . import agents, books, budgets, health, limits, standing, train, unmanned
from .said import last_line
from .state import (
    broken_ships,
    cost,
    set_aside,
    some_of,
    voyage_state,
    waiting_hails,
    wrecks,
)
from .train_status import cars, train_status, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..protocol import (
        CarStatus,
        ClaimOutline,
        Json,
        NextCommand,
        ShipRecord,
        ShipStatus,
        Status,
        Task,
        TaskCounts,
        TaskRow,
        TaskRows,
        Unfetched,
        VoyageRecordAnswer,
    )
    from .call import Call

ENDED = ("complete", "failed", "paused", "halted", "stalled")
"""States in which a voyage stands still."""
SILENT = ("lost", "sunk", "starting", "relieved")
"""States of ships that will claim nothing, as far as anybody knows."""
HELPLESS = ("lost", "sunk", "relieved", "broken")
"""The same of ships if nobody is on the way."""
IDLE_STATES = {"complete": "done", "failed": "done", "paused": "paused", "halted": "paused"}
"""The state of a ship with nothing to do, by the voyage's; it is `waiting` in others."""
RESUME = ("ocaptain resume", "Tasks are handed out again.")
NEXT = {
    "paused": RESUME,
    "halted": RESUME,
    "idle": ("ocaptain tasks add SUBJECT", "Ships begin at once."),
}
"""What moves a voyage on that is in one of these states, and what it does."""
ADD_A_SHIP = "It adds a ship, and replaces those that are gone."
AT_REST = "at rest; an order wakes it"
SUNK = "its VM is destroyed"
LONG_LIMIT_S = 600


def status(call: Call) -> Status:
    """Return the voyage at a glance."""
    state, reason = voyage_state(call)
    idle = IDLE_STATES.get(state, "waiting")
    ships = [ship_status(call, call.ships[name], idle) for name in ship_names(call)]
    train_now = train_status(call)
    say_where(ships, train_now["cars"])
    limits.show(call, ships)
    verify = verify_state(call, state)
    tasks = tasklist.counts(call.task_outlines)
    budget_is_spent = bool(budgets.reason(call))
    state, reason = state_with(call, ships, state, reason)
    return {
        "voyage": call.voyage["voyage"],
        "name": call.voyage["name"],
        "objective": call.voyage["objective"],
        "repo": call.voyage["repo"],
        "branch": call.voyage["voyage"],
        "agent": call.voyage["agent"],
        "agents": agents.in_use(call),
        **standing.times(call, state),
        "state": state,
        "reason": reason,
        "next": what_next(call, state, tasks, budget_is_spent=budget_is_spent),
        "tasks": tasks,
        "verify": verify,
        "cost_usd": cost(call),
        "usage": books.used_by(call.claim_outlines.values()),
        "budget_spent": budget_is_spent,
        "head": call.meta["head"],
        "mirrored": call.meta.get("mirrored"),
        "mirrored_ref": call.meta.get("mirrored_ref"),
        "pr_url": call.meta.get("pr_url"),
        "mirror_fault": call.meta.get("mirror_fault"),
        "notify_fault": call.meta.get("notify_fault"),
        "upkeep_fault": call.meta.get("upkeep_fault"),
        "train": train_now,
        "ships": ships,
    }


def say_where(ships: list[ShipStatus], shown: list[CarStatus]) -> None:
    """Say of ships that are landing where in the train they are."""
    by_ship = {row["ship"]: row for row in shown}
    for ship in ships:
        if ship["state"] == "landing" and ship["id"] in by_ship:
            ship["reason"] = words(shown, by_ship[ship["id"]])


def state_with(
    call: Call, ships: list[ShipStatus], state: str, reason: str | None
) -> tuple[str, str | None]:
    """Return a voyage's state and its reason, as they are with such ships."""
    if state not in ("complete", "failed") and all(ship["state"] in SILENT for ship in ships):
        return silence(call)
    if state == "running" and all(ship["state"] in HELPLESS for ship in ships):
        return "stalled", helpless(call)
    return state, reason


def silence(call: Call) -> tuple[str, str]:
    """Return the state, and its reason, of a voyage that only lacks ships to go on."""
    if sunk(call) and not health.crew(call):
        return "stalled", "its ships were sunk"
    if call.ships and "last_call_at" not in call.meta:
        return "provisioning", "no ship has called in yet"
    return "stalled", "no ship that takes tasks is being heard from"


def sunk(call: Call) -> list[ShipRecord]:
    """Return the ships whose VMs are destroyed, and that nobody has replaced."""
    return [ship for ship in call.ships.values() if "sunk" in ship]


def verify_state(call: Call, state: str) -> str:
    """Return how verify.sh did in a voyage of that state."""
    if state == "complete":
        return "passed"
    if state == "verifying":
        return "running"
    if call.meta.get("repairs") or call.meta.get("failed_reason"):
        return "failed"
    return "pending"


def what_next(
    call: Call, state: str, tasks: TaskCounts, *, budget_is_spent: bool
) -> list[NextCommand]:
    """Return what the captain may type to move the voyage on, as its ships are."""
    return next_commands(
        state,
        tasks,
        budget_is_spent=budget_is_spent,
        are_broken=bool(broken_ships(call)),
        is_crewed=bool(health.crew(call) or sunk(call)),
        lacks_agents=bool(unmanned.unmanned(call)),
    )


def next_commands(
    state: str,
    tasks: TaskCounts,
    *,
    budget_is_spent: bool,
    are_broken: bool,
    is_crewed: bool,
    lacks_agents: bool,
) -> list[NextCommand]:
    """Return what the captain may type to move the voyage on, with what each does.

    `are_broken`: whether some of the ships are. `is_crewed`: whether some are not relieved, be they
    lost or sunk. `lacks_agents`: whether tasks wait for an agent that no ship can run."""
    commands: list[NextCommand] = []
    if state == "stalled":
        commands += _for_stalled(are_broken=are_broken, is_crewed=is_crewed)
    elif state == "paused" and budget_is_spent:
        why = "The budget is spent. This brings home what has landed."
        commands.append({"command": "ocaptain fetch", "why": why})
    elif lacks_agents and state in ("running", "paused"):
        why = "Once that is mended, ships look again which agents they can run."
        commands.append({"command": "ocaptain resume", "why": why})
    elif state in NEXT:
        command, why = NEXT[state]
        commands.append({"command": command, "why": why})
    if tasks["failed"]:
        count = several(int(tasks["failed"]), "task")
        why = f"It says why {count} failed, and how to bring each back."
        commands.append({"command": "ocaptain tasks --status failed", "why": why})
    elif state == "failed":
        commands.append({"command": "ocaptain retry verify", "why": "verify.sh runs again."})
    return commands


def _for_stalled(*, are_broken: bool, is_crewed: bool) -> list[NextCommand]:
    """Return what moves a voyage on whose ships are lost or broken."""
    if are_broken:
        return [
            {"command": "ocaptain resume", "why": "Broken ships try again at once."},
            {"command": "ocaptain reinforce -n 1", "why": ADD_A_SHIP},
        ]
    if not is_crewed:
        return [{"command": "ocaptain reinforce -n 1", "why": ADD_A_SHIP}]
    why = "It starts ships again, and replaces those that are gone."
    return [{"command": "ocaptain reinforce", "why": why}]


# Ships


def ship_names(call: Call) -> list[str]:
    """Return the ships' names, by their numbers."""
    return sorted(call.ships, key=lambda name: (len(name), name))


def ship_status(call: Call, ship: ShipRecord, idle: str) -> ShipStatus:
    """Return a ship as it last said of itself, or as broken, or as lost if that is too long ago.

    `idle` is the state of a ship that has nothing to do."""
    name = ship["id"]
    state, reason, since, until = how_it_stands(call, ship, idle)
    claims = [claim for claim in call.claim_outlines.values() if claim["ship"] == name]
    completed = [claim for claim in claims if claim["state"] == "landed" and claim["task"]]
    said = last_line(call.journal.folder / "logs" / f"{name}.log")
    return {
        "id": name,
        "state": state,
        "task": ship.get("task"),
        "subject": ship.get("subject") or None,
        "agent": agent_at_work(call, ship),
        "since": since,
        "since_at": standing.moment(since),
        "reason": reason or None,
        "until": until or None,
        "until_at": standing.moment(until),
        "completed": len(completed),
        "hails": len(waiting_hails(call, name)),
        "cost_usd": books.cost(claims),
        "usage": books.used_by(claims),
        "seen_s": seconds_since_seen(call, ship),
        "seen_at": standing.moment(ship["last_seen_at"]),
        "said": said.text,
        "said_at": said.at,
    }


def how_it_stands(
    call: Call, ship: ShipRecord, idle: str
) -> tuple[str, str | None, float | None, float | None]:
    """Return a ship's state, the reason, since when, and until when if that is known."""
    if "sunk" in ship:
        return "sunk", SUNK, ship["sunk"], None
    state = ship["state"]
    since = ship.get("since")
    reason = ship.get("reason")
    until = ship.get("until")
    broken = ship.get("broken")
    if state == "waiting":
        state = "relieved" if ship.get("relieved") else idle
        since = standing.idle_since(call, ship)
    if state in ("waiting", "paused") and broken:
        state = "broken"
        reason = broken["reason"]
        since = broken["since"]
        until = call.now + max(0.0, broken["until"] - call.meta["clock"])
    elif state in ("waiting", "paused"):
        reason = idle_reason(call, ship)
    elif "rest_s" in ship:
        reason = AT_REST
    if health.is_lost(call, ship):
        state = "lost"
        since = ship["last_seen_at"]
        reason = f"not heard from for {health.silence_s(call, ship):.0f} s"
    return state, reason, since, until


def idle_reason(call: Call, ship: ShipRecord) -> str | None:
    """Return what keeps an idle ship from running agents that are needed, or that it rests."""
    hindrances = [agents.hindrance(call, ship, agent) for agent in agents.in_use(call)]
    lacks = "; ".join(filter(None, hindrances))
    if lacks:
        return lacks
    return AT_REST if "rest_s" in ship else ship.get("reason")


def agent_at_work(call: Call, ship: ShipRecord) -> str | None:
    """Return who is at the task that a ship has; None if it has none."""
    claim = call.claims.get(str(ship["claim"]))
    return claim.get("agent") if claim else None


def seconds_since_seen(call: Call, ship: ShipRecord) -> float | None:
    """Return how long ago a ship called last; None if it never has."""
    last_seen_at = ship["last_seen_at"]
    if last_seen_at is None:
        return None
    return round(max(call.now - last_seen_at, health.silence_s(call, ship)), 1)


# Tasks


def tasks(call: Call) -> TaskRows:
    """Return every task, in the order of ids, and how the voyage stands."""
    return {"state": voyage_state(call)[0], "tasks": [*task_rows(call)]}


def task_rows(call: Call) -> Iterator[TaskRow]:
    """Yield every task as `tasks` lists it, in the order of ids."""
    in_train = {row["task"]: row for row in cars(call, train.load(call))}
    attempts = books.by_task(call)
    for task_id in sorted(call.tasks, key=tasklist.order):
        car = in_train.get(task_id)
        claims = attempts.get(task_id, [])
        yield task_row(call, call.tasks[task_id], car, claims)


def task_row(
    call: Call, task: Task, car: CarStatus | None, claims: Sequence[ClaimOutline]
) -> TaskRow:
    """Return a task as `tasks` lists it, with its place in the train, if it has one, and with what
    its claims have used."""
    notes = tasklist.metadata(task)
    return {
        "id": task["id"],
        "subject": task.get("subject", ""),
        "status": tasklist.state(task),
        **standing.task_times(call, task),
        "owner": task.get("owner"),
        "agent": agents.agent_of(call, task),
        "model": tasklist.model(task, call.voyage["agent"], call.voyage["model"]),
        "blocked_by": tasklist.waiting_for(task, call.task_outlines),
        "claim": tasklist.claim_number(task),
        "attempts": tasklist.attempts(task),
        "commit": notes.get("commit"),
        "reason": notes.get("failed") or notes.get("note"),
        "landing": car["state"] if car else None,
        "behind": car["behind"] if car else None,
        "cost_usd": books.cost(claims),
        "usage": books.used_by(claims),
    }


# What the captain has, or is to be told


def unfetched(call: Call) -> Unfetched:
    """Return what storage alone has: commits of the branch, and wrecks."""
    head = call.meta["head"]
    fetched_refs = call.meta.get("fetched", {})
    elsewhere = [fetched_refs.get("head"), call.meta.get("mirrored"), call.meta["start"]]
    count = call.git("rev-list", "--count", head, "--not", *filter(None, elsewhere))
    new_wrecks = {}
    for wreck in sorted(wrecks(call, call.claims.values()), key=lambda wreck: wreck["ref"]):
        if fetched_refs.get(wreck["ref"]) != wreck["commit"]:
            new_wrecks[wreck["ref"]] = wreck["commit"]
    start = call.meta["start"]
    return {"start": start, "head": head, "commits": int(count or 0), "wrecks": new_wrecks}


def fetched(call: Call) -> Json:
    """Note what the captain has brought home: `refs`, commits of `head` and of wrecks by ref."""
    call.put_meta({"fetched": {**call.meta.get("fetched", {}), **call.request["refs"]}})
    return {}


def voyage_record(call: Call) -> VoyageRecordAnswer:
    """Return what another ship is made from, with the agents that tasks need now."""
    plan_files = (call.journal.folder / "artifacts").glob("*.[ms][dh]")
    return {
        "voyage": {**call.voyage, "agents": agents.in_use(call)},
        "artifacts": {path.name: path.read_text() for path in plan_files},
        "ships": ship_names(call),
    }


def news(call: Call) -> dict[str, str]:
    """Return what a captain is to be told of, as it is now: sentences, by what each is about."""
    sentences = {f"task {task_id}": why for task_id, why in set_aside(call).items()}
    now = status(call)
    for ship in health.crew(call):
        if "broken" in ship:
            sentences[ship["id"]] = f"{ship['id']} is broken: {ship['broken']['reason']}"
    if now["state"] in ENDED:
        sentences[now["state"]] = now["reason"] or now["objective"]
    elif no_ship_is_sound(call):  # a broken one tries again, which is no news yet
        sentences["stalled"] = helpless(call)
    limited = [ship for ship in now["ships"] if is_limited_for_long(call, ship)]
    if limited:
        names = ", ".join(ship["id"] for ship in limited)
        sentences["limited"] = (
            f"their agents' API makes these wait: {names}, the first of them for: "
            f"{limited[0]['reason']}; with other credentials set, type: ocaptain resume"
        )
    return sentences


def is_limited_for_long(call: Call, ship: ShipStatus) -> bool:
    """Whether a ship's agent has had to wait for its API for so long that it is news."""
    return ship["state"] == "limited" and call.now - (ship["since"] or call.now) > LONG_LIMIT_S


def no_ship_is_sound(call: Call) -> bool:
    """Whether each ship that takes tasks is broken or lost."""
    ships = health.crew(call)
    sound = [ship for ship in ships if not health.is_lost(call, ship) and "broken" not in ship]
    return bool(ships) and not sound


def helpless(call: Call) -> str:
    """Return why a voyage stands still whose ships are all broken or lost."""
    return f"no ship is left that is sound: {some_of(broken_ships(call))}"

"""Credentials that may not be used for now: what one ship hears of a usage limit holds for all.

A ship tells a limit with a digest of the credential that it is of. Until the limit ends no ship is
handed a task whose agent has the same credential there. Then one alone tries, the one that told it
or the first to ask: once that works, the limit is forgotten, and if it is limited again, all wait
again.
"""

from __future__ import annotations

from .. import tasklist
from .agents import agent_of, in_use
from .call import SHORT_LIMIT, amount, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol import Claim, Limit, ShipRecord, ShipStatus
    from .call import Call

LONGEST_S = 8 * 86400
"""However far away the end is that was told; a week is the longest that is known."""
TRIAL_S = 60.0
"""For how long one ship alone tries, at most, whether a limit is over."""
KEPT = 20
"""How many credentials' limits are kept, the last that were told."""
AT_WORK = ("working", "reviewing", "landing")
ON_TRIAL = "one ship tries whether the limit is over"


# What ships say


def note_credentials(call: Call) -> None:
    """Keep which credentials the asking ship has, if it says so: digests by the agents' names."""
    told = call.request.get("credentials")
    if not isinstance(told, dict):
        return
    digests = {agent: text(told, agent, SHORT_LIMIT) for agent in in_use(call) if agent in told}
    call.put_ship({**call.ships[call.who], "credentials": digests})


def note(call: Call, before: ShipRecord, now: ShipRecord) -> None:
    """Keep it if the asking ship tells of a limit, or works again after one that it told.

    What it had told `before` is no news: the captain may have ended that limit meanwhile."""
    if now["state"] == "limited":
        is_known = all(before.get(key) == now.get(key) for key in ("state", "claim", "until"))
        if now["until"] > call.now and not is_known:
            _put(call, now)
    elif text(call.request, "state") in AT_WORK:
        _forget(call, int(amount(call.request, "claim")))


def _put(call: Call, ship: ShipRecord) -> None:
    """Keep a limit that a ship tells, if it is of a credential, and others do not last longer."""
    digest = text(call.request, "credential", SHORT_LIMIT)
    claim = ship["claim"]
    limits = call.meta.get("limits", {}).copy()
    known = limits.pop(digest, None)
    if not digest or claim is None or (known and known["until"] > ship["until"]):
        return
    limit: Limit = {
        "claim": claim,
        "reason": ship["reason"],
        "since": known["since"] if known else call.now,
        "until": min(ship["until"], call.now + LONGEST_S),
    }
    kept = [*limits.items(), (digest, limit)][-KEPT:]
    call.put_meta({"limits": dict(kept)})


def _forget(call: Call, claim: int) -> None:
    """Forget the limits that this claim of the asking ship's told or tries: it works."""
    limits = call.meta.get("limits", {})
    held = call.claims.get(str(claim)) if limits else None
    if held is None or held["ship"] != call.who:
        return
    left = {digest: limit for digest, limit in limits.items() if limit["claim"] != claim}
    if left != limits:
        call.put_meta({"limits": left})


# What follows


def limit_of(call: Call, ship: ShipRecord, agent: str) -> Limit | None:
    """Return the limit that keeps a ship from beginning a session of an agent; None if none does.

    While one ship tries whether it is over, it still does."""
    digest = ship.get("credentials", {}).get(agent, "")
    limit = call.meta.get("limits", {}).get(digest)
    if limit is None or call.now < limit["until"] or _is_tried(call, limit):
        return limit
    return None


def unlimited(call: Call, ship: ShipRecord, ranked: list[str]) -> list[str]:
    """Return those of some tasks that no limit keeps a ship from."""
    if not call.meta.get("limits"):
        return ranked
    limited = {agent for agent in in_use(call) if limit_of(call, ship, agent)}
    if not limited:
        return ranked
    tasks = call.task_outlines
    return [task_id for task_id in ranked if agent_of(call, tasks[task_id]) not in limited]


def _is_tried(call: Call, limit: Limit) -> bool:
    """Whether a ship is at work that could show that a limit is over."""
    if call.now >= limit["until"] + TRIAL_S:
        return False
    return any(claim["number"] == limit["claim"] for claim in call.live_claims())


def begin_trial(call: Call, ship: ShipRecord, claim: Claim) -> None:
    """If a limit is over of the credential that a new claim uses, have that claim try alone."""
    limits = call.meta.get("limits", {})
    digest = ship.get("credentials", {}).get(claim["agent"], "")
    if digest in limits:
        limit = limits[digest].copy()
        limit["claim"] = claim["number"]
        limit["until"] = call.now
        call.put_meta({"limits": {**limits, digest: limit}})


# What is shown


def show(call: Call, ships: list[ShipStatus]) -> None:
    """Show ships as limited that wait, and would be handed a task if it were not for a limit."""
    if not call.meta.get("limits"):
        return
    ready = tasklist.ready(call.task_outlines, call.task_outlines)
    wanted = sorted({agent_of(call, task) for task in ready})
    for shown in ships:
        ship = call.ships[shown["id"]]
        limits = [limit_of(call, ship, agent) for agent in wanted]
        limit = next(filter(None, limits), None)
        if shown["state"] == "waiting" and limit:
            _show(call, shown, limit)


def _show(call: Call, shown: ShipStatus, limit: Limit) -> None:
    from . import standing

    is_over = limit["until"] <= call.now
    shown["state"] = "limited"
    shown["reason"] = ON_TRIAL if is_over else limit["reason"]
    shown["until"] = None if is_over else limit["until"]
    shown["until_at"] = standing.moment(shown["until"])
    shown["since"] = max(shown["since"] or 0.0, limit["since"])
    shown["since_at"] = standing.moment(shown["since"])

"""The voyage's budgets, of dollars and of tokens: what is spent, and what a session may spend.

Each is kept by itself. The voyage, a task's metadata and a claim have a budget by the same name."""

from __future__ import annotations

from .. import tasklist
from . import books, health

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol import Claim, ClaimOutline, Task
    from ..tasklist import Budget
    from .call import Call

LEAST_SHARE = 0.01
"""What part of a budget is as good as nothing."""
DIGITS = 4
"""Digits after the point that are kept of a share."""


def spent(call: Call, budget: Budget) -> float:
    """Return what the voyage has spent of a budget so far, as the agents' reports have it."""
    return sum(of_claim(claim, budget) for claim in call.claim_outlines.values())


def of_claim(claim: ClaimOutline, budget: Budget) -> float:
    """Return what a claim has spent of a budget so far."""
    if budget == "budget_tokens":
        return books.tokens(claim.get("usage", {}))
    return books.claim_cost(claim)


def is_spent(call: Call, budget: Budget) -> bool:
    """Whether the voyage has such a budget, and has spent as much as that."""
    limit = call.voyage[budget]
    return limit is not None and spent(call, budget) >= (1 - LEAST_SHARE) * limit


def reason(call: Call) -> str:
    """Return what is spent, in words; empty if no budget is."""
    if is_spent(call, "budget_usd"):
        usd = spent(call, "budget_usd")
        return f"${usd:.2f} of the budget of ${call.voyage['budget_usd']:g} are spent"
    if is_spent(call, "budget_tokens"):
        tokens = spent(call, "budget_tokens")
        return f"{tokens:,} of the budget of {call.voyage['budget_tokens']:,} tokens are spent"
    return ""


def share(call: Call, budget: Budget) -> float | None:
    """Return what the asking ship's next session may spend: its part of what is not set apart.

    It is 0 if as good as all of the budget is spent or set apart, None if there is no budget."""
    limit = call.voyage[budget]
    if limit is None:
        return None
    at_work = [claim["ship"] for claim in call.live_claims()]
    at_hand = [ship for ship in health.crew(call) if health.can_be_reckoned_with(call, ship)]
    idle = [ship for ship in at_hand if ship["id"] not in at_work]
    pending = tasklist.counts(call.task_outlines)["pending"]
    apart = sum(set_apart(claim, budget) for claim in call.live_claims())
    left = limit - spent(call, budget) - apart
    if left < LEAST_SHARE * limit:
        return 0.0
    return round(left / max(1, min(len(idle), pending)), DIGITS)


def set_apart(claim: Claim, budget: Budget) -> float:
    """Return what of a budget is still a live claim's own."""
    return max(0.0, claim.get(budget, 0.0) - of_claim(claim, budget))


def none_is_left(call: Call) -> bool:
    """Whether a budget is as good as spent or set apart, so that no session can begin."""
    return share(call, "budget_usd") == 0 or share(call, "budget_tokens") == 0


def granted(call: Call, claim: Claim, task: Task) -> Claim:
    """Return a claim with what its session may spend: its shares of the voyage's budgets, or what
    its task allows, if that is less. No limit is not there."""
    new = claim.copy()
    usd, is_tasks = limit(call, task, "budget_usd")
    if usd is not None:
        new["budget_usd"] = usd
    if is_tasks:
        new["budget_of"] = "task"
    tokens, is_tasks = limit(call, task, "budget_tokens")
    if tokens is not None:
        new["budget_tokens"] = int(tokens)
    if is_tasks:
        new["tokens_of"] = "task"
    return new


def limit(call: Call, task: Task, budget: Budget) -> tuple[float | None, bool]:
    """Return what a session for a task may spend, and whether it is the task that limits that."""
    voyages = share(call, budget)
    own = tasklist.budget(task, budget)
    if own is not None and (voyages is None or own <= voyages):
        return own, True
    return voyages, False


def is_own(claim: Claim) -> bool:
    """Whether it was its task's own budget that a session has spent, and not the voyage's."""
    tokens = claim.get("budget_tokens")
    if tokens is not None and of_claim(claim, "budget_tokens") >= tokens:
        return claim.get("tokens_of") == "task"
    return claim.get("budget_of") == "task"

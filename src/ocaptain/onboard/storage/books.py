"""What claims have used: tokens, dollars and the API's time, as their ships report it.

Dollars are kept to a millionth, so that sums agree however they are put together."""

from __future__ import annotations

from ..text import clean
from .call import SHORT_LIMIT, amount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..protocol import Claim, ClaimOutline, Json, ModelRow, ModelUsage, Used
    from .call import Call

DIGITS = 6
MODELS_LIMIT = 20
"""How many models of a claim are kept apart."""
UNKNOWN = "unknown"
"""The model that dollars are booked on of which nobody says where they went."""


# What a ship reports


def note(call: Call, held: Claim) -> Claim:
    """Keep what a request says that its claim has used so far. Returns the claim with it.

    Reports may overtake one another: what says less than is known counts for nothing."""
    usage = usage_in(call.request)
    spent = max(round(amount(call.request, "cost_usd"), DIGITS), dollars(usage))
    if (spent, tokens(usage)) <= (claim_cost(held), tokens(held.get("usage", {}))):
        return held
    known = usage or held.get("usage", {})
    noted: Claim = {**held, "cost_usd": spent, "usage": explained(known, spent)}
    call.put_claim(noted)
    return noted


def usage_in(request: Json) -> dict[str, ModelUsage]:
    """Return the usage by model that a request tells, as far as it is of the right kind."""
    told = request.get("usage")
    if not isinstance(told, dict):
        return {}
    usage = {}
    for model, used in list(told.items())[:MODELS_LIMIT]:
        if isinstance(used, dict):
            name = clean(str(model)[:SHORT_LIMIT]).strip() or UNKNOWN
            usage[name] = entry(used)
    return usage


def entry(used: Json) -> ModelUsage:
    """Return what was used of a model, as far as it is of the right kind."""
    cost_usd = None
    if used.get("cost_usd") is not None:
        cost_usd = round(amount(used, "cost_usd"), DIGITS)
    return {
        "input_tokens": int(amount(used, "input_tokens")),
        "output_tokens": int(amount(used, "output_tokens")),
        "cache_read_tokens": int(amount(used, "cache_read_tokens")),
        "cache_write_tokens": int(amount(used, "cache_write_tokens")),
        "cost_usd": cost_usd,
        "api_s": round(amount(used, "api_s"), 3),
    }


def explained(usage: dict[str, ModelUsage], spent: float) -> dict[str, ModelUsage]:
    """Return usage whose dollars add up to `spent`, which they do not exceed.

    Here alone dollars get a model of which the agent does not say where they went."""
    missing = round(spent - dollars(usage), DIGITS)
    if missing == 0:
        return usage
    other = usage.get(UNKNOWN, entry({}))
    cost_usd = round((other["cost_usd"] or 0.0) + missing, DIGITS)
    return {**usage, UNKNOWN: {**other, "cost_usd": cost_usd}}


# What the books say


def claim_cost(claim: ClaimOutline) -> float:
    """Return what a claim has cost so far, in USD."""
    return float(claim.get("cost_usd", 0))


def cost(claims: Iterable[ClaimOutline]) -> float:
    """Return what some claims have cost together, in USD."""
    return round(sum(map(claim_cost, claims)), DIGITS)


def dollars(usage: dict[str, ModelUsage]) -> float:
    """Return the dollars that are known of some usage."""
    return round(sum(used["cost_usd"] or 0.0 for used in usage.values()), DIGITS)


def tokens(usage: dict[str, ModelUsage]) -> int:
    """Return how many tokens some usage is, of any kind."""
    total = together(usage.values())
    cached = total["cache_read_tokens"] + total["cache_write_tokens"]
    return total["input_tokens"] + total["output_tokens"] + cached


def by_task(call: Call) -> dict[str, list[ClaimOutline]]:
    """Return all claims by the ids of their tasks; those of the verification under none."""
    claims: dict[str, list[ClaimOutline]] = {}
    for claim in call.claim_outlines.values():
        claims.setdefault(claim["task"] or "", []).append(claim)
    return claims


def by_model(claim: ClaimOutline) -> list[ModelRow]:
    """Return what a claim has used, a row for each model."""
    return rows(claim.get("usage", {}))


def rows(usage: dict[str, ModelUsage]) -> list[ModelRow]:
    """Return some usage as a row for each model."""
    return [{"model": model, **used} for model, used in usage.items()]


def used_by(claims: Iterable[ClaimOutline]) -> Used:
    """Return what some claims have used together."""
    return together(used for claim in claims for used in claim.get("usage", {}).values())


def together(parts: Iterable[ModelUsage]) -> Used:
    """Return the sum of what was used, of whatever model."""
    every = list(parts)
    return {
        "input_tokens": sum(used["input_tokens"] for used in every),
        "output_tokens": sum(used["output_tokens"] for used in every),
        "cache_read_tokens": sum(used["cache_read_tokens"] for used in every),
        "cache_write_tokens": sum(used["cache_write_tokens"] for used in every),
        "api_s": round(sum(used["api_s"] for used in every), 3),
    }

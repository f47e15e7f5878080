"""What a voyage has used, put together by task, ship, model or attempt."""

from collections.abc import Iterable, Mapping
from typing import Literal, TypedDict

from ocaptain.money import tokens
from ocaptain.onboard import tasklist
from ocaptain.onboard.picture import Claim
from ocaptain.onboard.protocol import ModelUsage

from .picture import read_picture
from .voyage import Voyage

By = Literal["task", "ship", "model", "attempt"]
DIGITS = 6
"""Of dollars: storage keeps as many."""


class UsageRow(TypedDict):
    """What some attempts have used together."""

    name: str
    """The task, ship, model or attempt; `verify` is the verification."""
    attempts: int
    cost_usd: float
    share: float
    """What part of the voyage's cost that is; 0 if it has cost nothing."""
    vain_usd: float
    """What of it went into attempts that are over and did not land."""
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    api_s: float


class Budgets(TypedDict):
    """What a voyage may cost."""

    budget_usd: float | None
    budget_tokens: int | None


class UsageShown(Budgets):
    """What a voyage has used."""

    voyage: str
    by: str
    rows: list[UsageRow]
    """What has used most comes first."""
    total: UsageRow


async def usage(voyage: Voyage, by: By) -> UsageShown:
    """Return what a voyage has used. Raises Unreachable."""
    seen = (await read_picture(voyage)).picture()
    budgets: Budgets = {
        "budget_usd": seen["record"]["budget_usd"],
        "budget_tokens": seen["record"]["budget_tokens"],
    }
    return put_together(voyage.id, by, budgets, seen["claims"])


def put_together(voyage: str, by: By, budgets: Budgets, claims: Iterable[Claim]) -> UsageShown:
    """Return what claims have used, a row for each of what they are put together by."""
    rows: dict[str, UsageRow] = {}
    total = no_usage("total")
    for claim in claims:
        parts = claim["usage"]
        is_vain = claim["state"] not in ("live", "landed")
        total["attempts"] += 1
        if by == "model":
            for model, used in parts.items():
                add(row_of(rows, model), {model: used}, is_vain=is_vain)
                rows[model]["attempts"] += 1
        else:
            row = row_of(rows, name_of(claim, by))
            row["attempts"] += 1
            add(row, parts, is_vain=is_vain)
        add(total, parts, is_vain=is_vain)
    for row in (*rows.values(), total):
        row["share"] = round(row["cost_usd"] / total["cost_usd"], 4) if total["cost_usd"] else 0.0
    ordered = sorted(rows.values(), key=_order)
    return {"voyage": voyage, "by": by, **budgets, "rows": ordered, "total": total}


def _order(row: UsageRow) -> tuple[float, int, tuple[int, str]]:
    """Sort key of rows: what has used most first, and else by task."""
    return -row["cost_usd"], -tokens(row), tasklist.order(row["name"])


def name_of(claim: Claim, by: By) -> str:
    """Return what a claim is put together with others by."""
    if by == "ship":
        return claim["ship"]
    if by == "attempt":
        return str(claim["number"])
    return claim["task"] or "verify"


def row_of(rows: dict[str, UsageRow], name: str) -> UsageRow:
    """Return the row of that name, a new one if there is none."""
    return rows.setdefault(name, no_usage(name))


def no_usage(name: str) -> UsageRow:
    """Return a row of nothing."""
    return {
        "name": name,
        "attempts": 0,
        "cost_usd": 0.0,
        "share": 0.0,
        "vain_usd": 0.0,
        "input_tokens": 0,
        "output_tokens": 0,
        "cache_read_tokens": 0,
        "cache_write_tokens": 0,
        "api_s": 0.0,
    }


def add(row: UsageRow, parts: Mapping[str, ModelUsage], *, is_vain: bool) -> None:
    """Add what was used to a row."""
    for used in parts.values():
        usd = used["cost_usd"] or 0.0
        row["cost_usd"] = round(row["cost_usd"] + usd, DIGITS)
        if is_vain:
            row["vain_usd"] = round(row["vain_usd"] + usd, DIGITS)
        row["input_tokens"] += used["input_tokens"]
        row["output_tokens"] += used["output_tokens"]
        row["cache_read_tokens"] += used["cache_read_tokens"]
        row["cache_write_tokens"] += used["cache_write_tokens"]
        row["api_s"] = round(row["api_s"] + used["api_s"], 3)

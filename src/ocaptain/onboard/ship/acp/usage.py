"""What an agent tells of its tokens and dollars."""

from typing import Any

from ...protocol import Json

NAMES = {
    "input_tokens": "inputTokens",
    "output_tokens": "outputTokens",
    "cache_read_tokens": "cachedReadTokens",
    "cache_write_tokens": "cachedWriteTokens",
}
"""What the protocol calls our kinds of tokens."""
MOST = 1e12
"""What is more is no number of tokens or dollars."""


def told_cost(update: Json) -> float | None:
    """Return what the session has cost so far, in US dollars; None if the update has none."""
    match update:
        case {
            "sessionUpdate": "usage_update",
            "cost": {"amount": int() | float() as usd, "currency": "USD"},
        } if 0 <= usd < MOST:
            return float(usd)
    return None


def told_tokens(result: Any, model: str) -> Json:
    """Return the tokens of a turn, by model, as a part of our event `end`; empty if untold."""
    match result:
        case {"usage": dict(told)}:
            tokens = {ours: int(number(told.get(theirs))) for ours, theirs in NAMES.items()}
            return {"usage": [{"model": model, **tokens}]}
        case {"_meta": {"quota": {"model_usage": [*entries]}}} if entries:
            rows = [_of_quota(entry) for entry in entries if isinstance(entry, dict)]
            return {"usage": rows}
    return {}


def _of_quota(entry: Json) -> Json:
    """Return what Gemini CLI tells of a model."""
    count = entry.get("token_count")
    told = count if isinstance(count, dict) else {}
    return {
        "model": str(entry.get("model", "")),
        "input_tokens": int(number(told.get("input_tokens"))),
        "output_tokens": int(number(told.get("output_tokens"))),
    }


def number(value: Any) -> float:
    """Return it; 0 if it is no number, or one that cannot be."""
    is_number = isinstance(value, int | float) and 0 <= value < MOST
    return float(value) if is_number else 0.0


class Total:
    """What the agent has used in all of its turns, by model, and what its session has cost."""

    def __init__(self) -> None:
        self._rows: dict[str, Json] = {}
        self._usd = 0.0
        """0 if the agent tells no dollars."""
        self._usd_of_ended = 0.0
        """What it was at the end of the last turn."""

    def spend(self, usd: float) -> float:
        """Note what the session has cost so far. Returns what is new in this turn."""
        self._usd = usd
        return max(usd - self._usd_of_ended, 0.0)

    def add(self, told: Json) -> Json:
        """Add a turn's tokens, as it ends. Returns all so far, as a part of our event `end`."""
        for row in told.get("usage", []):
            sums = self._rows.setdefault(row["model"], {"model": row["model"]})
            for name, amount in row.items():
                if name != "model":
                    sums[name] = sums.get(name, 0) + amount
        total: Json = {}
        if self._rows:
            total["usage"] = [dict(row) for row in self._rows.values()]
        if self._usd:
            total["cost_usd"] = self._usd
        self._usd_of_ended = self._usd
        return total

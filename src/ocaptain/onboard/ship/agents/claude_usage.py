"""What Claude Code says of tokens and dollars: of its process in a result, of a message beside it.

A result has `modelUsage` and `total_cost_usd`, both of the process so far. A message has tokens
only, and nothing of a turn that was cut short has more.
"""

from collections.abc import Iterator
from typing import Any

from ...protocol import Json
from ...text import whole
from .agent import Event, Usage

LEAST_PRICES = {"haiku": (0.1, 0.5), "sonnet": (2, 10), "opus": (4, 20)}
"""US dollars for a million tokens in and out: the least that the client reckons for a family."""
CACHE_READ = 0.1
"""What a token that was read from the cache costs, of one that was not."""


def of_message(said: Json) -> Iterator[Event]:
    """What a message has used at least, until a result says what the process has.

    The client prints a message block by block, each time with the usage of all so far."""
    match said:
        case {"id": str(mark), "model": str(model), "usage": dict(usage)}:
            used = Usage(
                name_of(model),
                int(number(usage, "input_tokens")),
                int(number(usage, "output_tokens")),
                int(number(usage, "cache_read_input_tokens")),
                int(number(usage, "cache_creation_input_tokens")),
            )
            used = used._replace(cost_usd=least_usd(used))
            is_said_by_client = model.startswith("<")
            if any(used[1:5]) and not is_said_by_client:
                yield Event("cost", mark, cost_usd=used.cost_usd or 0.0, usage=(used,))


def least_usd(used: Usage) -> float | None:
    """Return what this costs at least, in US dollars; None if nobody knows the model's price."""
    for family, (price_in, price_out) in LEAST_PRICES.items():
        if family in used.model:
            cached = used.cache_read_tokens * CACHE_READ
            tokens_in = used.input_tokens + used.cache_write_tokens + cached
            return (tokens_in * price_in + used.output_tokens * price_out) / 1e6
    return None


def of_result(result: Json) -> tuple[Usage, ...]:
    """Return what a result says that the process has used so far, by model."""
    by_model = result.get("modelUsage")
    if not isinstance(by_model, dict):
        return ()
    found = [_of_model(model, used) for model, used in by_model.items() if isinstance(used, dict)]
    written = sum(used.output_tokens for used in found)
    api_s = number(result, "duration_api_ms") / 1000
    return tuple(
        used._replace(api_s=api_s * used.output_tokens / written) if written else used
        for used in found
    )


def _of_model(model: str, used: dict[Any, Any]) -> Usage:
    return Usage(
        name_of(model),
        int(number(used, "inputTokens")),
        int(number(used, "outputTokens")),
        int(number(used, "cacheReadInputTokens")),
        int(number(used, "cacheCreationInputTokens")),
        number(used, "costUSD"),
    )


def name_of(model: str) -> str:
    """Return a model's name as messages have it: without the size of its context."""
    name = whole(model).partition("[")[0]
    return " ".join(name.split())


def number(record: Json, key: str) -> float:
    """What is no number, negative, infinite or absurd counts as 0: JSON promises nothing."""
    value = record.get(key)
    return value if isinstance(value, float) and 0 <= value < 1e12 else 0.0

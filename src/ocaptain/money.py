"""What something has cost, in few words: dollars, or tokens if the agents tell no dollars."""

from collections.abc import Iterable

from .onboard.protocol import ModelUsage, Used

LEAST_USD = 0.005
"""Less than that would be shown as $0.00."""


def spent(cost_usd: float, used: Iterable[Used | ModelUsage]) -> str:
    """Return the dollars; if there are none, how many tokens were used."""
    if 0 < cost_usd < LEAST_USD:
        return "<$0.01"
    total = sum(map(tokens, used))
    if total and not cost_usd:
        return "1 token" if total == 1 else f"{count(total)} tokens"
    return f"${cost_usd:.2f}"


def tokens(used: Used | ModelUsage) -> int:
    """Return how many tokens some usage is, of any kind."""
    cached = used["cache_read_tokens"] + used["cache_write_tokens"]
    return used["input_tokens"] + used["output_tokens"] + cached


def count(tokens: int) -> str:
    """Return a number of tokens in few characters."""
    if tokens < 1_000:
        return f"{tokens}"
    return f"{tokens / 1e3:.1f}k" if tokens < 999_950 else f"{tokens / 1e6:.1f}M"

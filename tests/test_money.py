"""What something has cost, in few words."""

from typing import Any

import pytest

from ocaptain import money

TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")


def used(*counts: int) -> Any:
    """So many tokens of each kind."""
    return dict(zip(TOKENS, counts, strict=True))


@pytest.mark.parametrize(
    ("cost_usd", "tokens", "shown"),
    [
        (0.0, [], "$0.00"),
        (0.0, [used(0, 0, 0, 0)], "$0.00"),
        (0.0001, [used(9, 9, 9, 9)], "<$0.01"),
        (0.005, [], "$0.01"),
        (1234.5, [used(9, 9, 9, 9)], "$1234.50"),
        (0.0, [used(1, 0, 0, 0)], "1 token"),
        (0.0, [used(100, 200, 300, 399)], "999 tokens"),
        (0.0, [used(500, 0, 0, 0), used(0, 0, 0, 534)], "1.0k tokens"),
        (0.0, [used(0, 0, 1_249_000, 0)], "1.2M tokens"),
        (0.0, [used(0, 0, 999_999, 0)], "1.0M tokens"),
    ],
)
def test_tokens_stand_in_for_dollars_that_nobody_tells(cost_usd: float, tokens: Any, shown: str):
    """Only what has used nothing has cost nothing."""
    assert money.spent(cost_usd, tokens) == shown

"""What a voyage has used, put together."""

from typing import Any, get_args

from ocaptain import terminal
from ocaptain.fleet.usage import Budgets, By, put_together
from tests.support.rendered import lines


def claim(number: int, task: str | None, state: str, **usage: float) -> Any:
    """A claim that has used models for so many dollars."""
    tokens = dict.fromkeys(("input_tokens", "output_tokens", "cache_read_tokens"), 1000)
    used = {"cache_write_tokens": 500, "api_s": 1.5, **tokens}
    models = {model: {**used, "cost_usd": cost} for model, cost in usage.items()}
    about = {"number": number, "ship": f"ship-{number % 2}", "task": task, "state": state}
    return {**about, "usage": models, "cost_usd": sum(usage.values())}


DOLLARS_ALONE = {
    "input_tokens": 0,
    "output_tokens": 0,
    "cache_read_tokens": 0,
    "cache_write_tokens": 0,
    "cost_usd": 0.5,
    "api_s": 0.0,
}
CLAIMS = [
    claim(1, "1", "released", opus=0.5),
    claim(2, "1", "landed", opus=1.25, haiku=0.25),
    {**claim(3, "2", "live"), "cost_usd": 0.5, "usage": {"unknown": DOLLARS_ALONE}},
    claim(4, None, "landed"),
]

BUDGETS: Budgets = {"budget_usd": 20.0, "budget_tokens": None}
UNLIMITED: Budgets = {"budget_usd": None, "budget_tokens": None}


def test_rows_add_up_to_the_total_whatever_they_are_of():
    """No dollar and no token is missing, and what came to nothing is told."""
    for by in get_args(By):
        shown = put_together("voyage-1", by, BUDGETS, CLAIMS)
        total = shown["total"]
        assert (total["cost_usd"], total["vain_usd"], total["attempts"]) == (2.5, 0.5, 4)
        assert sum(row["cost_usd"] for row in shown["rows"]) == 2.5
        assert sum(row["input_tokens"] for row in shown["rows"]) == total["input_tokens"] == 3000


def test_usage_of_agents_that_tell_no_dollars_has_tokens():
    """Then shares are of the tokens, and nothing is said to have cost $0.00 that has used some."""
    unpriced = {**DOLLARS_ALONE, "cost_usd": None, "output_tokens": 300, "cache_read_tokens": 9700}
    used: list[Any] = []
    for row in CLAIMS[:2]:
        used.append({**row, "usage": {"gpt": unpriced}, "cost_usd": 0.0})
    more = {**unpriced, "input_tokens": 10_000}
    used.append({**CLAIMS[2], "usage": {"gpt": more}, "cost_usd": 0.0})
    shown = put_together("voyage-1", "task", UNLIMITED, [*used, CLAIMS[3]])
    assert lines(terminal.usage(shown)) == [
        "task    attempts  cost   share  in     out  cached",
        "1       2         -      50%    0      600  19.4k",
        "2       1         -      50%    10.0k  300  9.7k",
        "verify  1         $0.00  0%     0      0    0",
        "total   4         -      100%   10.0k  900  29.1k",
        "40.0k tokens; the agents tell no dollars",
    ]


def test_what_has_used_alike_is_in_the_order_of_tasks():
    """Whichever ended first; the verification is the last."""
    claims = [claim(1, "10", "landed"), claim(2, None, "landed"), claim(3, "2", "landed")]
    shown = put_together("voyage-1", "task", UNLIMITED, claims)
    assert [row["name"] for row in shown["rows"]] == ["2", "10", "verify"]


def test_usage_is_a_table_with_shares():
    """What cost most comes first."""
    assert lines(terminal.usage(put_together("voyage-1", "task", BUDGETS, CLAIMS))) == [
        "task    attempts  cost   share  in    out   cached",
        "1       2         $2.00  80%    3.0k  3.0k  4.5k",
        "2       1         $0.50  20%    0     0     0",
        "verify  1         $0.00  0%     0     0     0",
        "total   4         $2.50  100%   3.0k  3.0k  4.5k",
        "$2.50 of the budget of $20; $0.50 went into attempts that did not land",
    ]
    assert terminal.allowed({**BUDGETS, "budget_tokens": 5000}) == "$20 or 5,000 tokens"

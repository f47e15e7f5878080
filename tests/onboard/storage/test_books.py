"""What claims have used, as storage keeps it of its ships' reports."""

from typing import Any

import pytest

from ocaptain.onboard.storage import books
from tests.support.rules import rule
from tests.support.storage import Sail, task

Json = dict[str, Any]


def used(cost_usd: float | None, tokens: int) -> Json:
    """A report of what was used of a model."""
    return {"input_tokens": tokens, "output_tokens": 1, "cost_usd": cost_usd, "api_s": 0.5}


@rule("R154")
def test_the_sums_agree_however_they_are_put_together(sail: Sail):
    """By ship, task and attempt the same dollars and tokens are shown, those of attempts that came
    to nothing among them."""
    storage = sail(task("1"), task("2"))
    first, second = storage.claim("ship-0"), storage.claim("ship-1")
    usage = {"opus": used(0.1234567, 1000), "haiku": used(0.0000049, 20)}
    landed = {"commit": None, "note": "as it is", "cost_usd": 0.1234616, "usage": usage}
    storage.ask("ship-0", "land", claim=first["claim"], **landed)
    usage = {"opus": used(0.3333333, 5)}
    why = {"fault": "agent", "why": "it stalled", "usage": usage, "cost_usd": 0.3333333}
    storage.ask("ship-1", "release", claim=second["claim"], **why)
    storage.claim("ship-1")
    storage.ask("ship-1", "beat", claim=3, cost_usd=0.01)
    status = storage.order("status")
    rows = storage.order("tasks")["tasks"]
    details = [storage.order("task", task=row["id"]) for row in rows]
    claims = [claim for each in details for claim in each["claims"]]
    assert status["cost_usd"] == 0.466795
    for parts in (status["ships"], rows, details, claims):
        assert round(sum(part["cost_usd"] for part in parts), 6) == status["cost_usd"]
    for parts in (status["ships"], rows, details):
        tokens = sum(part["usage"]["input_tokens"] for part in parts)
        assert tokens == status["usage"]["input_tokens"] == 1025
    models = [model for claim in claims for model in claim["usage"]]
    assert round(sum(model["cost_usd"] for model in models), 6) == status["cost_usd"]


@rule("R154")
def test_a_report_that_was_overtaken_counts_for_nothing(sail: Sail):
    """What a claim has used only grows, and what comes with the end of a lost claim is kept."""
    storage = sail(task("1"), lease_seconds=60)
    storage.claim("ship-0")
    usage = {"opus": used(0.5, 100)}
    storage.ask("ship-0", "beat", claim=1, cost_usd=0.5, usage=usage)
    storage.ask("ship-0", "beat", claim=1, cost_usd=0.25, usage={"opus": used(0.25, 50)})
    [claim] = storage.order("task", task="1")["claims"]
    assert (claim["cost_usd"], claim["usage"][0]["input_tokens"]) == (0.5, 100)
    storage.order("release", task="1")
    late = {"fault": "lost", "why": "it is lost", "cost_usd": 0.75, "usage": usage}
    storage.ask("ship-0", "release", claim=1, **late)
    [claim] = storage.order("task", task="1")["claims"]
    assert claim["state"] != "live"
    assert [(row["model"], row["cost_usd"]) for row in claim["usage"]] == [
        ("opus", 0.5),
        ("unknown", 0.25),
    ]


@rule("R154")
def test_dollars_without_a_model_are_of_the_model_unknown(sail: Sail):
    """If a report tells dollars alone, the models that were told before keep theirs."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    storage.ask("ship-0", "beat", claim=1, cost_usd=0.25, usage={"opus": used(0.25, 100)})
    storage.ask("ship-0", "beat", claim=1, cost_usd=0.75)
    [claim] = storage.order("task", task="1")["claims"]
    assert claim["cost_usd"] == 0.75
    assert [(row["model"], row["cost_usd"]) for row in claim["usage"]] == [
        ("opus", 0.25),
        ("unknown", 0.5),
    ]


@pytest.mark.parametrize(
    "told",
    [
        None,
        [],
        {"m": None},
        {"": {"input_tokens": -1, "cost_usd": "1"}},
        {"x" * 500: {"api_s": 1e300}},
        {str(number): {} for number in range(1000)},
    ],
)
def test_usage_of_the_wrong_kind_is_none(told: Any):
    """Whatever a ship sends, names are short, there are few, and numbers are numbers."""
    usage = books.usage_in({"usage": told})
    assert len(usage) <= books.MODELS_LIMIT
    assert books.tokens(usage) == 0
    assert all(0 < len(model) <= 100 for model in usage)

"""What a claim's agent has used, added up."""

from ocaptain.onboard.ship.agents import Usage
from ocaptain.onboard.ship.spending import Spending


def use(model: str, tokens: int, usd: float | None = None) -> Usage:
    """So many tokens in, and as many out."""
    return Usage(model, tokens, tokens, 0, 0, usd)


def test_messages_count_until_the_turn_has_a_total():
    """A turn that is cut short has none."""
    spending = Spending()
    spending.add_message("one", 0.25, [use("opus", 10)])
    spending.add_message("two", 0.25, [use("opus", 5)])
    assert (spending.total(), spending.tokens()) == (0.5, 30)
    spending.end_turn(0.75, [use("opus", 20)])
    assert (spending.total(), spending.tokens()) == (0.75, 40)


def test_processes_add_up():
    """Each counts from nothing."""
    spending = Spending()
    spending.end_turn(0.5, [use("opus", 10, 0.5)])
    spending.end_process()
    spending.end_turn(0.25, [use("opus", 5, 0.25)])
    assert spending.total() == 0.75
    assert spending.by_model()["opus"]["input_tokens"] == 15
    assert spending.by_model()["opus"]["cost_usd"] == 0.75


def test_tokens_that_are_used_up():
    """Another agent's count as well."""
    spending = Spending()
    spending.end_turn(0.5, [use("opus", 400)])
    assert spending.excess(None, 1000) == ""
    spending.aside().end_turn(0.5, [use("sonnet", 100)])
    assert spending.excess(None, 1000) == "its budget of 1,000 tokens is used up: 1,000"


def test_dollars_that_another_agent_has_spent():
    """The agent itself sees to its own."""
    spending = Spending()
    spending.end_turn(1.5)
    assert spending.excess(1.0, None) == ""
    spending.aside().end_turn(0.25)
    assert spending.excess(1.0, None) == "the budget of $1.00 is spent"
    assert spending.excess(2.0, None) == ""


def test_what_is_left_is_never_nothing():
    """A process is granted a cent at least."""
    spending = Spending()
    spending.end_turn(3.0)
    assert spending.left_of(None) is None
    assert spending.left_of(5.0) == 2.0
    assert spending.left_of(1.0) == 0.01

"""What a claim's agent uses, as far as is known: tokens, dollars and API time, by model."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..protocol import ModelUsage
from .agents import Usage

LEAST_USD = 0.01
"""What a process is granted at least, if only a little is left of the budget."""


class Spent(NamedTuple):
    """What something has used, as the agent told it."""

    usd: float
    usage: Sequence[Usage]
    """By model. Its dollars may add up to fewer; storage books the others as of no known model."""

    def total(self) -> float:
        """Return the dollars: those that were told, or those by model if they are more."""
        return max(self.usd, sum(used.cost_usd or 0.0 for used in self.usage))


class Spending:
    """Adds up what was said to be used, in US dollars and tokens.

    A turn that is cut short has no total. Until one comes, the least that each message has used is
    counted.
    """

    def __init__(self) -> None:
        self._earlier_processes: list[Spent] = []
        self._process = Spent(0.0, ())
        self._messages: dict[str, Spent] = {}
        self._asides: list[Spending] = []

    def aside(self) -> "Spending":
        """Return what adds up the use of another agent, which counts here as well."""
        other = Spending()
        self._asides.append(other)
        return other

    def others_have_spent(self) -> bool:
        """Whether another agent has spent something of this."""
        return any(other.total() for other in self._asides)

    def add_message(self, mark: str, usd: float, usage: Sequence[Usage] = ()) -> None:
        """Note what a message, called `mark`, has used at least."""
        self._messages[mark] = Spent(usd, usage)

    def end_turn(self, usd: float, usage: Sequence[Usage] = ()) -> None:
        """Note what the process says that it has used so far; 0 and nothing if it does not say."""
        if usd or usage:
            self._process = Spent(usd, usage)
            self._messages.clear()

    def end_process(self) -> None:
        """Begin to count for another process."""
        self._earlier_processes = self._own()
        self._process = Spent(0.0, ())
        self._messages = {}

    def total(self) -> float:
        """Return what the claim has spent, in US dollars."""
        return sum(spent.total() for spent in self._all())

    def left_of(self, budget_usd: float | None) -> float | None:
        """Return what is left of a budget, if there is one."""
        return None if budget_usd is None else max(budget_usd - self.total(), LEAST_USD)

    def excess(self, budget_usd: float | None, budget_tokens: int | None) -> str:
        """Return why nothing more may be used; empty if something may.

        Of dollars the agent itself sees to that, unless another has spent of them as well: it knows
        only what was left when its process began."""
        if budget_tokens is not None and self.tokens() >= budget_tokens:
            return f"its budget of {budget_tokens:,} tokens is used up: {self.tokens():,}"
        if budget_usd is not None and self.others_have_spent() and self.total() >= budget_usd:
            return f"the budget of ${budget_usd:.2f} is spent"
        return ""

    def tokens(self) -> int:
        """Return how many tokens the claim has used, of any kind."""
        return sum(tokens(used) for used in self._usages())

    def by_model(self) -> dict[str, ModelUsage]:
        """Return what the claim has used, by model."""
        found: dict[str, Usage] = {}
        for used in self._usages():
            before = found.get(used.model)
            found[used.model] = added(before, used) if before else used
        return {model: _entry(used) for model, used in found.items()}

    def _usages(self) -> list[Usage]:
        return [used for spent in self._all() for used in spent.usage]

    def _all(self) -> list[Spent]:
        others = [spent for other in self._asides for spent in other._own()]
        return [*self._own(), *others]

    def _own(self) -> list[Spent]:
        messages = tuple(self._messages.values())  # which the reader may add to meanwhile
        return [*self._earlier_processes, self._process, *messages]


def added(one: Usage, other: Usage) -> Usage:
    """Return the sum of what was used of one model."""
    return Usage(
        one.model,
        one.input_tokens + other.input_tokens,
        one.output_tokens + other.output_tokens,
        one.cache_read_tokens + other.cache_read_tokens,
        one.cache_write_tokens + other.cache_write_tokens,
        _dollars((one.cost_usd, other.cost_usd)),
        one.api_s + other.api_s,
    )


def tokens(used: Usage) -> int:
    """Return how many tokens this is, of any kind."""
    cached = used.cache_read_tokens + used.cache_write_tokens
    return used.input_tokens + used.output_tokens + cached


def _dollars(costs: Iterable[float | None]) -> float | None:
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known else None


def _entry(used: Usage) -> ModelUsage:
    return {
        "input_tokens": used.input_tokens,
        "output_tokens": used.output_tokens,
        "cache_read_tokens": used.cache_read_tokens,
        "cache_write_tokens": used.cache_write_tokens,
        "cost_usd": used.cost_usd,
        "api_s": round(used.api_s, 3),
    }

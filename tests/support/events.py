"""What agents print, and the events that are read from it."""

from typing import get_args

from hypothesis import strategies as st

from ocaptain.onboard.ship.agents import Event, Kind

ODD = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


JSON = st.recursive(ODD, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


def check(events: list[Event]) -> None:
    for event in events:
        assert event.kind in get_args(Kind)
        assert "\n" not in event.text
        event.text.encode()
        assert 0 <= event.cost_usd < float("inf")
        for used in event.usage:
            used.model.encode()
            assert all(amount is None or 0 <= amount < float("inf") for amount in used[1:])
        assert 0 <= event.until < float("inf")
        assert isinstance(event.left, int)

"""Whatever else may stand where a value should: strategies of hypothesis."""

import copy
import json
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

DEEP = "[" * 100_000
ODD = [0, -1, 2**70, 1e308, float("inf"), float("nan"), "\ud800", "\x1b]0;x\x07", "a" * 20_000]
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(ODD)
JSON = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
FEW = settings(
    max_examples=max(settings().max_examples // 2, 50),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@st.composite
def changed(draw: st.DrawFn, sound: Any) -> Any:
    """A sound value of which up to two parts, anywhere in it, are missing or something else."""
    value = copy.deepcopy(sound)
    for _ in range(draw(st.integers(1, 2))):
        place = value
        while isinstance(place, dict | list) and place:
            keys = list(place) if isinstance(place, dict) else range(len(place))
            key = draw(st.sampled_from(keys))
            if not place[key] or not isinstance(place[key], dict | list) or draw(st.booleans()):
                if draw(st.booleans()):
                    del place[key]
                else:
                    place[key] = draw(st.sampled_from(ODD) | JSON)
                break
            place = place[key]
    return value


def written(sound: Any) -> st.SearchStrategy[bytes]:
    """What may stand where a sound value should: almost that, other JSON, or no JSON at all."""
    whole = json.dumps(sound).encode()
    cut = st.integers(0, len(whole) - 1).map(lambda size: whole[:size])
    values = changed(sound) | JSON
    return values.map(lambda value: json.dumps(value).encode()) | cut | st.binary()

"""What storage answers, held to the protocol's own types and bounds."""

import json
from typing import Annotated, Any, TypedDict, get_args, get_type_hints

import msgspec
import pytest

from ocaptain.errors import Failure
from ocaptain.fleet.answers import checked_type, read_answer
from ocaptain.onboard.protocol import (
    Amount,
    EditAnswer,
    FsckAnswer,
    HailAnswer,
    Message,
    Name,
    Pattern,
    Range,
    RelieveAnswer,
    ShipName,
    Status,
    Task,
    TaskRows,
    Unfetched,
    UpdateShipsAnswer,
    VoyageRecordAnswer,
)
from tests.support.documented import example

ANSWERS = [
    *(EditAnswer, FsckAnswer, HailAnswer, Message, RelieveAnswer, Status, TaskRows, Unfetched),
    *(UpdateShipsAnswer, VoyageRecordAnswer),
]


def written(answer: dict[str, Any]) -> bytes:
    return json.dumps({"ok": True, **answer}).encode()


@pytest.mark.parametrize("kind", ANSWERS)
def test_every_key_of_an_answer_is_looked_at(kind: Any):
    """None is forgotten when the protocol gets another one."""
    names = {field.name for field in msgspec.structs.fields(checked_type(kind))}
    assert names == set(get_type_hints(kind))


@pytest.mark.parametrize(
    ("kind", "sound", "faulty"),
    [
        (Name, ["a", "voyage-3f_9"], ["", "a b", "a\n", "\na", "a;b", 1, None]),
        (ShipName, ["ship-0", "ship-12"], ["ship-", "ship-0\n", "xship-0", "../ship-0", "ship-x"]),
        (Amount, [0, 1.5, 10**15], [-1, 1e16, "1", None, True]),
        (Amount | None, [None, 0], [-1, "1"]),
        (list[ShipName], [[], ["ship-0"]], [["ship-0", "x"], "ship-0", None]),
        (dict[str, str], [{}, {"a": "b"}], [{"a": 1}, [], None]),
    ],
)
def test_bounds(kind: Any, sound: list[Any], faulty: list[Any]):
    """A pattern is for the whole text, a range has both its ends, wherever in a type they are."""
    for value in sound:
        msgspec.convert(value, checked_type(kind))
    for value in faulty:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(value, checked_type(kind))


def test_a_bound_inside_of_other_types_is_held():
    """Below a key, in a list, in another shape."""
    status = example("status")
    assert read_answer(written(status), Status) == status
    status["ships"][0]["id"] = "ship-0/../x"
    with pytest.raises(ValueError, match=r"Expected `str` matching regex .*ships\[0\]"):
        read_answer(written(status), Status)


class Shape(TypedDict, total=False):
    """Something of which all may be missing."""

    count: Annotated[int, Range(1, 2)]
    name: Annotated[str, Pattern("a|b")]


@pytest.mark.parametrize("sound", [{}, {"count": 1}, {"name": "b"}, {"count": 2, "other": "c"}])
def test_what_may_be_missing_may_be_missing(sound: Any):
    """And keys that are not known are let be."""
    assert read_answer(written(sound), Shape) == sound


@pytest.mark.parametrize("faulty", [{"count": 3}, {"count": None}, {"name": "ab"}, {"name": "xb"}])
def test_what_is_there_has_to_be_sound(faulty: Any):
    """Also where it need not be there, and where a pattern has alternatives."""
    with pytest.raises(ValueError, match="Expected"):
        read_answer(written(faulty), Shape)


def test_a_literal_is_one_of_its_values():
    """As the status in a task's file."""
    [*states] = get_args(get_type_hints(Task)["status"])
    for state in states:
        read_answer(written({"status": state}), Task)
    with pytest.raises(ValueError, match="Invalid enum value"):
        read_answer(written({"status": "failed"}), Task)


def test_a_refusal_is_told_in_harbors_own_words():
    """Made safe for a terminal."""
    refusal = {"ok": False, "code": "task", "error": "there is no task '9'\x1b[2J"}
    with pytest.raises(Failure, match=r"^there is no task '9'[^\x1b]\[2J$"):
        read_answer(json.dumps(refusal).encode(), Message)


@pytest.mark.parametrize(
    "stdout", [b"", b"[]", b"{}", b'{"ok": 1, "message": "x"}', b'{"ok": true}']
)
def test_what_is_no_answer_is_told_from_a_refusal(stdout: bytes):
    """Whoever asked says whose it is."""
    with pytest.raises(ValueError, match=r"truncated|Expected|missing"):
        read_answer(stdout, Message)

"""What tests of claims do again and again."""

from typing import Any

from tests.support.storage import Storage


def land(storage: Storage, ship: str, claim: dict[str, Any], commit: Any, **more: Any) -> Any:
    return storage.ask(ship, "land", claim=claim["claim"], commit=commit, **more)


def give_up(storage: Storage, ship: str, fault: str, why: str = "it broke") -> Any:
    number = storage.claim(ship)["claim"]
    return storage.ask(ship, "release", claim=number, why=why, fault=fault)


def state(storage: Storage) -> tuple[str, Any]:
    """The voyage's state and its reason, as a ship that finds nothing to claim is told."""
    answer = storage.claim(storage.join())
    assert answer["claim"] is None, answer
    return answer["state"], answer["reason"]

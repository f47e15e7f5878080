"""The captain's messages to an agent: which it was sent, and which it has heard."""

from collections.abc import Mapping


class Hails:
    """Messages by their numbers, as storage has them: it only ever adds to them."""

    def __init__(self) -> None:
        self.heard: list[int] = []
        """Numbers of those that are before the model."""
        self._sent = 0
        self._on_the_way: dict[str, list[int]] = {}

    def new(self, hails: Mapping[str, str]) -> list[str]:
        """Return the texts of those that were not sent yet."""
        return list(hails.values())[self._sent :]

    def send(self, mark: str, hails: Mapping[str, str]) -> None:
        """Note that all new ones are sent, in a message that has this mark."""
        self._on_the_way[mark] = [int(number) for number in list(hails)[self._sent :]]
        self._sent = len(hails)

    def hear(self, mark: str) -> None:
        """Note that the agent has heard a message."""
        self.heard += self._on_the_way.pop(mark, [])

    def are_on_the_way(self) -> bool:
        """Whether a message was sent that the agent has not heard."""
        return bool(self._on_the_way)

    def give_up(self) -> None:
        """Wait no more for what is on the way."""
        self._on_the_way.clear()

    def send_again(self) -> None:
        """Count as not sent what is on the way to a process that is gone."""
        for numbers in self._on_the_way.values():
            self._sent -= len(numbers)
        self._on_the_way.clear()

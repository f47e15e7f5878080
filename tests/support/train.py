"""What the protocol promises of the landing train, for the model of a voyage."""

from dataclasses import dataclass, field
from typing import Any, Protocol

FIRST_WINDOW = 8


@dataclass
class Car:
    """A claim's place: the commit it is to be on, and its own, once that is there."""

    claim: int
    base: str | None
    until: float
    commit: str | None = None
    green: bool = False


class Voyage(Protocol):
    """What the train has to know of the rest of the voyage."""

    heads: list[str]
    clock: float

    def berthed(self) -> int:
        """Which claim has the berth now; 0: none."""

    def silent(self, number: int) -> bool:
        """Whether a claim's ship, which is not asking, was not heard for a third of a lease."""


@dataclass
class Line:
    """Who is on its way to the branch. `most` is the plan's window, `limit` is for how long a car
    may have its base, in seconds of the voyage clock."""

    most: int
    limit: float
    window: float = 0
    cars: list[Car] = field(default_factory=list)
    queue: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.window = min(FIRST_WINDOW, self.most)

    def car(self, number: int) -> Car | None:
        return next((car for car in self.cars if car.claim == number), None)

    def places(self) -> list[int]:
        return [*(car.claim for car in self.cars), *self.queue]

    def base_of(self, place: int, head: str) -> str | None:
        """Where the work of a place belongs: on the branch, or on what is ahead."""
        return self.cars[place - 1].commit if place else head

    def remove(self, number: int) -> None:
        self.cars = [car for car in self.cars if car.claim != number]
        self.queue = [waiting for waiting in self.queue if waiting != number]

    def drop(self, voyage: Voyage, number: int) -> None:
        """A claim has ended."""
        if number in self.places():
            self.remove(number)
        self.follow(voyage)

    def follow(self, voyage: Voyage) -> None:
        """Have each car on the base that it belongs on, and let in who waits."""
        head, until = voyage.heads[-1], voyage.clock + self.limit
        for place, car in enumerate(self.cars):
            base = self.base_of(place, head)
            if car.base != base:
                self.cars[place] = Car(car.claim, base, until)
        while self.queue and len(self.cars) < int(self.window):
            berthed = voyage.berthed()
            if berthed not in (0, self.queue[0], *(car.claim for car in self.cars if car.commit)):
                break
            base = self.base_of(len(self.cars), head)
            self.cars.append(Car(self.queue.pop(0), base, until))

    def pass_late(self, voyage: Voyage, awaited: str = "") -> None:
        """Those go who hold others up."""
        for number in [*self.queue, *(car.claim for car in self.cars)]:
            car, late = self.car(number), voyage.silent(number)
            if car:
                is_waited_for = self.places()[-1] != number or (awaited and car.commit == awaited)
                is_slow = car.base and not car.green and car.until < voyage.clock
                late = bool(is_waited_for and (late or is_slow))
            if late:
                self.remove(number)

    def line_up(self, voyage: Voyage, number: int) -> None:
        if number not in self.places():
            first = voyage.berthed() == number
            self.queue = [number, *self.queue] if first else [*self.queue, number]

    def pass_check(self, number: int) -> list[Car]:
        """The check is green on a car's commit; those that land."""
        landing = []
        for car in self.cars:
            car.green = car.green or car.claim == number
        while self.cars and self.cars[0].green:
            landing.append(self.cars.pop(0))
        self.window = min(self.window + len(landing), self.most)
        return landing

    def fail_check(self) -> None:
        self.window = max(1, self.window / 2)


def in_words(line: Line) -> Any:
    """The same as storage has it."""
    cars = [[car.claim, car.base, car.commit, car.green] for car in line.cars]
    return [line.window, cars, line.queue]


def as_stored(train: Any, line: Line) -> Any:
    """What storage has, as far as the model knows that; a train that never was is as it begins."""
    if train is None:
        return [min(FIRST_WINDOW, line.most), [], []]
    cars = [[car[key] for key in ("claim", "base", "commit", "green")] for car in train["cars"]]
    return [train["window"], cars, train["queue"]]

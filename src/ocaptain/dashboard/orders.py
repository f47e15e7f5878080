"""Orders that are given on the page: the same as those that are typed, by fleet/orders.py."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Literal, NamedTuple, TypedDict

import msgspec

from ocaptain.errors import Failure, listener
from ocaptain.fleet import orders
from ocaptain.fleet.voyage import Signature, Voyage, sign
from ocaptain.ssh import clean

Text = Annotated[str, msgspec.Meta(max_length=16_000)]
Words = Annotated[str, msgspec.Meta(min_length=1, max_length=16_000, pattern=r"\S")]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
ShipName = Annotated[str, msgspec.Meta(pattern=r"\Aship-\d{1,9}\Z")]
Names = Annotated[list[Name], msgspec.Meta(max_length=1_000)]
Paths = Annotated[
    list[Annotated[str, msgspec.Meta(min_length=1, max_length=300)]], msgspec.Meta(max_length=1_000)
]
Ships = Annotated[int, msgspec.Meta(ge=0, le=99)]

PATIENCE_S = 2.0
"""How long whoever gives an order waits for what comes of it; it may go on for hours."""


class Body(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is sent with each order."""

    why: Text = ""


class OfTask(Body):
    """An order about a task."""

    task: Name


class OfShip(Body):
    """An order about a ship."""

    ship: ShipName


class Hail(Body):
    """A message to one ship's agent, or to all."""

    message: Words
    ship: ShipName | None = None


class Reinforce(Body):
    """So many ships more."""

    ships: Ships = 0
    force: bool = False


class NewTask(Body):
    """A task to be added."""

    subject: Words
    description: Text | None = None
    after: Names = []
    files: Paths = []
    run: Words | None = None


class EditedTask(OfTask):
    """What is to be different in a task."""

    subject: Words | None = None
    description: Text | None = None
    after: Names | None = None
    files: Paths = []
    run: Words | None = None


class Verb(NamedTuple):
    """An order: what is sent with it, and what gives it."""

    body: type[Body]
    give: Callable[[Voyage, Signature, Any], Awaitable[Mapping[str, Any]]]


def _add_task(voyage: Voyage, by: Signature, body: NewTask) -> Awaitable[Mapping[str, Any]]:
    return orders.add_task(
        voyage,
        by,
        subject=body.subject,
        description=body.description,
        after=body.after,
        files=body.files,
        run=body.run,
    )


def _edit_task(voyage: Voyage, by: Signature, body: EditedTask) -> Awaitable[Mapping[str, Any]]:
    after = [""] if body.after == [] else body.after or ()
    return orders.edit_task(
        voyage,
        by,
        body.task,
        subject=body.subject,
        description=body.description,
        after=after,
        files=body.files,
        run=body.run,
    )


VERBS: Mapping[str, Verb] = {
    "pause": Verb(Body, lambda voyage, by, _: orders.pause(voyage, by)),
    "halt": Verb(Body, lambda voyage, by, _: orders.halt(voyage, by)),
    "resume": Verb(Body, lambda voyage, by, _: orders.resume(voyage, by)),
    "hail": Verb(Hail, lambda voyage, by, sent: orders.hail(voyage, by, sent.message, sent.ship)),
    "retry": Verb(OfTask, lambda voyage, by, sent: orders.retry(voyage, by, sent.task)),
    "release": Verb(OfTask, lambda voyage, by, sent: orders.release(voyage, by, sent.task)),
    "relieve": Verb(OfShip, lambda voyage, by, sent: orders.relieve(voyage, by, sent.ship)),
    "reinforce": Verb(
        Reinforce,
        lambda voyage, by, sent: orders.reinforce(voyage, by, sent.ships, force=sent.force),
    ),
    "add_task": Verb(NewTask, _add_task),
    "edit_task": Verb(EditedTask, _edit_task),
}
"""All orders, by the last word of their address."""


class Order(TypedDict):
    """What becomes of an order."""

    id: str
    voyage: str
    verb: str
    state: Literal["running", "done", "failed"]
    said: list[str]
    """How it is going."""
    message: str | None
    """What came of it, or why it failed; None while it goes on."""
    unheard: list[str]
    outcome: Mapping[str, Any]


class Desk:
    """Gives orders, and tells what becomes of them."""

    def __init__(
        self,
        find: Callable[[str], Awaitable[Voyage]],
        tell: Callable[[Order], None],
        verbs: Mapping[str, Verb] = VERBS,
    ) -> None:
        """`find` returns a voyage as it is now, by its id; `tell` is called with each news."""
        self.tasks: set[asyncio.Task[None]] = set()
        self._find = find
        self._tell = tell
        self._verbs = verbs
        self._given = 0

    async def give(self, voyage: str, verb: str, sent: bytes) -> Order:
        """Give an order. Returns it as it is after a while; others hear of it later.

        Raises KeyError if there is no such verb, and msgspec.ValidationError or DecodeError if
        what was sent with it makes none."""
        meant = self._verbs[verb]
        body = msgspec.json.decode(sent or b"{}", type=meant.body)
        self._given += 1
        order: Order = {
            "id": str(self._given),
            "voyage": voyage,
            "verb": verb,
            "state": "running",
            "said": [],
            "message": None,
            "unheard": [],
            "outcome": {},
        }
        task = asyncio.create_task(self._carry_out(order, meant, body))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        await asyncio.wait([task], timeout=PATIENCE_S)
        return order

    async def _carry_out(self, order: Order, verb: Verb, body: Body) -> None:
        def hear(text: str) -> None:
            order["said"].append(clean(text))
            self._tell(order)

        listener.set(hear)
        self._tell(order)
        try:
            voyage = await self._find(order["voyage"])
            outcome = await verb.give(voyage, sign(body.why), body)
        except Failure as failure:
            order["state"] = "failed"
            order["message"] = clean(str(failure))
        else:
            order["state"] = "done"
            order["message"] = clean(str(outcome.get("message", "")))
            order["unheard"] = [*outcome.get("unheard", ())]
            order["outcome"] = outcome
        self._tell(order)

"""Chooses among voyages, by how they stand and what their plans are called."""

import re
import shutil
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple

from ocaptain.errors import Failure
from ocaptain.onboard.text import clean
from ocaptain.process import wait_for_all
from ocaptain.times import since

from .voyage import RUN_S, Voyage

if TYPE_CHECKING:
    from ocaptain.terminal import VoyageRow  # rich is for those who show something

LOOK_S = 10.0
"""How long storage may take to say how its voyage stands, if another may be meant."""
SHIP = re.compile(r"ship-\d+")
TASK = re.compile(r"\d{1,3}")
VERBS_OF_TASKS = ("add", "edit", "show")
"""What may be meant by a word after `tasks` that is no voyage."""
OVER = ("complete", "failed")
"""States of voyages that have come to their end."""


class Candidate(NamedTuple):
    """A voyage that may be meant, and how it stands."""

    voyage: Voyage
    row: "VoyageRow"

    @property
    def is_over(self) -> bool:
        """Whether it has come to its end, or has no storage any more that could go on."""
        is_rest = bool(self.voyage.vms) and self.voyage.storage not in self.voyage.vms
        return is_rest or self.row["state"] in OVER


async def candidates(voyages: Sequence[Voyage]) -> list[Candidate]:
    """Ask all of these voyages how they stand, at once."""
    rows = await wait_for_all(*(row_of(voyage, LOOK_S) for voyage in voyages))
    return [Candidate(voyage, row) for voyage, row in zip(voyages, rows, strict=True)]


async def row_of(voyage: Voyage, timeout: float = RUN_S) -> "VoyageRow":
    """Return a voyage at a glance.

    It is `unseen` if its storage does not say within `timeout` seconds how it stands."""
    row: VoyageRow = {
        "voyage": voyage.id,
        "provider": voyage.config.provider,
        "vms": len(voyage.vms),
        "state": "unseen",
        "reason": None,
        "created": None,
        "name": "",
        "objective": "",
    }
    try:
        status = await voyage.ask_status(timeout)
    except Failure as failure:
        row["reason"] = str(failure)
        return row
    row["state"] = status["state"]
    row["reason"] = status["reason"]
    row["created"] = status["created"]
    row["name"] = status["name"]
    row["objective"] = status["objective"]
    return row


def choose(known: Sequence[Candidate], name: str | None) -> Voyage:
    """Return the voyage that a plan's name means; without a name, the only one that is not over.

    Raises Failure with a list if there is none, or more than one."""
    fitting = [each for each in known if name in (None, each.row["name"])]
    going = [each for each in fitting if not each.is_over]
    if len(fitting) == 1:
        return fitting[0].voyage
    if len(going) == 1:
        return going[0].voyage
    if not fitting:
        raise no_such(known, name or "")
    raise ambiguous(going or fitting)


def no_such(known: Sequence[Candidate], name: str) -> Failure:
    """Return the failure that no voyage is named so, with all that there are."""
    names = [each.row["name"] for each in known] + [each.voyage.id for each in known]
    meant = get_close_matches(name, names, n=1)
    question = f" Did you mean {clean(meant[0])}?" if meant else ""
    message = f"There is no voyage {name}.{question} There is:"
    return Failure("\n".join([message, *_lines(known)]), hint=_no_voyage_but(name))


def _no_voyage_but(name: str) -> str:
    """Return what to type of a ship or a task that was named in place of a voyage."""
    if SHIP.fullmatch(name):
        return f"Of a ship: ocaptain logs {name}  or  ocaptain shell {name}"
    if TASK.fullmatch(name):
        return f"Of a task: ocaptain tasks show {name}"
    verb = get_close_matches(name, VERBS_OF_TASKS, n=1)
    return f"Did you mean: ocaptain tasks {verb[0]}" if verb else ""


def ambiguous(fitting: Sequence[Candidate]) -> Failure:
    """Return the failure that several voyages may be meant, with how to say which."""
    names = [each.row["name"] for each in fitting]
    telling = [each for each in fitting if each.row["name"] and names.count(each.row["name"]) == 1]
    first = telling[0] if telling else fitting[0]
    short = first.voyage.id.removeprefix("voyage-")[:4]
    by_name = f" or its plan's name ({clean(first.row['name'])})" if telling else ""
    return Failure(
        "\n".join(["More than one voyage fits. There is:", *_lines(fitting)]),
        hint=f"Name one: the beginning of its id ({short}){by_name} will do.",
    )


def _lines(known: Sequence[Candidate]) -> list[str]:
    """Return a line for each voyage, cut where the terminal ends."""
    columns = shutil.get_terminal_size().columns if sys.stderr.isatty() else None
    provider_columns = max(len(each.row["provider"]) for each in known)
    lines = []
    for voyage, row in known:
        name_and_purpose = ": ".join(filter(None, [row["name"], row["objective"]]))
        what = row["reason"] if row["state"] == "unseen" else name_and_purpose
        provider = f"{row['provider']:<{provider_columns}}"
        age = f"{since(row['created']):>6}"
        line = f"  {voyage.id}  {provider}  {row['state']:<9}  {age}  {what}"
        lines.append(clean(line).partition("\n")[0][:columns])
    return lines

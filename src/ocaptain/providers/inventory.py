"""The inventory of `hosts`: a file with a machine a line; `#` begins a comment."""

import re
from pathlib import Path

from ocaptain.errors import Failure

MACHINE = re.compile(r"([\w.][\w.-]*@)?[\w.][\w.-]*(:(?P<port>\d+))?")
GREATEST_PORT = 65_535


def read_inventory(path: Path) -> list[str]:
    """Return the machines that an inventory names, as `[user@]host[:port]`.

    Raises Failure with every line that is none."""
    try:
        lines = path.read_text().splitlines()
    except OSError as why:
        raise _missing(path, f"{why.strerror}") from None
    except ValueError as why:
        raise _missing(path, f"{why}") from None
    places = []
    faults = []
    for number, line in enumerate(lines, 1):
        place = line.partition("#")[0].strip()
        fault = _fault(place) if place else ""
        if fault:
            faults.append(f"line {number}: {place}: {fault}")
        elif place:
            places.append(place)
    if faults:
        raise Failure("\n".join([f"{path} has lines that name no machine.", *faults]))
    if not places:
        raise _missing(path, "no machine is in it")
    return [*dict.fromkeys(places)]


def _fault(place: str) -> str:
    """Return what is wrong with a line; empty if nothing is."""
    if len(place.split()) > 1:
        return "a line has one machine"
    machine = MACHINE.fullmatch(place)
    if machine is None:
        return "that is no [user@]host[:port]"
    if machine["port"] and not 1 <= int(machine["port"]) <= GREATEST_PORT:
        return f"a port is a number from 1 to {GREATEST_PORT}"
    return ""


def _missing(path: Path, why: str) -> Failure:
    folder = path.parent
    return Failure(
        f"{path}: {why}.",
        hint=f"mkdir -p {folder}  and write a machine a line into {path}: [user@]host[:port]",
    )

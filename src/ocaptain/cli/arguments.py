"""Arguments and options that several commands have, as decorators, and how they print JSON."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from .names import complete_names

if TYPE_CHECKING:
    from ocaptain.fleet.voyage import Voyage

PATH = click.Path(path_type=Path)


class WholeNumber(click.IntRange):
    """A whole number within bounds; click would call what is none "not a valid integer range"."""

    name = "whole number"


class Number(click.FloatRange):
    """A number within bounds; click would call what is none "not a valid float range"."""

    name = "number"


SHIPS = WholeNumber(1, 99)
WEB_ADDRESS = re.compile(r"https?://[^/]")
SLIP_OF_A_SHIP = re.compile(r"(?:ship_?)?([0-9]+)")

plan_argument = click.argument("plan", type=PATH)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/json.md).")
ships_option = click.option("-n", "--ships", type=SHIPS, metavar="N", help="How many ships.")
utc_option = click.option("--utc", is_flag=True, help="Times in UTC, not on your clock.")
provider_option = click.option(
    "--provider", metavar="NAME", help="Where VMs come from: exedev, hosts, local or another."
)
why_option = click.option(
    "--why", default="", metavar="TEXT", help="Your reason; the voyage's journal keeps it."
)


class Fleet(NamedTuple):
    """A voyage, or one ship of it, as they were named; None is what was not."""

    voyage: str | None
    ship: str | None


async def find_voyage(name: str | None) -> "Voyage":
    """The voyage that is named so, of those that the provider has."""
    from ocaptain.config import load
    from ocaptain.fleet.find import find

    return await find(load(), name)


def _voyage(ctx: click.Context, _: click.Parameter, words: tuple[str, ...]) -> str | None:
    if len(words) > 1:
        ctx.fail(f"Got unexpected extra arguments ({' '.join(words[1:])})")
    return words[0] if words else None


def _fleet(ctx: click.Context, _: click.Parameter, words: tuple[str, ...]) -> Fleet:
    """Tell a ship from a voyage by its form."""
    ships = [word for word in words if word.startswith("ship-")]
    voyages = [word for word in words if not word.startswith("ship-")]
    extra = [*ships[1:], *voyages[1:]]
    for word in extra:
        if slip := SLIP_OF_A_SHIP.fullmatch(word):
            ctx.fail(f"No ship is named '{word}'. Did you mean 'ship-{slip[1]}'?")
    if extra:
        ctx.fail(f"Got unexpected extra arguments ({' '.join(extra)})")
    return Fleet(voyages[0] if voyages else None, ships[0] if ships else None)


# With nargs=-1, since click lets no other argument be left out before one that may not be.
voyage_argument = click.argument(
    "voyage", nargs=-1, callback=_voyage, metavar="[VOYAGE]", shell_complete=complete_names
)
fleet_argument = click.argument(
    "fleet", nargs=-1, callback=_fleet, metavar="[VOYAGE] [SHIP]", shell_complete=complete_names
)


# What is in a task, besides its subject.
description_option = click.option("-d", "--description", metavar="TEXT", help="What is to be done.")
after_option = click.option(
    "--after",
    multiple=True,
    metavar="ID",
    help="A task that it waits for.",
    shell_complete=complete_names,
)
files_option = click.option(
    "--files", multiple=True, metavar="PATH", help="A path that it will touch."
)
run_option = click.option("--run", metavar="COMMAND", help="What the `shell` agent executes.")
agent_option = click.option(
    "--agent", metavar="AGENT", help="Who does it, if it is not the voyage's agent."
)
model_option = click.option("--model", metavar="MODEL", help="That agent's model.")


def regular_expression(_ctx: click.Context, _param: click.Parameter, text: str) -> str:
    """Refuse what is no regular expression, as click wants it of a callback."""
    try:
        re.compile(text)
    except re.error as error:
        raise click.BadParameter(f"no regular expression: {error}") from None
    return text


def web_address(_ctx: click.Context, _param: click.Parameter, text: str | None) -> str | None:
    """Refuse what is no address of a web server, as click wants it of a callback."""
    if text and not WEB_ADDRESS.match(text):
        raise click.BadParameter(f"{text!r} is no address: say one such as http://127.0.0.1:4318")
    return text


def moment(_ctx: click.Context, _param: click.Parameter, text: str) -> str:
    """Return a moment in the past as RFC 3339 has it in UTC; refuse what is none."""
    if not text:
        return ""
    from ocaptain.onboard.text import utc
    from ocaptain.times import past

    when = past(text)
    if when is None:
        example = "say 10m, 2h30m, 14:05 or 2026-03-04 14:05"
        raise click.BadParameter(f"{text!r} is no moment in the past: {example}")
    return utc(when.timestamp())


def print_json(value: Any) -> None:
    """Print a value for programs."""
    click.echo(json.dumps(value, indent=2))

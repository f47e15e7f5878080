"""Names that a shell completes words with at TAB: voyages, ships, tasks.

A shell waits for them: whatever does not answer in time is left out, without a word."""

import io
from collections.abc import Collection, Mapping, Sequence
from contextlib import redirect_stderr, suppress
from typing import TYPE_CHECKING

import click

from ocaptain.errors import Failure

if TYPE_CHECKING:
    from ocaptain.config import Config

ANSWER_S = 2.0
"""How long storage, or a provider, may take."""
FITTING: Mapping[str, Sequence[str]] = {
    "retry": ["failed"],
    "release": ["in_progress"],
    "tasks edit": ["pending", "in_progress", "failed"],
}
"""The states of tasks that a verb is for; others are for all."""


def complete_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return names of voyages, and of whatever else the verb may be about.

    click asks for the voyage's alone: it may be left out, and any number of words may follow."""
    has = {each.name for each in ctx.command.params}
    kinds = {"voyage"} | has & {"ship", "task"}
    if "fleet" in has:
        kinds.add("ship")
    if param.name in ("after", "ship", "task"):
        kinds = {"ship"} if param.name == "ship" else {"task"}
    names = [*_second_words(ctx), *_ask(kinds, _typed_voyage(ctx), ctx.info_name or "")]
    return [name for name in names if name.startswith(incomplete)]


def _second_words(ctx: click.Context) -> list[str]:
    """Return the second words of verbs that begin with this one, such as `add` of `tasks`."""
    group = ctx.find_root().command
    if not isinstance(group, click.Group):
        return []
    first = f"{ctx.info_name} "
    names = [name for name in group.commands if name.startswith(first)]
    return [name.removeprefix(first) for name in names]


def _typed_voyage(ctx: click.Context) -> str | None:
    """Return the voyage that was typed before; None if there is none."""
    for value in ctx.params.values():
        words = value if isinstance(value, tuple) else [value]
        for word in words:
            if str(word).startswith("voyage-"):
                return str(word)
    return None


def _ask(kinds: Collection[str], voyage: str | None, verb: str) -> list[str]:
    """Return the names of these kinds, as far as they are known in time."""
    import asyncio  # which takes as long as the rest of the start

    with redirect_stderr(io.StringIO()):
        try:
            return asyncio.run(_names(kinds, voyage, verb))
        except (Failure, OSError):
            return []


async def _names(kinds: Collection[str], voyage: str | None, verb: str) -> list[str]:
    import asyncio

    from ocaptain.config import load
    from ocaptain.fleet.remembered import remembered

    config = load()
    names: list[str] = []
    if "voyage" in kinds and not voyage:
        names += remembered(config)
    with suppress(TimeoutError, Failure):
        async with asyncio.timeout(ANSWER_S):
            if "ship" in kinds:
                names += await _ships(config, voyage)
            if "task" in kinds:
                names += await _tasks(config, voyage, verb)
    return names


async def _ships(config: "Config", voyage: str | None) -> list[str]:
    from ocaptain.fleet.find import ask_cached
    from ocaptain.fleet.voyage import Voyage

    status = await ask_cached(config, voyage, Voyage.ask_status)
    return [ship["id"] for ship in status["ships"]]


async def _tasks(config: "Config", voyage: str | None, verb: str) -> list[str]:
    from ocaptain.fleet.find import ask_cached
    from ocaptain.fleet.voyage import Voyage

    answer = await ask_cached(config, voyage, Voyage.ask_task_rows)
    states = FITTING.get(verb)
    names = [row["id"] for row in answer["tasks"] if not states or row["status"] in states]
    return [*names, "verify"] if verb == "retry" else names

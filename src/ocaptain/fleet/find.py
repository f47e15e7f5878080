"""Finds voyages: all there are, or the one that a name is the beginning of."""

from collections.abc import Awaitable, Callable
from itertools import groupby
from typing import TYPE_CHECKING, TypeVar

from ocaptain.config import Config
from ocaptain.errors import Failure
from ocaptain.process import wait_for_all
from ocaptain.providers import VM, open_provider

from .voyage import Voyage

if TYPE_CHECKING:
    from ocaptain.terminal import VoyageRow  # rich is for those who show something

T = TypeVar("T")


async def voyages(config: Config) -> list[Voyage]:
    """All voyages that have a VM, by their ids."""
    provider = open_provider(config)
    vms = sorted(await provider.list(), key=lambda vm: vm.name)
    return [
        Voyage(config, provider, voyage_id).add_vms(*fleet)
        for voyage_id, fleet in groupby(vms, key=_voyage_id)
    ]


def _voyage_id(vm: VM) -> str:
    return vm.name.rpartition("-")[0]


async def find(config: Config, name: str | None) -> Voyage:
    """The voyage whose id `name` begins, with or without `voyage-`; if None, the only voyage.

    Raises Failure if there is none, or more than one."""
    known = await voyages(config)
    fitting = [voyage for voyage in known if voyage.id.startswith(_beginning(name))]
    if len(fitting) == 1:
        return fitting[0]
    if not known:
        raise Failure(
            f"No voyage is under way with the provider {config.provider}.",
            hint="ocaptain sail PLAN  or  ocaptain demo",
        )
    hint = f"There is: {'  '.join(voyage.id for voyage in known)}"
    if fitting:
        raise Failure("More than one voyage fits.", hint=hint)
    raise Failure(f"There is no voyage {name}.", hint=hint)


def _beginning(name: str | None) -> str:
    return f"voyage-{(name or '').removeprefix('voyage-')}"


async def ask_cached(config: Config, name: str | None, ask: Callable[[Voyage], Awaitable[T]]) -> T:
    """Find a voyage and ask it something, without the provider if that can be.

    The provider takes as long again as the voyage itself. So if just one voyage that was reached
    from here before fits the name, that one is asked first."""
    reached = _reached_before(config, name)
    if len(reached) == 1:
        try:
            return await ask(Voyage(config, open_provider(config), reached[0]))
        except Failure:
            pass  # it may be gone, or reached in another way by now: the provider knows
    return await ask(await find(config, name))


def _reached_before(config: Config, name: str | None) -> list[str]:
    """Ids of voyages that a name fits, and that have an ssh_config here."""
    known = [path.parent.name for path in config.run_dir().glob("voyage-*/ssh_config")]
    return [voyage_id for voyage_id in known if voyage_id.startswith(_beginning(name))]


async def survey(config: Config) -> "list[VoyageRow]":
    """All voyages at a glance."""
    return await wait_for_all(*map(_row, await voyages(config)))


async def _row(voyage: Voyage) -> "VoyageRow":
    try:
        status = await voyage.ask_status()
    except Failure as failure:
        return {
            "voyage": voyage.id,
            "vms": len(voyage.vms),
            "state": "unseen",
            "reason": str(failure),
            "created": None,
            "objective": "",
        }
    return {
        "voyage": voyage.id,
        "vms": len(voyage.vms),
        "state": status["state"],
        "reason": status["reason"],
        "created": status["created"],
        "objective": status["objective"],
    }

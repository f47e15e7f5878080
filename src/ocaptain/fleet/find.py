"""Finds voyages on every provider that is set up, and the one that is meant.

All providers are asked at once. One that does not answer is told of, and the others count."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ocaptain.config import Config
from ocaptain.errors import Failure, progress
from ocaptain.patience import told_if_slow
from ocaptain.process import wait_for_all
from ocaptain.providers import NAMED_BY, VM, open_provider
from ocaptain.providers.absent import forget_absent, read_absent, write_absent
from ocaptain.providers.set_up import set_up, was_named

from .choice import OVER, ambiguous, candidates, choose, row_of
from .remembered import remembered
from .voyage import Voyage

if TYPE_CHECKING:
    from ocaptain.terminal import VoyageRow  # rich is for those who show something

T = TypeVar("T")

PATIENCE_S = 8.0
"""How long a provider may take if another has voyages; a machine of `hosts` that is down takes five
seconds."""
IMPATIENCE_S = 1.5
"""The same if it did not answer a moment ago; exe.dev's lobby takes one second."""


Looks = Mapping[str, "asyncio.Task[list[Voyage]]"]
"""What is asked of each provider, by its name."""


class Search(NamedTuple):
    """What a look at all providers has found."""

    voyages: list[Voyage]
    asked: list[str]
    """The names of those that answered."""
    faults: dict[str, Failure]
    """Why the others did not."""


async def voyages(config: Config, *, confined: bool = False) -> list[Voyage]:
    """All voyages that have a VM: first those with the provider of `config`, then by their ids.

    If `confined`, and somebody has named a provider, there are only its own. Raises Failure if no
    provider answers."""
    search = await _search(config, confined=confined)
    _tell(search)
    return search.voyages


async def survey(config: Config) -> "list[VoyageRow]":
    """All voyages at a glance."""
    found = await voyages(config)
    async with told_if_slow("asking each voyage …"):
        return await wait_for_all(*map(row_of, found))


async def find(config: Config, name: str | None) -> Voyage:
    """The voyage that is meant by a name: an id, the beginning of one, or the name of its plan.

    If that is None, it is the only one, or the only one that is not over. Raises Failure with a
    list of voyages if there is none, or more than one."""
    reached = _remembered(config, name)
    if name and len(reached) == 1:
        async with told_if_slow(f"asking {reached[0].config.provider} …"):
            known = await _voyages_of(reached[0].config)
        for voyage in known:
            if voyage.id == reached[0].id:
                return _named(voyage, name)
    search = await _search(config)
    if not _fitting(search.voyages, name) and forget_absent(config):
        search = await _search(config)
    _tell(search)
    if not search.voyages:
        raise _no_voyage(config, search)
    return _named(await _choose(search.voyages, name), name)


async def _choose(voyages: Sequence[Voyage], name: str | None) -> Voyage:
    """Return the voyage that is meant; an id comes before a plan's name."""
    fitting = _fitting(voyages, name)
    if len(fitting) == 1:
        return fitting[0]
    async with told_if_slow("asking each voyage …"):
        if name and fitting:
            raise ambiguous(await candidates(fitting))
        return choose(await candidates(voyages), name)


async def ask_cached(config: Config, name: str | None, ask: Callable[[Voyage], Awaitable[T]]) -> T:
    """Find a voyage and ask it something, without the provider if that can be.

    The provider takes as long again as the voyage itself. So if just one voyage that was reached
    from here before can be meant, that one is asked first. Without a name it counts unless it is
    over: there may be another that is not."""
    reached = _remembered(config, name)
    if len(reached) == 1:
        with suppress(Failure):  # it may be gone, or reached in another way: the provider knows
            async with told_if_slow(f"asking {reached[0].storage} …"):
                answer = await ask(_named(reached[0], name))
                if name or await _state(reached[0], answer) not in OVER:
                    return answer
    return await ask(await find(config, name))


async def _state(voyage: Voyage, answer: object) -> str:
    """Return how a voyage stands: its answer may say so already."""
    if isinstance(answer, dict) and "state" in answer:
        return str(answer["state"])
    status = await voyage.ask_status()
    return status["state"]


def _remembered(config: Config, name: str | None) -> list[Voyage]:
    """The voyages with an ssh_config here that a name can mean."""
    reached = []
    for voyage, settings in remembered(config).items():
        with suppress(Failure):  # its provider may be uninstalled by now
            reached.append(Voyage(settings, open_provider(settings), voyage))
    return _fitting(reached, name)


def _fitting(voyages: Sequence[Voyage], name: str | None) -> list[Voyage]:
    """The voyages whose id begins with a name; all if there is none."""
    beginning = f"voyage-{(name or '').removeprefix('voyage-')}"
    return [voyage for voyage in voyages if voyage.id.startswith(beginning)]


def _named(voyage: Voyage, name: str | None) -> Voyage:
    """Have the voyage's hints name it, if it had to be named."""
    voyage.has_to_be_named = name is not None
    return voyage


async def _search(config: Config, *, confined: bool = False) -> Search:
    """Ask all providers that are set up for their VMs."""
    open_provider(config)  # a wrong name is a failure, whatever else is set up
    settings = [config] if confined and was_named(config) else await set_up(config)
    names = ", ".join(each.provider for each in settings)
    looks = {each.provider: asyncio.create_task(_voyages_of(each)) for each in settings}
    async with told_if_slow(f"asking {names} …"):
        await wait_patiently(looks, read_absent(config, "providers"))
    late = {name: "late" for name, look in looks.items() if look.cancelled()}
    if late:
        write_absent(config, "providers", late)
    search = Search([], [], {})
    for name, look in looks.items():
        if look.cancelled():
            search.faults[name] = Failure(f"Provider {name} does not answer.")
        elif isinstance(fault := look.exception(), Failure):
            search.faults[name] = fault
        else:
            search.voyages.extend(look.result())
            search.asked.append(name)
    return search


async def wait_patiently(
    looks: Looks,
    late: Collection[str],
    *,
    impatience_s: float = IMPATIENCE_S,
    patience_s: float = PATIENCE_S,
) -> None:
    """Wait for all providers, but not long for some if others have voyages.

    `late` are the names of those that did not answer a moment ago."""
    try:
        waiting = await _wait(looks, impatience_s)
        if not _has_voyages(looks) or not waiting <= {*late}:
            await _wait(looks, patience_s)
        if not _has_voyages(looks):
            await _wait(looks)
    finally:
        for look in looks.values():
            look.cancel()
        await asyncio.gather(*looks.values(), return_exceptions=True)


async def _wait(looks: Looks, timeout: float | None = None) -> set[str]:
    """Wait for all, for `timeout` seconds if given. Returns the names of those still to come."""
    waiting = [look for look in looks.values() if not look.done()]
    if waiting:
        await asyncio.wait(waiting, timeout=timeout)
    return {name for name, look in looks.items() if not look.done()}


def _has_voyages(looks: Looks) -> bool:
    done = [look for look in looks.values() if look.done()]
    return any(look.exception() is None and look.result() for look in done)


async def _voyages_of(config: Config) -> list[Voyage]:
    """All voyages of the provider that is named."""
    provider = open_provider(config)
    vms = sorted(await provider.list(), key=lambda vm: vm.name)
    return [
        Voyage(config, provider, voyage_id).add_vms(*fleet)
        for voyage_id, fleet in groupby(vms, key=_voyage_id)
    ]


def _voyage_id(vm: VM) -> str:
    return vm.name.rpartition("-")[0]


def _tell(search: Search) -> None:
    """Tell of providers that did not answer; that is a failure if none did."""
    if search.faults and not search.asked:
        raise next(iter(search.faults.values()))
    for name, fault in search.faults.items():
        line, _, more = str(fault).partition("\n")
        for named_by in filter(None, NAMED_BY.values()):
            line = line.replace(named_by, "", 1)
        where = f" More: OCAPTAIN_PROVIDER={name} ocaptain doctor" if more else ""
        progress(f"{line.removesuffix('.')}.{where}")


def _no_voyage(config: Config, search: Search) -> Failure:
    """There is none; say who was asked, and how to have one."""
    names = ", ".join(search.asked)
    plural = "s" if len(search.asked) > 1 else ""
    sentence = f"No voyage is under way with the provider{plural} {names}."
    if not names:
        sentence = "No voyage is under way, and no provider is set up: see `ocaptain doctor`."
    elif config.provider_origin == "default" and config.provider not in search.asked:
        sentence += f" {config.provider}, the default, is not set up: see `ocaptain doctor`."
    return Failure(sentence, hint="ocaptain sail PLAN  or  ocaptain demo")

"""Where VMs come from. A provider makes, lists and destroys them, and says how SSH gets there."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from ocaptain.config import Config
from ocaptain.errors import Failure
from ocaptain.ssh import VM

__all__ = ["PROVIDERS", "VM", "VM_NAME", "Provider", "open_provider"]

VM_NAME = re.compile(r"voyage-[0-9a-f]{12}-(storage|ship\d+)")
"""The names that ocaptain gives; a provider lists no others and destroys no others."""


class Provider(Protocol):
    """What a provider can do; all may raise Failure."""

    @property
    def facts(self) -> Mapping[str, object]:
        """What bootstrapping has to know: `systemd`, whether the VMs have it; `python` to use."""

    async def create(self, name: str) -> VM:
        """Make a VM that SSH can reach, now or soon."""

    async def destroy(self, names: Iterable[str]) -> dict[str, str]:
        """Remove VMs with all that runs on them; returns why, for those that still exist.

        One that does not exist is no error.
        """

    async def list(self) -> Sequence[VM]:
        """All VMs that ocaptain made here, of any voyage."""

    def reach(self, storage: VM) -> tuple[tuple[str, str], ...]:
        """How a *ship's* SSH reaches storage, its key apart."""

    async def admit(self, storage: VM, user: str, public_key: str) -> None:
        """Tell the provider that this key opens `storage` as `user`, where it wants to know."""


def _local(config: Config) -> Provider:
    from .local import Local

    return Local(config)


PROVIDERS: dict[str, Callable[[Config], Provider]] = {"local": _local}


def open_provider(config: Config) -> Provider:
    """The provider that `config` names: ours, or from the entry points `ocaptain.providers`."""
    if config.provider in PROVIDERS:
        return PROVIDERS[config.provider](config)
    from importlib.metadata import entry_points

    others = entry_points(group="ocaptain.providers")
    if config.provider in others.names:
        theirs: Provider = others[config.provider].load()(config)
        return theirs
    known = ", ".join(sorted({*PROVIDERS, *others.names}))
    raise Failure(
        f"There is no provider {config.provider!r} here; there is: {known}.",
        "Set OCAPTAIN_PROVIDER, or `provider` in config.toml.",
    )

"""Where VMs come from. docs/providers.md says how to add a provider, here or as a package."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol, cast

from ocaptain.config import Config
from ocaptain.errors import Failure
from ocaptain.ssh import VM, Options

__all__ = ["PROVIDERS", "VM", "VM_NAME", "Options", "Provider", "StorageAccess", "open_provider"]

VM_NAME = re.compile(r"voyage-[0-9a-f]{12}-(storage|ship\d+)")
"""The names that ocaptain gives. A provider lists and destroys no others."""


class StorageAccess(NamedTuple):
    """How a ship's SSH reaches storage, apart from the ship's key and storage's host key."""

    ssh_options: Options
    sudo_prefix: tuple[str, ...] = ()
    """What goes before each command if that leads to the login user instead of the ship's own."""


class Provider(Protocol):
    """Makes, lists and destroys VMs, and says how SSH reaches them.

    Any method may raise Failure.
    """

    python: str = "python3"
    """The interpreter that the captain starts on a VM: a name or a path."""

    accounts: bool = True
    """Whether a VM is a machine to itself, whose login user may become root with sudo.

    Then harbor and the ships have accounts of their own on storage, and helm is a system unit.
    """

    async def capacity(self, more: int = 0) -> str:
        """Say in a sentence what there is. Raises Failure if there is no room for `more` VMs."""

    async def create(self, name: str) -> VM:
        """Make a VM. SSH may take a while to reach it.

        Raises Unreachable if the VM was made and is of no use; it is then made anew.
        """

    async def destroy(self, names: Iterable[str]) -> dict[str, str]:
        """Remove VMs with all that runs on them, and the keys of ships.

        A VM that does not exist is no error. Returns what still exists, with why.
        """

    async def list(self) -> Sequence[VM]:
        """Return all VMs with names of ocaptain's, of any voyage, also those that are half made."""

    async def authorize_key(self, storage: VM, ship: str, key: str) -> StorageAccess:
        """Let a ship's public key open `storage` as the user that is named as the ship.

        The key must open no other VM. Returns how the ship's SSH gets to storage with it.
        """


def open_provider(config: Config) -> Provider:
    """Return the provider that `config` names. Raises Failure if there is none."""
    if config.provider in PROVIDERS:
        return PROVIDERS[config.provider](config)
    from importlib.metadata import entry_points  # takes longer than most commands

    packages = entry_points(group="ocaptain.providers")
    if config.provider in packages.names:
        return cast(Provider, packages[config.provider].load()(config))
    known = ", ".join(sorted({*PROVIDERS, *packages.names}))
    raise Failure(
        f"There is no provider {config.provider!r} here; there is: {known}.",
        hint="export OCAPTAIN_PROVIDER=local",
    )


# Each is imported only if it is used: a command starts faster without the others.


def _exedev(config: Config) -> Provider:
    from .exedev import Exedev

    return Exedev(config)


def _hosts(config: Config) -> Provider:
    from .hosts import Hosts

    return Hosts(config)


def _local(config: Config) -> Provider:
    from .local import Local

    return Local(config)


PROVIDERS: dict[str, Callable[[Config], Provider]] = {
    "exedev": _exedev,
    "hosts": _hosts,
    "local": _local,
}
"""Ocaptain's own, by the names that OCAPTAIN_PROVIDER has for them."""

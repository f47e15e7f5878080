"""Where VMs come from. docs/providers.md says how to add a provider, here or as a package."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ocaptain.config import Config
from ocaptain.errors import Failure
from ocaptain.patience import told_if_slow
from ocaptain.settings import Origin
from ocaptain.ssh import VM, Options

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

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

    sizes: bool = True
    """Whether VMs are made as `Config.vm` has it. Otherwise `sail` refuses `--cpu` and the like."""

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
        """Let a ship's public key open `storage` as the user that is named as the ship, if the
        provider has a say in that.

        The key must open no other VM. Returns how the ship's SSH gets to storage with it.
        """


class Named(Provider):
    """A provider that says its name in each failure of its own."""

    def __init__(self, provider: Provider, config: Config) -> None:
        self.provider = provider
        self.name = config.provider
        self.title = f"Provider {self.name}{NAMED_BY[config.provider_origin]}"
        self.python = provider.python
        self.accounts = provider.accounts
        self.sizes = provider.sizes

    async def capacity(self, more: int = 0) -> str:
        """Ask the provider for it, and say so if that takes long."""
        async with told_if_slow(f"asking {self.name} …"):
            with self._name_in_failures():
                return await self.provider.capacity(more)

    async def create(self, name: str) -> VM:
        """Ask the provider for it."""
        with self._name_in_failures():
            return await self.provider.create(name)

    async def destroy(self, names: Iterable[str]) -> dict[str, str]:
        """Ask the provider for it."""
        with self._name_in_failures():
            return await self.provider.destroy(names)

    async def list(self) -> Sequence[VM]:
        """Ask the provider for it."""
        with self._name_in_failures():
            return await self.provider.list()

    async def authorize_key(self, storage: VM, ship: str, key: str) -> StorageAccess:
        """Ask the provider for it."""
        with self._name_in_failures():
            return await self.provider.authorize_key(storage, ship, key)

    @contextmanager
    def _name_in_failures(self) -> Iterator[None]:
        try:
            yield
        except Failure as failure:
            failure.begin_with(self.title)
            raise


NAMED_BY: dict[Origin | None, str] = {
    "option": " (--provider)",
    "environment": " (OCAPTAIN_PROVIDER)",
    "file": " (`provider` in config.toml)",
    "default": " (the default; OCAPTAIN_PROVIDER names another, such as local)",
    None: "",
}
"""What is said of a provider by who named it."""


def open_provider(config: Config) -> Provider:
    """Return the provider that `config` names. Raises Failure if there is none."""
    if config.provider in PROVIDERS:
        return Named(PROVIDERS[config.provider](config), config)
    packages = installed_providers()
    if config.provider in packages:
        return Named(packages[config.provider].load()(config), config)
    raise _no_such_provider(config, sorted({*PROVIDERS, *packages}))


def installed_providers() -> "dict[str, EntryPoint]":
    """Return the providers of packages, by their names."""
    from importlib.metadata import entry_points  # takes longer than most commands

    return {entry.name: entry for entry in entry_points(group="ocaptain.providers")}


def _no_such_provider(config: Config, known: Sequence[str]) -> Failure:
    from difflib import get_close_matches

    meant = get_close_matches(config.provider, known, n=1)
    name = meant[0] if meant else "local"
    question = f"Did you mean {name}? " if meant else ""
    command = f"export OCAPTAIN_PROVIDER={name}"
    if config.provider_origin == "option":
        command = f"--provider {name}"
    elif config.provider_origin == "file":
        command = f'provider = "{name}"  in config.toml'
    return Failure(
        f"There is no provider {config.provider!r} here; there is: {', '.join(known)}.",
        hint=f"{question}{command}",
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

"""Where VMs come from. A provider makes, lists and destroys them, and says how SSH gets there."""

import re
from collections.abc import Iterable, Sequence
from pkgutil import resolve_name
from typing import Protocol, cast

from ocaptain.config import Config
from ocaptain.errors import Failure
from ocaptain.ssh import VM, Options

__all__ = ["PROVIDERS", "VM", "VM_NAME", "Options", "Provider", "open_provider"]

VM_NAME = re.compile(r"voyage-[0-9a-f]{12}-(storage|ship\d+)")
"""The names that ocaptain gives; a provider lists no others and destroys no others."""


class Provider(Protocol):
    """What a provider can do; all may raise Failure."""

    python: str = "python3"
    """The interpreter for what the captain runs on a VM."""

    accounts: bool = True
    """Whether VMs are machines to themselves, where the login user may become root with sudo: then
    harbor and the ships have accounts of their own on storage, and helm is a system unit."""

    async def capacity(self, more: int = 0) -> str:
        """A sentence on what is there; Failure where no VM can be made, or not so many `more`."""

    async def create(self, name: str) -> VM:
        """Make a VM that SSH can reach, now or soon; Unreachable if it was made in vain."""

    async def destroy(self, names: Iterable[str]) -> dict[str, str]:
        """Remove VMs with all that runs on them, and ships' keys; why, for what still exists.

        What does not exist is no error.
        """

    async def list(self) -> Sequence[VM]:
        """All VMs that ocaptain made here, of any voyage."""

    async def authorize_key(
        self, storage: VM, ship: str, key: str
    ) -> tuple[Options, Sequence[str]]:
        """See to it that this public key opens `storage`, as the user named as the ship and no
        other VM. How the *ship's* SSH gets there, its key apart, and the words that lead on where
        that is as the login user."""


PROVIDERS = {"exedev": "exedev:Exedev", "hosts": "hosts:Hosts", "local": "local:Local"}
"""Ours: modules here, and in each a class to call with a Config. Others' are entry points."""


def open_provider(config: Config) -> Provider:
    """The provider that `config` names; Failure if there is none."""
    if config.provider in PROVIDERS:
        return cast(Provider, resolve_name(f"{__name__}.{PROVIDERS[config.provider]}")(config))
    from importlib.metadata import entry_points  # takes longer than most commands

    others = {each.name: each for each in entry_points(group=__name__)}
    if config.provider not in others:
        there = f"There is no provider {config.provider!r} here; there is: "
        known = ", ".join(sorted({*PROVIDERS, *others}))
        raise Failure(f"{there}{known}.", hint="export OCAPTAIN_PROVIDER=local")
    return cast(Provider, others[config.provider].load()(config))

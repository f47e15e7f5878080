"""Which providers are set up: those where voyages of the captain's may be.

The one that the captain has named always is. What is asked of the others takes no network."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from ocaptain.config import Config
from ocaptain.process import wait_for_all

from . import PROVIDERS, VM_NAME, installed_providers


async def set_up(config: Config) -> list[Config]:
    """Return the settings for each provider that is set up; the one that is named comes first."""
    packages = installed_providers()
    others = [name for name in [*PROVIDERS, *packages] if name != config.provider]
    candidates = [config]
    candidates += [replace(config, provider=name, provider_origin=None) for name in others]
    answers = await wait_for_all(*map(_is_set_up, candidates))
    return [each for each, is_ready in zip(candidates, answers, strict=True) if is_ready]


def was_named(config: Config) -> bool:
    """Whether somebody has named the provider, rather than that it is the default or set up."""
    return config.provider_origin not in (None, "default")


async def _is_set_up(config: Config) -> bool:
    if was_named(config) or config.provider not in SIGNS:
        return True  # a provider that is installed is there to be used
    return await SIGNS[config.provider](config)


async def _exedev(_config: Config) -> bool:
    """Whether the captain's ssh knows exe.dev, as far as that can be seen without its settings."""
    from .exedev_lobby import LOBBY
    from .known_host import is_usually_known

    return await is_usually_known(LOBBY)


async def _hosts(config: Config) -> bool:
    """Whether there is an inventory."""
    return config.hosts.exists()


async def _local(config: Config) -> bool:
    """Whether there are VMs."""
    folders = (config.data_dir / "local").glob("voyage-*")
    return any(VM_NAME.fullmatch(folder.name) for folder in folders)


SIGNS: dict[str, Callable[[Config], Awaitable[bool]]] = {
    "exedev": _exedev,
    "hosts": _hosts,
    "local": _local,
}
"""What shows that each of ocaptain's own is set up."""

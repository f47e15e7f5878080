"""Which voyages were reached from this machine before, and by which provider."""

from dataclasses import replace

from ocaptain.config import Config
from ocaptain.ssh import replace as replace_file


def remember(config: Config, voyage: str) -> None:
    """Keep which provider a voyage is with, beside the ssh_config that reaches it."""
    replace_file(config.run_dir() / voyage / "provider", f"{config.provider}\n")


def remembered(config: Config) -> dict[str, Config]:
    """Return the ids of voyages that have an ssh_config here, with the settings for each."""
    found = {}
    for path in sorted(config.run_dir().glob("voyage-*/ssh_config")):
        voyage = path.parent.name
        found[voyage] = with_provider(config, _provider_of(config, voyage))
    return found


def with_provider(config: Config, provider: str) -> Config:
    """Return the settings for a provider, which nobody need have named."""
    if provider == config.provider:
        return config
    return replace(config, provider=provider, provider_origin=None)


def _provider_of(config: Config, voyage: str) -> str:
    try:
        return (config.run_dir() / voyage / "provider").read_text().strip()
    except OSError:
        return config.provider  # an older ocaptain kept none

"""The captain's settings, as all else uses them."""

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from .errors import Failure
from .onboard.redaction import looks_secret
from .onboard.ship import agents
from .settings import (
    AGENT_VARIABLES,
    VARIABLES,
    Origin,
    Setting,
    SettingRow,
    config_folder,
    is_for_agents,
    is_secret,
    key_of,
    our_directory,
    read_settings,
)

VM_KEYS = ("cpu", "memory", "disk", "image", "pool")
"""What the VMs of `exedev` are to have, as `new` of its lobby takes it."""

GATEWAY_TOKEN = "ANTHROPIC_AUTH_TOKEN"  # noqa: S105 - the name of one
API_KEY = "ANTHROPIC_API_KEY"
SUBSCRIPTION = "CLAUDE_CODE_OAUTH_TOKEN"
CREDENTIALS = (GATEWAY_TOKEN, API_KEY, SUBSCRIPTION)
"""In the order in which Claude Code takes them."""
SUBSCRIPTION_TOKEN = re.compile(r"sk-ant-oat\d\d-[\w-]+")

UNSET_ONE = "unset the one that you do not mean"
IS_PLACEHOLDER = (
    "is short, or a word or two, and so taken for a placeholder: no logs or commits are searched "
    "for it"
)

SOCKET_DIR_BYTES = 45
"""macOS allows a socket's path 103 bytes, of which ssh takes 58: `/`, 40 of %C, 17 of its own."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """The captain's settings.

    `agent_env` is what agents are given, by the names it has there: their credentials and the
    variables of OpenTelemetry. It and `gh_token` are secret: they go to stdin or a 0600 file only.
    """

    provider: str = "exedev"
    provider_origin: Origin | None = "default"
    """Who named the provider; None if nobody did, and it is one of those that are set up."""
    default_ships: int = 3
    vm_limit: int = 50
    hosts: Path = Path("hosts")
    ssh_config: Path | None = None
    data_dir: Path
    socket_dir: Path
    vm: Mapping[str, str] = field(default_factory=dict)
    gh_token: str | None = field(default=None, repr=False)
    agent_env: Mapping[str, str] = field(default_factory=dict, repr=False)

    def lacks(self, agent: str) -> str | None:
        """What keeps this agent from working, in a sentence without any token; None if nothing."""
        if agent not in agents.AGENTS:
            known = ", ".join(sorted(agents.AGENTS))
            close = get_close_matches(agent.lower(), agents.AGENTS, n=1)
            hint = f'did you mean "{close[0]}"? There' if close else "there"
            return f'there is no agent "{agent}"; {hint} are {known}'
        token = self.agent_env.get(SUBSCRIPTION)
        if agent == "claude" and token and not SUBSCRIPTION_TOKEN.fullmatch(token):
            return "CLAUDE_CODE_OAUTH_TOKEN is not what `claude setup-token` prints: sk-ant-oat01-…"
        return agents.AGENTS[agent].missing(self.agent_env)

    def lacks_of(self, names: Iterable[str]) -> str:
        """What keeps some of these agents from working, in sentences; empty if nothing."""
        return "; ".join(filter(None, map(self.lacks, names)))

    def env_of(self, names: Iterable[str]) -> dict[str, str]:
        """Return what ships that run these agents are given of `agent_env`."""
        known = [name for name in names if name in agents.AGENTS]
        return agents.own_variables(self.agent_env, known)

    def doubts(self, agent: str) -> list[str]:
        """What is worth knowing of the credentials for this agent, without any of them."""
        if agent != "claude":
            return []
        given = [name for name in CREDENTIALS if self.agent_env.get(name)]
        placeholders = [name for name in given if not looks_secret(self.agent_env[name])]
        return [*_rivals(given), *(f"{name} {IS_PLACEHOLDER}" for name in placeholders)]

    def run_dir(self) -> Path:
        """Return a short directory for sockets, made if missing.

        Raises Failure unless it is ours alone."""
        folder = self.socket_dir
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        info = folder.lstat()
        is_private = stat.S_ISDIR(info.st_mode) and not info.st_mode & 0o077
        if not is_private or info.st_uid != os.geteuid():
            raise Failure(f"{folder} has to be a directory of yours alone.", hint=f"rm -r {folder}")
        return folder


def load(
    environ: Mapping[str, str] = os.environ, overrides: Mapping[str, str | None] | None = None
) -> Config:
    """Read the settings. Raises Failure with all that is wrong with them.

    `overrides` are settings by their keys, which win over the environment, which wins over
    config.toml. What is None or empty counts as not set."""
    settings = read_settings(environ, overrides)
    values = {variable: setting.value for variable, setting in settings.items()}
    provider = settings.get("OCAPTAIN_PROVIDER", Setting(Config.provider, "default"))
    ssh_config = values.get("OCAPTAIN_SSH_CONFIG")
    hosts = values.get("OCAPTAIN_HOSTS", config_folder(environ) / "hosts")
    return Config(
        provider=provider.value,
        provider_origin=provider.origin,
        default_ships=int(values.get("OCAPTAIN_DEFAULT_SHIPS", Config.default_ships)),
        vm_limit=int(values.get("OCAPTAIN_VM_LIMIT", Config.vm_limit)),
        hosts=Path(hosts).expanduser(),
        ssh_config=Path(ssh_config).expanduser() if ssh_config else None,
        data_dir=our_directory(environ, "XDG_DATA_HOME", ".local/share"),
        socket_dir=_socket_dir(environ),
        vm={key: values[VARIABLES[key]] for key in VM_KEYS if VARIABLES[key] in values},
        gh_token=values.get("GH_TOKEN"),
        agent_env={name: value for name, value in values.items() if is_for_agents(name)},
    )


def list_settings(environ: Mapping[str, str] = os.environ) -> list[SettingRow]:
    """Return all settings, those too that are not set. Raises Failure as `load` does.

    Of OpenTelemetry's there are those that are set."""
    settings = _defaults(environ) | read_settings(environ)
    known = [*VARIABLES.values(), *AGENT_VARIABLES]
    more = sorted(settings.keys() - known)
    return [_row(variable, settings.get(variable)) for variable in [*known, *more]]


def _defaults(environ: Mapping[str, str]) -> dict[str, Setting]:
    """Return what holds if nobody sets it."""
    values = {
        "provider": Config.provider,
        "hosts": f"{config_folder(environ) / 'hosts'}",
        "default_ships": f"{Config.default_ships}",
        "vm_limit": f"{Config.vm_limit}",
    }
    return {VARIABLES[key]: Setting(value, "default") for key, value in values.items()}


def _row(variable: str, setting: Setting | None) -> SettingRow:
    value = setting.value if setting else ""
    is_hidden = is_secret(variable, value)
    return {
        "key": key_of(variable),
        "variable": variable,
        "value": None if is_hidden or not setting else value,
        "origin": setting.origin if setting else None,
        "secret": is_hidden,
    }


def _rivals(given: Sequence[str]) -> Iterator[str]:
    """Yield what Claude Code makes of these of its credentials, if they are more than one."""
    if GATEWAY_TOKEN in given and API_KEY in given:
        pair = f"{GATEWAY_TOKEN} and {API_KEY}"
        yield f"{pair} are both set, and Claude Code sends both; {UNSET_ONE}"
    if SUBSCRIPTION in given and len(given) > 1:
        pair = f"{given[0]} and {SUBSCRIPTION}"
        yield f"{pair} are both set, and Claude Code uses {given[0]}; {UNSET_ONE}"


def _socket_dir(environ: Mapping[str, str]) -> Path:
    """Return a place whose path is short enough for sockets."""
    runtime = environ.get("XDG_RUNTIME_DIR")
    if runtime:
        folder = Path(runtime, "ocaptain")
        # After su or sudo the variable still names somebody else's.
        if os.access(runtime, os.W_OK) and len(os.fsencode(folder)) <= SOCKET_DIR_BYTES:
            return folder
    return Path(f"/tmp/ocaptain-{os.geteuid()}")  # noqa: S108 - see Config.run_dir

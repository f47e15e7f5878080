"""The captain's settings: from the command line, the environment, and config.toml.

`$XDG_CONFIG_HOME/ocaptain/config.toml` has each setting by its key. docs/configuration.md lists
them. A fault is reported by its key, and never with its value.
"""

import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from .errors import Failure
from .onboard.redaction import SECRET_NAME, looks_secret, url_secrets
from .onboard.ship import agents

VARIABLES = {
    "provider": "OCAPTAIN_PROVIDER",
    "hosts": "OCAPTAIN_HOSTS",
    "default_ships": "OCAPTAIN_DEFAULT_SHIPS",
    "vm_limit": "OCAPTAIN_VM_LIMIT",
    "cpu": "OCAPTAIN_CPU",
    "memory": "OCAPTAIN_MEMORY",
    "disk": "OCAPTAIN_DISK",
    "image": "OCAPTAIN_IMAGE",
    "pool": "OCAPTAIN_POOL",
    "ssh_config": "OCAPTAIN_SSH_CONFIG",
    "gh_token": "GH_TOKEN",
}
"""The environment variable of each key."""

VM_KEYS = ("cpu", "memory", "disk", "image", "pool")
"""What the VMs of `exedev` are to have, as `new` of its lobby takes it."""

AGENT_VARIABLES = (
    "CLAUDE_CODE_OAUTH_TOKEN",
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_BASE_URL",
    "CLAUDE_CODE_ENABLE_TELEMETRY",
)
"""Variables that agents are given as they are. Their keys are the same in lower case."""

AGENT_PREFIX = "OTEL_"
"""How OpenTelemetry's variables begin, which agents are given too."""

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
            return f'there is no agent "{agent}"; there are {known}'
        token = self.agent_env.get(SUBSCRIPTION)
        if agent == "claude" and token and not SUBSCRIPTION_TOKEN.fullmatch(token):
            return "CLAUDE_CODE_OAUTH_TOKEN is not what `claude setup-token` prints: sk-ant-oat01-…"
        return agents.AGENTS[agent].missing(self.agent_env)

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
    """Read the settings. Raises Failure.

    `overrides` are settings by their keys, which win over the environment, which wins over
    config.toml. What is None or empty counts as not set."""
    folder = _our_directory(environ, "XDG_CONFIG_HOME", ".config")
    values = _read_file(folder / "config.toml")
    for variable, value in environ.items():
        if value:
            values[variable] = value
    for key, override in (overrides or {}).items():
        if override:
            values[VARIABLES[key]] = override
    ssh_config = values.get("OCAPTAIN_SSH_CONFIG")
    return Config(
        provider=values.get("OCAPTAIN_PROVIDER", Config.provider),
        default_ships=_number(values, "default_ships", most=99, default=Config.default_ships),
        vm_limit=_number(values, "vm_limit", most=999, default=Config.vm_limit),
        hosts=Path(values.get("OCAPTAIN_HOSTS", folder / "hosts")).expanduser(),
        ssh_config=Path(ssh_config).expanduser() if ssh_config else None,
        data_dir=_our_directory(environ, "XDG_DATA_HOME", ".local/share"),
        socket_dir=_socket_dir(environ),
        vm={key: values[VARIABLES[key]] for key in VM_KEYS if VARIABLES[key] in values},
        gh_token=values.get("GH_TOKEN"),
        agent_env={name: value for name, value in values.items() if is_for_agents(name)},
    )


def _rivals(given: Sequence[str]) -> Iterator[str]:
    """Yield what Claude Code makes of these of its credentials, if they are more than one."""
    if GATEWAY_TOKEN in given and API_KEY in given:
        pair = f"{GATEWAY_TOKEN} and {API_KEY}"
        yield f"{pair} are both set, and Claude Code sends both; {UNSET_ONE}"
    if SUBSCRIPTION in given and len(given) > 1:
        pair = f"{given[0]} and {SUBSCRIPTION}"
        yield f"{pair} are both set, and Claude Code uses {given[0]}; {UNSET_ONE}"


def is_for_agents(variable: str) -> bool:
    """Whether agents are given this variable."""
    return variable in AGENT_VARIABLES or variable.startswith(AGENT_PREFIX)


def _number(values: Mapping[str, str], key: str, *, most: int, default: int) -> int:
    variable = VARIABLES[key]
    text = values.get(variable, str(default))
    if not re.fullmatch(r"[1-9]\d{0,2}", text) or int(text) > most:
        raise Failure(f"{variable} ({key}) has to be a number from 1 to {most}.")
    return int(text)


def _read_file(path: Path) -> dict[str, str]:
    """Return what config.toml says, by the names that the environment has for it."""
    try:
        if not path.exists():
            return {}
        table = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise Failure(f"{path} cannot be read: {error}") from None
    faults = []
    for key, value in table.items():
        if key not in VARIABLES and not is_for_agents(key.upper()):
            faults.append(f'{path}: "{key}" is no key of ocaptain\'s.')
        elif not isinstance(value, str | int):
            faults.append(f'{path}: "{key}" has to be text or a number.')
    if faults:
        raise Failure("\n".join(faults))
    values = {VARIABLES.get(key, key.upper()): str(value) for key, value in table.items()}
    holds_secret = any(map(SECRET_NAME.search, values)) or any(map(_has_password, values.values()))
    if holds_secret and path.stat().st_mode & 0o077:
        raise Failure(f"{path} holds a token, and others can read it.", hint=f"chmod 600 {path}")
    return values


def _has_password(value: str) -> bool:
    return any(url_secrets(value))


def _our_directory(environ: Mapping[str, str], name: str, fallback: str) -> Path:
    """Return our place in an XDG base directory. As the specification says, relative ones do not
    count."""
    base = environ.get(name, "")
    if base.startswith("/"):
        return Path(base, "ocaptain")
    home = Path(environ.get("HOME") or Path.home())
    return home / fallback / "ocaptain"


def _socket_dir(environ: Mapping[str, str]) -> Path:
    """Return a place whose path is short enough for sockets."""
    runtime = environ.get("XDG_RUNTIME_DIR")
    if runtime:
        folder = Path(runtime, "ocaptain")
        # After su or sudo the variable still names somebody else's.
        if os.access(runtime, os.W_OK) and len(os.fsencode(folder)) <= SOCKET_DIR_BYTES:
            return folder
    return Path(f"/tmp/ocaptain-{os.geteuid()}")  # noqa: S108 - see Config.run_dir

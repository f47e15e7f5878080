"""What ocaptain is told besides its arguments: the environment, and config.toml.

`$XDG_CONFIG_HOME/ocaptain/config.toml` holds the same names in lower case, without `OCAPTAIN_`.
The environment wins. A fault is reported by its key, and never with its value.
"""

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import Failure
from .onboard.ship import agents
from .onboard.text import SECRET_NAME

CREDENTIALS = "CLAUDE_CODE_OAUTH_TOKEN|ANTHROPIC_API_KEY|ANTHROPIC_BASE_URL"
AGENTS = re.compile(f"{CREDENTIALS}|CLAUDE_CODE_ENABLE_TELEMETRY|OTEL_.+")

RUN_DIR_BYTES = 45
"""macOS allows a socket's path 103 bytes, of which ssh takes 58: `/`, 40 of %C, 17 of its own."""


VM = ("cpu", "memory", "disk", "image", "pool")
"""What the VMs of `exedev` are to have, as `new` of its lobby takes it."""

SETTINGS = ("provider", "default_ships", "vm_limit", "hosts", "ssh_config", *VM)
OWN = {key: f"OCAPTAIN_{key.upper()}" for key in SETTINGS} | {"gh_token": "GH_TOKEN"}
NUMBERS = {"default_ships": 99, "vm_limit": 999}


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
            return f'"{agent}" does not exist; there are {", ".join(sorted(agents.AGENTS))}'
        token = self.agent_env.get("CLAUDE_CODE_OAUTH_TOKEN", "")
        if agent == "claude" and token and not re.fullmatch(r"sk-ant-oat\d\d-[\w-]+", token):
            return "CLAUDE_CODE_OAUTH_TOKEN is not what `claude setup-token` prints: sk-ant-oat01-…"
        return agents.AGENTS[agent].missing(self.agent_env)

    def run_dir(self) -> Path:
        """A short directory for sockets, made if missing; Failure unless it is ours alone."""
        folder = self.socket_dir
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        mode, _, _, _, owner, *_ = folder.lstat()
        if not stat.S_ISDIR(mode) or mode & 0o077 or owner != os.geteuid():
            raise Failure(f"{folder} has to be a directory of yours alone.", hint=f"rm -r {folder}")
        return folder


def load(environ: Mapping[str, str] = os.environ) -> Config:
    """Read the settings. Raises Failure."""
    ours = _directory(environ, "XDG_CONFIG_HOME", ".config")
    values = {OWN["hosts"]: str(ours / "hosts"), **_read(ours / "config.toml")}
    values |= {name: value for name, value in environ.items() if value}
    own: dict[str, Any] = {key: values[name] for key, name in OWN.items() if name in values}
    own["vm"] = {key: own.pop(key) for key in VM if key in own}
    own["agent_env"] = {name: values[name] for name in values if AGENTS.fullmatch(name)}
    own["data_dir"] = _directory(environ, "XDG_DATA_HOME", ".local/share")
    own["socket_dir"] = _socket_dir(environ)
    for key in NUMBERS.keys() & own.keys():
        if own[key] not in map(str, range(1, NUMBERS[key] + 1)):
            raise Failure(f"{OWN[key]} ({key}) has to be a number from 1 to {NUMBERS[key]}.")
        own[key] = int(own[key])
    own |= {key: Path(own[key]).expanduser() for key in {"hosts", "ssh_config"} & own.keys()}
    return Config(**own)


def _read(path: Path) -> dict[str, str]:
    """What config.toml says, by the names that the environment has for it."""
    try:
        table = tomllib.loads(path.read_text()) if path.exists() else {}
    except (OSError, ValueError) as error:
        raise Failure(f"{path} cannot be read: {error}") from None
    names = {key: OWN.get(key, key.upper()) for key in table}
    known = {key for key in table if key in OWN or AGENTS.fullmatch(names[key])}
    if wrong := [key for key in table if key not in known or not isinstance(table[key], str | int)]:
        raise Failure(f"{path}: no such key, or no string: {', '.join(wrong)}")
    if any(map(SECRET_NAME.search, names.values())) and path.stat().st_mode & 0o077:
        raise Failure(f"{path} holds a token, and others can read it.", hint=f"chmod 600 {path}")
    return {names[key]: str(value) for key, value in table.items()}


def _directory(environ: Mapping[str, str], name: str, fallback: str) -> Path:
    """Our own place in an XDG base directory; the specification has relative ones ignored."""
    base = environ.get(name, "")
    home = Path(environ.get("HOME") or Path.home())
    return (Path(base) if base.startswith("/") else home / fallback) / "ocaptain"


def _socket_dir(environ: Mapping[str, str]) -> Path:
    folder = Path(environ.get("XDG_RUNTIME_DIR") or "/nowhere", "ocaptain")
    # After su or sudo the variable still names somebody else's.
    usable = os.access(folder.parent, os.W_OK) and len(os.fsencode(folder)) <= RUN_DIR_BYTES
    return folder if usable else Path(f"/tmp/ocaptain-{os.geteuid()}")  # noqa: S108 - see run_dir

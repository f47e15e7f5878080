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

VM = ("cpu", "memory", "disk", "image", "pool")
"""What the VMs of `exedev` are to have, as `new` of its lobby takes it."""

NAMES = ("provider", "default_ships", "ssh_config", "vm_limit", *VM)
OWN = {key: f"OCAPTAIN_{key.upper()}" for key in NAMES}
AGENTS = re.compile(
    "CLAUDE_CODE_OAUTH_TOKEN|ANTHROPIC_API_KEY|ANTHROPIC_BASE_URL|CLAUDE_CODE_ENABLE_TELEMETRY|OTEL_.+"
)

RUN_DIR_BYTES = 45
"""macOS allows a socket's path 103 bytes, of which ssh takes 58: `/`, 40 of %C, 17 of its own."""


@dataclass(frozen=True)
class Config:
    """The captain's settings.

    `agent_env` is what agents are given, by the names it has there: their credentials and the
    variables of OpenTelemetry. It and `gh_token` are secret: they go to stdin or a 0600 file only.
    """

    data_dir: Path
    socket_dir: Path
    provider: str = "exedev"
    default_ships: int = 3
    ssh_config: Path | None = None
    vm: Mapping[str, str] = field(default_factory=dict)
    vm_limit: int = 50
    gh_token: str | None = field(default=None, repr=False)
    agent_env: Mapping[str, str] = field(default_factory=dict, repr=False)

    def run_dir(self) -> Path:
        """A short directory for sockets, made if missing; Failure unless it is ours alone."""
        folder = self.socket_dir
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        facts = folder.lstat()
        ours = stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.geteuid()
        if not ours or facts.st_mode & 0o077:
            raise Failure(f"{folder} has to be a directory of yours alone.", f"rm -r {folder}")
        return folder


def load(environ: Mapping[str, str]) -> Config:
    """Read the settings. Raises Failure."""
    path = _directory(environ, "XDG_CONFIG_HOME", ".config") / "config.toml"
    table = _read(path)
    values = {OWN.get(key, key.upper()): str(value) for key, value in table.items()}
    values |= {name: value for name, value in environ.items() if value}
    ships = values.get("OCAPTAIN_DEFAULT_SHIPS", "3")
    if not re.fullmatch("[1-9][0-9]?", ships):
        raise Failure("OCAPTAIN_DEFAULT_SHIPS (default_ships) has to be a number from 1 to 99.")
    theirs = values.get("OCAPTAIN_SSH_CONFIG")
    return Config(
        data_dir=_directory(environ, "XDG_DATA_HOME", ".local/share"),
        socket_dir=_socket_dir(environ),
        provider=values.get("OCAPTAIN_PROVIDER", Config.provider),
        default_ships=int(ships),
        ssh_config=Path(theirs).expanduser() if theirs else None,
        vm={key: values[name] for key in VM if (name := f"OCAPTAIN_{key.upper()}") in values},
        vm_limit=int(values.get("OCAPTAIN_VM_LIMIT", Config.vm_limit)),
        gh_token=values.get("GH_TOKEN"),
        agent_env={name: values[name] for name in values if AGENTS.fullmatch(name)},
    )


def _is_sound(key: str, value: Any) -> bool:
    known = key in OWN or key == "gh_token" or AGENTS.fullmatch(key.upper())
    return bool(known) and isinstance(value, str | int)


def _read(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise Failure(f"{path} cannot be read: {error}") from None
    if wrong := [key for key in table if not _is_sound(key, table[key])]:
        raise Failure(f"{path}: no such key, or no string: {', '.join(wrong)}")
    secret = any(key.endswith(("token", "key", "headers")) for key in table)
    if secret and path.stat().st_mode & 0o077:
        raise Failure(f"{path} holds a token, and others can read it.", f"chmod 600 {path}")
    return table


def _directory(environ: Mapping[str, str], name: str, fallback: str) -> Path:
    """Our own place in an XDG base directory; the specification has relative ones ignored."""
    base = environ.get(name, "")
    home = Path(environ.get("HOME") or Path.home())
    return (Path(base) if base.startswith("/") else home / fallback) / "ocaptain"


def _socket_dir(environ: Mapping[str, str]) -> Path:
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    folder = Path(runtime, "ocaptain")
    # After su or sudo the variable still names somebody else's.
    if os.access(runtime, os.W_OK) and len(os.fsencode(folder)) <= RUN_DIR_BYTES:
        return folder
    return Path(f"/tmp/ocaptain-{os.geteuid()}")  # noqa: S108 - run_dir sees to it

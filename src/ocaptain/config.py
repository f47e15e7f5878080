"""What ocaptain is told besides its arguments: the environment, and config.toml.

`$XDG_CONFIG_HOME/ocaptain/config.toml` holds the same names in lower case, without `OCAPTAIN_`;
OpenTelemetry's may stand in a table [otel], without `otel_`. The environment wins. Every
fault of both is reported at once, by file and key, and never with its value.
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

from .errors import Failure, Faults

OWN = ("OCAPTAIN_PROVIDER", "OCAPTAIN_DEFAULT_SHIPS", "OCAPTAIN_SSH_CONFIG", "GH_TOKEN")
CLAUDE = ("CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL")
TELEMETRY = "CLAUDE_CODE_ENABLE_TELEMETRY"

RUN_DIR_BYTES = 45
"""macOS allows a socket's path 103 bytes, of which ssh takes 58: `/`, 40 of %C, 17 of its own."""


@dataclass(frozen=True, repr=False)
class Secret:
    """A value that no print, log or traceback shows; `reveal` it only to stdin or a 0600 file."""

    _value: str

    def reveal(self) -> str:
        """The value itself."""
        return self._value

    def __repr__(self) -> str:
        return "***"


@dataclass(frozen=True)
class Config:
    """The captain's settings.

    `agent_env` is what agents are given, by the names it has there: their credentials and the
    variables of OpenTelemetry, all secret, as an OTLP header is. GH_TOKEN is not among them.
    """

    data_dir: Path
    socket_dir: Path
    provider: str = "exedev"
    default_ships: int = 3
    ssh_config: Path | None = None
    gh_token: Secret | None = None
    agent_env: Mapping[str, Secret] = field(default_factory=dict)

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
    """Read the settings. Raises Faults that name every wrong key."""
    path = _directory(environ, "XDG_CONFIG_HOME", ".config") / "config.toml"
    ours = {name: value for name, value in environ.items() if value and _is_ours(name)}
    faults: list[str] = []
    values = _checked(_read(path), str(path), faults) | _checked(ours, "environment", faults)
    if faults:
        raise Faults(faults)
    ssh_config, gh_token = values.get("OCAPTAIN_SSH_CONFIG"), values.get("GH_TOKEN")
    return Config(
        data_dir=_directory(environ, "XDG_DATA_HOME", ".local/share"),
        socket_dir=_socket_dir(environ),
        provider=values.get("OCAPTAIN_PROVIDER", Config.provider),
        default_ships=int(values.get("OCAPTAIN_DEFAULT_SHIPS", Config.default_ships)),
        ssh_config=Path(ssh_config).expanduser() if ssh_config else None,
        gh_token=Secret(gh_token) if gh_token else None,
        agent_env={name: Secret(values[name]) for name in values if name not in OWN},
    )


def _is_ours(variable: str) -> bool:
    return variable in (*OWN, *CLAUDE, TELEMETRY) or variable.startswith("OTEL_")


def _checked(table: Mapping[str, Any], origin: str, faults: list[str]) -> dict[str, str]:
    """The table's values by variable; what is wrong with them is added to `faults`."""
    values = {}
    for key, value in table.items():
        own = f"OCAPTAIN_{key.upper()}"
        variable = own if own in OWN else key.upper()
        if not _is_ours(variable):
            faults.append(f"{origin}: {key}: there is no such key")
        elif type(value) not in (str, int):
            faults.append(f"{origin}: {key}: has to be a string")
        elif variable == "OCAPTAIN_DEFAULT_SHIPS" and not re.fullmatch("[1-9][0-9]*", str(value)):
            faults.append(f"{origin}: {key}: has to be a whole number above 0")
        values[variable] = str(value)
    return values


def _read(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise Failure(f"{path} cannot be read: {error}") from None
    if isinstance(table.get("otel"), dict):
        table |= {f"otel_{key}": value for key, value in table.pop("otel").items()}
    if path.stat().st_mode & 0o077 and any(
        key.endswith(("token", "key", "headers")) for key in table
    ):
        raise Failure(f"{path} holds a token, and others can read it.", f"chmod 600 {path}")
    return table


def _directory(environ: Mapping[str, str], name: str, fallback: str) -> Path:
    """Our own place in an XDG base directory; the specification has relative ones ignored."""
    base = environ.get(name, "")
    home = Path(environ.get("HOME") or Path.home())
    return (Path(base) if base.startswith("/") else home / fallback) / "ocaptain"


def _socket_dir(environ: Mapping[str, str]) -> Path:
    folder = Path(environ.get("XDG_RUNTIME_DIR") or "/", "ocaptain")
    # After su or sudo the variable still names somebody else's.
    usable = folder.parent != Path("/") and os.access(folder.parent, os.W_OK)
    if usable and len(os.fsencode(folder)) <= RUN_DIR_BYTES:
        return folder
    return Path(f"/tmp/ocaptain-{os.geteuid()}")  # noqa: S108 - run_dir sees to it

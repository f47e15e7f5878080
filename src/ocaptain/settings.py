"""What can be set: from the command line, the environment, and config.toml.

`$XDG_CONFIG_HOME/ocaptain/config.toml` has each setting by its key. docs/configuration.md lists
them. A fault is reported by its key, and never with its value.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict

from .errors import Failure
from .onboard.redaction import SECRET_NAME, url_secrets
from .onboard.ship.agents.acp import PREFIX

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

MOST = {"default_ships": 99, "vm_limit": 999}
"""The greatest value of each key that is a number."""

AGENT_VARIABLES = (
    "CLAUDE_CODE_OAUTH_TOKEN",
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_BASE_URL",
    "CLAUDE_CODE_ENABLE_TELEMETRY",
    "CODEX_API_KEY",
    "CODEX_CONFIG",
    "GEMINI_API_KEY",
    "GOOGLE_GEMINI_BASE_URL",
    "MODEL_PROVIDER",
    "OPENAI_API_KEY",
    "OPENCODE_API_KEY",
    "OPENCODE_CONFIG_CONTENT",
    "OPENROUTER_API_KEY",
)
"""Variables that agents are given as they are. Their keys are the same in lower case."""

AGENT_PREFIXES = ("OTEL_", PREFIX)
"""How OpenTelemetry's variables begin, which agents are given too, and those for `acp` alone."""

Origin = Literal["option", "environment", "file", "default"]
"""Where a setting comes from, the strongest first."""


class Setting(NamedTuple):
    """The value of a setting, and where it comes from."""

    value: str
    origin: Origin


class SettingRow(TypedDict):
    """A setting in `config`."""

    key: str
    variable: str
    value: str | None
    """None of a secret, and of what is not set and has no default."""
    origin: str | None
    """None of what is not set."""
    secret: bool


def read_settings(
    environ: Mapping[str, str] = os.environ, overrides: Mapping[str, str | None] | None = None
) -> dict[str, Setting]:
    """Return what is set, by the variable of each. Raises Failure with all that is wrong.

    `overrides` are settings by their keys, which win over the environment, which wins over
    config.toml. What is None or empty counts as not set."""
    path = config_path(environ)
    table = _read_table(path)
    faults = [fault for key, value in table.items() if (fault := _fault(key, value))]
    settings = {variable_of(key): Setting(str(value), "file") for key, value in table.items()}
    is_readable = _has_secret(settings) and path.stat().st_mode & 0o077
    for variable, value in environ.items():
        if value and is_setting(variable):
            settings[variable] = Setting(value, "environment")
    for key, override in (overrides or {}).items():
        if override:
            settings[VARIABLES[key]] = Setting(override, "option")
    faults = [f"{path}: {fault}" for fault in faults] + _wrong_numbers(settings)
    if is_readable:
        faults.append(f"{path} holds a token, and others can read it.")
    if faults:
        raise Failure("\n".join(faults), hint=f"chmod 600 {path}" if is_readable else "")
    return settings


def config_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Return where config.toml is, or would be."""
    return config_folder(environ) / "config.toml"


def config_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of config.toml; the inventory of `hosts` is there too by default."""
    return our_directory(environ, "XDG_CONFIG_HOME", ".config")


def our_directory(environ: Mapping[str, str], name: str, fallback: str) -> Path:
    """Return our place in an XDG base directory. As the specification says, relative ones do not
    count."""
    base = environ.get(name, "")
    if base.startswith("/"):
        return Path(base, "ocaptain")
    home = Path(environ.get("HOME") or Path.home())
    return home / fallback / "ocaptain"


def variable_of(key: str) -> str:
    """Return the environment variable of a key of config.toml."""
    return VARIABLES.get(key, key.upper())


def key_of(variable: str) -> str:
    """Return the key that an environment variable has in config.toml."""
    keys = {name: key for key, name in VARIABLES.items()}
    return keys.get(variable, variable.lower())


def is_setting(variable: str) -> bool:
    """Whether a variable of the environment is a setting."""
    return variable in VARIABLES.values() or is_for_agents(variable)


def is_for_agents(variable: str) -> bool:
    """Whether agents are given this variable."""
    return variable in AGENT_VARIABLES or variable.startswith(AGENT_PREFIXES)


def is_secret(variable: str, value: str) -> bool:
    """Whether nobody else is to read a setting: a token, or an address with a password in it."""
    return bool(SECRET_NAME.search(variable)) or any(url_secrets(value))


def _has_secret(settings: Mapping[str, Setting]) -> bool:
    return any(is_secret(variable, setting.value) for variable, setting in settings.items())


def _read_table(path: Path) -> dict[str, Any]:
    """Return what config.toml says; nothing if there is none."""
    try:
        if not path.exists():
            return {}
        return tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise Failure(f"{path} cannot be read: {error}") from None


def _fault(key: str, value: object) -> str | None:
    """Return what is wrong with a key of config.toml, whatever else is set."""
    if not is_setting(variable_of(key)):
        return f'"{key}" is no key of ocaptain\'s{_question(key)}'
    if not isinstance(value, str | int):
        return f'"{key}" has to be text or a number.'
    if key in MOST and not _is_number(str(value), MOST[key]):
        return f'"{key}" has to be a number from 1 to {MOST[key]}.'
    return None


def _question(key: str) -> str:
    """Return a question for the key that was probably meant, or just a full stop."""
    from difflib import get_close_matches  # which few need

    known = [*VARIABLES, *map(key_of, AGENT_VARIABLES)]
    close = get_close_matches(key, known, n=1)
    return f"; is {close[0]} meant?" if close else "."


def _wrong_numbers(settings: Mapping[str, Setting]) -> list[str]:
    """Return the faults of numbers that do not come from config.toml."""
    faults = []
    for key, most in MOST.items():
        variable = VARIABLES[key]
        value, origin = settings.get(variable, Setting("1", "default"))
        if origin != "file" and not _is_number(value, most):
            faults.append(f"{variable} ({key}) has to be a number from 1 to {most}.")
    return faults


def _is_number(text: str, most: int) -> bool:
    return bool(re.fullmatch(r"[1-9]\d{0,2}", text)) and int(text) <= most

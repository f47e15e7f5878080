"""Machines of `hosts` that are of no use now: which, why, and what to do about them.

Those that did not answer are kept in a file for a minute, so that not every command waits for them;
so are providers that did not.
"""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ocaptain.config import Config
from ocaptain.errors import Failure
from ocaptain.ssh import VM, replace

from .known_host import UnknownHost

ASK_AGAIN_S = 60
"""For how many seconds it is kept who did not answer."""


def place_of(vm: VM) -> str:
    """Return `host:port` of a machine, as ssh has resolved it."""
    options = dict(vm.options)
    return f"{options['HostName']}:{options['Port']}"


def fault_of(why: Failure) -> str:
    """Return in a line why a machine is of no use."""
    if isinstance(why, UnknownHost):
        return "your ssh does not know its host key"
    return str(why).partition("\n")[0]


def left_out(why_of: Mapping[str, str]) -> str:
    """Say in a line which machines are of no use, and why if it is only one."""
    if len(why_of) == 1:
        [(machine, why)] = why_of.items()
        return f"{machine} is left out: {why}"
    names = ", ".join(why_of)
    return f"{len(why_of)} machines are left out: {names}. `ocaptain doctor` says why."


def keys_to_compare(machines: Sequence[UnknownHost]) -> str:
    """Return commands that show the fingerprints of machines, and have ssh know their keys."""
    by_port: dict[str, list[str]] = {}
    for machine in machines:
        by_port.setdefault(machine.port, []).append(machine.address)
    scans = [f"ssh-keyscan -p {port} {' '.join(hosts)};" for port, hosts in by_port.items()]
    show = f"{{ {' '.join(scans)} }} >keys; ssh-keygen -lf keys"
    return f"{show}  shows the fingerprints. If they are right: cat keys >>~/.ssh/known_hosts"


def read_absent(config: Config, kind: str) -> dict[str, str]:
    """Return who did not answer of late, and why. `kind` is `machines`, or `providers`."""
    with suppress(OSError, ValueError, TypeError, AttributeError, KeyError):
        absent = json.loads(_path(config, kind).read_text())
        age_s = time.time() - absent["since"]
        if 0 <= age_s < ASK_AGAIN_S:
            return {str(name): str(why) for name, why in absent["why"].items()}
    return {}


def write_absent(config: Config, kind: str, why_of: Mapping[str, str]) -> None:
    """Keep who has not answered just now, and why."""
    path = _path(config, kind)
    if why_of:
        replace(path, json.dumps({"since": time.time(), "why": dict(why_of)}))
    else:
        path.unlink(missing_ok=True)


def forget_absent(config: Config) -> bool:
    """Have all machines asked again. Returns whether some would not have been."""
    was_there = bool(read_absent(config, "machines"))
    write_absent(config, "machines", {})
    return was_there


def _path(config: Config, kind: str) -> Path:
    return config.run_dir() / f"absent-{kind}.json"

"""Makes a VM into a ship from what `sail` sent along, and starts helm."""

import json
import os
import shlex
import time
from collections.abc import Mapping
from pathlib import Path

from ..files import compile_half
from ..process import program, run_or_exit, start_detached
from ..protocol import ShipBoot, ShipFile
from ..text import known_host, ssh_path, utc
from .equipment import agents_of, equip, is_there, is_unit
from .workgroup import UNIT

STORAGE_SSH_OPTIONS = {
    "HostKeyAlias": "storage",
    "StrictHostKeyChecking": "yes",
    "IdentitiesOnly": "yes",
    "BatchMode": "yes",
    "ControlPersist": "60",
    "ConnectTimeout": "15",
    "ServerAliveInterval": "15",
}
"""How a ship's SSH reaches storage, apart from what the provider adds."""

# So that helm is always started again, starts are further apart than systemd's limit (5 in 10 s).
# If something of an agent's is killed for memory, helm outlives it. What it starts for a claim is
# in a cgroup below its own: that is what Delegate is for.
HELM_UNIT = """\
[Service]
User={user}
ExecStart=/bin/bash -lc "exec {command}"
Restart=always
RestartSec=3
OOMPolicy=continue
OOMScoreAdjust=-500
Delegate=yes
[Install]
WantedBy=multi-user.target
"""


def main(home: Path) -> None:
    """Do what ~/voyage/boot.json says, and remove that file, which holds tokens."""
    compile_half(home, "ship")
    path = home / "voyage" / "boot.json"
    boot: ShipBoot = json.loads(path.read_text())
    path.unlink()
    os.umask(0o077)
    fault = equip(home, boot)
    if "setup.sh" not in boot["artifacts"]:  # which may install it
        check_agent(home, boot, fault)
    write_files(home / "voyage", boot)
    if fault:
        note(home, fault)
    link_mount(home, boot["voyage"]["voyage"])
    start_helm(home)
    os.sync()  # the captain counts on all of it from here on


def write_files(folder: Path, boot: ShipBoot) -> None:
    """Write key, configuration, tokens and the plan's files into ~/voyage."""
    ship: ShipFile = {
        "ship": boot["ship"],
        "voyage": boot["voyage"],
        "accounts": boot["accounts"],
        "sudo_prefix": boot["sudo_prefix"],
    }
    files = {
        "key": boot["key"],
        "known_hosts": known_hosts(boot),
        "ssh_config": ssh_config(folder, dict(boot["ssh_options"])),
        "agent_env.json": json.dumps(boot["agent_env"]),
        "ship.json": json.dumps(ship),
        **boot["artifacts"],
    }
    for name, body in files.items():
        (folder / name).write_text(body)


def known_hosts(boot: ShipBoot) -> str:
    """Return storage's host keys, by the name that ssh has for it."""
    name = dict(boot["ssh_options"]).get("HostKeyAlias", STORAGE_SSH_OPTIONS["HostKeyAlias"])
    return "".join(known_host(name, key) for key in boot["host_key"].splitlines())


def ssh_config(folder: Path, provided: Mapping[str, str]) -> str:
    """Return the ssh_config(5) that reaches storage. What the provider gave wins."""
    options = {
        **STORAGE_SSH_OPTIONS,
        "UserKnownHostsFile": ssh_path(folder / "known_hosts"),
        "IdentityFile": ssh_path(folder / "key"),
        **provided,
    }
    return "Host storage\n" + "".join(f"  {key} {value}\n" for key, value in options.items())


def link_mount(home: Path, voyage: str) -> None:
    """Link to what will be mounted from storage: the task list, artifacts and logs."""
    mount = home / "voyage" / "storage"
    mount.mkdir(exist_ok=True)
    for path in ("voyage/artifacts", "voyage/logs", f".claude/tasks/{voyage}-tasks"):
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        run_or_exit("ln", "-sfT", mount / path, home / path)


def check_agent(home: Path, ship: ShipFile, fault: str = "") -> None:
    """End this program, with a sentence, if helm would find the program of no agent.

    If it would find some, the ship takes their tasks, and says what it lacks for the others'.
    `fault` is what went wrong when they were to be installed."""
    programs = [agent.program for agent in agents_of(ship)]
    if not is_there(home, ship, programs):
        missing = f"the agent's program, {' or '.join(programs)}, is not on the PATH here"
        raise SystemExit(f"{missing}: {fault or 'install it'}")


def note(home: Path, fault: str) -> None:
    """Write into the log what could not be installed: other agents go on."""
    with (home / "voyage" / "helm.log").open("a", encoding="utf-8") as log:
        log.write(f"{utc(time.time())} {fault}\n")


def start_helm(home: Path) -> None:
    """Start helm, unless it runs: as a system unit or as a process, of which only one stays."""
    ship: ShipFile = json.loads((home / "voyage" / "ship.json").read_text())
    if is_unit(ship):
        unit = home / "voyage" / UNIT
        command = shlex.join(program(home, "helm-main"))
        unit.write_text(HELM_UNIT.format(user=home.owner(), command=command))
        run_or_exit("sudo", "-n", "install", "-m", "644", unit, "/etc/systemd/system")
        run_or_exit("sudo", "-n", "systemctl", "enable", "--now", unit.name)
    else:
        start_detached(home, "helm.out", "helm-main")

"""The agents' programs on a ship: whether they are there, and having them installed."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..process import run
from ..protocol import ShipFile
from ..text import one_line
from .agents import Agent, named

FIND = 'for name do command -v "$name" >/dev/null && exit; done; false'
INSTALL_S = 900.0
LINES = 5
"""How many lines are told of what a failed installation printed."""
FAULT_LIMIT = 1000


def equip(home: Path, ship: ShipFile) -> str:
    """Install what is missing of the voyage's agents. Returns what went wrong; empty if nothing."""
    missing = [agent for agent in agents_of(ship) if not is_there(home, ship, [agent.program])]
    faults = []
    for line in commands(ship, missing):
        done = run(shell(home, ship, line), cwd=home, timeout=INSTALL_S)
        if done.status:
            last = (done.stdout + done.stderr).strip().splitlines()[-LINES:]
            words = one_line(" ".join(last), FAULT_LIMIT)
            faults.append(f"`{line}` failed here with exit status {done.status}: {words}")
    return "; ".join(faults)


def agents_of(ship: ShipFile) -> list[Agent]:
    """Return the agents that the voyage's tasks need."""
    command = ship["voyage"]["agent_command"]
    return [named(name, command) for name in ship["voyage"]["agents"]]


def commands(ship: ShipFile, missing: Sequence[Agent]) -> Iterator[str]:
    """Yield what installs missing agents: the plan's own command or, on a machine of our own, the
    usual one of each."""
    given = ship["voyage"]["agent_setup"]
    if given and missing:
        yield given
    elif ship["accounts"]:
        for agent in missing:
            if agent.install:
                as_root = "" if os.geteuid() == 0 else f" || sudo -n {agent.install}"
                yield agent.install + as_root


def is_there(home: Path, ship: ShipFile, programs: Sequence[str]) -> bool:
    """Whether helm would find one of these programs."""
    return run(shell(home, ship, FIND, *programs), cwd=home).status == 0


def shell(home: Path, ship: ShipFile, script: str, *arguments: str) -> list[str]:
    """Return what runs a script with the PATH that helm will have."""
    if is_unit(ship):  # whose PATH is not that of an SSH command
        return ["env", "-i", f"HOME={home}", "bash", "-lc", script, "-", *arguments]
    return ["bash", "-c", script, "-", *arguments]


def is_unit(ship: ShipFile) -> bool:
    """Whether helm is a system unit: if systemd runs a machine of our own (sd_booted(3))."""
    return ship["accounts"] and Path("/run/systemd/system").is_dir()

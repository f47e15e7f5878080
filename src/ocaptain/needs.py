"""What this machine must have for a voyage: programs, and the packages of Debian's with them."""

from collections.abc import Mapping, Sequence

from .config import Config
from .onboard.ship.agents import AGENTS, named
from .process import where

CAPTAIN: Mapping[str, str] = {"ssh": "openssh-client", "ssh-keygen": "openssh-client", "git": "git"}
"""What a captain runs."""

LOCAL: Mapping[str, str] = {
    "sshd": "openssh-server",
    "findmnt": "util-linux",
    "setpriv": "util-linux",
}
"""What VMs of `local` run here."""

LOCAL_COMFORTS: Mapping[str, str] = {"sshfs": "sshfs", "tmux": "tmux"}
"""What they can do without: agents do not see the task list then, and `shell` does not work."""


def missing(packages: Mapping[str, str]) -> str:
    """Return which of these programs are not here, and what installs them; nothing if none is."""
    absent = [name for name in packages if not where(name)]
    if not absent:
        return ""
    install = " ".join(sorted({packages[name] for name in absent}))
    return f"missing: {', '.join(absent)} → sudo apt-get install -y {install}"


def missing_agent(name: str, command: Sequence[str] | None = None) -> str:
    """Return what installs an agent here, if it is missing; nothing if it is not.

    `command` is what starts the agent `acp`."""
    agent = named(name, command)
    if not agent.program or where(agent.program):
        return ""
    return f"missing: {agent.program} → {agent.install or f'install {agent.program}'}"


def agent_fault(config: Config, agent: str, command: Sequence[str] | None) -> str:
    """Return what keeps an agent from working for a voyage from here; nothing if nothing does.

    `command` is what the voyage starts the agent `acp` with."""
    lacking = config.lacks(agent)
    if lacking:
        return lacking
    if not named(agent, command).program:
        return f'the agent {agent} needs "agent_command", which this voyage sailed without'
    return missing_agent(agent, command) if config.provider == "local" else ""


def obstacles(
    config: Config, agents: Mapping[str, str], command: Sequence[str] | None = None
) -> dict[str, str]:
    """Return what keeps a voyage from being sailed from here, by where the fault is.

    `agents` are those of its plan, each with the place that names it, and `command` is what starts
    the agent `acp`."""
    is_local = config.provider == "local"
    packages = {**CAPTAIN, **LOCAL} if is_local else CAPTAIN
    found = {"this machine": missing(packages)}
    if is_local:
        known = [agent for agent in agents if agent in AGENTS]
        found.update({agents[agent]: missing_agent(agent, command) for agent in known})
    return {place: fault for place, fault in found.items() if fault}

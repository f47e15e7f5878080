"""The coding agents that a ship can run: one module each. To add one, write it and name it here."""

import shutil
from collections.abc import Collection, Mapping, Sequence

from . import acp, claude, shell
from .agent import Agent, Event, Job, Kind, Outcome, Usage

AGENTS: dict[str, Agent] = {
    "claude": claude,
    "codex": acp.CODEX,
    "opencode": acp.OPENCODE,
    "gemini": acp.GEMINI,
    "claude-acp": acp.CLAUDE_ACP,
    "acp": acp.OTHER,
    "shell": shell,
}


def named(name: str, command: Sequence[str] | None) -> Agent:
    """Return an agent by its name; `command` is the voyage's, which starts the agent `acp`."""
    if name == "acp" and command:
        return acp.other(command)
    return AGENTS[name]


def own_variables(environ: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    """Return of the captain's variables for agents those that some of them may have.

    What is another's credential is none of these."""
    wanted = [AGENTS[name].credentials for name in names]
    own = {variable for variables in wanted for variable in variables}
    foreign: set[str] = set()
    for agent in AGENTS.values():
        foreign.update(agent.credentials)
    foreign -= own
    if "acp" not in names:
        foreign.update(variable for variable in environ if variable.startswith(acp.PREFIX))
    return {variable: value for variable, value in environ.items() if variable not in foreign}


def lacking(
    environ: Mapping[str, str],
    machine: str,
    command: Sequence[str] | None = None,
    setup: str | None = None,
    *,
    may_install: bool = False,
) -> dict[str, str]:
    """Return what a machine, this one, lacks for agents, in sentences by the agents' names.

    `environ` are the variables for agents that it has; `command` is what starts `acp`, and `setup`
    what installs the voyage's agents, if its plan says so. With `may_install` something that runs
    before an agent may install its program, so that none is missed."""
    lacks: dict[str, str] = {}
    for name in AGENTS:
        agent = named(name, command)
        if not agent.program:
            lacks[name] = "the voyage has no agent_command"
        elif not (may_install or shutil.which(agent.program)):
            install = setup or agent.install or f"install {agent.program} there"
            lacks[name] = f"{agent.program} is not installed on {machine}: {install}"
        elif credential := agent.missing(environ):
            lacks[name] = f"{machine} has no credential for it: {credential}"
    return lacks


__all__ = [
    "AGENTS",
    "Agent",
    "Event",
    "Job",
    "Kind",
    "Outcome",
    "Usage",
    "lacking",
    "named",
    "own_variables",
]

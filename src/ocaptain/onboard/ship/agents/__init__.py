"""The coding agents that a ship can run: one module each. To add one, write it and name it here."""

from . import acp, claude, shell
from .agent import Agent, Event, Job, Kind, Outcome, Usage

AGENTS: dict[str, Agent] = {
    "claude": claude,
    "codex": acp.CODEX,
    "opencode": acp.OPENCODE,
    "gemini": acp.GEMINI,
    "claude-acp": acp.CLAUDE_ACP,
    "shell": shell,
}

__all__ = ["AGENTS", "Agent", "Event", "Job", "Kind", "Outcome", "Usage"]

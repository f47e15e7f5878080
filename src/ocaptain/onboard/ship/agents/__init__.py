"""The coding agents that a ship can run: one module each. To add one, write it and name it here."""

from . import claude, shell
from .agent import Agent, Event, Job, Kind, Outcome, Usage

AGENTS: dict[str, Agent] = {"claude": claude, "shell": shell}

__all__ = ["AGENTS", "Agent", "Event", "Job", "Kind", "Outcome", "Usage"]

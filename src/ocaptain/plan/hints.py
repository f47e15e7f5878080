"""Keys that a plan has and ocaptain does not know: what they may be meant for."""

from collections.abc import Mapping
from difflib import get_close_matches

TASK_KEYS: Mapping[str, str] = {
    "id": "id",
    "subject": "subject",
    "name": "subject",
    "summary": "subject",
    "description": "description",
    "body": "description",
    "details": "description",
    "instructions": "description",
    "prompt": "description",
    "status": "status",
    "activeform": "activeForm",
    "blocks": "blocks",
    "dependents": "blocks",
    "dependants": "blocks",
    "blockedby": "blockedBy",
    "after": "blockedBy",
    "blockers": "blockedBy",
    "dependencies": "blockedBy",
    "dependency": "blockedBy",
    "dependson": "blockedBy",
    "deps": "blockedBy",
    "needs": "blockedBy",
    "prerequisites": "blockedBy",
    "requires": "blockedBy",
    "waitsfor": "blockedBy",
    "metadata": "metadata",
    "files": "metadata.files",
    "paths": "metadata.files",
    "run": "metadata.run",
    "command": "metadata.run",
    "script": "metadata.run",
    "agent": "metadata.agent",
    "model": "metadata.model",
}
"""Fields of a task by what they may be called, in lower case and without a mark between words."""

SETTINGS_KEYS: Mapping[str, str] = {
    "title": "name",
    "repository": "repo",
    "url": "repo",
    "goal": "objective",
    "description": "objective",
    "ships": "recommended_ships",
    "workers": "recommended_ships",
    "agents": "agent",
    "checkcommand": "check",
    "ref": "branch",
    "base": "branch",
    "basebranch": "branch",
    "retries": "max_attempts",
    "attempts": "max_attempts",
    "lease": "lease_seconds",
    "timeout": "time_limit_minutes",
    "budget": "budget_usd",
    "webhook": "notify",
}
"""The same of voyage.json, besides the keys' own names."""


def meant(key: str, known: Mapping[str, str]) -> str:
    """Return what a key may be meant for, as `known` has it; nothing if nobody can say."""
    close = get_close_matches(plain(key), known, n=1, cutoff=0.8)
    return known[close[0]] if close else ""


def question(meaning: str) -> str:
    """Return what a note ends with, if it is about a key that may be meant for something."""
    return f'; is "{meaning}" meant?' if meaning else ""


def plain(key: str) -> str:
    """Return a key in lower case, without marks between its words."""
    return "".join(filter(str.isalnum, key)).lower()

"""Plans on disk: writing them, changing them, and having them checked."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

from ocaptain.config import load
from ocaptain.plan.check import check
from ocaptain.plan.plan import Plan, Report

ME = ("-c", "user.name=Me", "-c", "user.email=me@example.org", "-c", "protocol.file.allow=always")
TOKEN = "sk-ant-oat01-Zq7made_up"


def git(directory: Path, *args: str) -> str:
    command = ["git", "-C", str(directory), *ME, *args]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def repository(directory: Path) -> Path:
    """Make a repository with one commit on `main`."""
    directory.mkdir()
    git(directory, "init", "-q", "-b", "main")
    git(directory, "commit", "-q", "--allow-empty", "-m", "first")
    return directory


def diamond(directory: Path, repo: Path) -> Path:
    """Write a sound plan: a diamond of four tasks for the shell agent."""
    (directory / "tasks").mkdir(parents=True)
    write(directory, "voyage.json", {"name": "diamond", "repo": str(repo), "agent": "shell"})
    write(directory, "spec.md", "Some words first.\n\n## Draw a diamond ##\n\n# Not this\n")
    write(directory, "verify.sh", "#!/bin/bash\ntrue\n")
    for task_id, blockers in {"1": [], "2": ["1"], "3": ["1"], "10": ["2", "3"]}.items():
        write(directory, f"tasks/{task_id}.json", task(task_id, blockedBy=blockers))
    return directory


def task(task_id: str, **fields: Any) -> dict[str, Any]:
    return {"id": task_id, "subject": f"Do {task_id}", "metadata": {"run": "true"}, **fields}


def write(plan: Path, name: str, content: object) -> None:
    """Put text, bytes or JSON into a file of the plan; None removes it."""
    if content is None:
        (plan / name).unlink()
    elif isinstance(content, bytes):
        (plan / name).write_bytes(content)
    else:
        text = content if isinstance(content, str) else json.dumps(content)
        (plan / name).write_text(text)


def patch(plan: Path, name: str, /, **fields: Any) -> None:
    """Change fields of a JSON file of the plan; one that is `...` is removed."""
    merged = {**json.loads((plan / name).read_text()), **fields}
    write(plan, name, {key: value for key, value in merged.items() if value is not ...})


def break_plan(plan: Path, name: str, change: Any) -> None:
    """Change fields of a file of the plan, or all that it holds."""
    if isinstance(change, dict) and (plan / name).exists():
        patch(plan, name, **change)
    else:
        write(plan, name, change)


def checked(plan: Path, **environ: str) -> Report:
    home = {"HOME": str(plan.parent), "CLAUDE_CODE_OAUTH_TOKEN": TOKEN}
    return asyncio.run(check(plan, load({**home, **environ})))


def sound(plan: Path, **environ: str) -> Plan:
    report = checked(plan, **environ)
    assert report.plan, report.faults
    return report.plan


def faults(plan: Path, **environ: str) -> list[str]:
    return checked(plan, **environ).faults

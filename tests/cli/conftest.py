"""Somebody who types, and plans of theirs."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import abandon
from tests.support.shell import Shell, write


@pytest.fixture
def shell() -> Iterator[Shell]:
    """A terminal of somebody new; pytest's own directories are too long for sockets."""
    with tempfile.TemporaryDirectory(prefix="occ-", dir="/tmp") as place:
        root = Path(place)
        for name in ("home", "run", "bin"):
            (root / name).mkdir(mode=0o700)
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        kept["PATH"] = f"{root / 'bin'}:{kept['PATH']}"
        own = {"HOME": str(root / "home"), "XDG_RUNTIME_DIR": str(root / "run")}
        env = {**kept, **own, "OCAPTAIN_PROVIDER": "local", "COLUMNS": "100"}
        (root / "home" / ".gitconfig").write_text("[user]\n\tname = Ada\n\temail = ada@localhost\n")
        somebody = Shell(root, env)
        yield somebody
        for child in somebody.started:
            abandon(child)


@pytest.fixture
def plan(shell: Shell) -> Path:
    """A sound plan for the shell agent, which lies in the repository that it is for."""
    repo = shell.home / "code"
    write(repo / "plan" / "voyage.json", {"name": "small", "repo": str(repo), "agent": "shell"})
    write(repo / "plan" / "spec.md", "# Do little\n")
    write(repo / "plan" / "verify.sh", "true\n")
    for task_id, blockers in {"1": [], "2": ["1"]}.items():
        how = {"blockedBy": blockers, "metadata": {"run": "true"}}
        task = {"id": task_id, "subject": f"Do {task_id}", **how}
        write(repo / "plan" / "tasks" / f"{task_id}.json", task)
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "Begin"]):
        subprocess.run(["git", "-C", repo, *words], env=shell.env, check=True)
    return repo / "plan"


@pytest.fixture
def broken(plan: Path) -> Path:
    """The same with three faults, in three files."""
    write(plan / "verify.sh", "if true; then\n")
    write(plan / "tasks" / "2.json", '{"id": "2",}')
    write(plan / "voyage.json", {**json.loads((plan / "voyage.json").read_text()), "agent": "hal"})
    return plan

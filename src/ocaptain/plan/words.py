"""A plan from what was typed: no directory is written by hand, and a real one is there after it."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ocaptain.config import Config
from ocaptain.errors import Failure
from ocaptain.git import try_git
from ocaptain.onboard.text import one_line, several

from .reading import Json
from .usual import PROBE_FILES, Usual, find_check

SUBJECT_LIMIT = 72
"""Characters: a task's subject becomes that of a commit."""
NAME_LIMIT = 40
UNNAMED = "voyage"

SPEC = """\
# {objective}

{tasks} If a task leaves something open, do as this repository does already, and no more than is
asked for.
"""
BY_THEMSELVES = "Each task says by itself all that was asked for."
ONE_BY_ONE = "Tasks are added one by one; each says by itself all that was asked for."

VERIFY = """\
#!/usr/bin/env bash
# Decides whether the voyage is complete. It runs on a fresh clone of what has landed.
set -euo pipefail
{command}
"""
NOTHING_TO_VERIFY = """\
#!/usr/bin/env bash
# No check was named or found, so there is nothing to verify: with the last task all is complete.
true
"""


class Words(NamedTuple):
    """What was typed instead of a plan's directory."""

    tasks: Sequence[str] = ()
    """What is to be done: a text for each task."""
    check: str | None = None
    verify: str | None = None
    repo: str = "."
    agent: str = "claude"
    model: str | None = None
    budget_usd: float | None = None


class Written(NamedTuple):
    """A plan that was written."""

    folder: Path
    news: Sequence[str]
    """What the captain should know of it, in sentences."""


async def write_plan(words: Words, ships: int | None, config: Config) -> Written:
    """Write a plan of these words below the captain's data.

    Raises Failure if the repository is no checkout, or a task says nothing."""
    subjects = [subject_of(text) for text in words.tasks]
    checkout, repo = await find_repository(words.repo)
    usual = None
    if not words.check and checkout:
        usual = await find_check(checkout, "HEAD")
    check = words.check or (usual.command if usual else None)
    verify = words.verify or check
    objective = objective_of(subjects, repo)
    title = subjects[0] if subjects else Path(repo).name
    folder = new_folder(config.data_dir / "plans", slug(title))
    settings = {
        "name": folder.name,
        "repo": repo,
        "objective": objective,
        "recommended_ships": ships or ships_for(len(subjects), config),
        "agent": words.agent,
        "model": words.model,
        "check": check,
        "budget_usd": words.budget_usd,
    }
    _write_json(folder / "voyage.json", {key: value for key, value in settings.items() if value})
    tasks = BY_THEMSELVES if subjects else ONE_BY_ONE
    (folder / "spec.md").write_text(SPEC.format(objective=objective, tasks=tasks))
    script = VERIFY.format(command=verify) if verify else NOTHING_TO_VERIFY
    (folder / "verify.sh").write_text(script)
    (folder / "tasks").mkdir()
    for number, task in enumerate(_task_files(words, subjects), start=1):
        _write_json(folder / f"tasks/{number}.json", {"id": str(number), **task})
    return Written(folder, [*_news(words, usual, checkout), f"The plan is in {folder}"])


def _task_files(words: Words, subjects: Sequence[str]) -> Iterator[Json]:
    """Yield what each task's file says. The agent `shell` runs what the others are told."""
    for subject, text in zip(subjects, words.tasks, strict=True):
        task: Json = {"subject": subject}
        if words.agent == "shell":
            task["metadata"] = {"run": text.strip()}
        elif text.strip() != subject:
            task["description"] = text.strip()
        yield task


def _news(words: Words, usual: Usual | None, checkout: Path | None) -> Iterator[str]:
    """Yield what is run before each landing, and why; or that nothing is."""
    if words.check:
        return
    name_one = "to name one: --check COMMAND"
    if usual:
        yield f"Before each landing ships run `{usual.command}` ({usual.source}); {name_one}"
    elif checkout:
        yield (f"Nothing is run before a landing: no check was found in {PROBE_FILES}; {name_one}")
    else:
        yield f"Nothing is run before a landing: the repository is not here to look; {name_one}"


async def find_repository(repo: str) -> tuple[Path | None, str]:
    """Return the checkout that `repo` is in, if it is a path, and what a plan has to say for it."""
    if not repo.startswith(("/", ".", "~")):
        return None, repo
    place = Path(repo).expanduser().resolve()
    top = await try_git("-C", str(place), "rev-parse", "--show-toplevel")
    if top:
        return Path(top), top
    bare = await try_git("-C", str(place), "rev-parse", "--absolute-git-dir")
    if not bare:
        raise Failure(
            f"{place} is in no git repository.", hint="cd into yours, or name it: --repo PATH"
        )
    return Path(bare), bare


# What a plan is called


def subject_of(text: str) -> str:
    """Return the first line of a task, without a heading's marks, in the length of a subject.

    Raises Failure if the task says nothing."""
    first_line = next((line for line in text.splitlines() if line.strip("# \t")), "")
    subject = one_line(first_line.strip("# \t"), len(first_line))
    if not subject:
        raise Failure("A task says nothing.", hint="--task 'What is to be done'")
    if len(subject) <= SUBJECT_LIMIT:
        return subject
    return f"{subject[:SUBJECT_LIMIT].rpartition(' ')[0] or subject[:SUBJECT_LIMIT]} …"


def objective_of(subjects: Sequence[str], repo: str) -> str:
    """Return what the voyage is for, in a line."""
    if not subjects:
        return f"Tasks as they come, for {Path(repo).name}"
    if len(subjects) == 1:
        return subjects[0]
    return f"{subjects[0]}, and {several(len(subjects) - 1, 'other task')}"


def ships_for(tasks: int, config: Config) -> int:
    """Return how many ships have something to do, up to what the captain usually takes."""
    return min(tasks, config.default_ships) if tasks else config.default_ships


def slug(title: str) -> str:
    """Return a title as a folder's name: letters and digits of any script, and hyphens."""
    words = re.findall(r"[^\W_]+", title.lower())
    name = "-".join(words)[:NAME_LIMIT]
    if "-" in name and len("-".join(words)) > NAME_LIMIT:
        name = name.rpartition("-")[0]
    return name or UNNAMED


def new_folder(place: Path, name: str) -> Path:
    """Make a folder of that name, or of the name and a number if there is one."""
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    number = 1
    while True:
        folder = place / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder


def _write_json(path: Path, value: Json) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")

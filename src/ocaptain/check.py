"""Checking a plan before anything is made: every fault in one go, then what it would do."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from .graph import longest_chain, max_parallel, overlaps
from .plan import Fault, Findings, Plan, read_parts, read_settings
from .source import locate
from .ssh import run
from .taskfiles import read_tasks

Credentials = Callable[[Mapping[str, str]], str | None]
Overlap = tuple[str, str, tuple[str, ...]]


@dataclass(frozen=True)
class Report:
    """What a check found. Without faults there is a `plan`, and the facts after `notes` count.

    `longest_chain` is the ids of a longest run of tasks that wait for one another, `max_parallel`
    the most tasks that can ever run at once, and `overlaps` the pairs of tasks that could run
    together though their `metadata.files` share paths.
    """

    plan: Plan | None
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]
    tasks: int = 0
    longest_chain: tuple[str, ...] = ()
    max_parallel: int = 0
    recommended_ships: int = 0
    overlaps: tuple[Overlap, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The report as `check --json` prints it; `plan` is the plan's name, null if unsound."""
        shared = [{"tasks": [one, two], "files": files} for one, two, files in self.overlaps]
        facts = asdict(replace(self, plan=None))
        return {**facts, "plan": self.plan and self.plan.name, "overlaps": shared}


async def check(
    path: Path, *, agents: Mapping[str, Credentials], environ: Mapping[str, str]
) -> Report:
    """Read and check the plan in the directory `path`; nothing is changed or created.

    `agents` has, for each agent, a function that says which credential `environ` lacks, if any.
    """
    if wrong := _wrong_place(path):
        return Report(None, (Fault(str(path), wrong),), ())
    findings = Findings()
    settings, parts = read_settings(path, findings), read_parts(path, findings)
    agent = settings.get("agent", "")
    tasks = read_tasks(path, agent, findings)
    for file, script in {"verify.sh": parts.get("verify"), "setup.sh": parts["setup"]}.items():
        with findings.reading(file):
            await _parse(script or "")
    with findings.reading("voyage.json", '"check": '):
        await _parse(settings.get("check") or "")
    unknown = f'"{agent}" does not exist; there are {", ".join(sorted(agents))}'
    lacking = agents[agent](environ) if agent in agents else unknown
    if agent and lacking:
        findings.faults.append(Fault("voyage.json", f'"agent": {lacking}'))
    with findings.reading("voyage.json", '"repo": '):
        if repo := settings.get("repo"):
            parts["source"], notes = await locate(repo, settings.get("branch"), environ)
            findings.notes += notes
    if findings.faults:
        return Report(None, tuple(findings.faults), tuple(findings.notes))
    settings["objective"] = settings["objective"] or _heading(parts["spec"]) or settings["name"]
    plan = Plan(path=path, tasks=list(tasks.values()), **settings, **parts)
    return _report(plan, findings.notes)


def _wrong_place(path: Path) -> str:
    return "" if path.is_dir() else "is not a directory (`ocaptain plan init DIR` makes one)"


async def _parse(script: str) -> None:
    """Raise ValueError if bash cannot parse `script`."""
    if "\r\n" in script:
        raise ValueError("has Windows line ends, which bash takes for part of the commands")
    result = await run(["bash", "-n"], stdin=script.encode(), env={"LC_ALL": "C"})
    if result.status:
        said = os.fsdecode(result.err).partition("\n")[0].partition(": ")[2]
        raise ValueError(f"is no valid shell: {said}")


def _heading(spec: str) -> str:
    """The first heading of a Markdown text; empty if it has none."""
    found = re.search(r"^#+[ \t]+(.+?)[ \t#]*$", spec, re.M)
    return found[1] if found else ""


def _report(plan: Plan, notes: list[str]) -> Report:
    """What the sound `plan` would do."""
    graph = {task["id"]: task["blockedBy"] for task in plan.tasks}
    files = {task["id"]: task.get("metadata", {}).get("files", []) for task in plan.tasks}
    most, ships = max_parallel(graph), plan.recommended_ships
    if ships > most:
        notes.append(f"recommended_ships is {ships}, but no more than {most} tasks can run at once")
    shared = tuple(overlaps(graph, files))
    return Report(plan, (), tuple(notes), len(files), longest_chain(graph), most, ships, shared)

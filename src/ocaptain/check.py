"""Checking a plan before anything is made: every fault in one go, then what it would do."""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from .graph import longest_chain, max_parallel, overlaps, reach
from .onboard.tasklist import blockers
from .plan import Plan, Report, read_settings, read_text
from .source import Environ, locate
from .ssh import run
from .taskfiles import read_tasks

Credentials = Callable[[Environ], str | None]

PARTS = {"spec": "spec.md", "verify": "verify.sh", "setup": "setup.sh"}


async def check(path: Path, *, agents: Mapping[str, Credentials], environ: Environ) -> Report:
    """Read and check the plan in the directory `path`; nothing is changed or created.

    `agents` has, for each agent, a function that says which credential `environ` lacks, if any.
    """
    if not path.is_dir():
        return Report(faults=[f"{path}: is not a directory (`ocaptain plan init DIR` makes one)"])
    report = Report()
    found = read_settings(path, report)
    for part, name in PARTS.items():
        with report.reading(name):
            if part != "setup" or (path / name).exists():
                found[part] = read_text(path / name)
                await _parse(found[part] if name.endswith(".sh") else "")
    agent = found.get("agent", "")
    found["tasks"] = read_tasks(path, agent, report)
    with report.reading('voyage.json: "check"'):
        await _parse(found.get("check", ""))
    unknown = f'"{agent}" does not exist; there are {", ".join(sorted(agents))}'
    lacking = agents[agent](environ) if agent in agents else unknown
    if agent and lacking:
        report.faults.append(f'voyage.json: "agent": {lacking}')
    with report.reading('voyage.json: "repo"'):
        if repo := found.get("repo"):
            found["source"], notes = await locate(repo, found.get("branch"), environ)
            report.notes += notes
    if not report.faults:
        headings = re.findall(r"^#+[ \t]+(.+?)[ \t#]*$", found["spec"], re.M)
        found["objective"] = found["objective"] or [*headings, found["name"]][0]
        _look_ahead(Plan(**found), report)
    return report


async def _parse(script: str) -> None:
    """Raise ValueError if bash cannot parse `script`."""
    result = await run(["bash", "-n"], stdin=script.encode(), env={"LC_ALL": "C"})
    if result.status:
        said = os.fsdecode(result.err).partition("\n")[0].partition(": ")[2]
        raise ValueError(f"is no valid shell: {said}")


def _look_ahead(plan: Plan, report: Report) -> None:
    """Report what the sound `plan` would do."""
    graph = {task["id"]: blockers(task) for task in plan.tasks}
    reached, ships = reach(graph), plan.recommended_ships
    report.plan, report.tasks, report.recommended_ships = plan, len(plan.tasks), ships
    report.longest_chain, report.max_parallel = longest_chain(graph), max_parallel(reached)
    report.overlaps = list(overlaps(reached, plan.tasks))
    same = "touch the same files and could run at once"
    report.notes += [f"tasks {one} and {two} {same}" for one, two in report.overlaps]
    if ships and ships > report.max_parallel:
        few = f"only {report.max_parallel} tasks can run at once"
        report.notes.append(f"{ships} ships are recommended, but {few}")

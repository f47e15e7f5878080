"""Reading a plan and checking it, before anything is made: every fault in one go."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ocaptain.config import Config
from ocaptain.needs import obstacles
from ocaptain.onboard import tasklist
from ocaptain.onboard.protocol import Task
from ocaptain.onboard.redaction import url_secrets
from ocaptain.onboard.ship.agents import AGENTS
from ocaptain.onboard.text import several
from ocaptain.process import run

from .budgets import budget_notes
from .forecast import foresee
from .hints import SETTINGS_KEYS, meant, plain, question
from .plan import Forecast, Plan, Report, Review, Settings, Source
from .reading import Findings, Json, read_object, read_text, shown, sound_fields
from .repository import inspect
from .source import locate
from .tasks import file_of, read_tasks

NOTIFY_IS_READ = 'voyage.json: "notify" has a password in its URL, which every ship can read'
COMMAND = 'voyage.json: "agent_command"'
SUCH_AS = 'such as ["my-agent", "--acp"]'
HEADING = re.compile(r"^#+[ \t]+(.+?)[ \t#]*$", re.MULTILINE)


async def check(folder: Path, config: Config, *, idle: bool = False) -> Report:
    """Read and check the plan in a directory; nothing is changed or created.

    One that is to be `idle` has no task."""
    if not folder.is_dir():
        return Report(faults=[f"{folder}: is not a directory (`ocaptain plan init DIR` makes one)"])
    findings = Findings()
    settings = read_settings(folder / "voyage.json", findings)
    agent = settings.get("agent")
    artifacts = await read_artifacts(folder, findings)
    tasks = read_tasks(folder / "tasks", agent, findings, idle=idle)
    with findings.reading('voyage.json: "check"'):
        await parse(settings.get("check", ""))
    agents = agents_named(agent, tasks, settings.get("review"))
    await check_agents(settings, agents, config, findings)
    if any(url_secrets(settings.get("notify", ""))):
        findings.notes.append(NOTIFY_IS_READ)
    findings.notes += budget_notes(settings, agents, tasks)
    source = await find_source(settings, folder, config, findings)
    if findings.faults or source is None:
        return Report(faults=findings.faults, notes=findings.notes)
    if not settings["objective"]:
        settings["objective"] = first_heading(artifacts["spec.md"]) or settings["name"]
    plan = Plan(
        **settings,
        folder=folder,
        source=source,
        artifacts=artifacts,
        tasks=tasks,
        ships=settings.get("recommended_ships") or config.default_ships,
    )
    forecast = foresee(tasks)
    notes = [*findings.notes, *forecast_notes(forecast, plan.recommended_ships)]
    return Report(notes=notes, plan=plan, forecast=forecast)


def read_settings(path: Path, findings: Findings) -> Json:
    """Return what is sound in voyage.json, with the defaults of what it leaves out."""
    settings: Json = {}
    with findings.reading(path.name):
        given = read_object(path)
        review = read_review(given.get("review"), f'{path.name}: "review"', findings)
        others = {key: value for key, value in given.items() if key != "review"}
        settings = {**sound_fields(Settings, others, path.name, findings), "review": review}
        note_unknown_settings(given, findings)
    return settings


def read_review(given: object, place: str, findings: Findings) -> Review | None:
    """Return who reads the work on tasks; None if nobody does, or if that is at fault."""
    if given is None:
        return None
    if not isinstance(given, dict):
        findings.fault(place, f"has to be an object, {{…}}, not {shown(given)}")
        return None
    fields = sound_fields(Review, given, place, findings)
    for key in sorted(given.keys() - set(Review.__struct_fields__)):
        findings.notes.append(f'{place}: "{key}" is no key of ocaptain\'s, and ignored')
    agent = AGENTS.get(fields.get("agent", ""))
    if agent and not agent.interactive:
        findings.fault(f'{place}: "agent"', f"the agent {fields['agent']} cannot review")
    return Review(**fields) if "agent" in fields else None


def note_unknown_settings(given: Json, findings: Findings) -> None:
    """Note keys of voyage.json that are ignored, with what they may be meant for."""
    keys = Settings.__struct_fields__
    known = {**SETTINGS_KEYS, **{plain(key): key for key in keys}}
    for key in sorted(given.keys() - set(keys)):
        hint = question(meant(key, known))
        findings.notes.append(f'voyage.json: "{key}" is no key of ocaptain\'s, and ignored{hint}')


def agents_named(agent: str | None, tasks: Sequence[Task], review: Review | None) -> dict[str, str]:
    """Return the agents that a plan needs, each with the first place that names it."""
    places = {agent: 'voyage.json: "agent"'} if agent else {}
    for task in tasks:
        named = tasklist.agent(task, "")
        if named:
            places.setdefault(named, f'{file_of(task["id"])}: metadata: "agent"')
    if review:
        places.setdefault(review.agent, 'voyage.json: "review": "agent"')
    return places


async def check_agents(
    settings: Json, agents: Mapping[str, str], config: Config, findings: Findings
) -> None:
    """Note what keeps a plan's agents from working; each is given with the place that names it."""
    command = settings.get("agent_command")
    for name, place in agents.items():
        check_agent(name, place, config, findings)
    check_command(command, agents, findings)
    with findings.reading('voyage.json: "agent_setup"'):
        await parse(settings.get("agent_setup", ""))
    needed = {} if "agent_setup" in settings else agents
    for place, obstacle in obstacles(config, needed, command).items():
        findings.fault(place, obstacle)


def check_agent(agent: str, place: str, config: Config, findings: Findings) -> None:
    """Note what an agent that is named in a place lacks, and what is odd about its credentials."""
    lacking = config.lacks(agent)
    if lacking:
        findings.fault(place, lacking)
    findings.notes += config.doubts(agent)


def check_command(
    command: Sequence[str] | None, agents: Mapping[str, str], findings: Findings
) -> None:
    """Note what is wrong with what starts the agent `acp`, or that there is nothing to start it.

    `agents` are those of the plan, each with the first place that names it."""
    if command is None and "acp" in agents:
        findings.fault(agents["acp"], f'acp needs "agent_command" in voyage.json, {SUCH_AS}')
    elif command is not None and "acp" not in agents:
        findings.fault(COMMAND, 'is for the agent "acp", and neither voyage.json nor a task has it')
    elif command == []:
        findings.fault(COMMAND, f"is empty: it has to be a program and its arguments, {SUCH_AS}")
    elif command and "/" in command[0] and not command[0].startswith("/"):
        findings.fault(COMMAND, f"{command[0]} is a relative path: name a program, or begin with /")


async def read_artifacts(folder: Path, findings: Findings) -> dict[str, str]:
    """Return the plan's files that the ships get, by their names."""
    artifacts: dict[str, str] = {}
    for path in (folder / "spec.md", folder / "verify.sh", folder / "setup.sh"):
        if path.name == "setup.sh" and not path.exists():
            continue
        with findings.reading(path.name):
            artifacts[path.name] = read_text(path)
            if path.suffix == ".sh":
                await parse(artifacts[path.name])
    return artifacts


async def parse(script: str) -> None:
    """Raise ValueError if bash cannot parse a script."""
    result = await run(["bash", "-n"], stdin=script.encode(), env={"LC_ALL": "C"})
    if result.status:
        first_line = result.err.decode(errors="replace").partition("\n")[0]
        complaint = first_line.partition(": ")[2]
        raise ValueError(f"bash cannot parse it: {complaint}")


async def find_source(
    settings: Json, folder: Path, config: Config, findings: Findings
) -> Source | None:
    """Return where the code comes from; None if that is at fault. `folder` has the plan."""
    source: Source | None = None
    if "repo" not in settings:
        return None
    with findings.reading('voyage.json: "repo"'):
        source = await locate(settings["repo"], settings.get("branch"), config.gh_token)
        if source.path:
            await inspect(source.path, source.head, folder, findings)
    return source


def first_heading(spec: str) -> str | None:
    """Return the text of the first heading of spec.md."""
    heading = HEADING.search(spec)
    return heading[1] if heading else None


def forecast_notes(forecast: Forecast, recommended_ships: int | None) -> list[str]:
    """What is worth knowing of how the tasks will go."""
    notes = [
        f"tasks {task} and {other} touch the same files and could run at once"
        for task, other in forecast.overlaps
    ]
    if forecast.tasks and (recommended_ships or 0) > forecast.max_parallel:
        notes.append(
            f"{recommended_ships} ships are recommended, "
            f"but only {several(forecast.max_parallel, 'task')} can run at once"
        )
    return notes

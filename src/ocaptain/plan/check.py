"""Reading a plan and checking it, before anything is made: every fault in one go.

Source of the tasks' format: what Claude Code keeps in `~/.claude/tasks/LIST/ID.json`.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import msgspec
import networkx as nx

from ocaptain.config import Config
from ocaptain.errors import Failure
from ocaptain.git import git
from ocaptain.onboard.protocol import Task
from ocaptain.onboard.tasklist import ID, files, order, share_files
from ocaptain.process import run

from .plan import Plan, Report, Settings, Source, Text

# As storage will ask: without the captain's own helpers, and with GH_TOKEN for github.com alone,
# which thus is in no argv and kept by no helper.
_ANSWER = "!echo username=x-access-token; echo password=$GH_TOKEN; :"
AS_STORAGE = ("-c", "credential.helper=", "-c", f"credential.https://github.com.helper={_ANSWER}")
_SHALLOW = "a shallow clone: the voyage has only the history that is here"
# What to tell about a checkout where git answers the question with anything but `false`.
_QUESTIONS = {
    _SHALLOW: "rev-parse --is-shallow-repository",
    "changes that are not committed stay behind (see `git status`)": "status --porcelain",
    "submodules stay empty unless setup.sh updates them": "ls-tree --full-tree {head} .gitmodules",
    "files in LFS stay pointers unless setup.sh pulls them": "ls-files -s :(top,attr:filter=lfs)",
}


class Fields(msgspec.Struct):
    """What a task file may hold; each annotation is what its value must be."""

    id: str
    subject: Text
    description: str = ""
    status: Literal["pending"] = "pending"
    blocks: list[Text] | None = None
    blockedBy: list[Text] | None = None  # noqa: N815 - Claude Code's name for it
    metadata: dict[str, Any] | None = None


class Metadata(msgspec.Struct):
    """What ocaptain reads of a task's metadata."""

    files: list[Text] | None = None
    run: Text | None = None


async def check(path: Path, config: Config) -> Report:
    """Read and check the plan in the directory `path`; nothing is changed or created."""
    if not path.is_dir():
        return Report(faults=[f"{path}: is not a directory (`ocaptain plan init DIR` makes one)"])
    report, found, artifacts = Report(), dict[str, Any](), dict[str, str]()
    with _reading("voyage.json", report):
        raw = _object(path / "voyage.json")
        found = {**_sound(Settings, raw, "voyage.json", report), "artifacts": artifacts}
        for key in sorted(raw.keys() - set(Settings.__struct_fields__)):
            report.notes.append(f'voyage.json: "{key}" is no key of ocaptain\'s, and ignored')
    for part in (path / "spec.md", path / "verify.sh", *path.glob("setup.sh")):
        with _reading(part.name, report):
            artifacts[part.name] = _text(part)
            await _parse(artifacts[part.name] if part.suffix == ".sh" else "")
    found["tasks"] = _tasks(path, found.get("agent", ""), report)
    with _reading('voyage.json: "check"', report):
        await _parse(found.get("check", ""))
    if lacking := config.lacks(found.get("agent", "shell")):
        report.faults.append(f'voyage.json: "agent": {lacking}')
    with _reading('voyage.json: "repo"', report):
        if repo := found.get("repo"):
            found["source"] = await _locate(repo, found.get("branch"), config.gh_token, report)
    if not report.faults:
        look_ahead(found, config, report)
    return report


@contextmanager
def _reading(what: str, report: Report) -> Iterator[None]:
    """Write down what is raised within as a fault of `what`, and go on after it."""
    try:
        yield
    except (OSError, ValueError, RecursionError, msgspec.ValidationError, Failure) as error:
        report.faults.append(f"{what}: {error}")


async def _parse(script: str) -> None:
    """Raise ValueError if bash cannot parse `script`."""
    result = await run(["bash", "-n"], stdin=script.encode(), env={"LC_ALL": "C"})
    if result.status:
        said = result.err.decode(errors="replace").partition("\n")[0].partition(": ")[2]
        raise ValueError(f"is no valid shell: {said}")


# Files


def _text(path: Path) -> str:
    text = path.read_text("utf-8-sig") if path.is_file() else ""
    if not text.strip():
        raise ValueError("is missing or empty")
    return text


def _object(path: Path) -> dict[str, Any]:
    """The JSON object in `path`, sure to survive being written again."""
    value = msgspec.convert(json.loads(_text(path)), dict[str, Any])
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    return value


def _sound(shape: type, raw: dict[str, Any], where: str, report: Report) -> dict[str, Any]:
    """What `raw` gives of the fields of `shape`, with their defaults; a null is as good as none.

    What does not fit its field's annotation is left out, and is at fault."""
    sound = {}
    for field in msgspec.structs.fields(shape):
        with _reading(f'{where}: "{field.name}"', report):
            if field.required and field.name not in raw:
                raise ValueError("is missing")
            sound[field.name] = msgspec.convert(raw.get(field.name, field.default), field.type)
    return {key: value for key, value in sound.items() if value is not None}


# Tasks

_file = "tasks/{}.json".format


def _tasks(root: Path, agent: str, report: Report) -> list[Task]:
    """The tasks by their ids, numbers first; `agent` is who they are for.

    Each has a description, a status, `blocks` and `blockedBy`, whatever its file left out."""
    stems = sorted((path.stem for path in root.glob("tasks/[!.]*.json")), key=order)
    tasks: dict[str, Task] = {stem: {} for stem in stems}
    report.faults += ["tasks/: is missing, or has no task like tasks/1.json"] * (not tasks)
    for stem in tasks:
        with _reading(_file(stem), report):
            tasks[stem] = _task(stem, _object(root / _file(stem)), agent, report)
    _link(tasks, report)
    return list(tasks.values())


def _task(stem: str, task: Task, agent: str, report: Report) -> Task:
    """`task` as Claude Code would have written it, without what is at fault in it."""
    if "title" in task and "subject" not in task:
        task["subject"] = task.pop("title")
    sound = _sound(Fields, task, _file(stem), report)
    metadata = sound.get("metadata", {})
    _sound(Metadata, metadata, f"{_file(stem)}: metadata", report)
    # Ids become parts of git refs (work/ID-CLAIM), which may not look like these.
    usable = ID.fullmatch(stem) and not re.search(r"\.\.|\.$|\.lock$", stem)
    idle = agent == "shell" and "run" not in metadata
    wrong = {
        "its name is no task id (letters, digits, '-', '_', '.')": not usable,
        f"id {sound.get('id')!r} is not the file's name": sound.get("id", stem) != stem,
        "lacks metadata.run, which the shell agent executes": idle,
    }
    report.faults += [f"{_file(stem)}: {message}" for message, is_so in wrong.items() if is_so]
    return sound | {key: task[key] for key in task if key not in Fields.__struct_fields__}


def _link(tasks: dict[str, Task], report: Report) -> None:
    """Derive each `blocks` and `blockedBy` that was not given; where both were, they must agree."""
    graph: nx.DiGraph[str] = nx.DiGraph({i: task.get("blocks", []) for i, task in tasks.items()})
    graph.add_edges_from((b, i) for i, task in tasks.items() for b in task.get("blockedBy", ()))
    for one in graph:
        for key, others in (("blocks", graph.succ[one]), ("blockedBy", graph.pred[one])):
            given = tasks.get(one, {}).setdefault(key, list(others))
            for two in others:
                if one not in tasks:
                    report.faults.append(f'{_file(two)}: there is no task "{one}"')
                elif two not in given:
                    report.faults.append(f'{_file(one)}: "{key}" lacks "{two}", whose file has it')
    while not nx.is_directed_acyclic_graph(graph):
        ring = [one for one, _ in nx.find_cycle(graph)]
        told = " → ".join([*ring, ring[0]])
        report.faults.append(f"{_file(ring[0])}: is in a circle of blockers: {told}")
        graph.remove_nodes_from(ring)


# Code


async def _locate(repo: str, branch: str | None, token: str | None, report: Report) -> Source:
    """What `repo` and `branch` stand for at this moment, asked without asking for a password.

    A relative path counts from the current directory. `token` is GitHub's. Raises Failure if it
    cannot be read."""
    path = Path(repo).expanduser().resolve() if repo.startswith(("/", ".", "~")) else None
    here, url = ("-C", str(path or ".")), "." if path else _url(repo)
    ref = f"refs/heads/{branch}" if branch else "HEAD"
    words = (*here, *AS_STORAGE, "ls-remote", "--symref", "--", url, ref)
    listed = await git(*words, GH_TOKEN=token or "")
    head = re.search(rf"(?:^ref: refs/heads/(.+)\tHEAD\n)?^(\w+)\t{re.escape(ref)}$", listed, re.M)
    if not head:
        raise Failure(f'has no branch "{branch}"' if branch else "has no commit to start from")
    shallow = await _look_around(path, head[2], report) if path else ""
    return Source(str(path or url), path, branch or head[1], head[2], ref, shallow)


async def _look_around(path: Path, head: str, report: Report) -> str:
    """Note what of a checkout will not come along; where its history ends, if it is shallow."""
    for note, question in _QUESTIONS.items():
        said = await git("-C", str(path), *question.format(head=head).split(), strict=False)
        report.notes += [f"{path}: {note}"] * (said not in ("", "false"))
    ends = path / await git("-C", str(path), "rev-parse", "--git-path", "shallow")
    return ends.read_text() if ends.exists() else ""


def _url(repo: str) -> str:
    """The URL that `repo` stands for, where it is no path."""
    github = re.fullmatch(r"[A-Za-z0-9-]+/[\w.-]+", repo)
    url = f"https://github.com/{repo.removesuffix('.git')}.git" if github else repo
    if re.match(r"https?://[^/]*@|\w+://[^/@]*:[^/]*@", url):
        raise Failure("has a name or password before its host, which would be kept: leave it out")
    if not re.fullmatch(r"(https?|ssh|git)://[^\s/].*|[\w.-]+@[\w.-]+:.+", url):
        raise Failure(f'"{repo}" is no owner/name, git URL or path (/…, ./…, ../…, ~/…)')
    return url


# What it would do


def look_ahead(found: dict[str, Any], config: Config, report: Report) -> None:
    """Make a plan of what was found, and report what it would do."""
    headings = re.findall(r"^#+[ \t]+(.+?)[ \t#]*$", found["artifacts"]["spec.md"], re.M)
    found["objective"] = found["objective"] or [*headings, found["name"]][0]
    report.recommended_ships = ships = found.get("recommended_ships")
    report.plan = plan = Plan(**found, ships=ships or config.default_ships)
    graph: nx.DiGraph[str] = nx.DiGraph({task["id"]: task["blocks"] for task in plan.tasks})
    report.tasks, report.longest_chain = len(graph), nx.dag_longest_path(graph)
    report.max_parallel = max_parallel(graph)
    named = combinations(filter(files, plan.tasks), 2)
    sharing = [(one["id"], two["id"]) for one, two in named if share_files(one, [two])]
    near = {one: nx.ancestors(graph, one) | nx.descendants(graph, one) for one, _ in sharing}
    report.overlaps = [(one, two) for one, two in sharing if two not in near[one]]
    same = "touch the same files and could run at once"
    report.notes += [f"tasks {one} and {two} {same}" for one, two in report.overlaps]
    if ships and ships > (most := report.max_parallel):
        report.notes.append(f"{ships} ships are recommended, but only {most} tasks can run at once")


def max_parallel(graph: "nx.DiGraph[str]") -> int:
    """How many tasks can run at once at the very most: the size of a maximum antichain.

    By Dilworth's theorem that is the least number of chains that cover all tasks: their number,
    less how many of them can be led to one that waits for them, each to another.
    """
    flow: nx.DiGraph[Any] = nx.DiGraph((("leave", one), ("enter", two)) for one, two in graph.edges)
    for task in graph:
        flow.add_edge(("enter", task), ("leave", task))
        flow.add_edges_from([("all", ("leave", task)), (("enter", task), "end")], capacity=1)
    return len(graph) - int(nx.maximum_flow_value(flow, "all", "end"))

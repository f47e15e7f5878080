"""A plan, as data: the directory that a voyage is sailed from. docs/plans.md has the format."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_type_hints

import msgspec

from .errors import Failure

HERE = Path(__file__).parent

Text = Annotated[str, msgspec.Meta(min_length=1)]
Count = Annotated[int, msgspec.Meta(ge=1, le=99)]
Amount = Annotated[float, msgspec.Meta(gt=0, le=1_000_000)]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What voyage.json may hold; each annotation is what its value must be."""

    name: Text
    repo: Text
    objective: str = ""
    recommended_ships: Count | None = None
    agent: Text = "claude"
    model: Text | None = None
    check: Text | None = None
    branch: Text | None = None
    max_attempts: Count = 3
    stall_minutes: Amount = 10
    lease_seconds: Amount = 300
    time_limit_minutes: Amount = 60
    budget_usd: Amount | None = None
    notify: Text | None = None


class Source(NamedTuple):
    """Where the voyage's code comes from, as it was when the plan was checked.

    `url` is what git takes; a checkout on this machine has its `path` as well. `branch` is None
    where HEAD is on no branch; `head` is the full name of the commit to start from.
    """

    url: str
    path: Path | None
    branch: str | None
    head: str
    shallow: bool = False

    @property
    def ref(self) -> str:
        """What is fetched of it."""
        return f"refs/heads/{self.branch}" if self.branch else "HEAD"


@dataclass(frozen=True, kw_only=True)
class Plan(Settings):
    """A sound plan. `tasks` are Claude Code's own task dicts, patched and otherwise untouched."""

    source: Source
    spec: str
    verify: str
    setup: str | None = None
    tasks: list[dict[str, Any]]


@dataclass
class Report:
    """What a check has found so far; `plan`, and all after `notes`, only where nothing is at fault.

    `faults` begin with the file that each is in. `longest_chain` is the ids of a longest run of
    tasks that wait for one another, `max_parallel` the most tasks that can ever run at once, and
    `overlaps` the pairs of tasks that could run together though their `metadata.files` share paths.
    """

    plan: Plan | None = None
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    tasks: int = 0
    longest_chain: Sequence[str] = ()
    max_parallel: int = 0
    recommended_ships: int | None = None
    overlaps: Sequence[tuple[str, str]] = ()

    def as_json(self) -> dict[str, Any]:
        """The report as `check --json` prints it; `plan` is the plan's name, null if unsound."""
        return {**vars(self), "plan": self.plan and self.plan.name}

    @contextmanager
    def reading(self, what: str) -> Iterator[None]:
        """Write down what is raised within as a fault of `what`, and go on after it."""
        try:
            yield
        except (OSError, ValueError, RecursionError, msgspec.ValidationError, Failure) as error:
            self.faults.append(f"{what}: {error}")


def read_text(path: Path) -> str:
    """The text in `path`; raises ValueError or OSError where there is none that can be used."""
    if not path.is_file():
        raise ValueError("is missing")
    text = path.read_text("utf-8-sig")
    if not text.strip():
        raise ValueError("is empty")
    return text


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in `path`, sure to survive being written again; raises as `read_text`."""
    value = json.loads(read_text(path))
    if not isinstance(value, dict):
        raise ValueError("is not a JSON object")
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    return value


def validated(shape: type, raw: Mapping[str, Any], where: str, report: Report) -> dict[str, Any]:
    """What `raw` gives of the fields of `shape`, with their defaults; a null is as good as none.

    What does not fit its field's annotation is left out, and is at fault."""
    given, sound = {**vars(shape), **raw}, {}
    for key, kind in get_type_hints(shape, include_extras=True).items():
        with report.reading(f'{where}: "{key}"'):
            if key not in given:
                raise ValueError("is missing")
            sound[key] = msgspec.convert(given[key], kind)
    return {key: value for key, value in sound.items() if value is not None}


def read_settings(root: Path, report: Report) -> dict[str, Any]:
    """What the voyage.json in `root` says, as far as it is sound."""
    settings: dict[str, Any] = {}
    with report.reading("voyage.json"):
        raw = read_object(root / "voyage.json")
        settings = validated(Settings, raw, "voyage.json", report)
        for key in raw.keys() - get_type_hints(Settings):
            report.notes.append(f'voyage.json: "{key}" is no key of ocaptain\'s, and ignored')
    return settings


def init(directory: Path) -> list[Path]:
    """Write a small plan to start from and return its files. Raises Failure if `directory`
    holds something already."""
    if directory.exists() and not (directory.is_dir() and not any(directory.iterdir())):
        raise Failure(f"{directory} exists and is not an empty directory.", "Name a new one.")
    shutil.copytree(HERE / "templates/plan", directory, dirs_exist_ok=True)
    return sorted(path for path in directory.rglob("*") if path.is_file())


def install_skill(home: Path) -> Path:
    """Put the `voyage-plan` skill where Claude Code finds it under `home`; returns its path."""
    target = home / ".claude/skills/voyage-plan/SKILL.md"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(HERE / "skill/SKILL.md", target)
    return target

"""A plan, as data: the directory that a voyage is sailed from. docs/plans.md has the format."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import msgspec

from .errors import Failure

SIZE_LIMIT = 256 * 1024
_HERE = Path(__file__).parent
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")

Text = Annotated[str, msgspec.Meta(min_length=1)]
Count = Annotated[int, msgspec.Meta(ge=1, le=99)]
Amount = Annotated[float, msgspec.Meta(gt=0, le=1_000_000)]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What voyage.json may hold; each annotation is what its value must be."""

    name: Text
    repo: Text
    objective: str = ""
    recommended_ships: Count = 3
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


@dataclass(frozen=True)
class Source:
    """Where the voyage's code comes from, as it was when the plan was checked.

    `url` is what git takes: for kind "path", `path` as text. `branch` is None where HEAD is on no
    branch; `head` is the full name of the commit to start from.
    """

    kind: Literal["path", "url"]
    url: str
    path: Path | None
    branch: str | None
    head: str
    shallow: bool = False


@dataclass(frozen=True, kw_only=True)
class Plan(Settings):
    """A sound plan. `tasks` are Claude Code's own task dicts, patched and otherwise untouched."""

    path: Path
    source: Source
    spec: str
    verify: str
    setup: str | None
    tasks: list[dict[str, Any]]


@dataclass(frozen=True)
class Fault:
    """Something in a plan that must be mended before it can sail."""

    file: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}: {self.message}"


@dataclass
class Findings:
    """What reading a plan brings to light: faults, and notes on what is legal but worth knowing."""

    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @contextmanager
    def reading(self, file: str, about: str = "") -> Iterator[None]:
        """Write down what is raised within as a fault of `file`, and go on after it."""
        try:
            yield
        except (OSError, ValueError, RuntimeError, msgspec.ValidationError, Failure) as error:
            self.faults.append(Fault(file, f"{about}{error}"))


def read_text(path: Path) -> str:
    """The text in `path`; raises ValueError or OSError where there is none that can be used."""
    if not path.is_file():
        raise ValueError("is missing")
    if path.stat().st_size > SIZE_LIMIT:
        raise ValueError(f"is larger than {SIZE_LIMIT // 1024} KB")
    text = path.read_bytes().decode("utf-8-sig")
    if "\0" in text:
        raise ValueError("has NUL bytes in it")
    if not text.strip():
        raise ValueError("is empty")
    return text


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in `path`, sure to survive being written again; raises as `read_text`."""
    value = json.loads(read_text(path))
    if not isinstance(value, dict):
        raise ValueError("is not a JSON object")
    written = json.dumps(value, allow_nan=False, ensure_ascii=False)
    if _NUL.search(written) or written.encode(errors="replace").decode() != written:
        raise ValueError("has NUL bytes or half characters in it (\\u0000, \\ud800 to \\udfff)")
    return value


def read_settings(root: Path, findings: Findings) -> dict[str, Any]:
    """What the voyage.json in `root` says, and the defaults; without what is at fault in it."""
    sound: dict[str, Any] = {}
    with findings.reading("voyage.json"):
        raw = read_object(root / "voyage.json")
        kinds = get_type_hints(Settings, include_extras=True)
        for key, kind in kinds.items():
            with findings.reading("voyage.json", f'"{key}": '):
                if key not in raw and not hasattr(Settings, key):
                    raise ValueError("is missing")
                sound[key] = msgspec.convert(raw.get(key, getattr(Settings, key, None)), kind)
        for key in sorted(raw.keys() - kinds.keys()):
            findings.notes.append(f'voyage.json: "{key}" is no key of ocaptain\'s, and ignored')
    return sound


def read_parts(root: Path, findings: Findings) -> dict[str, Any]:
    """The texts `spec`, `verify` and `setup` of the plan in `root`, as far as they can be used."""
    texts: dict[str, Any] = {"setup": None}
    for part, name in {"spec": "spec.md", "verify": "verify.sh", "setup": "setup.sh"}.items():
        with findings.reading(name):
            if part != "setup" or os.path.lexists(root / name):
                texts[part] = read_text(root / name)
    return texts


def init(directory: Path) -> list[Path]:
    """Write a small plan to start from and return its files. Raises Failure if `directory`
    holds something already."""
    if directory.exists() and not (directory.is_dir() and not any(directory.iterdir())):
        raise Failure(f"{directory} exists and is not an empty directory.", "Name a new one.")
    shutil.copytree(_HERE / "templates/plan", directory, dirs_exist_ok=True)
    return sorted(path for path in directory.rglob("*") if path.is_file())


def install_skill(home: Path) -> Path:
    """Put the `voyage-plan` skill where Claude Code finds it under `home`; returns its path."""
    target = home / ".claude/skills/voyage-plan/SKILL.md"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_HERE / "skill/SKILL.md", target)
    return target

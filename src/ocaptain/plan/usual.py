"""The usual check of a repository: what people there type to see whether all is well."""

import json
import re
from collections.abc import Collection
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from ocaptain.git import try_git

PROBE_FILES = "Makefile, package.json, pyproject.toml, Cargo.toml, go.mod and the like"
"""What is looked at, for people."""

NO_TEST_YET = "no test specified"
"""What `npm init` puts into package.json as the test."""


class Usual(NamedTuple):
    """A command, and the file that says so."""

    command: str
    source: str


class Top:
    """What a commit has at the top of its tree."""

    def __init__(self, checkout: Path, head: str, names: Collection[str]) -> None:
        self.names = names
        self._checkout = checkout
        self._head = head

    async def read(self, name: str) -> str:
        """Return the text of a file; empty if there is none."""
        if name not in self.names:
            return ""
        return await try_git("-C", str(self._checkout), "show", f"{self._head}:{name}")

    def first(self, *names: str) -> str:
        """Return the first of these names that is there; empty if none is."""
        return next((name for name in names if name in self.names), "")


async def find_check(checkout: Path, head: str) -> Usual | None:
    """Return the usual check of the commit `head` of a checkout; None if nothing tells it.

    Only what is at the top is looked at. What people wrote for just that goes before what the
    language has: a Makefile before a package.json."""
    words = ("ls-tree", "-z", "--name-only", "--full-tree", head)
    listing = await try_git("-C", str(checkout), *words)
    top = Top(checkout, head, listing.split("\0"))
    for look in (_make, _just, _node, _deno):
        usual = await look(top)
        if usual:
            return usual
    return await _python(top) or _by_name(top)


async def _make(top: Top) -> Usual | None:
    name = top.first("GNUmakefile", "makefile", "Makefile")
    return _target(await top.read(name), name, "make")


async def _just(top: Top) -> Usual | None:
    name = top.first("justfile", "Justfile", ".justfile")
    return _target(await top.read(name), name, "just")


def _target(text: str, name: str, program: str) -> Usual | None:
    """The target `check` or `test`, which may have prerequisites or parameters."""
    for target in ("check", "test"):
        if re.search(rf"^{target}\b[^:=\n]*:(?!=)", text, re.MULTILINE):
            return Usual(f"{program} {target}", name)
    return None


async def _node(top: Top) -> Usual | None:
    name = top.first("package.json")
    test = _script(await top.read(name), "scripts", "test")
    if not test or NO_TEST_YET in test:
        return None
    managers = {
        "pnpm-lock.yaml": "pnpm install --frozen-lockfile && pnpm test",
        "yarn.lock": "yarn install && yarn test",
        "bun.lock": "bun install --frozen-lockfile && bun run test",
        "bun.lockb": "bun install --frozen-lockfile && bun run test",
        "package-lock.json": "npm ci && npm test",
    }
    lock = top.first(*managers)
    return Usual(managers.get(lock, "npm install --no-package-lock && npm test"), name)


async def _deno(top: Top) -> Usual | None:
    name = top.first("deno.json")
    return Usual("deno task test", name) if _script(await top.read(name), "tasks", "test") else None


def _script(text: str, section: str, name: str) -> str:
    """Return a script that a JSON file has by its name; empty if there is none."""
    try:
        scripts = json.loads(text or "{}")[section]
        script = scripts[name]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return script if isinstance(script, str) else ""


async def _python(top: Top) -> Usual | None:
    for name, command in {"tox.ini": "tox", "noxfile.py": "nox"}.items():
        if name in top.names:
            return Usual(command, name)
    source = await _pytest_source(top)
    if not source:
        return None
    runners = {
        "uv.lock": "uv run pytest",
        "poetry.lock": "poetry install --quiet && poetry run pytest",
        "Pipfile.lock": "pipenv sync --dev && pipenv run pytest",
    }
    return Usual(runners.get(top.first(*runners), "python3 -m pytest"), source)


async def _pytest_source(top: Top) -> str:
    """Return the file by which pytest is what tests it; empty if it is not."""
    plain = top.first("pytest.ini", "conftest.py")
    if plain:
        return plain
    for name in ("pyproject.toml", "setup.cfg", "requirements-dev.txt", "requirements.txt"):
        if "pytest" in await top.read(name):
            return name
    return ""


def _by_name(top: Top) -> Usual | None:
    """What a file at the top says by being there."""
    commands = {
        "Cargo.toml": "cargo test",
        "go.mod": "go test ./...",
        "mix.exs": "mix test",
        "gradlew": "./gradlew check",
        "mvnw": "./mvnw --batch-mode verify",
        "pom.xml": "mvn --batch-mode verify",
        "Package.swift": "swift test",
        "build.zig": "zig build test",
        "stack.yaml": "stack test",
        "*.cabal": "cabal test",
        "dune-project": "dune test",
        "rebar.config": "rebar3 eunit",
        "*.sln": "dotnet test",
        "*.csproj": "dotnet test",
        "Rakefile": "bundle install && bundle exec rake",
        "phpunit.xml": "composer install && vendor/bin/phpunit",
        "phpunit.xml.dist": "composer install && vendor/bin/phpunit",
    }
    for pattern, command in commands.items():
        for name in sorted(top.names):
            if fnmatch(name, pattern):
                return Usual(command, name)
    return None

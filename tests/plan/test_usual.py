"""The usual check of a repository, by what stands at the top of it."""

import asyncio
import json
from pathlib import Path

import pytest

from ocaptain.plan.usual import find_check
from tests.support.plans import git

PACKAGE = json.dumps({"scripts": {"test": "vitest run"}})
NO_TEST = json.dumps({"scripts": {"test": 'echo "Error: no test specified" && exit 1'}})
PYTEST = "[tool.pytest.ini_options]\n"


def found(repo: Path, files: dict[str, str]) -> tuple[str, str] | None:
    """The usual check of a commit with just these files, and what says so."""
    git(repo, "read-tree", "--empty")
    for name, text in files.items():
        (repo / "file").write_text(text)
        blob = git(repo, "hash-object", "-w", "file")
        git(repo, "update-index", "--add", "--cacheinfo", f"100644,{blob},{name}")
    tree = git(repo, "write-tree")
    return asyncio.run(find_check(repo, tree))


@pytest.mark.parametrize(
    ("files", "usual"),
    [
        ({"Makefile": "all:\n\ntest: all\n\ncheck:\n"}, ("make check", "Makefile")),
        ({"makefile": "TEST := 1\ntests:\ntest lint: all\n"}, ("make test", "makefile")),
        ({"Makefile": "check := 1\n", "go.mod": ""}, ("go test ./...", "go.mod")),
        ({"Makefile": "test:\n", "package.json": PACKAGE}, ("make test", "Makefile")),
        ({"justfile": "test *args:\n  true\n"}, ("just test", "justfile")),
        (
            {"package.json": PACKAGE, "package-lock.json": "{}"},
            ("npm ci && npm test", "package.json"),
        ),
        (
            {"package.json": PACKAGE, "pnpm-lock.yaml": ""},
            ("pnpm install --frozen-lockfile && pnpm test", "package.json"),
        ),
        (
            {"package.json": PACKAGE},
            ("npm install --no-package-lock && npm test", "package.json"),
        ),
        ({"package.json": NO_TEST, "Cargo.toml": ""}, ("cargo test", "Cargo.toml")),
        ({"package.json": "[1", "mix.exs": ""}, ("mix test", "mix.exs")),
        ({"deno.json": '{"tasks": {"test": "deno test"}}'}, ("deno task test", "deno.json")),
        ({"tox.ini": "", "pyproject.toml": PYTEST}, ("tox", "tox.ini")),
        ({"pyproject.toml": PYTEST, "uv.lock": ""}, ("uv run pytest", "pyproject.toml")),
        ({"pyproject.toml": PYTEST}, ("python3 -m pytest", "pyproject.toml")),
        ({"src/pyproject.toml": PYTEST, "conftest.py": ""}, ("python3 -m pytest", "conftest.py")),
        ({"App.sln": ""}, ("dotnet test", "App.sln")),
        ({"pyproject.toml": "[project]\n", "src/Makefile": "test:\n"}, None),
        ({"README.md": "make test\n"}, None),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_usual_checks(repo: Path, files: dict[str, str], usual: tuple[str, str] | None):
    """What people wrote for it goes before what the language has; what is further down is not
    looked at."""
    assert found(repo, files) == usual


def test_only_what_is_committed_counts(repo: Path):
    """Ships get nothing else."""
    (repo / "Makefile").write_text("test:\n")
    assert asyncio.run(find_check(repo, "HEAD")) is None

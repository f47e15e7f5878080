"""script/, and what holds the project together."""

import os
import runpy
import subprocess
import tomllib
from pathlib import Path

import pytest

import ocaptain

ROOT = Path(__file__).parent.parent
LINES = runpy.run_path(str(ROOT / "script" / "lines"))


def run_setup(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", ROOT / "script" / "setup", *arguments],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("", 0),
        ("x = 1\n\n\ny = 2  # why\n", 2),
        ("# why\nx = 1\n", 1),
        ('"""Of a module,\n\nin three lines."""\n\nx = 1\n', 1),
        ('def f():\n    """Of a function."""\n    return 1\n', 2),
        ('def f(): "Of a function, on its line."\n', 1),
        ('class A:\n    x: int\n    """Of an attribute, é."""\n', 2),
        ('x = """kept\n\nas it is\n# too\n"""\n', 4),
        ('x = f"""kept\n\n{1}\n"""\n', 3),
        ("f(\n    1,\n    # why\n    2,\n)\n", 4),
        ("if True:\n    pass\nelse:\n    pass\n", 4),
    ],
)
def test_python_lines(source: str, lines: int) -> None:
    """A line of Python counts if it holds anything but a comment or a docstring."""
    assert LINES["python_lines"](source) == lines


def test_text_lines() -> None:
    """Of shell and units, lines count that are neither blank nor a comment."""
    assert LINES["text_lines"]("#!/bin/sh\n\n# why\n; why\n  echo 1 # so\n[Unit]\n") == 2


def test_survey(tmp_path: Path) -> None:
    """Both halves are counted apart, with shipped shell and without what is for people to read."""
    files = {
        "cli.py": "x = 1\n",
        "hooks/pre-receive.sh": "#!/bin/sh\nexit 0\n",
        "onboard/agents/claude.py": "x = 1\ny = 2\n",
        "onboard/helm.service": "[Service]\n",
        "py.typed": "",
        "skill/SKILL.md": "Do this.\n",
        "templates/verify.sh": "exit 0\n",
    }
    for name, text in files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    halves = LINES["survey"](tmp_path)
    assert {half: sum(files.values()) for half, files in halves.items()} == {
        "captain": 2,
        "onboard": 3,
    }


@pytest.mark.parametrize(
    ("lines", "verdict"),
    [
        (1_539, "captain: 1,539 of 1,539 lines of code, 0 left"),
        (1_540, "captain: 1,540 of 1,539 lines of code, 1 too many"),
    ],
)
def test_verdict(lines: int, verdict: str) -> None:
    """The captain's half has to stay under 1,540 lines."""
    assert LINES["verdict"]("captain", lines) == verdict


def test_version() -> None:
    """The version that the program says is the one that is built."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert ocaptain.__version__ == project["version"]
    assert f"## {ocaptain.__version__}" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("purpose", ["demo", "test", "check", "bench"])
def test_setup_twice(purpose: str) -> None:
    """Where everything is there, setup installs nothing."""
    done = run_setup("--for", purpose)
    assert done.returncode == 0, done.stderr
    assert "installing" not in done.stdout


def test_setup_usage() -> None:
    """Setup answers an unknown purpose with its usage and status 1."""
    done = run_setup("--for", "nothing")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "setup: usage: script/setup [--for demo|test|check|bench]\n"

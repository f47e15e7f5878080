"""script/, and what holds the project together."""

import hashlib
import os
import runpy
import shutil
import subprocess
import sys
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
    ("source", "lines", "tokens"),
    [
        ("", 0, 0),
        ("x = 1\n\n\ny = 2  # why\n", 2, 6),
        ("# why\nx = 1\n", 1, 3),
        ('"""Of a module,\n\nin three lines."""\n\nx = 1\n', 1, 3),
        ('def f():\n    """Of a function."""\n    return 1\n', 2, 7),
        ('class A:\n    """Of a class, é."""\n    x: int\n', 2, 6),
        ('x = """kept\n\nas it is\n# too\n"""\n', 5, 3),
        ("f(\n    1,\n    # why\n    2,\n)\n", 4, 7),
        ("if True:\n    pass\nelse:\n    pass\n", 4, 7),
    ],
)
def test_python_is_counted_without_comments_and_docstrings(source: str, lines: int, tokens: int):
    """A line of Python counts if it holds a token of anything but a comment or a docstring."""
    counted = LINES["count_python"](source, Path("a.py"))
    assert (counted.count.lines, counted.count.tokens) == (lines, tokens)


def test_functions_are_counted():
    """A function's count is that of its code, and says where it begins."""
    source = 'x = 1\n\n\n@cached\ndef f():\n    """Why."""\n\n    return 1\n'
    [function] = LINES["count_python"](source, Path("plan/a.py")).functions
    assert (function.name, function.place) == ("f", "plan/a.py:5")
    assert (function.count.lines, function.count.tokens) == (2, 7)


def test_shell_lines():
    """Of shell, lines count that are neither blank nor a comment."""
    counted = LINES["count_shell"]("#!/bin/sh\n\n# why\n  echo 1 # so\nexit\n", Path("a.sh"))
    assert counted.count.lines == 2


FILES = {
    "cli.py": "x = 1\n",
    "hosts/begin.sh": "#!/bin/sh\nexit 0\n",
    "onboard/agents/claude.py": "def speak():\n    x = 1\n    y = (2, 3, 4, 5)\n    return x\n",
    "onboard/storage/door.sh": "cd\nexit 0\n",
    "py.typed": "",
    "skill/SKILL.md": "Do this.\n",
    "templates/verify.sh": "exit 0\n",
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A source tree with a file of each kind."""
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


def test_each_file(source: Path):
    """`--each` has every file of code that is shipped, and not what is for people to read."""
    assert list(LINES["each_file"](LINES["survey"](source))) == [
        "  lines  tokens  a line  file",
        "      1       3     3.0  cli.py",
        "      1                  hosts/begin.sh",
        "      4      21     5.2  onboard/agents/claude.py",
        "      2                  onboard/storage/door.sh",
    ]


def test_report(source: Path):
    """Both halves are summed up apart, and the longest and the densest are named."""
    report = list(LINES["report"](LINES["survey"](source)))
    assert report[:4] == [
        "                tokens  Python lines  tokens a line  shell lines",
        "captain              3             1            3.0            1",
        "onboard             21             4            5.2            2",
        "to aim at                                   under 9",
    ]
    assert report[8:] == [
        "",
        "Longest functions, in lines (aim: under 40)",
        "      4  speak                          onboard/agents/claude.py:1",
        "",
        "Longest files, in lines (aim: under 250)",
        "      4  onboard/agents/claude.py",
        "      2  onboard/storage/door.sh",
        "      1  cli.py",
        "      1  hosts/begin.sh",
        "",
        "Densest functions, in tokens a line (aim: under 9)",
        "    5.2  speak                          onboard/agents/claude.py:1",
    ]


def test_lines_fits_a_terminal():
    """What script/lines says of this very code is no wider than 80 columns, and no failure."""
    done = subprocess.run(
        [sys.executable, ROOT / "script" / "lines", "--each"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "cli" in done.stdout
    assert [line for line in done.stdout.splitlines() if len(line) > 80] == []


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


def test_setup_of_agents(tmp_path: Path) -> None:
    """Setup has npm install all that is pinned, once; the folder is called after the pins."""
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text('#!/bin/sh\necho "$@" >>"$HOME/asked"\nmkdir -p "$3/node_modules"\n')
    npm.chmod(0o755)
    environment = {"HOME": str(tmp_path), "PATH": f"{npm.parent}:{os.environ['PATH']}"}
    for _ in range(2):
        assert run_setup("--for", "agents", **environment).returncode == 0
    pins = (ROOT / "script" / "agent-versions").read_bytes()
    [asked] = (tmp_path / "asked").read_text().splitlines()
    assert asked.split()[-len(pins.split()) :] == pins.decode().split()
    folder = tmp_path / ".cache" / "ocaptain-test" / "agents"
    [installed] = folder.iterdir()
    assert installed.name == hashlib.sha256(pins).hexdigest()[:12]
    assert (installed / "node_modules").is_dir()


def test_setup_of_agents_needs_npm(tmp_path: Path) -> None:
    """Without npm, setup says that it is what is missing, and leaves no folder behind."""
    for name in ("bash", "dirname", "cat", "sha256sum", "cut"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    done = run_setup("--for", "agents", HOME=str(tmp_path), PATH=str(tmp_path))
    assert done.returncode == 1
    assert "this needs npm" in done.stderr
    assert not (tmp_path / ".cache").exists()


def test_setup_usage() -> None:
    """Setup answers an unknown purpose with its usage and status 1."""
    done = run_setup("--for", "nothing")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "setup: usage: script/setup [--for demo|test|check|bench|chaos|agents]\n"

"""Plans: what is read, what is at fault, and what a sound one would do."""

import asyncio
import json
import os
import re
import stat
import subprocess
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import combinations, pairwise
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocaptain.config import load
from ocaptain.errors import Failure
from ocaptain.onboard.protocol import Task
from ocaptain.plan.check import check
from ocaptain.plan.forecast import foresee
from ocaptain.plan.plan import Forecast, Plan, Report, Settings, Source
from ocaptain.plan.source import AS_STORAGE
from ocaptain.scaffold import init, install_skill

ME = ("-c", "user.name=Me", "-c", "user.email=me@example.org", "-c", "protocol.file.allow=always")


NO_ID = (
    "its name is no task id. Use letters, digits, '-', '_' and '.', but no '..', "
    "and neither '.' nor '.lock' at the end"
)
UNSET = "set CLAUDE_CODE_OAUTH_TOKEN (`claude setup-token` makes one) or ANTHROPIC_API_KEY"
TOKEN = "sk-ant-oat01-made_up-0"
NO_LFS = ("-c", "filter.lfs.required=false", "-c", "filter.lfs.clean=", "-c", "filter.lfs.smudge=")


def git(directory: Path, *args: str) -> str:
    command = ["git", "-C", str(directory), *ME, *args]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A repository with one commit on `main`, beside the plan."""
    directory = tmp_path / "code"
    directory.mkdir()
    git(directory, "init", "-q", "-b", "main")
    git(directory, "commit", "-q", "--allow-empty", "-m", "first")
    return directory


@pytest.fixture
def plan(tmp_path: Path, repo: Path) -> Path:
    """A sound plan: a diamond of four tasks for the shell agent."""
    directory = tmp_path / "plan"
    (directory / "tasks").mkdir(parents=True)
    write(directory, "voyage.json", {"name": "diamond", "repo": str(repo), "agent": "shell"})
    write(directory, "spec.md", "Some words first.\n\n## Draw a diamond ##\n\n# Not this\n")
    write(directory, "verify.sh", "#!/bin/bash\ntrue\n")
    for task_id, blockers in {"1": [], "2": ["1"], "3": ["1"], "10": ["2", "3"]}.items():
        write(directory, f"tasks/{task_id}.json", task(task_id, blockedBy=blockers))
    return directory


def task(task_id: str, **fields: Any) -> dict[str, Any]:
    return {"id": task_id, "subject": f"Do {task_id}", "metadata": {"run": "true"}, **fields}


def write(plan: Path, name: str, content: object) -> None:
    """Put text, bytes or JSON into a file of the plan; None removes it."""
    if content is None:
        (plan / name).unlink()
    elif isinstance(content, bytes):
        (plan / name).write_bytes(content)
    else:
        text = content if isinstance(content, str) else json.dumps(content)
        (plan / name).write_text(text)


def patch(plan: Path, name: str, /, **fields: Any) -> None:
    """Change fields of a JSON file of the plan; one that is `...` is removed."""
    merged = {**json.loads((plan / name).read_text()), **fields}
    write(plan, name, {key: value for key, value in merged.items() if value is not ...})


def checked(plan: Path, **environ: str) -> Report:
    home = {"HOME": str(plan.parent), "CLAUDE_CODE_OAUTH_TOKEN": TOKEN}
    return asyncio.run(check(plan, load({**home, **environ})))


def sound(plan: Path, **environ: str) -> Plan:
    report = checked(plan, **environ)
    assert report.plan, report.faults
    return report.plan


def faults(plan: Path, **environ: str) -> list[str]:
    return checked(plan, **environ).faults


# One row for each way in which a plan can be broken: which file, what it holds instead (fields to
# change, or the whole content), and the faults that must be reported, no more and no fewer.
BROKEN: dict[str, tuple[str, Any, list[str]]] = {
    "no settings": ("voyage.json", None, ["voyage.json: is missing or empty"]),
    "no spec": ("spec.md", None, ["spec.md: is missing or empty"]),
    "no verify": ("verify.sh", None, ["verify.sh: is missing or empty"]),
    "empty verify": ("verify.sh", " \n", ["verify.sh: is missing or empty"]),
    "settings that do not parse": (
        "voyage.json",
        '{\n  "name": "x"\n  "repo": "."\n}',
        ["voyage.json: is not JSON: Expecting ',' delimiter: line 3 column 3 (char 18)"],
    ),
    "settings that are a list": (
        "voyage.json",
        "[]",
        ["voyage.json: Expected `object`, got `array`"],
    ),
    "no name": ("voyage.json", {"name": ...}, ['voyage.json: "name" is missing']),
    "no repo": ("voyage.json", {"repo": ...}, ['voyage.json: "repo" is missing']),
    "empty name": (
        "voyage.json",
        {"name": ""},
        ['voyage.json: "name": Expected `str` of length >= 1'],
    ),
    "several bad settings": (
        "voyage.json",
        {"recommended_ships": 0, "max_attempts": "3", "stall_minutes": -1, "budget_usd": True},
        [
            'voyage.json: "recommended_ships": Expected `int` >= 1',
            'voyage.json: "max_attempts": Expected `int`, got `str`',
            'voyage.json: "stall_minutes": Expected `float` > 0.0',
            'voyage.json: "budget_usd": Expected `float | null`, got `bool`',
        ],
    ),
    "too many ships": (
        "voyage.json",
        {"recommended_ships": 100},
        ['voyage.json: "recommended_ships": Expected `int` <= 99'],
    ),
    "unknown agent": (
        "voyage.json",
        {"agent": "parrot"},
        ['voyage.json: "agent": there is no agent "parrot"; there are claude, shell'],
    ),
    "check that is no shell": (
        "voyage.json",
        {"check": "make lint && ("},
        [
            (
                'voyage.json: "check": bash cannot parse it: '
                "line 2: syntax error: unexpected end of file"
            ),
        ],
    ),
    "branch that does not exist": (
        "voyage.json",
        {"branch": "nowhere"},
        ['voyage.json: "repo": has no branch "nowhere"'],
    ),
    "repo that is nothing known": (
        "voyage.json",
        {"repo": "ext::sh"},
        [
            'voyage.json: "repo": "ext::sh" is no owner/name, git URL or path (/…, ./…, ../…, ~/…)',
        ],
    ),
    "verify that is no shell": (
        "verify.sh",
        "true\nif true; then\n  fi fi\n",
        ["verify.sh: bash cannot parse it: line 3: syntax error near unexpected token `fi'"],
    ),
    "setup that is no shell": (
        "setup.sh",
        "done\n",
        ["setup.sh: bash cannot parse it: line 1: syntax error near unexpected token `done'"],
    ),
    "spec that is not UTF-8": (
        "spec.md",
        b"caf\xe9 au lait",
        ["spec.md: is not UTF-8: byte 0xe9 at position 3"],
    ),
    "task that does not parse": (
        "tasks/3.json",
        '{"id": "3" 7}',
        [
            "tasks/3.json: is not JSON: Expecting ',' delimiter: line 1 column 12 (char 11)",
        ],
    ),
    "task that is a number": ("tasks/3.json", "3", ["tasks/3.json: Expected `object`, got `int`"]),
    "task that is not UTF-8": (
        "tasks/3.json",
        b'{"id": "\xff"}',
        ["tasks/3.json: is not UTF-8: byte 0xff at position 8"],
    ),
    "task with half a character": (
        "tasks/3.json",
        {"description": "\ud83d"},
        ["tasks/3.json: holds half a character: '\\ud83d'"],
    ),
    "task with a number that is none": (
        "tasks/3.json",
        {"metadata": {"run": "true", "weight": float("nan")}},
        ["tasks/3.json: Out of range float values are not JSON compliant"],
    ),
    "task without an id": ("tasks/3.json", {"id": ...}, ['tasks/3.json: "id" is missing']),
    "task with another id than its file": (
        "tasks/3.json",
        {"id": "4"},
        ['tasks/3.json: "id" is "4", but the file\'s name says "3"'],
    ),
    "id used twice": (
        "tasks/3.json",
        {"id": "2"},
        [
            'tasks/3.json: "id" is "2", but the file\'s name says "3"',
        ],
    ),
    "id that is a list": (
        "tasks/3.json",
        {"id": ["3"]},
        ['tasks/3.json: "id": Expected `str`, got `array`'],
    ),
    "id that git would refuse": (
        "tasks/a..b.json",
        task("a..b"),
        [f"tasks/a..b.json: {NO_ID}"],
    ),
    "id that git takes for a lock": (
        "tasks/a.lock.json",
        task("a.lock"),
        [
            f"tasks/a.lock.json: {NO_ID}",
        ],
    ),
    "no subject": (
        "tasks/3.json",
        {"subject": ...},
        ['tasks/3.json: "subject" is missing'],
    ),
    "subject that is no text": (
        "tasks/3.json",
        {"subject": 7},
        ['tasks/3.json: "subject": Expected `str`, got `int`'],
    ),
    "fields of the wrong type": (
        "tasks/3.json",
        {"description": ["x"], "blocks": "10", "blockedBy": [1.5], "metadata": "x"},
        [
            'tasks/3.json: "description": Expected `str`, got `array`',
            'tasks/3.json: "blocks": Expected `array | null`, got `str`',
            'tasks/3.json: "blockedBy": Expected `str`, got `float` - at `$[0]`',
            'tasks/3.json: "metadata": Expected `object | null`, got `str`',
            'tasks/3.json: metadata: "run" is missing, which the shell agent executes',
        ],
    ),
    "metadata of the wrong type": (
        "tasks/3.json",
        {"metadata": {"files": "a.py", "run": 7}},
        [
            'tasks/3.json: metadata: "files": Expected `array | null`, got `str`',
            'tasks/3.json: metadata: "run": Expected `str | null`, got `int`',
        ],
    ),
    "nothing to run": (
        "tasks/3.json",
        {"metadata": {}},
        ['tasks/3.json: metadata: "run" is missing, which the shell agent executes'],
    ),
    "task that is done": (
        "tasks/3.json",
        {"status": "completed"},
        ["tasks/3.json: \"status\": Invalid enum value 'completed'"],
    ),
    "unknown blocker": (
        "tasks/3.json",
        {"blockedBy": ["1", "9"]},
        ['tasks/3.json: "blockedBy" names task "9", and there is no tasks/9.json'],
    ),
    "unknown task in blocks": (
        "tasks/3.json",
        {"blocks": ["10", "9"]},
        ['tasks/3.json: "blocks" names task "9", and there is no tasks/9.json'],
    ),
    "task that blocks itself": (
        "tasks/3.json",
        {"blockedBy": ["1", "3"]},
        ["tasks/3.json: is in a circle of blockers: 3 → 3"],
    ),
    "circle": (
        "tasks/1.json",
        {"blockedBy": ["10"]},
        ["tasks/1.json: is in a circle of blockers: 1 → 2 → 10 → 1"],
    ),
    "blocks without blockedBy": (
        "tasks/2.json",
        {"blocks": ["10", "3"]},
        ['tasks/3.json: "blockedBy" lacks "2", though "blocks" in tasks/2.json has "3"'],
    ),
    "blockedBy without blocks": (
        "tasks/2.json",
        {"blocks": []},
        ['tasks/2.json: "blocks" lacks "10", though "blockedBy" in tasks/10.json has "2"'],
    ),
}


@pytest.mark.parametrize(("name", "change", "expected"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_plan(plan: Path, name: str, change: Any, expected: list[str]):
    """Each way of breaking a plan is reported with its file, and with nothing else."""
    if isinstance(change, dict) and (plan / name).exists():
        patch(plan, name, **change)
    else:
        write(plan, name, change)
    report = checked(plan)
    assert report.faults == expected
    assert report.plan is None


def test_task_nested_without_end(plan: Path):
    """JSON nested beyond what Python can read is a fault of its file."""
    write(plan, "tasks/3.json", "[" * 100_000)
    assert [fault.partition(":")[0] for fault in faults(plan)] == ["tasks/3.json"]


def test_many_faults_in_one_go(plan: Path):
    """A plan with many faults in all its parts has all of them reported at once."""
    patch(plan, "voyage.json", agent="claude", branch="nowhere", lease_seconds=0)
    write(plan, "spec.md", None)
    write(plan, "verify.sh", "fi\n")
    write(plan, "setup.sh", "")
    write(plan, "tasks/1.json", "{")
    patch(plan, "tasks/2.json", blockedBy=["1", "3"], status="completed")
    patch(plan, "tasks/3.json", blockedBy=["2"], subject=...)
    for one, two in (("x", "y"), ("y", "x")):
        write(plan, f"tasks/{one}.json", task(one, blockedBy=[two]))
    assert faults(plan, CLAUDE_CODE_OAUTH_TOKEN="") == [
        'voyage.json: "lease_seconds": Expected `float` > 0.0',
        "spec.md: is missing or empty",
        "verify.sh: bash cannot parse it: line 1: syntax error near unexpected token `fi'",
        "setup.sh: is missing or empty",
        (
            "tasks/1.json: is not JSON: "
            "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
        ),
        "tasks/2.json: \"status\": Invalid enum value 'completed'",
        'tasks/3.json: "subject" is missing',
        "tasks/2.json: is in a circle of blockers: 2 → 3 → 2",
        "tasks/x.json: is in a circle of blockers: x → y → x",
        f'voyage.json: "agent": {UNSET}',
        'voyage.json: "repo": has no branch "nowhere"',
    ]


def test_agent_without_credentials(plan: Path):
    """Claude Code needs a token or an API key, of which either will do."""
    patch(plan, "voyage.json", agent="claude")
    assert faults(plan, CLAUDE_CODE_OAUTH_TOKEN="") == [f'voyage.json: "agent": {UNSET}']
    assert faults(plan, CLAUDE_CODE_OAUTH_TOKEN="", ANTHROPIC_API_KEY="key") == []


@pytest.mark.parametrize("token", ["a token", "sk-ant-api03-hush", f"{TOKEN} ", f"{TOKEN}\nhush"])
def test_token_that_is_none(plan: Path, token: str):
    """What cannot be a subscription's token is at fault, unrepeated; no other agent needs it."""
    assert faults(plan, CLAUDE_CODE_OAUTH_TOKEN=token) == []
    patch(plan, "voyage.json", agent="claude")
    [fault] = faults(plan, CLAUDE_CODE_OAUTH_TOKEN=token, ANTHROPIC_API_KEY="key")
    assert fault.startswith('voyage.json: "agent": CLAUDE_CODE_OAUTH_TOKEN is not what')
    assert "`claude setup-token`" in fault
    assert token not in fault
    assert "hush" not in fault


def test_no_directory(tmp_path: Path):
    """A plan that is not there is one fault that says how to make one."""
    where = tmp_path / "plan"
    assert faults(where) == [f"{where}: is not a directory (`ocaptain plan init DIR` makes one)"]


@pytest.mark.parametrize("directory", [True, False])
def test_no_tasks(plan: Path, directory: bool):
    """A plan without tasks, or without the directory for them, is at fault."""
    for path in (plan / "tasks").iterdir():
        path.unlink()
    if not directory:
        (plan / "tasks").rmdir()
    assert faults(plan) == ["tasks/: holds no task file, such as tasks/1.json"]


def test_part_that_is_a_directory(plan: Path):
    """A directory where a file should be is as good as no file."""
    (plan / "setup.sh").mkdir()
    assert faults(plan) == ["setup.sh: is missing or empty"]


def test_sound_plan(plan: Path, repo: Path):
    """A sound plan comes with its defaults, its source, and the facts about its graph."""
    write(plan, "setup.sh", b"echo ready\r\n")
    patch(plan, "voyage.json", recommended_ships=3)
    report = checked(plan)
    assert report.faults == []
    assert (report.forecast.tasks, report.forecast.max_parallel) == (4, 2)
    assert report.forecast.longest_chain == ["1", "2", "10"]
    assert report.notes == ["3 ships are recommended, but only 2 tasks can run at once"]
    voyage = report.plan
    assert voyage is not None
    head = git(repo, "rev-parse", "HEAD")
    assert voyage.source == Source(str(repo), repo, "main", head)
    assert (voyage.objective, voyage.model, voyage.check) == ("Draw a diamond", None, None)
    assert (voyage.stall_minutes, voyage.lease_seconds, voyage.time_limit_minutes) == (10, 300, 60)
    assert (voyage.max_attempts, voyage.budget_usd) == (3, None)
    assert (voyage.recommended_ships, voyage.ships) == (3, 3)
    assert voyage.artifacts["setup.sh"] == "echo ready\n"
    assert [task["id"] for task in voyage.tasks] == ["1", "2", "3", "10"]


def test_report_as_json(plan: Path):
    """`check --json` prints the report in one shape, whether the plan is sound or not."""
    patch(plan, "voyage.json", recommended_ships=2)
    for name in ("tasks/2.json", "tasks/3.json"):
        patch(plan, name, metadata={"run": "true", "files": ["src/a.py"]})
    assert json.loads(json.dumps(checked(plan).as_json())) == {
        "plan": "diamond",
        "faults": [],
        "notes": ["tasks 2 and 3 touch the same files and could run at once"],
        "tasks": 4,
        "longest_chain": ["1", "2", "10"],
        "max_parallel": 2,
        "recommended_ships": 2,
        "overlaps": [["2", "3"]],
    }
    write(plan, "spec.md", None)
    unsound = json.loads(json.dumps(checked(plan).as_json()))
    assert unsound["plan"] is None
    assert unsound["faults"] == ["spec.md: is missing or empty"]


def test_tasks_are_patched_not_rebuilt(plan: Path):
    """Plans of the original tool are read, and unknown fields are kept."""
    old = {
        "id": "3",
        "title": "Old",
        "assignee": None,
        "blockedBy": ["1"],
        "metadata": {"run": "x"},
    }
    write(plan, "tasks/3.json", old)
    voyage = sound(plan)
    assert voyage.tasks[2] == {
        "id": "3",
        "subject": "Old",
        "description": "",
        "status": "pending",
        "assignee": None,
        "blockedBy": ["1"],
        "blocks": ["10"],
        "metadata": {"run": "x"},
    }


@pytest.mark.parametrize("side", ["blocks", "blockedBy"])
def test_edges_from_one_side(plan: Path, side: str):
    """Where a plan gives only one of `blocks` and `blockedBy`, the other is derived from it."""
    given = {
        "blocks": {"1": ["2", "3"], "2": ["10"], "3": ["10"], "10": []},
        "blockedBy": {"1": [], "2": ["1"], "3": ["1"], "10": ["2", "3"]},
    }
    for task_id in given[side]:
        write(plan, f"tasks/{task_id}.json", task(task_id, **{side: given[side][task_id]}))
    voyage = sound(plan)
    assert {task["id"]: task["blocks"] for task in voyage.tasks} == given["blocks"]
    assert {task["id"]: task["blockedBy"] for task in voyage.tasks} == given["blockedBy"]


def test_unknown_settings_are_noted(plan: Path):
    """A key of voyage.json that means nothing here is worth a note, not a fault."""
    patch(plan, "voyage.json", recommended_ships=1, verify_command="make")
    report = checked(plan)
    assert report.faults == []
    assert report.notes == ['voyage.json: "verify_command" is no key of ocaptain\'s, and ignored']


def test_objective(plan: Path):
    """The objective is the one in voyage.json, else the spec's first heading, else the name."""
    patch(plan, "voyage.json", objective="Shine")
    assert sound(plan).objective == "Shine"
    patch(plan, "voyage.json", objective="")
    write(plan, "spec.md", "No #heading here.\n")
    assert sound(plan).objective == "diamond"


def test_branch_of_a_checkout(plan: Path, repo: Path):
    """A branch other than the one checked out is read at its own commit."""
    git(repo, "checkout", "-q", "-b", "feature/x")
    git(repo, "commit", "-q", "--allow-empty", "-m", "second")
    feature = git(repo, "rev-parse", "HEAD")
    git(repo, "checkout", "-q", "main")
    patch(plan, "voyage.json", branch="feature/x")
    source = sound(plan).source
    assert (source.branch, source.head) == ("feature/x", feature)


def test_detached_head(plan: Path, repo: Path):
    """A checkout on no branch is read at its commit."""
    git(repo, "checkout", "-q", "--detach")
    source = sound(plan).source
    assert (source.branch, source.head) == (None, git(repo, "rev-parse", "HEAD"))


def test_relative_repo(plan: Path, repo: Path, monkeypatch: pytest.MonkeyPatch):
    """A relative repo counts from the current directory, which may be deep in a checkout."""
    (repo / "deep/er").mkdir(parents=True)
    patch(plan, "voyage.json", repo=".")
    monkeypatch.chdir(repo / "deep/er")
    source = sound(plan).source
    assert (source.path, source.branch) == (repo / "deep/er", "main")


def test_bare_repo(plan: Path, repo: Path, tmp_path: Path):
    """A bare repository on this machine will do as well."""
    git(tmp_path, "clone", "-q", "--bare", str(repo), "bare.git")
    patch(plan, "voyage.json", repo=str(tmp_path / "bare.git"))
    report = checked(plan)
    assert report.plan
    assert report.plan.source.head == git(repo, "rev-parse", "HEAD")
    assert [note for note in report.notes if "bare.git" in note] == []


def test_repo_that_is_none(plan: Path, tmp_path: Path):
    """A path without a repository, and one where nothing was ever committed, are at fault."""
    patch(plan, "voyage.json", repo=str(tmp_path / "nowhere"))
    assert "cannot change to" in faults(plan)[0]
    git(tmp_path, "init", "-q", "empty")
    patch(plan, "voyage.json", repo=str(tmp_path / "empty"))
    assert faults(plan) == ['voyage.json: "repo": has no commit to start from']


def test_what_stays_behind(plan: Path, repo: Path, tmp_path: Path):
    """Shallow history, uncommitted changes, submodules and LFS are noted."""
    (repo / "assets").mkdir()
    (repo / "assets/.gitattributes").write_text("*.png filter=lfs diff=lfs merge=lfs -text\n")
    (repo / "assets/map.png").touch()
    git(repo, "submodule", "add", "-q", str(repo), "sub")
    git(repo, *NO_LFS, "add", ".")
    git(repo, *NO_LFS, "commit", "-q", "-m", "second")
    git(tmp_path, *NO_LFS, "clone", "-q", "--depth=1", f"file://{repo}", "shallow")
    shallow = tmp_path / "shallow"
    (shallow / "new.txt").touch()
    patch(plan, "voyage.json", repo=str(shallow), recommended_ships=1)
    report = checked(plan)
    assert report.plan
    assert report.plan.source.shallow == (shallow / ".git/shallow").read_text()
    assert report.notes == [
        f"{shallow}: a shallow clone: the voyage has only the history that is here",
        f"{shallow}: changes that are not committed stay behind (see `git status`)",
        f"{shallow}: submodules stay empty unless setup.sh updates them",
        f"{shallow}: files in LFS stay pointers unless setup.sh pulls them",
    ]


@pytest.fixture
def github(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in for GitHub: git goes to a directory, and tells `seen` what it was run with."""
    git(tmp_path, "clone", "-q", "--bare", str(repo), "github/me/code.git")
    config, seen = tmp_path / "gitconfig", tmp_path / "seen"
    config.write_text(f'[url "file://{tmp_path}/github/"]\n\tinsteadOf = https://github.com/\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    real = subprocess.run(["which", "git"], check=True, capture_output=True, text=True).stdout
    wrapper = tmp_path / "bin/git"
    wrapper.parent.mkdir()
    wrapper.write_text(
        f'#!/bin/sh\n{{ echo "argv: $*"; env; }} >>{seen}\nexec {real.strip()} "$@"\n'
    )
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    return seen


def test_github(plan: Path, repo: Path, github: Path):
    """owner/name is on GitHub, even if there is a directory of that name."""
    patch(plan, "voyage.json", repo="me/code")
    source = sound(plan).source
    head = git(repo, "rev-parse", "HEAD")
    assert source == Source("https://github.com/me/code.git", None, "main", head)


def test_github_without_the_branch(plan: Path, github: Path):
    """A branch that GitHub does not have, and a repository that it does not have, are at fault."""
    patch(plan, "voyage.json", repo="me/code", branch="mai*")
    assert faults(plan) == ['voyage.json: "repo": has no branch "mai*"']
    patch(plan, "voyage.json", repo="me/nothing", branch=...)
    assert "does not appear to be a git repository" in faults(plan)[0]


def test_github_token_is_in_no_argv(plan: Path, github: Path):
    """git is given GH_TOKEN by its environment, and a helper that tells it to github.com alone."""
    patch(plan, "voyage.json", repo="me/code")
    sound(plan, GH_TOKEN="ghp_0123456789")
    lines = github.read_text().splitlines()
    assert "GH_TOKEN=ghp_0123456789" in lines
    assert "GIT_TERMINAL_PROMPT=0" in lines
    argv = [line.removeprefix("argv: ") for line in lines if line.startswith("argv: ")]
    assert argv
    assert not [line for line in argv if "ghp_" in line]


def test_github_token_is_for_github(tmp_path: Path):
    """The helper answers for github.com and nobody else, and no helper of the user's is asked."""
    kept, config = tmp_path / "kept", tmp_path / "gitconfig"
    theirs = f'helper = "!cat >>{kept}; echo username=u; echo password=p; :"'
    sections = ("credential", 'credential "https://github.com"')
    config.write_text("".join(f"[{section}]\n\t{theirs}\n" for section in sections))

    def asked(host: str, action: str = "fill", **login: str) -> str:
        told = {"protocol": "https", "host": host, **login}
        env = {"GIT_CONFIG_GLOBAL": str(config), "GH_TOKEN": "ghp_0", "GIT_TERMINAL_PROMPT": "0"}
        return subprocess.run(
            ["git", *AS_STORAGE, "credential", action],
            input="".join(f"{key}={value}\n" for key, value in told.items()),
            env={**os.environ, **env},
            capture_output=True,
            text=True,
        ).stdout

    assert "password=ghp_0" in asked("github.com")
    asked("github.com", "approve", username="x-access-token", password="ghp_0")
    assert asked("github.com.example.org") == ""
    assert not kept.exists()


@pytest.fixture
def private(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The URL of a host where everything is private, and for which the captain has a helper."""

    class Closed(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers["Authorization"]
            self.send_response(200 if known else 401)
            self.send_header("WWW-Authenticate", 'Basic realm="private"')
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    config = tmp_path / "gitconfig"
    config.write_text('[credential]\n\thelper = "!echo username=u; echo password=p; :"\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    with ThreadingHTTPServer(("127.0.0.1", 0), Closed) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/me/code.git"
        server.shutdown()


def test_repo_that_only_the_captain_can_read(plan: Path, private: str):
    """What storage could not clone is at fault, with what to do, though the captain has access."""
    patch(plan, "voyage.json", repo=private)
    [fault] = faults(plan)
    assert "could not read Username" in fault
    assert "GH_TOKEN" in fault


@pytest.mark.parametrize(
    "repo",
    [
        "https://me:hush@github.com/me/code",
        "https://hush@github.com/me/code",
        "https://me:hu@sh/hush@github.com/me/code",
        "ssh://me:hush@example.org/me/code",
    ],
)
def test_repo_with_a_password_in_it(plan: Path, repo: str):
    """A URL that would be kept with its password is refused, without a word of it."""
    patch(plan, "voyage.json", repo=repo)
    [fault] = faults(plan)
    assert fault.startswith('voyage.json: "repo": has a name or password before its host')
    assert "hu" not in fault.replace("GitHub", "")


def test_repo_over_ssh(plan: Path, repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A URL is read through the user's own ssh command, which may not ask for anything."""
    ssh = tmp_path / "ssh"
    ssh.write_text(
        "#!/bin/sh\n"
        'test "$1 $2" = "-o BatchMode=yes" || exit 1\n'
        "for command; do :; done\n"
        'case "$command" in git-*) eval "exec $command" ;; *) exit 1 ;; esac\n'
    )
    ssh.chmod(0o755)
    patch(plan, "voyage.json", repo=f"me@example.org:{repo}")
    monkeypatch.setenv("GIT_SSH_COMMAND", str(ssh))
    assert sound(plan).source.head == git(repo, "rev-parse", "HEAD")
    ssh.write_text("#!/bin/sh\necho 'Permission denied (publickey).' >&2\nexit 255\n")
    (fault,) = faults(plan)
    assert fault.startswith('voyage.json: "repo": Permission denied (publickey). fatal: ')


def test_template_passes_check(tmp_path: Path, repo: Path, monkeypatch: pytest.MonkeyPatch):
    """What `plan init` writes is a plan that passes `check` in any checkout with a commit."""
    monkeypatch.chdir(repo)
    init(Path("plans/new"))
    assert Path("plans/new/PLAN.md").exists()
    report = checked(Path("plans/new"))
    assert report.faults == []
    assert report.forecast == Forecast(
        tasks=3, longest_chain=["1", "3"], max_parallel=2, overlaps=[]
    )
    assert Path("plans/new/verify.sh").stat().st_mode & stat.S_IXUSR


def test_template_verify_decides(tmp_path: Path):
    """The template's verify.sh is red before its tasks are done, and green afterwards."""
    init(tmp_path / "plan")
    verify = tmp_path / "plan/verify.sh"
    assert subprocess.run(["bash", verify], cwd=tmp_path, capture_output=True).returncode
    guide = tmp_path / "docs/guide"
    guide.mkdir(parents=True)
    for page in ("building.md", "layout.md", "README.md"):
        (guide / page).write_text("See [building](building.md) and [layout](layout.md).\n")
    assert not subprocess.run(["bash", verify], cwd=tmp_path, capture_output=True).returncode


def test_init_spares_what_is_there(tmp_path: Path):
    """`plan init` writes into an empty directory, never into one that holds something."""
    (tmp_path / "empty").mkdir()
    init(tmp_path / "empty")
    assert (tmp_path / "empty/spec.md").exists()
    for taken in (tmp_path / "empty", tmp_path / "empty/spec.md"):
        with pytest.raises(Failure, match="exists and is not an empty directory"):
            init(taken)


def test_settings_are_documented():
    """docs/plans.md has a row for each key of voyage.json, with its default, and no other."""
    text = (Path(__file__).parent.parent / "docs/plans.md").read_text()
    section = text.partition("## voyage.json")[2].partition("### ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (?:`(.+?)`)? *\|", section, re.M)
    assert dict(rows) == {
        each.name: "" if each.required else json.dumps(each.default)
        for each in msgspec.structs.fields(Settings)
    }


def test_skill_is_installed(tmp_path: Path):
    """The skill lands where Claude Code looks for it, over an older one, with its frontmatter."""
    for _ in range(2):
        path = install_skill(tmp_path)
        assert path == tmp_path / ".claude/skills/voyage-plan/SKILL.md"
        assert path.read_text().startswith("---\nname: voyage-plan\ndescription: ")
        path.write_text("an older one")


Dag = dict[str, list[str]]


@st.composite
def dags(draw: st.DrawFn) -> Dag:
    """Small graphs without circles: each task may have any of the tasks before it as blockers."""
    size = draw(st.integers(1, 9))
    return {
        str(n): sorted(str(b) for b in draw(st.sets(st.integers(0, n - 1)))) if n else []
        for n in range(size)
    }


def reachable(graph: Dag, task_id: str) -> set[str]:
    return {r for b in graph[task_id] for r in {b, *reachable(graph, b)}}


def unordered(graph: Dag, some: tuple[str, ...]) -> bool:
    return not any(reachable(graph, one).intersection(some) for one in some)


def foreseen(graph: Dag, paths: Mapping[str, list[str]] = {}) -> Forecast:
    """What is said of a sound plan with these tasks and their blockers, and `metadata.files`."""
    blocks: Dag = {task_id: [] for task_id in graph}
    for task_id, blockers in graph.items():
        for blocker in blockers:
            blocks[blocker].append(task_id)
    tasks: list[Task] = [
        {
            "id": task_id,
            "blocks": blocks[task_id],
            "metadata": {"files": paths.get(task_id, [])},
        }
        for task_id in graph
    ]
    return foresee(tasks)


@given(dags())
def test_max_parallel(graph: Dag):
    """The most tasks that can run at once are those of the largest set without an order."""
    sets = (some for size in range(len(graph) + 1) for some in combinations(graph, size))
    most = max(len(some) for some in sets if unordered(graph, some))
    assert foreseen(graph).max_parallel == most


@given(dags())
def test_longest_chain(graph: Dag):
    """The longest chain is one, and no other is longer."""

    def depth(task_id: str) -> int:
        return 1 + max((depth(blocker) for blocker in graph[task_id]), default=0)

    chain = foreseen(graph).longest_chain
    assert all(one in graph[two] for one, two in pairwise(chain))
    assert len(chain) == max(depth(task_id) for task_id in graph)


def test_max_parallel_of_a_long_plan():
    """A chain of thousands of tasks is no obstacle to any of the facts."""
    graph = {str(n): [str(n - 1)] if n else [] for n in range(3000)}
    report = foreseen(graph)
    assert report.max_parallel == 1
    assert len(report.longest_chain) == 3000


def test_overlaps():
    """Tasks overlap if they share a path or one is below the other's, and neither waits."""
    graph: Dag = {"1": [], "2": [], "3": ["2"], "4": []}
    paths = {"1": ["src/", "README.md"], "2": ["src/a.py"], "3": ["src/a.py"], "4": ["srcs"]}
    assert foreseen(graph, paths).overlaps == [("1", "2"), ("1", "3")]

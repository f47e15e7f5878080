"""A voyage's storage in a directory, made by the real set-up, for tests to ask things of."""

import copy
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ocaptain.fleet.archive import MAIN, ONBOARD
from ocaptain.onboard.protocol import PROTOCOL
from ocaptain.onboard.storage import journal as journals
from ocaptain.onboard.storage import serve, setup
from ocaptain.onboard.storage.journal import SECTIONS, Journal, boot_id, no_entries
from ocaptain.onboard.storage.snapshot import write_snapshot
from ocaptain.onboard.storage.state import starting_ship
from tests.support.lines import raw_lines

Json = dict[str, Any]

VOYAGE = "voyage-0123456789ab"
SHIPS = ("ship-0", "ship-1", "ship-2")
RECORD: Json = {
    "protocol": PROTOCOL,
    "voyage": VOYAGE,
    "name": "trial",
    "objective": "try it",
    "repo": "owner/name",
    "agent": "claude",
    "agents": ["claude"],
    "model": None,
    "agent_command": None,
    "agent_setup": None,
    "check": None,
    "review": None,
    "recommended_ships": None,
    "branch": None,
    "spec": "",
    "setup": False,
    "max_attempts": 2,
    "stall_minutes": 10,
    "lease_seconds": 60,
    "time_limit_minutes": 1,
    "budget_usd": None,
    "budget_tokens": None,
    "notify": None,
    "max_repairs": 2,
    "landing_window": 16,
    "interactive": True,
    "author": {"user.name": "captain", "user.email": "captain@localhost"},
    "ships": list(SHIPS),
    "created": 0.0,
    "origin": None,
    "base_branch": None,
    "open_pr": False,
}
AS_TEST = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    **{f"GIT_{who}_NAME": "tester" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_EMAIL": "tester@localhost" for who in ("AUTHOR", "COMMITTER")},
}


def git(folder: Path, *words: str, stdin: str = "", **env: str) -> str:
    """What git prints in a folder, as somebody whose own configuration does not matter."""
    done = subprocess.run(
        ["git", "-C", folder, *words],
        input=stdin,
        env={**os.environ, **AS_TEST, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def task(task_id: str, *blocked_by: str, **metadata: Any) -> Any:
    """A pending task as it stands in a plan."""
    fields = {"subject": f"Do {task_id}", "description": "", "status": "pending", "blocks": []}
    return {"id": task_id, **fields, "blockedBy": list(blocked_by), "metadata": metadata}


def bundle(folder: Path, repo: Path, *words: str) -> str:
    """Make a repository of one file at `repo`, bundled for the storage at `folder`."""
    git(folder, "init", "-q", "-b", "main", str(repo))
    (repo / "README").write_text("begin\n")
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "Begin")
    (folder / "voyage").mkdir(exist_ok=True)
    git(repo, "bundle", "create", "-q", str(folder / "voyage" / "source.bundle"), "main", *words)
    return git(repo, "rev-parse", "HEAD")


def boot(tasks: list[Json], source: Mapping[str, Any], **changes: Any) -> Json:
    """boot.json of a storage."""
    return {
        "accounts": False,
        "ship_keys": {ship: f"ssh-ed25519 AAAA {ship}" for ship in SHIPS},
        "new": {
            "voyage": {**RECORD, **changes},
            "artifacts": {"spec.md": "Spec\n", "verify.sh": "true\n"},
            "tasks": tasks,
            "source": {"token": None, **source},
        },
    }


def set_up(home: Path, told: Json) -> None:
    """Set storage up as `sail` has it done, in this process."""
    lib, no_cache = home / "voyage" / "lib", shutil.ignore_patterns("__pycache__")
    shutil.copytree(ONBOARD, lib / "onboard", ignore=no_cache, dirs_exist_ok=True)
    (lib / "__main__.py").write_text(MAIN)
    (home / "voyage" / "boot.json").write_text(json.dumps(told))
    setup.main(home)


def template(folder: Path) -> Path:
    """A storage without tasks, for `Storage` to copy: git takes longer than all else."""
    bundle(folder, folder / "source")
    set_up(folder, boot([], {"url": None, "ref": "refs/heads/main", "shallow": ""}))
    shutil.rmtree(folder / "source")
    return folder


class Storage:
    """One voyage's storage at `home`; `now` is what its clock says, in UNIX time, `slept` how many
    seconds of that it was not awake."""

    slept = 0.0

    def __init__(self, model: Path, home: Path, tasks: list[Json], **changes: Any) -> None:
        shutil.copytree(model, home, symlinks=True)
        self.home, self.now = home, 1_000_000.0
        self.voyage: Any = {**RECORD, **changes}
        (self.folder / "voyage.json").write_text(json.dumps(self.voyage))
        with (journal := self.journal()).locked():
            ships = {name: starting_ship(name, journal.moment()) for name in SHIPS}
            sets: Json = {"tasks": {t["id"]: t for t in tasks}, "ships": ships}
            journal.commit("captain", {"op": "sail"}, sets)
        self.start: str = journal.sections["meta"]["head"]

    @property
    def folder(self) -> Path:
        """~/voyage."""
        return self.home / "voyage"

    @property
    def repo(self) -> Path:
        """The bare repository."""
        return self.folder / "repo.git"

    @property
    def tasks_folder(self) -> Path:
        """Where Claude Code keeps the task list."""
        return self.home / ".claude" / "tasks" / f"{VOYAGE}-tasks"

    @property
    def journal_file(self) -> Path:
        """The journal."""
        return self.folder / "journal.jsonl"

    def copied(self, home: Path) -> "Storage":
        """The same storage elsewhere, to go on from here in another way."""
        twin = copy.copy(self)
        shutil.copytree(self.home, home, symlinks=True)
        twin.home = home
        return twin

    def time(self) -> float:
        """UNIX time, as harbor is told it."""
        return self.now

    def awake(self) -> float:
        """Seconds for which it was awake, as harbor is told them."""
        return self.now - self.slept

    def sleep(self, seconds: float) -> None:
        """Let time pass that storage does not notice."""
        self.now += seconds
        self.slept += seconds

    def journal(self) -> Journal:
        """The journal as a new process finds it."""
        return Journal(self.home, VOYAGE, self.time, self.awake)

    def ask(self, ship: str, /, op: Any, **fields: Any) -> Json:
        """A ship's question, as a process of its own would answer it."""
        request = {"protocol": PROTOCOL, "op": op, **fields}
        return serve.respond(self.home, ship, request, no_jobs, self.time, self.awake)

    def ask_process(self, who: str, op: str, **fields: Any) -> Json:
        """A question to a process of its own, as the door starts it."""
        line = json.dumps({"protocol": PROTOCOL, "op": op, **fields}).encode() + b"\n"
        argv = [sys.executable, "-IS", str(self.folder / "lib"), "harbor", who]
        done = subprocess.run(argv, input=line, stdout=subprocess.PIPE, check=True, timeout=60)
        return dict(json.loads(done.stdout))

    def order(self, op: str, /, **fields: Any) -> Json:
        """The captain's question."""
        return self.ask("captain", op, **fields)

    def claim(self, ship: str, run: str = "run") -> Json:
        """Claim for a ship."""
        return self.ask(ship, "claim", run_id=run)

    def join(self) -> str:
        """There is one ship more: its name."""
        return str(self.order("update_ships", lost=[], add=1)["new"][0])

    def finish(self, ship: str, **fields: Any) -> Json:
        """Claim and complete a task, without a commit; returns the claim."""
        claim = self.claim(ship)
        assert self.ask(ship, "land", claim=claim["claim"], commit=None, **fields)["ok"], claim
        return claim

    def verify(self, ship: str = "ship-0") -> None:
        """Complete a voyage whose tasks are completed."""
        claim = self.claim(ship)["claim"]
        assert self.ask(ship, "land", claim=claim, commit=self.head())["ok"]

    def pass_time(self, seconds: float) -> None:
        """Let time pass under the eyes of a ship that has nothing to do with claims."""
        step = self.voyage["lease_seconds"] / 4
        while seconds > 0:
            self.now += min(step, seconds)
            seconds -= step
            self.ask("ship-2", "beat", claim=None)

    def push(self, ref: str, parent: str = "") -> str:
        """Put a commit on a work ref, as git does for a ship; the tree is the parent's."""
        parent = parent or self.head()
        commit = git(self.repo, "commit-tree", f"{parent}^{{tree}}", "-p", parent, "-m", ref)
        git(self.repo, "update-ref", f"refs/heads/{ref}", commit)
        return commit

    def head(self) -> str:
        """Where the branch is."""
        return git(self.repo, "rev-parse", f"refs/heads/{VOYAGE}")

    def sections(self) -> Json:
        """The state, as a new process finds it."""
        with (journal := self.journal()).locked():
            return json.loads(json.dumps(journal.sections, default=dict))

    def tasks(self) -> Json:
        """The tasks by id, from their files."""
        files = self.tasks_folder.glob("[!.]*.json")
        return {path.stem: json.loads(path.read_bytes()) for path in files}

    def lines(self) -> list[Json]:
        """The journal's lines."""
        return [json.loads(line) for line in raw_lines(self.folder)]

    def write_state(self, state: Json, **index: Any) -> None:
        """Have state.json say that this is the state, as of now or of another line."""
        files = {path.stem: path.stat().st_mtime_ns for path in self.tasks_folder.glob("*.json")}
        sections: Any = no_entries()
        journals.fold(sections, state)
        now = {
            "boot": boot_id().decode(),
            "head": '{"seq":1',
            "seq": len(self.journal_file.read_bytes().splitlines()),
            "offset": self.journal_file.stat().st_size,
            "ranking": None,
            "named_agents": None,
        }
        with (self.folder / "state.json").open("wb") as file:
            write_snapshot(file, sections, files, {**now, **index})

    def harbor_log(self) -> str:
        """What harbor noted."""
        path = self.folder / "logs" / "harbor.log"
        return path.read_text() if path.exists() else ""


Sail = Callable[..., Storage]


def no_jobs(*_: object) -> None:
    """Start no background job."""


def fold(lines: list[Json]) -> Json:
    """The state that journal lines make, by the journal's own description of its format."""
    state: Json = {name: {} for name in SECTIONS}
    for line in lines:
        for section, entries in line["set"].items():
            state[section] |= entries
            for key in [key for key, value in entries.items() if value is None]:
                del state[section][key]
    return state


def assert_sound(storage: Storage) -> None:
    """Fail unless journal, state, files and branch agree, and claims with tasks."""
    state, lines = storage.sections(), storage.lines()
    assert fold(lines) == state
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert storage.tasks() == state["tasks"]
    assert storage.head() == state["meta"]["head"]
    live = [claim for claim in state["claims"].values() if claim["state"] == "live"]
    held = [claim["task"] for claim in live if claim["task"]]
    busy = {i: t for i, t in state["tasks"].items() if t["status"] == "in_progress"}
    assert sorted(held) == sorted(busy)
    assert all(busy[claim["task"]]["owner"] == claim["ship"] for claim in live if claim["task"])
    numbers = range(1, len(state["claims"]) + 1)
    assert sorted(state["claims"], key=int) == [str(number) for number in numbers]

"""A captain with a home of its own, who sails real voyages through the command line."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ocaptain.onboard.process import marked
from tests.support.machine import cmdline, kill_all, mounts, processes, put, until

Json = dict[str, Any]

OCAPTAIN = Path(sys.executable).with_name("ocaptain")
KEEP = ("PATH", "PYTHONPATH", "LANG", "TZ", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")
IDENTITY = """\
[user]
	name = Ada Captain
	email = ada@example.com
[init]
	defaultBranch = main
[safe]
	directory = *
"""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str


@dataclass
class Captain:
    """Somebody who types `ocaptain …`: `root` holds all that is theirs; they export `env`."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def vms(self) -> Path:
        """Where `local` keeps VMs."""
        return self.home / ".local" / "share" / "ocaptain" / "local"

    def home_on(self, vm: str) -> Path:
        """The home directory of whoever the voyage belongs to on a VM, as this machine sees it."""
        return self.vms / vm / "home"

    def run(
        self, *words: str, status: int | None = 0, stdin: str = "", timeout: float = 90
    ) -> Done:
        """Type `ocaptain WORDS`, at home."""
        done = self.sh([str(OCAPTAIN), *words], stdin=stdin, timeout=timeout)
        said = f"ocaptain {' '.join(words)} exited {done.status}\n{done.out}\n{done.err}"
        assert status in (None, done.status), said
        return done

    def json(self, *words: str) -> Any:
        """What `ocaptain WORDS --json` prints."""
        return json.loads(self.run(*words, "--json").out)

    def sh(
        self, argv: Sequence[str], *, stdin: str = "", cwd: Path | None = None, timeout: float = 60
    ) -> Done:
        """Run any program as the captain."""
        child = subprocess.Popen(
            argv,
            env=self.env,
            cwd=cwd or self.home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        return await_end(child, timeout, stdin)

    def git(self, repo: Path, *words: str) -> str:
        """What git prints in a repository of the captain's."""
        done = self.sh(["git", "-C", str(repo), *words])
        assert done.status == 0, done.err
        return done.out.strip()

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Type `ocaptain WORDS`, and do not wait."""
        streams: Json = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen([OCAPTAIN, *words], env=self.env, cwd=self.home, **streams)

    def repository(self, name: str = "repo", **files: str) -> Path:
        """A repository of theirs, with one commit."""
        repo = self.home / name
        repo.mkdir(parents=True)
        for path, body in {"README.md": "# A project\n", **files}.items():
            put(repo / path, body)
        self.git(repo, "init", "--quiet")
        self.git(repo, "add", "--all")
        self.git(repo, "commit", "--quiet", "-m", "Begin")
        return repo

    def plan(
        self,
        repo: Path,
        tasks: Mapping[str, Json],
        *,
        verify: str = "true\n",
        setup: str = "",
        name: str = "plan",
        **settings: Any,
    ) -> Path:
        """A plan of theirs; a task is what its file says besides its id."""
        folder = self.home / name
        quick = {"lease_seconds": 6, "time_limit_minutes": 1, "agent": "shell"}
        record = {"name": name, "repo": str(repo), **quick, **settings}
        put(folder / "voyage.json", json.dumps(record))
        put(folder / "spec.md", "# A small objective\n\nDo what the tasks say.\n")
        put(folder / "verify.sh", verify)
        if setup:
            put(folder / "setup.sh", setup)
        for task_id, task in tasks.items():
            put(folder / "tasks" / f"{task_id}.json", json.dumps({"id": task_id, **task}))
        return folder

    def sail(self, plan: Path, ships: int = 1) -> "Voyage":
        """Set sail, and return the voyage."""
        done = self.run("sail", str(plan), "-n", str(ships))
        return Voyage(self, next(w for w in done.out.split() if w.startswith("voyage-")))

    def path_first(self, name: str, script: str) -> None:
        """Put a program of the test's before the real one, on this machine and on its VMs."""
        put(self.root / "bin" / name, script)
        (self.root / "bin" / name).chmod(0o755)

    def real(self, name: str) -> str:
        """The path of the program that `path_first` hides."""
        return str(shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin"))

    def leave(self) -> None:
        """Sink all voyages, and end whatever runs here."""
        self.run("sink", "--all", "--force", status=None)
        kill_all(f"HOME={self.home}")

    def remains(self) -> list[str]:
        """Whatever of this captain's still runs, is mounted or listens."""
        found = [f"VM {vm.name}" for vm in self.vms.glob("*")]
        found += [f"mount {line}" for line in mounts() if str(self.root) in line]
        found += [f"process {process}" for process in processes(str(self.root))]
        sockets = [path for path in (self.root / "run").rglob("*") if path.is_socket()]
        return found + [f"socket {path}" for path in sockets]


@dataclass(frozen=True)
class Voyage:
    """A voyage under way; storage's and ships' homes are directories here."""

    captain: Captain
    id: str

    def home(self, vm: str = "storage") -> Path:
        """The home directory of `storage`, `ship0` …"""
        return self.captain.home_on(f"{self.id}-{vm}")

    @property
    def storage(self) -> Path:
        return self.home() / "voyage"

    def status(self) -> Json:
        return dict(self.captain.json("status", self.id))

    def task(self, task_id: str) -> Json:
        """A task as `tasks --json` has it."""
        rows: list[Json] = self.captain.json("tasks", self.id)
        return next(row for row in rows if row["id"] == task_id)

    def task_file(self, task_id: str) -> Json:
        """A task as storage's task list has it."""
        path = self.home() / ".claude" / "tasks" / f"{self.id}-tasks" / f"{task_id}.json"
        return dict(json.loads(path.read_text()))

    def log(self) -> str:
        return self.captain.run("logs", self.id).out

    def wait(self, status: int = 0, timeout: float = 60) -> Json:
        """Wait for the end with `ocaptain wait`, which has to exit so; the last status."""
        done = self.captain.run("wait", self.id, "-t", str(timeout), status=None)
        told = f"{done}\n{self.captain.run('tasks', self.id).out}\n{self.log()[-6000:]}"
        assert done.status == status, told
        return self.status()

    def until(self, condition: Callable[[Json], Any], timeout: float = 30) -> Json:
        """Look at the status until it is as wanted; that status."""
        deadline = time.monotonic() + timeout
        while not condition(seen := self.status()):
            assert time.monotonic() < deadline, f"{json.dumps(seen, indent=1)}\n{self.log()}"
        return seen

    def until_log(self, text: str, timeout: float = 30) -> None:
        """Wait until some ship's log has `text`."""
        logs = self.storage / "logs"
        until(lambda: any(text in log.read_text() for log in logs.glob("ship-*.log")), timeout)

    def git(self, *words: str) -> str:
        """What git prints in storage's repository."""
        return self.captain.git(self.storage / "repo.git", *words)

    def landed(self) -> list[str]:
        """Subjects on the branch since it began, oldest first."""
        start = self.journal()[0]["set"]["meta"]["head"]
        return self.git("log", "--reverse", "--format=%s", f"{start}..{self.id}").splitlines()

    def show(self, path: str) -> str:
        """A file on the branch."""
        return self.git("show", f"{self.id}:{path}")

    def journal(self) -> list[Json]:
        return [json.loads(x) for x in (self.storage / "journal.jsonl").read_text().splitlines()]

    def ends(self, task_id: str) -> list[str]:
        """How each claim of a task ended, in order."""
        claims: dict[str, Json] = {}
        for line in self.journal():
            claims |= line["set"].get("claims", {})
        return [claim["state"] for claim in claims.values() if claim["task"] == task_id]

    def kill(self, vm: str) -> None:
        """Pull the plug: SIGKILL for all that runs on a VM."""
        kill_all(f"OCAPTAIN_VM={self.id}-{vm}")

    def kill_helm(self, vm: str) -> None:
        """Kill a ship's helm alone; its agent goes on."""
        for pid in marked(f"OCAPTAIN_VM={self.id}-{vm}"):
            if cmdline(pid).endswith("\0helm\0"):
                os.kill(pid, 9)

    def ssh(self, vm: str, command: str) -> Done:
        """Run a command on a VM, as the captain."""
        config = self.captain.root / "run" / "ocaptain" / self.id / "ssh_config"
        return self.captain.sh(["ssh", "-F", str(config), f"{self.id}-{vm}", command])

    def start_helm(self, vm: str) -> None:
        """Start a ship's helm again."""
        helm = "python3 -IS ~/voyage/lib helm >>~/voyage/helm.out 2>&1 </dev/null &"
        assert self.ssh(vm, helm).status == 0


def await_end(child: subprocess.Popen[str], timeout: float, stdin: str | None = None) -> Done:
    """Wait for the end of a command. Raises subprocess.TimeoutExpired if it does not come in time.

    If we do not wait any longer, also because the test's own time is up, all that it wrote is
    shown, and with that the stacks of its threads, if it is Python's."""
    with child:
        try:
            out, err = child.communicate(stdin, timeout)
        except BaseException:
            print(last_words(child), file=sys.stderr)
            raise
        return Done(child.returncode, out, err or "")


def last_words(child: subprocess.Popen[str]) -> str:
    """Abort a command, and return all that it wrote. PYTHONFAULTHANDLER has Python show its stacks
    then."""
    for sign in (signal.SIGABRT, signal.SIGKILL):
        child.send_signal(sign)
        with suppress(subprocess.TimeoutExpired):
            out, err = child.communicate(timeout=5)
            return f"{out}\n{err or ''}"
    return "(somebody else holds its pipes)"


@contextmanager
def new_captain(kind: type[Captain] = Captain, **env: str) -> Iterator[Captain]:
    """A captain, whose VMs are all sunk in the end; nothing may be left of them then."""
    root = Path(tempfile.mkdtemp(prefix="oct-", dir="/tmp"))  # pytest's paths are too long
    kept = {name: os.environ[name] for name in KEEP if name in os.environ}
    kept["PATH"] = f"{root / 'bin'}:{kept['PATH']}"
    places = {"HOME": root / "home", "XDG_RUNTIME_DIR": root / "run", "TMPDIR": root / "tmp"}
    for path in (root / "bin", *places.values()):
        path.mkdir(mode=0o700)
    texts = {name: str(path) for name, path in places.items()}
    settings = {"OCAPTAIN_PROVIDER": "local", "PYTHONFAULTHANDLER": "1"}
    captain = kind(root, {**kept, **texts, **settings, **env})
    (captain.home / ".gitconfig").write_text(IDENTITY)
    try:
        yield captain
    finally:
        captain.leave()
    until(lambda: not captain.remains() or print(captain.remains()), 5)
    shutil.rmtree(root)


def task(subject: str, run: str = "", after: Sequence[str] = (), **more: Any) -> Json:
    """What a task's file says; `run` is for the shell agent."""
    given = {"subject": subject, "blockedBy": list(after), **more}
    return {**given, "metadata": {"run": run}} if run else given

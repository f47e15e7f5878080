"""A captain with a home of its own, who sails real voyages through the command line."""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from ocaptain.config import load
from ocaptain.onboard.process import kill_marked, marked
from ocaptain.onboard.protocol import PROTOCOL
from ocaptain.onboard.storage import serve
from tests.support.commands import Done, abandon, await_end
from tests.support.lines import raw_lines
from tests.support.machine import (
    Trouble,
    command_line,
    hang_up,
    mounts,
    processes,
    put,
    signal_all,
    until,
)
from tests.support.sailing import destroy_all
from tests.support.storage import no_jobs

Json = dict[str, Any]
SSH_SOCKET = re.compile(r"[0-9a-f]{40}(\.\w{16})?")
"""What ssh calls its shared socket: %C, and 16 characters of chance until it is whole."""

OCAPTAIN = Path(sys.executable).with_name("ocaptain")
INHERITED = (
    "PATH",
    "PYTHONPATH",
    "LANG",
    "TZ",
    "COVERAGE_PROCESS_START",
    "COVERAGE_PROCESS_CONFIG",
)
IDENTITY = """\
[user]
	name = Ada Captain
	email = ada@example.com
[init]
	defaultBranch = main
[safe]
	directory = *
"""


@dataclass
class Captain:
    """Somebody who types `ocaptain …`: `root` holds all that is theirs; they export `env`."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    shares_files: ClassVar = True
    """Whether the files on VMs are theirs."""

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

    # Programs

    def run(
        self, *words: str, status: int | None = 0, stdin: str = "", timeout: float = 90
    ) -> Done:
        """Type `ocaptain WORDS`, at home. Raises Trouble unless it exits with `status`."""
        done = self.sh([str(OCAPTAIN), *words], stdin=stdin, timeout=timeout)
        if status not in (None, done.status):
            raise Trouble(f"ocaptain {' '.join(words)}: {done.status}\n{done.out}\n{done.err}")
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
        """What git prints in a repository of the captain's. Raises Trouble if it fails."""
        done = self.sh(["git", "-C", str(repo), *words])
        if done.status != 0:
            raise Trouble(f"git {' '.join(words)}: {done.err}")
        return done.out.strip()

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Type `ocaptain WORDS`, and do not wait."""
        child = subprocess.Popen(
            [OCAPTAIN, *words],
            env=self.env,
            cwd=self.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.started.append(child)
        return child

    def path_first(self, name: str, script: str) -> None:
        """Put a program of the test's before the real one, on this machine and on its VMs."""
        put(self.root / "bin" / name, script)
        (self.root / "bin" / name).chmod(0o755)

    def real(self, name: str) -> str:
        """The path of the program that `path_first` hides."""
        return str(shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin"))

    # Voyages

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
        record = {
            "name": name,
            "repo": str(repo),
            "agent": "shell",
            "lease_seconds": 15,
            "time_limit_minutes": 1,
            **settings,
        }
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
        names = [word for word in done.out.split() if word.startswith("voyage-")]
        return Voyage(self, names[0])

    # The end

    def leave(self) -> None:
        """Sink all voyages, and end whatever runs here.

        For `local` that is done here: to start `ocaptain sink` takes far longer."""
        if self.env["OCAPTAIN_PROVIDER"] == "local":
            asyncio.run(destroy_all(load(self.env)))
        else:
            self.run("sink", "--all", "--force", status=None)
        kill_marked(f"HOME={self.home}")

    def remains(self) -> list[str]:
        """Whatever of this captain's still runs, is mounted or listens; and each socket of theirs.

        An ssh that had to be killed leaves its socket, at which nobody answers, and the next one to
        the same host replaces it."""
        sockets = [path for path in (self.root / "run").rglob("*") if path.is_socket()]
        sockets = [path for path in sockets if not SSH_SOCKET.fullmatch(path.name) or answers(path)]
        return [
            *(f"VM {vm.name}" for vm in self.vms.glob("*")),
            *(f"mount {line}" for line in mounts() if str(self.root) in line),
            *(f"process {process}" for process in processes(str(self.root))),
            *(f"socket {path}" for path in sockets),
        ]


@dataclass(frozen=True)
class Voyage:
    """A voyage under way; storage's and ships' homes are directories here."""

    captain: Captain
    id: str

    # What is there

    def home(self, vm: str = "storage") -> Path:
        """The home directory of `storage`, `ship0` …"""
        return self.captain.home_on(f"{self.id}-{vm}")

    @property
    def storage(self) -> Path:
        """Where storage has the voyage."""
        return self.home() / "voyage"

    @property
    def task_files(self) -> Path:
        """Where storage has the task list."""
        return self.home() / ".claude" / "tasks" / f"{self.id}-tasks"

    def task_file(self, task_id: str) -> Json:
        """A task as storage's task list has it."""
        return dict(json.loads((self.task_files / f"{task_id}.json").read_text()))

    def journal(self) -> list[Json]:
        """The journal's whole lines."""
        return [json.loads(x) for x in raw_lines(self.storage) if x.endswith(b"\n")]

    def is_complete(self) -> bool:
        """Whether storage has the mark of a complete voyage."""
        return (self.storage / "artifacts" / "voyage-complete.marker").exists()

    def ends(self, task_id: str) -> list[str]:
        """How each claim of a task ended, in order."""
        claims: dict[str, Json] = {}
        for line in self.journal():
            claims |= line["set"].get("claims", {})
        return [claim["state"] for claim in claims.values() if claim["task"] == task_id]

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

    def work_refs(self) -> dict[str, str]:
        """The commit that each work ref is at."""
        refs = self.git("for-each-ref", "--format=%(refname) %(objectname)", "refs/heads/work/")
        return dict(line.split() for line in refs.splitlines())

    # What the captain is told

    def status(self) -> Json:
        return dict(self.captain.json("status", self.id))

    def look(self) -> Json:
        """The status as storage has it."""
        if self.captain.shares_files:
            return self.ask_storage("status")
        return self.status()

    def task(self, task_id: str) -> Json:
        """A task as storage, and `tasks --json`, have it."""
        if self.captain.shares_files:
            rows: list[Json] = self.ask_storage("tasks")["tasks"]
        else:
            rows = self.captain.json("tasks", self.id)
        return next(row for row in rows if row["id"] == task_id)

    def ask_storage(self, op: str) -> Json:
        """Ask it right here: ocaptain and its way there would take far longer."""
        request = {"protocol": PROTOCOL, "op": op}
        answer = serve.respond(self.home(), "captain", request, no_jobs)
        assert answer.pop("ok"), answer
        return answer

    def log(self) -> str:
        return self.captain.run("logs", self.id).out

    def wait(self, status: int = 0, timeout: float = 60) -> Json:
        """Wait for the end with `ocaptain wait`, which has to exit so; the last status."""
        words = ("wait", self.id, "-t", str(timeout), "--json")
        done = self.captain.run(*words, status=None, timeout=timeout + 30)
        if done.status != status:
            tasks = self.captain.run("tasks", self.id).out
            raise Trouble(f"{done}\n{tasks}\n{self.log()[-6000:]}")
        return self.look()

    def until(self, condition: Callable[[Json], Any], timeout: float = 30) -> Json:
        """Look at the status until it is as wanted; that status."""
        status: Json = {}

        def is_as_wanted() -> Any:
            status.clear()
            status.update(self.look())
            return condition(status)

        try:
            until(is_as_wanted, timeout)
        except Trouble as trouble:
            raise Trouble(f"{trouble}: {json.dumps(status, indent=1)}\n{self.log()}") from None
        return status

    def until_log(self, text: str, timeout: float = 30) -> None:
        """Wait until some ship's log has `text`."""
        logs = self.storage / "logs"
        until(lambda: any(text in log.read_text() for log in logs.glob("ship-*.log")), timeout)

    # VMs and their processes

    @property
    def vms(self) -> list[str]:
        """Every VM that there is of it, ships first."""
        folders = self.captain.vms.glob(f"{self.id}-*")
        return sorted(folder.name.rpartition("-")[2] for folder in folders)

    @property
    def ships(self) -> list[str]:
        """Its ships' VMs."""
        return [vm for vm in self.vms if vm != "storage"]

    def pids(self, vm: str) -> set[int]:
        """What runs on a VM."""
        return marked(f"OCAPTAIN_VM={self.id}-{vm}")

    def helms(self, vm: str) -> set[int]:
        """The helm that runs on a VM; it may be one that just starts, or has not ended yet."""
        return {pid for pid in self.pids(vm) if command_line(pid).endswith("\0helm-main\0")}

    def kill(self, vm: str) -> int:
        """Pull the plug: SIGKILL for all that runs on a VM; how many processes that were."""
        running = len(self.pids(vm))
        kill_marked(f"OCAPTAIN_VM={self.id}-{vm}")
        return running

    def kill_helm(self, vm: str) -> None:
        """Kill a ship's helm alone; its agent goes on."""
        signal_all(signal.SIGKILL, self.helms(vm))

    def hang_up(self) -> int:
        """Cut all connections to storage; how many there were."""
        return hang_up(self.home().parent)

    def ssh(self, vm: str, command: str) -> Done:
        """Run a command on a VM, as the captain."""
        config = self.captain.root / "run" / "ocaptain" / self.id / "ssh_config"
        return self.captain.sh(["ssh", "-F", str(config), f"{self.id}-{vm}", command])

    def start_helm(self, vm: str) -> None:
        """Start a ship's helm again; where one runs, the new one ends at once."""
        helm = "python3 -IS ~/voyage/lib helm-main >>~/voyage/helm.out 2>&1 </dev/null &"
        done = self.ssh(vm, helm)
        if done.status != 0:
            raise Trouble(f"helm on {vm}: {done.err}")


def answers(path: Path) -> bool:
    """Whether somebody answers at a socket."""
    with socket.socket(socket.AF_UNIX) as asking:
        try:
            asking.connect(str(path))
        except OSError:
            return False
    return True


SomeCaptain = TypeVar("SomeCaptain", bound=Captain)


def make_captain(root: Path, kind: type[SomeCaptain], env: Mapping[str, str]) -> SomeCaptain:
    """A captain who has all that is theirs in the folder `root`, and exports `env` besides."""
    places = {"HOME": root / "home", "XDG_RUNTIME_DIR": root / "run", "TMPDIR": root / "tmp"}
    for path in (root / "bin", *places.values()):
        path.mkdir(mode=0o700)
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    environment = {
        **inherited,
        "PATH": f"{root / 'bin'}:{inherited['PATH']}",
        **{name: str(path) for name, path in places.items()},
        "OCAPTAIN_PROVIDER": "local",
        "PYTHONFAULTHANDLER": "1",
        **env,
    }
    captain = kind(root, environment)
    (captain.home / ".gitconfig").write_text(IDENTITY)
    return captain


def new_captain(**env: str) -> AbstractContextManager[Captain]:
    """A captain, whose VMs are all sunk in the end; nothing may be left of them then."""
    return captain_of(Captain, env)


@contextmanager
def captain_of(kind: type[SomeCaptain], env: Mapping[str, str]) -> Iterator[SomeCaptain]:
    """A captain of some kind, whose VMs are all sunk in the end."""
    root = Path(tempfile.mkdtemp(prefix="oct-", dir="/tmp"))  # pytest's paths are too long
    captain = make_captain(root, kind, env)
    try:
        yield captain
    finally:
        for child in captain.started:
            abandon(child)
        captain.leave()
    clear_away(captain)


def clear_away(captain: Captain) -> None:
    """Remove what a captain had. Raises Trouble if anything of theirs still runs."""
    with suppress(Trouble):
        until(lambda: not captain.remains(), 5)
    remains = captain.remains()
    if remains:
        raise Trouble(f"this is left of {captain.root}: {remains}")
    shutil.rmtree(captain.root)


def task(subject: str, run: str = "", after: Sequence[str] = (), **more: Any) -> Json:
    """What a task's file says; `run` is for the shell agent."""
    fields: Json = {"subject": subject, "blockedBy": list(after), **more}
    if run:
        fields["metadata"] = {"run": run}
    return fields

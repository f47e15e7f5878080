"""What a ship knows of itself, its log, and how it runs the plan's commands."""

import json
import os
import shlex
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import NoReturn

from .. import telemetry
from ..process import Done
from ..protocol import LOG_LIMIT, Abilities, Json, ShipFile
from ..redaction import redacted, secret_values
from ..text import clean, ssh_path, utc
from .agents import AGENTS, lacking
from .channels import Channels
from .client import Client, Exchange, Refused
from .clone import Clone
from .credentials import digests
from .git import pack_settings
from .logbook import Logbook
from .transcripts import Transcripts
from .workgroup import WorkGroup, own_cgroup

SOCKETS_PATH_LIMIT = 85
"""Bytes. A socket's own path may have 107, of which ssh uses 19 for the name of its draft."""
KNOCK_LOOK_S = 1.0
"""Seconds between looks for a knock, at rest."""
LOG_LOOK_S = 1.0
"""Seconds between looks whether the log has grown."""
LOG_PERIOD_S = 2.0
"""For how long it waits for another request to go along with."""
TELEMETRY_PERIOD_S = 5.0
"""Seconds between looks whether there is telemetry to send."""
LOG_LINE_LIMIT = 500
"""Characters of a line in the log."""

SET_UP = """\
if [ -e ~/voyage/setup.sh ]; then
  bash ~/voyage/setup.sh || { echo setup.sh failed; exit 1; }
fi
"""
"""Makes a fresh clone fit for work; run in it."""


class Ship:
    """A ship, for one run of helm.

    `storage` is whom it asks, and `work` all that runs for its claim."""

    def __init__(self, home: Path, exchange: Exchange | None = None) -> None:
        self.home = home
        self.folder = home / "voyage"
        self.workspace = self.folder / "workspace"
        self.log = self.folder / "helm.log"
        record: ShipFile = json.loads((self.folder / "ship.json").read_text())
        self.name = record["ship"]
        self.voyage = record["voyage"]
        self.accounts = record["accounts"]
        self.processes = WorkGroup(
            f"{self.voyage['voyage']}/{self.name}",
            {"OCAPTAIN_SHIP_NUMBER": self.name.rpartition("-")[2]},
            own_cgroup(),
        )
        self.agent_env: dict[str, str] = {}
        """The captain's environment variables for agents."""
        self.secrets: list[str] = []
        """Values that were ever among them and that nobody else may see."""
        self.reload_credentials()
        self._sudo_prefix = record["sudo_prefix"]
        self._sockets = self._sockets_folder()
        self._make_folders()
        self._ssh = ["ssh", "-F", str(self.folder / "ssh_config")]
        self._shared_ssh = [
            *self._ssh,
            *("-o", f"ControlPath={ssh_path(self._sockets / 's')}"),
            *("-o", "ControlMaster=auto"),
        ]
        self._exchange = exchange or Channels().exchange
        self._lacks_logged = ""
        self.logbook = Logbook(self.log)
        self.telemetry = Logbook(self.folder / "telemetry.jsonl", telemetry.BATCH)
        self.storage = Client(
            self._harbor(), self.secrets, self._keep_and_exchange, self.say, self.logbook
        )
        self.transcripts = Transcripts(
            self.folder / "transcripts", self.storage, self.secrets, self.say
        )

    def _harbor(self) -> list[str]:
        """Return the command that runs harbor on storage."""
        return [*self._shared_ssh, "storage", shlex.join([*self._sudo_prefix, "harbor"])]

    def _sockets_folder(self) -> Path:
        """Return where the shared SSH connection has its socket, whose path has to be short."""
        name = f"oc-{self.voyage['voyage']}-{self.name}"
        folder = Path(tempfile.gettempdir(), name)
        if len(os.fsencode(folder)) > SOCKETS_PATH_LIMIT:
            return Path("/tmp", name)  # noqa: S108 - made for us alone
        return folder

    def _make_folders(self) -> None:
        """Make the folders that a helm cannot do without, and that agents like to clean up."""
        Path(tempfile.gettempdir()).mkdir(parents=True, exist_ok=True)
        self._sockets.mkdir(exist_ok=True)
        self._sockets.chmod(0o700)  # which fails if it is somebody else's

    def _keep_and_exchange(self, command: Sequence[str], line: str) -> Json:
        with suppress(OSError):  # ssh says it better
            self._make_folders()
        return self._exchange(command, line)

    def reload_credentials(self) -> None:
        """Read agent_env.json, which `resume` replaces. What was ever secret stays so."""
        with suppress(OSError, ValueError):
            self.agent_env = json.loads((self.folder / "agent_env.json").read_text())
            known = {*self.secrets, *secret_values(self.agent_env)}
            self.secrets[:] = sorted(known, key=len, reverse=True)

    def abilities(self) -> Abilities:
        """Say which agents this ship can run, and log what it lacks for those of its voyage."""
        self.reload_credentials()
        may_install = (self.folder / "setup.sh").exists()
        plan = self.voyage["agent_command"], self.voyage["agent_setup"]
        lacks = lacking(self.agent_env, self.name, *plan, may_install=may_install)
        wanted = [name for name in self.voyage["agents"] if name in lacks]
        news = "\n".join(f"takes no task for the agent {name}: {lacks[name]}" for name in wanted)
        if news != self._lacks_logged:
            self.say(news)
        self._lacks_logged = news
        able = [name for name in AGENTS if name not in lacks]
        known = digests(self.voyage["voyage"], able, self.agent_env)
        return {"agents": able, "lacks": lacks, "credentials": known}

    def was_knocked(self) -> bool:
        """Whether the captain wants us to ask storage at once; true once for each knock."""
        with suppress(OSError):
            (self.folder / "knock").unlink()
            return True
        return False

    def rest(self, seconds: float) -> None:
        """Do nothing for so long, or until somebody knocks."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends and not self.was_knocked():
            time.sleep(KNOCK_LOOK_S)

    def open_clone(self, give_up: Event) -> Clone:
        """Return the clone at `workspace`. Once `give_up` is set it waits for storage no more."""
        settings = {
            **self.voyage["author"],
            "core.sshCommand": shlex.join(self._ssh),
            **pack_settings(self._sudo_prefix),
        }
        branch = self.voyage["voyage"]
        ssh = shlex.join(self._shared_ssh)
        return Clone(self.workspace, branch, ssh, settings, give_up, self.say)

    def run(self, script: str) -> Done:
        """Run a script of the plan's in the clone, for as long as it may take.

        Raises OSError if it cannot be run here."""
        limit_s = self.voyage["time_limit_minutes"] * 60
        return self.processes.run(script, cwd=self.workspace, timeout=limit_s)

    def say(self, text: str, task_id: str = "") -> None:
        """Add lines to the log, each with the time and the task, as far as the disk has room."""
        start = utc(time.time())
        if task_id:
            start += f" [{task_id}]"
        lines = []
        for line in redacted(text, self.secrets).splitlines():
            shown = clean(line[:LOG_LINE_LIMIT], keep="\t")
            if shown.strip():
                lines.append(f"{start} {shown}\n")
        with suppress(OSError), self.log.open("a", encoding="utf-8") as log:
            if log.tell() < LOG_LIMIT:
                log.writelines(lines)

    def keep_log_sent(self) -> NoReturn:
        """Bring to storage what no other request takes along."""
        sent = -1
        due = 0.0
        while True:
            time.sleep(LOG_LOOK_S)
            with suppress(OSError):
                self._make_folders()
            if self.logbook.sent != sent or not self.logbook.has_news():
                sent = self.logbook.sent
                due = time.monotonic() + LOG_PERIOD_S
            elif time.monotonic() > due:
                self.send_log()

    def send_log(self) -> None:
        """Bring to storage what it has not of the log, whole lines only."""
        with suppress(OSError, Refused):
            while news := self.logbook.news():
                self.logbook.sent = self.storage.send_log(news)["size"]

    def keep_telemetry_sent(self) -> NoReturn:
        """Bring to storage what agents let be known of themselves, now and then."""
        while True:
            time.sleep(TELEMETRY_PERIOD_S)
            self.send_telemetry()

    def send_telemetry(self) -> None:
        """Bring to storage what it has not of the telemetry."""
        with suppress(OSError, Refused):
            while news := self.telemetry.news():
                self.telemetry.sent = self.storage.send_telemetry(news)["size"]

"""A ship: what `sail` put under ~/voyage, asking storage, and the log.

Asking is one SSH command a question, given again until it is answered."""

import json
import os
import random
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE, STDOUT
from typing import Any, NoReturn

from .. import process
from ..protocol import LOG_LIMIT, PROTOCOL
from ..text import clean, redacted, secret_values, utc
from .clone import Clone, pack_settings

SETUP = "[ ! -e ~/voyage/setup.sh ] || bash ~/voyage/setup.sh || { echo setup.sh failed; exit 1; }"
SETUP += "\ncp .git/config .git/set-up\n"
ANSWER_S, LOG_S = 90, 2.0
CLIP, BATCH = 500, 16_000  # characters of a line of the log; bytes of it sent at once

Answer = dict[str, Any]


class Unreachable(OSError):
    """Storage did not answer."""


class Ship:
    """A ship, its connection to storage, its log and its clone, for one run of helm.

    Everything that is started for a claim has `env` in its environment, and so carries `marker`;
    `harbor` is the command that runs harbor on storage. `agent_env` has the captain's variables for
    agents, `secrets` the values among them that nobody else may see."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "voyage"
        told = json.loads((self.folder / "ship.json").read_text())
        self.name, self.voyage, via = told["ship"], told["voyage"], told["sudo_prefix"]
        self.accounts, self.log = told["accounts"], self.folder / "helm.log"
        self.env = {"OCAPTAIN_WORK": f"{self.voyage['voyage']}/{self.name}"}
        self.marker = f"OCAPTAIN_WORK={self.env['OCAPTAIN_WORK']}"
        self.agent_env, self.secrets = dict[str, str](), list[str]()
        self.reload_credentials()
        plain = ["ssh", "-F", str(self.folder / "ssh_config")]
        sockets = Path(tempfile.gettempdir(), f"oc-{self.voyage['voyage']}-{self.name}")
        sockets.mkdir(exist_ok=True)  # by a helm that was killed, perhaps
        sockets.chmod(0o700)  # which fails where it is somebody else's
        ssh = [*plain, "-o", f"ControlPath={sockets}/s", "-o", "ControlMaster=auto"]
        self.harbor = [*ssh, "storage", shlex.join([*via, "harbor"])]
        settings = {**self.voyage["author"], "core.sshCommand": " ".join(plain)}
        workspace, branch = self.folder / "workspace", self.voyage["voyage"]
        self.clone = Clone(workspace, branch, " ".join(ssh), settings | pack_settings(via))

    def reload_credentials(self) -> None:
        """Read agent_env.json, which `resume` replaces; what was ever secret stays so."""
        with suppress(OSError, ValueError):
            self.agent_env = json.loads((self.folder / "agent_env.json").read_text())
            known = {*self.secrets, *secret_values(self.agent_env)}
            self.secrets[:] = sorted(known, key=len, reverse=True)

    def run(self, command: str) -> process.Done:
        """Run a command of the plan's in the clone, for as long as it may take."""
        bash, limit_s = ["bash", "-c", command], self.voyage["time_limit_minutes"] * 60
        return process.run(bash, cwd=self.clone.path, env=self.env, timeout=limit_s, merged=True)

    def ask(self, op: str, *, patience: float = float("inf"), **fields: Any) -> Answer:
        """Ask harbor, again for `patience` seconds where no answer comes; raises Unreachable after
        that, and says until then on stderr why there is none.

        The same request id each time, so that asking twice changes nothing twice. A refusal is an
        answer: `ok` is false, `code` and `error` say why."""
        request = {"protocol": PROTOCOL, "op": op, "id": os.urandom(8).hex(), **fields}
        line = redacted(json.dumps(request), self.secrets)
        ends, pause = time.monotonic() + patience, 0.2
        while True:
            try:
                return exchange(self.harbor, line)
            except Unreachable as why:
                if time.monotonic() + pause > ends:
                    raise
                print(f"storage cannot be reached: {why}", file=sys.stderr)
            time.sleep(pause * random.uniform(0.5, 1))
            pause = min(pause * 2, 30)

    def say(self, text: str, task: str = "") -> None:
        """Add lines to the log, each with the time and the task, as far as the disk has room."""
        head = f"{utc(time.time())} {f'[{task}] ' if task else ''}"
        lines = [clean(line[:CLIP], "\t") for line in redacted(text, self.secrets).splitlines()]
        with suppress(OSError), self.log.open("a", encoding="utf-8") as log:
            if log.tell() < LOG_LIMIT:
                log.write("".join(f"{head}{line}\n" for line in lines if line.strip()))

    def send_log(self) -> NoReturn:
        """Bring the log to storage as it grows: what storage has, `size` bytes as it last answered,
        is always the beginning of it."""
        size = 0
        while True:
            time.sleep(LOG_S)
            with suppress(OSError), self.log.open("rb") as log:
                while text := os.pread(log.fileno(), BATCH, size).rpartition(b"\n")[0]:
                    told = {"offset": size, "text": text.decode(errors="replace") + "\n"}
                    answer = self.ask("log", patience=0, **told)
                    if not answer["ok"]:
                        break
                    size = answer["size"]


def exchange(argv: Sequence[str], line: str) -> Answer:
    """Send a line, get one; stdin stays open until then, for its end tells harbor that we died.

    An answer is JSON that says whether all is well, as nothing does that other servers say."""
    limited, said = ["timeout", str(ANSWER_S), *argv], b""
    try:
        with process.start(limited, stdin=PIPE, stdout=PIPE, stderr=STDOUT) as child:
            process.feed(child, line.encode() + b"\n")
            for said in child.stdout or ():
                with suppress(ValueError, RecursionError):
                    answer = json.loads(said)
                    if isinstance(answer, dict) and "ok" in answer:
                        return answer
    except OSError as error:
        said = str(error).encode()
    raise Unreachable(said.decode(errors="replace").strip()[:300] or "no answer")

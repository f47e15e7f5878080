"""What a ship knows of itself, from what `sail` put under ~/voyage."""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from . import process
from .client import Harbor
from .landing import Clone
from .log import Log, secret_values


class Ship:
    """A ship, its connection to storage, its log and its clone, for one run of helm."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "voyage"
        told = json.loads((self.folder / "ship.json").read_text())
        self.name, self.voyage = told["ship"], told["voyage"]
        self.accounts = told["accounts"]
        self.work = f"{self.voyage['voyage']}/{self.name}"
        self.captain = json.loads((self.folder / "captain.json").read_text())
        self.secrets = secret_values(self.captain)
        self.run_id, self.sockets = os.urandom(6).hex(), tempfile.mkdtemp(prefix="oc-")
        config, sharing = str(self.folder / "ssh_config"), f"ControlPath={self.sockets}/s"
        self.ssh = ["ssh", "-F", config, "-o", sharing, "-o", "ControlMaster=auto"]
        self.log = Log(self.secrets)
        self.harbor = Harbor([*self.ssh, "storage"], self.secrets)
        settings = {**self.voyage["author"], "core.sshCommand": " ".join(self.ssh[:3])}
        workspace, branch = self.folder / "workspace", self.voyage["voyage"]
        self.ready = workspace / ".git" / "set-up"
        self.clone = Clone(workspace, branch, " ".join(self.ssh), settings)

    def run(self, command: str, env: Mapping[str, str]) -> process.Done:
        """Run a command of the plan's in the clone, for as long as it may take."""
        bash, limit_s = ["bash", "-c", command], self.voyage["time_limit_minutes"] * 60
        return process.run(bash, cwd=self.clone.path, env=env, timeout=limit_s, merged=True)

    def set_up(self, env: Mapping[str, str]) -> process.Done:
        """Clone anew, and run the plan's setup.sh there."""
        self.clone.make()
        script = "bash ~/voyage/setup.sh || { echo setup.sh failed; exit 1; }"
        done = self.run(script if self.voyage["setup"] else "true", env)
        if not done.status:
            self.ready.touch()
        return done

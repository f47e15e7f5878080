"""What a ship knows of itself, from what `sail` put under ~/voyage."""

import json
import os
import tempfile
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
        self.captain = json.loads((self.folder / "captain.json").read_text())
        self.secrets = secret_values(self.captain)
        self.run_id, self.sockets = os.urandom(6).hex(), tempfile.mkdtemp(prefix="oc-")
        config, sharing = str(self.folder / "ssh_config"), f"ControlPath={self.sockets}/s"
        self.ssh = ["ssh", "-F", config, "-o", sharing, "-o", "ControlMaster=auto"]
        self.log = Log(self.secrets)
        self.harbor = Harbor([*self.ssh, "storage"], self.secrets)
        settings = {**self.voyage["author"], "core.sshCommand": " ".join(self.ssh[:3])}
        workspace, branch = self.folder / "workspace", self.voyage["voyage"]
        self.clone = Clone(workspace, branch, " ".join(self.ssh), settings)

    def run(self, command: str, marker: str) -> process.Done:
        """Run a command of the plan's in the clone, and nothing of it longer than it may take.

        Everything that carries `marker` (NAME=value) is over afterwards."""
        name, _, value = marker.partition("=")
        limit = self.voyage["time_limit_minutes"] * 60
        bash, env = ["bash", "-c", command], {name: value}
        done = process.run(bash, cwd=self.clone.path, env=env, timeout=limit, merged=True)
        process.kill_marked(marker)
        return done

    def set_up(self, marker: str) -> process.Done:
        """Clone anew, and run the plan's setup.sh there."""
        self.clone.make()
        script = "exec bash ~/voyage/setup.sh" if self.voyage["setup"] else "true"
        return self.run(script, marker)

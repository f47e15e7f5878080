"""What a ship knows of itself, from what `sail` put under ~/voyage."""

import json
import os
import shlex
import tempfile
from pathlib import Path

from . import process
from .client import Harbor, Log
from .landing import Clone, pack_settings
from .text import secret_values

SETUP = "[ ! -e ~/voyage/setup.sh ] || bash ~/voyage/setup.sh || { echo setup.sh failed; exit 1; }"
SETUP += "\ncp .git/config .git/set-up\n"


class Ship:
    """A ship, its connection to storage, its log and its clone, for one run of helm.

    Everything that is started for a claim has `env` in its environment, and so carries `marker`."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "voyage"
        told = json.loads((self.folder / "ship.json").read_text())
        self.name, self.voyage, via = told["ship"], told["voyage"], told.get("via", [])
        self.accounts = told["accounts"]
        self.env = {"OCAPTAIN_WORK": f"{self.voyage['voyage']}/{self.name}"}
        self.marker = f"OCAPTAIN_WORK={self.env['OCAPTAIN_WORK']}"
        self.captain = json.loads((self.folder / "captain.json").read_text())
        self.secrets = secret_values(self.captain)
        self.run_id = os.urandom(6).hex()
        plain = ["ssh", "-F", str(self.folder / "ssh_config")]
        sockets = Path(tempfile.gettempdir(), f"oc-{self.voyage['voyage']}-{self.name}")
        sockets.mkdir(exist_ok=True)  # by a helm that was killed, perhaps
        sockets.chmod(0o700)  # which fails where it is somebody else's
        ssh = [*plain, "-o", f"ControlPath={sockets}/s", "-o", "ControlMaster=auto"]
        self.log = Log(self.secrets)
        self.harbor = Harbor([*ssh, "storage", shlex.join([*via, "harbor"])], self.secrets)
        settings = {**self.voyage["author"], "core.sshCommand": " ".join(plain)}
        workspace, branch = self.folder / "workspace", self.voyage["voyage"]
        self.clone = Clone(workspace, branch, " ".join(ssh), settings | pack_settings(via))

    def run(self, command: str) -> process.Done:
        """Run a command of the plan's in the clone, for as long as it may take."""
        bash, limit_s = ["bash", "-c", command], self.voyage["time_limit_minutes"] * 60
        return process.run(bash, cwd=self.clone.path, env=self.env, timeout=limit_s, merged=True)

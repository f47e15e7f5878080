"""Two VMs and some keys on somebody's account, and what has been made of them so far."""

import secrets
import shlex
import time
from pathlib import Path
from typing import Any

from .access import CAPTAIN, KEY_NAMES, LOBBY, Access
from .process import interrupts_held
from .results import Differs, Result

PAUSES_S = (2, 5, 10, 0)
"""How long to wait after each try to clean up that the lobby does not answer."""


class World:
    """What the checks look at, and what cleaning up removes."""

    def __init__(self, folder: Path, user_config: Path) -> None:
        self.voyage = f"voyage-{secrets.token_hex(6)}"
        self.storage = f"{self.voyage}-storage"
        self.ship = f"{self.voyage}-ship0"
        self.access = Access(folder, user_config, self.voyage)
        self.made: set[str] = set()
        """VMs that may have been made, by their names."""
        self.made_at: dict[str, float] = {}
        self.login = ""
        """The user whom the captain is on a VM."""
        self.before_boot = Result(0, b"", b"")
        """How a command ended on a VM that did not answer yet."""

    def lobby(self, verb: str, *words: str, who: str = CAPTAIN) -> Result:
        """Run a command of the lobby's."""
        command = shlex.join([*verb.split(), "--json", *words])
        return self.access.ssh(who, LOBBY, command, timeout=120)

    def run_on(self, vm: str, command: str, stdin: bytes = b"", timeout: float = 60) -> Result:
        """Run a command on a VM as the captain."""
        return self.access.ssh(CAPTAIN, vm, command, stdin=stdin, timeout=timeout)

    def run_as_root(self, vm: str, script: str) -> str:
        """Run a script on a VM. Returns what it prints; raises Differs if it fails."""
        result = self.run_on(vm, "sudo -n sh -eu", script.encode(), timeout=180)
        if result.status:
            raise Differs(result.summary)
        return result.out.decode().strip()

    def new(self, name: str, *options: str, who: str = CAPTAIN) -> Result:
        """Make a VM, and remember that it has to be removed."""
        with interrupts_held():
            self.made.add(name)
            self.made_at[name] = time.monotonic()
            return self.lobby("new", f"--name={name}", "--no-email", *options, who=who)

    def add_key(self, name: str, *options: str, who: str = CAPTAIN) -> Result:
        """Add a key to the account; cleaning up looks for all of them."""
        with interrupts_held():
            return self.lobby("ssh-key add", *options, self.access.keys[name], who=who)

    def list_vms(self) -> dict[str, dict[str, Any]]:
        """Return the account's VMs by name. Raises Differs."""
        rows = self.lobby("ls", "-l").answer.get("vms")
        if not isinstance(rows, list) or not all("vm_name" in row for row in rows):
            raise Differs(f"vms is {rows!r}")
        return {row["vm_name"]: row for row in rows}

    def list_keys(self) -> dict[str, str]:
        """Return our keys among those of the account: what identifies each, by its name."""
        ours = {without_comment(key) for key in self.access.keys.values()}
        our_names = {key.split()[2] for key in self.access.keys.values()}
        keys = {}
        for row in self.lobby("ssh-key list").answer["ssh_keys"]:
            public = without_comment(str(row.get("public_key")))
            if public in ours or row["name"] in our_names:
                keys[row["name"]] = row.get("fingerprint") or public
        return keys

    def clean_up(self) -> list[str]:
        """Remove what was made. Returns what is left, in words."""
        left = ""
        for pause in PAUSES_S:
            try:
                return self._clean_up()
            except (Differs, KeyError, TypeError) as error:
                left = f"nobody knows, for the lobby does not answer ({error})"
                time.sleep(pause)
        for name in KEY_NAMES:
            self.lobby("ssh-key remove", f"{self.voyage}-{name}")
        return [left]

    def _clean_up(self) -> list[str]:
        listed = self.list_vms()
        doomed = sorted(listed.keys() & self.made)
        if doomed:
            self.lobby("rm", *doomed)
        for key in self.list_keys().values():
            self.lobby("ssh-key remove", key)
        listed = self.list_vms()
        vms = [f"the VM {name}" for name in doomed if name in listed]
        keys = [f"the key {name}" for name in self.list_keys()]
        return vms + keys

    def how_to_clean_up(self) -> str:
        """Return the commands that remove everything, should this be killed."""
        commands = [
            f"ssh {LOBBY} rm {self.storage} {self.ship}",
            f"ssh {LOBBY} ssh-key remove {self.voyage}-ship0",
            f"ssh {LOBBY} ssh-key remove {self.voyage}-ship1",
        ]
        return "; ".join(commands)


def without_comment(public_key: str) -> str:
    """Return the kind of a public key and the key itself."""
    return " ".join(public_key.split()[:2])

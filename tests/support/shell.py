"""Somebody's own shell, with a home, in which ocaptain is typed."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.commands import Done

OCAPTAIN = Path(sys.executable).with_name("ocaptain")


@dataclass
class Shell:
    """Where somebody types: `root` holds their home and whatever else is theirs."""

    root: Path
    env: dict[str, str]
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def vms(self) -> Path:
        """Where `local` keeps VMs."""
        return self.home / ".local" / "share" / "ocaptain" / "local"

    def type(self, *words: str, stdin: str = "", **env: str) -> Done:
        """Type `ocaptain WORDS`, at home."""
        environ = {**self.env, **env}
        done = subprocess.run(
            [OCAPTAIN, *words],
            env=environ,
            cwd=self.home,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, *words: str, **streams: Any) -> subprocess.Popen[bytes]:
        """Type it, and go on. It gets SIGHUP, also if the tests run under nohup."""
        command = ["env", "--default-signal=HUP", str(OCAPTAIN), *words]
        how: dict[str, Any] = {"env": self.env, "cwd": self.home, "start_new_session": True}
        child: subprocess.Popen[bytes] = subprocess.Popen(command, **how, **streams)
        self.started.append(child)
        return child

    def vm(self, name: str) -> Path:
        """Something that looks like a VM of `local`; there is no reaching it."""
        (self.vms / name / "home").mkdir(parents=True)
        return self.vms / name

    def program(self, name: str, script: str) -> None:
        """Put a program before all others of its name."""
        path = self.root / "bin" / name
        path.write_text(script)
        path.chmod(0o755)

    def config(self, text: str, mode: int = 0o600) -> Path:
        """Write config.toml."""
        path = self.home / ".config" / "ocaptain" / "config.toml"
        path.parent.mkdir(parents=True)
        path.write_text(text)
        path.chmod(mode)
        return path


def write(path: Path, content: str | Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))

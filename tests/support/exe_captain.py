"""A captain whose VMs are on the stand-in for exe.dev."""

import os
import re
import shlex
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from tests.fakes.exedev import ExeDev, Machine, lacking
from tests.support.captain import Captain, captain_of
from tests.support.commands import Done
from tests.support.machine import Trouble

HASTY = """
from ocaptain import cli, ssh
from ocaptain.fleet import launch
from ocaptain.providers import PROVIDERS
from ocaptain.providers.exedev import Exedev
launch.REACH_S = 2
PROVIDERS["exedev"] = lambda config: Exedev(config, running_s=1, retries_s=1)
ssh.FOR_ALL_HOSTS = (("ConnectTimeout", "1"), *ssh.FOR_ALL_HOSTS)
cli.main()
"""

TALKING_SSH = '#!/bin/sh\nexec {ssh} -v -E {log} "$@"\n'


def owner(vm: str) -> str:
    """The user that has the voyage on a VM."""
    return "harbor" if vm.endswith("-storage") else "exedev"


@dataclass
class ExeCaptain(Captain):
    """Somebody with an account at exe.dev (the stand-in `exe`)."""

    exe: ExeDev = field(init=False)
    shares_files: ClassVar = False

    def home_on(self, vm: str) -> Path:
        return self.exe.machines[vm].root / "home" / owner(vm)

    def git(self, repo: Path, *words: str) -> str:
        for name, machine in self.exe.machines.items():
            if repo.is_relative_to(machine.root):  # where git of this machine loses its way
                inside = Path("/") / repo.relative_to(machine.root)
                command = shlex.join(["git", "-C", str(inside), *words])
                stdout = machine.run(command, user=owner(name)).stdout
                return stdout.decode(errors="replace").strip()
        return super().git(repo, *words)

    def account(self) -> list[str]:
        """What there is at exe.dev, but for the captain's own key."""
        machines = [f"VM {name}" for name in self.exe.machines]
        keys = [f"key {key.name}" for key in self.exe.keys if key.name != "captain"]
        return machines + keys

    def leave(self) -> None:
        for name in list(self.exe.machines):
            self.exe.machines.pop(name).destroy()
        self.hang_up()

    def hang_up(self) -> None:
        """Close connections that later commands would have shared."""
        for path in (self.root / "run" / "ocaptain").rglob("*"):
            if path.is_socket():
                self.sh(["ssh", "-F", "none", "-S", str(path), "-O", "exit", "it"])

    def hasty(self, *words: str, status: int | None = 0) -> Done:
        """Type `ocaptain WORDS`, of an ocaptain that waits two seconds for what never comes."""
        done = self.sh([sys.executable, "-c", HASTY, *words], timeout=90)
        if status not in (None, done.status):
            raise Trouble(f"{done.out}\n{done.err}")
        return done

    def count_connections(self) -> Path:
        """Have ssh write down what it does; the file is for `connections`."""
        log = self.root / "connections"
        script = TALKING_SSH.format(ssh=self.real("ssh"), log=shlex.quote(str(log)))
        self.path_first("ssh", script)
        return log


def connections(log: Path) -> Counter[str]:
    """TCP connections that the captain made, by address."""
    return Counter(re.findall(r"Connecting to ([\d.]+)", log.read_text()))


@dataclass
class Visitor(ExeCaptain):
    """The same account from another machine, which leaves what is there."""

    def leave(self) -> None:
        self.hang_up()


@contextmanager
def exe_captain(
    env: Mapping[str, str] | None = None,
    *,
    rtt_s: float = 0.0,
    boot_s: float = 0.2,
    hosts: Mapping[str, str] | None = None,
    ca: Path | None = None,
    claude: Path | None = None,
) -> Iterator[ExeCaptain]:
    """A captain with an account of their own, at an exe.dev that is as `ExeDev` says."""
    if reason := lacking():
        go_without(reason)
    folder = Path(tempfile.mkdtemp(prefix="exe-", dir="/tmp"))  # pytest's paths are too long
    stand_in = ExeDev(folder, rtt_s=rtt_s, boot_s=boot_s, hosts=hosts, ca=ca, claude=claude)
    with stand_in as exe, at(exe, ExeCaptain, env) as captain:
        yield captain


def go_without(reason: str) -> None:
    """Skip the test that cannot be run here; in CI it fails."""
    import pytest  # script/bench has none

    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def at(
    exe: ExeDev, kind: type[ExeCaptain] = Visitor, env: Mapping[str, str] | None = None
) -> Iterator[ExeCaptain]:
    """Somebody at a machine with the key to an account that there is, and nothing else."""
    settings = {"OCAPTAIN_PROVIDER": "exedev", "OCAPTAIN_SSH_CONFIG": str(exe.ssh_config)}
    with captain_of(kind, {**settings, **(env or {})}) as captain:
        captain.exe = exe
        yield captain


class Ending(set[str]):
    """All names that end so, for faults of VMs whose voyage has no name yet."""

    def __contains__(self, name: object) -> bool:
        return str(name).endswith(tuple(self))


def on_new(captain: ExeCaptain, monkeypatch, ending: str, act: Callable[[Machine], Any]) -> None:
    """Do something to new VMs whose names end so, on their way out of the factory."""
    make = captain.exe.lobby.new_machine

    def new_machine(name: str, *rest: Any) -> Machine:
        machine = make(name, *rest)
        if name.endswith(ending):
            act(machine)
        return machine

    monkeypatch.setattr(captain.exe.lobby, "new_machine", new_machine)

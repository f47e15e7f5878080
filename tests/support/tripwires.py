"""Stops a ship at a chosen point of its work, so that a test can strike right there.

A point that is `armed` is sprung once: what comes to it waits until the test lets it go on, or has
it die. Points before and after each question to storage (`before-land`, `after-claim`, …) and push
(`before-push`, `after-push`) come from a program that stands before ssh; others are where a plan's
own scripts say `trip NAME`. `arm NAME` arms a point, unless it was sprung before."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.exedev import Machine
from tests.support.captain import Captain, Voyage
from tests.support.machine import put

ARM = """\
#!/bin/sh
until [ -d ~/trips ]; do sleep 0.05; done
ls ~/trips | grep -q "^$1[.]" || : >~/trips/$1.armed
"""
TRIP = """\
#!/bin/sh
mv ~/trips/$1.armed ~/trips/$1.sprung 2>/dev/null || exit 0
while [ -e ~/trips/$1.sprung ]; do sleep 0.03; done
[ ! -e ~/trips/$1.dead ]
"""
# harbor is asked line by line. Its stdin stays open: the end tells it that the asker is gone.
SSH = """\
#!/bin/bash
cut_off() {{ while [[ -e ~/trips/cut-off ]]; do : >>~/trips/$1.waits; sleep 0.05; done; }}
case ${{*: -1}} in
*git-receive-pack*)
    cut_off push; trip before-push || exit 255
    {real} "$@"; status=$?
    trip after-push || exit 255; exit $status ;;
*harbor) ;;
*) cut_off rest; exec {real} "$@" ;;
esac
coproc {{ exec {real} "$@"; }} 2>/dev/null
exec 3<&"${{COPROC[0]}}" 4>&"${{COPROC[1]}}" {{COPROC[0]}}<&- {{COPROC[1]}}>&-
while IFS= read -r line; do
    [[ $line =~ '"op": "'([a-z]+) ]]; op=${{BASH_REMATCH[1]}}
    cut_off $op; trip before-$op || exit 255
    point=after-$op; granted='"ok": true'
    # A claim may come with the answer to a landing.
    [[ $op == land && -e ~/trips/after-claim.armed ]] &&
        point=after-claim granted='"next": {{'
    printf '%s\\n' "$line" >&4 2>/dev/null
    IFS= read -r answer <&3 || exit 255
    [[ $answer != *"$granted"* || $answer == *'"claim": null'* ]] || trip $point || exit 255
    printf '%s\\n' "$answer"
done
"""


def before_ssh(captain: Captain) -> None:
    """Stand before ssh on this machine, and so on all VMs of `local`."""
    captain.path_first("ssh", SSH.format(real=captain.real("ssh")))
    for name, script in {"arm": ARM, "trip": TRIP}.items():
        captain.path_first(name, script)


def before_ssh_on(machine: Machine) -> None:
    """Stand before ssh on a VM of exe.dev's; what is open there already ends."""
    for name, script in {"ssh": SSH.format(real="/usr/bin/ssh"), "arm": ARM, "trip": TRIP}.items():
        put(machine.root / "usr/local/bin" / name, script)
        (machine.root / "usr/local/bin" / name).chmod(0o755)
    machine.run("pkill -f '[s]sh .*harbor$'", check=False)


@dataclass(frozen=True)
class Trips:
    """The points of one ship."""

    voyage: Voyage
    vm: str

    @property
    def folder(self) -> Path:
        """Where a ship keeps its points; without it nothing is armed, nor stops."""
        return self.voyage.home(self.vm) / "trips"

    def ready(self) -> None:
        """Have points be armed from here on."""
        self.folder.mkdir(mode=0o777)
        self.folder.chmod(0o777)

    def arm(self, name: str) -> None:
        """Arm a point."""
        (self.folder / f"{name}.armed").touch(mode=0o666)

    def sprung(self, name: str) -> bool:
        """Whether something waits at a point."""
        return (self.folder / f"{name}.sprung").exists()

    def waits(self, op: str) -> bool:
        """Whether the ship, cut off, has tried to ask that."""
        return (self.folder / f"{op}.waits").exists()

    @contextmanager
    def held(self, name: str, seconds: float = 30, *, dies: bool) -> Iterator[None]:
        """Wait until something has come to a point, and let it go on, or die, after the block."""
        deadline = time.monotonic() + seconds
        while not self.sprung(name):
            assert time.monotonic() < deadline, f"nothing came to {name}\n{self._told()}"
            time.sleep(0.03)
        yield
        end = "dead" if dies else "past"
        (self.folder / f"{name}.sprung").rename(self.folder / f"{name}.{end}")

    def _told(self) -> str:
        """What there is to see where a ship did not come as far as it should have."""
        logs = [*self.voyage.storage.glob("logs/*.log"), self.folder.parent / "voyage/helm.out"]
        points = sorted(path.name for path in self.folder.iterdir())
        return "\n".join([*points, *(log.read_text() for log in logs if log.exists())])

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """Let no new connection of the ship's get to storage, for as long as the block takes."""
        (self.folder / "cut-off").touch()
        yield
        (self.folder / "cut-off").unlink()


__all__ = ["Trips", "before_ssh", "before_ssh_on"]

"""Voyages on exe.dev, which the tests' stand-in plays: what VMs far away cost.

A round trip takes 40 ms, a VM boots in 2 s, and what is installed is there at once. All of it,
the VMs too, shares this machine's cores. The original tool's times were taken in the same way.
"""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.fakes.exedev import ExeDev

from . import plans
from .fleet import last_first_claim
from .startup import seconds
from .table import Row, Target
from .world import OCAPTAIN, World, lines_of

RTT_S, BOOT_S = 0.04, 2.0
ORIGINAL_SAIL_S, ORIGINAL_STATUS_S, ORIGINAL_SINK_S = 39.4, 2.0, 5.2


@contextmanager
def account(world: World, name: str) -> Iterator[ExeDev]:
    """An account at exe.dev, which the world's captain uses from here on."""
    with ExeDev(world.folder / name, rtt_s=RTT_S, boot_s=BOOT_S) as exe:
        exedev = {"OCAPTAIN_PROVIDER": "exedev", "OCAPTAIN_SSH_CONFIG": str(exe.ssh_config)}
        world.env |= exedev
        try:
            yield exe
        finally:
            world.env |= {"OCAPTAIN_PROVIDER": "local"}
            world.env.pop("OCAPTAIN_SSH_CONFIG")


def exedev(world: World, quick: bool) -> Iterator[Row]:
    """Sailing with three ships and with ten, looking at the voyage, and sinking it."""
    for ships, limit in ((3, 5.0), (10, 8.0)):
        times: list[float] = []
        for run in range(1 if quick else 3):
            with account(world, f"exe-{ships}-{run}") as exe:
                times.append(sailing(world, exe, ships))
                rows = [*connections(exe, ships)]
                rows += [*looks(world, 5 if quick else 15)] if ships == 3 else []
                rows += [*sinking(world, exe)]
        beside = ("the original, 3 ships", ORIGINAL_SAIL_S)
        what = f"exe.dev: sail to the last ship's first claim, {ships} ships"
        yield Row(what, times, "s", Target(limit), beside)
        yield from rows


def sailing(world: World, exe: ExeDev, ships: int) -> float:
    """Seconds from `ocaptain sail` to the last ship's first claim."""
    began = time.time()
    world.ocaptain("sail", str(world.plan(plans.apart(ships, 60))), "--ships", str(ships))
    (storage,) = (vm for name, vm in exe.machines.items() if name.endswith("-storage"))
    journal = storage.root / "home/harbor/voyage/journal.jsonl"
    return last_first_claim(lambda: lines_of(journal), ships) - began


def connections(exe: ExeDev, ships: int) -> Iterator[Row]:
    """TCP connections that `sail` made: ships' own to storage are not its."""
    fleet = [name for name in exe.machines if not name.endswith("-storage")]
    beside = ("the original, 3 ships", 35.0) if ships == 3 else None
    yield Row(
        f"exe.dev: connections to the lobby, {ships} ships", [exe.connections()], "", Target(1)
    )
    made = sum(map(exe.connections, fleet))
    yield Row(f"exe.dev: connections to {ships} ships", [made], "", Target(ships), beside)


def looks(world: World, runs: int) -> Iterator[Row]:
    """`status` and `tasks`, without a connection to go by and with one."""
    beside = ("the original", ORIGINAL_STATUS_S)
    for verb in ("status", "tasks"):
        cold, warm = [], []
        for _ in range(runs):
            hang_up(world)
            cold.append(seconds(world, OCAPTAIN, verb))
            warm.append(seconds(world, OCAPTAIN, verb))
        yield Row(f"exe.dev: {verb}, first connection", cold, "s", Target(0.7), beside)
        yield Row(f"exe.dev: {verb}, connected", warm, "s", Target(0.4), beside)


def hang_up(world: World) -> None:
    """End the captain's shared connections."""
    for socket in (world.folder / "run").rglob("*"):
        if socket.is_socket():
            words = ["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "any"]
            subprocess.run(words, env=world.env, capture_output=True)


def sinking(world: World, exe: ExeDev) -> Iterator[Row]:
    """`sink -s`, and the calls of the lobby's `rm` that it takes."""
    vms, before = len(exe.machines), len(exe.commands)
    took = seconds(world, OCAPTAIN, "sink", "-s", "-f")
    calls = [command for command in exe.commands[before:] if command.startswith("rm ")]
    yield Row(f"exe.dev: `rm` calls to sink {vms} VMs", [len(calls)], "", Target(1))
    beside = ("the original, 4 VMs", ORIGINAL_SINK_S)
    yield Row(f"exe.dev: sink {vms} VMs", [took], "s", None, beside)

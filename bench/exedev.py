"""Voyages on exe.dev, which the tests' stand-in plays: what VMs far away cost.

A round trip takes 40 ms, a VM boots in 2 s, and what is installed is there at once. All of it,
the VMs too, shares this machine's cores. The original tool's times were taken in the same way.
"""

import time
from collections.abc import Iterator

from tests.support.captain import OCAPTAIN
from tests.support.exe_captain import ExeCaptain, exe_captain

from . import plans
from .effort import Effort
from .fleet import last_first_claim
from .startup import seconds
from .table import Row, Target
from .world import ended_in_peace

ORIGINAL_SAIL_S = 39.4
ORIGINAL_STATUS_S = 2.0
ORIGINAL_SINK_S = 5.2
ORIGINAL_CONNECTIONS = 35.0


def exedev(effort: Effort) -> Iterator[Row]:
    """Sailing with three ships and with ten, looking at the voyage, and sinking it."""
    if effort is Effort.SMOKE:
        yield from fleet_of(1, Target(5), effort)
        return
    yield from fleet_of(3, Target(5), effort)
    yield from fleet_of(10, Target(8), effort)


def fleet_of(ships: int, target: Target, effort: Effort) -> Iterator[Row]:
    """The rows of a fleet of this size."""
    times: list[float] = []
    rows: list[Row] = []
    for _ in range(effort.choose(smoke=1, quick=1, full=3)):
        stand_in = exe_captain(
            rtt_s=effort.choose(smoke=0.0, quick=0.04, full=0.04),
            boot_s=effort.choose(smoke=0.0, quick=2.0, full=2.0),
        )
        with ended_in_peace(stand_in) as captain:
            times.append(sail(captain, ships))
            rows = [*connections(captain, ships)]
            if ships < 10:
                rows += looks(captain, effort.choose(smoke=1, quick=5, full=15))
            rows += sinking(captain)
    what = f"exe.dev: sail to the last ship's first claim, {ships} ships"
    yield Row(what, times, "s", target, ("the original, 3 ships", ORIGINAL_SAIL_S))
    yield from rows


def sail(captain: ExeCaptain, ships: int) -> float:
    """Seconds from `ocaptain sail` to the last ship's first claim."""
    tasks = {task["id"]: task for task in plans.apart(ships, 60)}
    plan = captain.plan(captain.repository(), tasks, lease_seconds=300)
    began = time.time()
    voyage = captain.sail(plan, ships)
    return last_first_claim(voyage, ships) - began


def connections(captain: ExeCaptain, ships: int) -> Iterator[Row]:
    """TCP connections that `sail` made: ships' own to storage are not its."""
    fleet = [name for name in captain.exe.machines if not name.endswith("-storage")]
    made = sum(captain.exe.connections(name) for name in fleet)
    to_lobby = captain.exe.connections()
    beside = ("the original, 3 ships", ORIGINAL_CONNECTIONS) if ships == 3 else None
    yield Row(f"exe.dev: connections to the lobby, {ships} ships", [to_lobby], "", Target(1))
    yield Row(f"exe.dev: connections to {ships} ships", [made], "", Target(ships), beside)


def looks(captain: ExeCaptain, runs: int) -> Iterator[Row]:
    """`status` and `tasks`, without a connection to go by and with one."""
    beside = ("the original", ORIGINAL_STATUS_S)
    for verb in ("status", "tasks"):
        cold = []
        warm = []
        for _ in range(runs):
            captain.hang_up()
            cold.append(seconds(captain, [str(OCAPTAIN), verb]))
            warm.append(seconds(captain, [str(OCAPTAIN), verb]))
        yield Row(f"exe.dev: {verb}, first connection", cold, "s", Target(0.7), beside)
        yield Row(f"exe.dev: {verb}, connected", warm, "s", Target(0.4), beside)


def sinking(captain: ExeCaptain) -> Iterator[Row]:
    """`sink -s`, and the calls of the lobby's `rm` that it takes."""
    vms = len(captain.exe.machines)
    commands_before = len(captain.exe.commands)
    took = seconds(captain, [str(OCAPTAIN), "sink", "-s", "-f"])
    commands = captain.exe.commands[commands_before:]
    calls = [command for command in commands if command.startswith("rm ")]
    yield Row(f"exe.dev: `rm` calls to sink {vms} VMs", [len(calls)], "", Target(1))
    yield Row(
        f"exe.dev: sink {vms} VMs", [took], "s", None, ("the original, 4 VMs", ORIGINAL_SINK_S)
    )

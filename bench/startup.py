"""What is typed all day: `ocaptain --help` and `ocaptain status`."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from statistics import median

from tests.support.captain import OCAPTAIN, Captain

from . import plans
from .effort import Effort
from .table import Row, Target
from .world import new_skipper


def help_(effort: Effort) -> Iterator[Row]:
    """`ocaptain --help`, beside an interpreter that does nothing."""
    commands = [[str(OCAPTAIN), "--help"], [sys.executable, "-c", "pass"]]
    runs = effort.choose(smoke=1, quick=7, full=31)
    with new_skipper() as captain:
        ours, bare = side_by_side(captain, commands, runs)
    yield Row("ocaptain --help", ours, "s", Target(0.15), ("python3 -c pass", median(bare)))


def status(effort: Effort) -> Iterator[Row]:
    """`ocaptain status` of a large voyage, beside that of a small one."""
    small_count = 10
    large_count = effort.choose(smoke=20, quick=1000, full=1000)
    runs = effort.choose(smoke=1, quick=7, full=31)
    with new_skipper() as captain:
        captain.count_ssh()
        small = captain.sail(captain.plan_of(plans.idle(small_count))).id
        large = captain.sail(captain.plan_of(plans.idle(large_count))).id
        before = captain.ssh_commands(f"{large}-storage")
        commands = [[str(OCAPTAIN), "status", voyage] for voyage in (large, small)]
        slow, fast = side_by_side(captain, commands, runs)
        asked = captain.ssh_commands(f"{large}-storage") - before
    beside = (f"{small_count} tasks", median(fast))
    yield Row(f"status of {large_count:,} tasks", slow, "s", Target(2, ratio=True), beside)
    yield Row("SSH commands of one status", [asked / (runs + 1)], "", Target(1))


def side_by_side(
    captain: Captain, commands: Sequence[Sequence[str]], runs: int
) -> list[list[float]]:
    """Times of commands that are run in turn, so that whatever else goes on hits all alike."""
    for command in commands:
        seconds(captain, command)
    rounds = [[seconds(captain, command) for command in commands] for _ in range(runs)]
    return [list(times) for times in zip(*rounds, strict=True)]


def seconds(captain: Captain, command: Sequence[str]) -> float:
    """How long a program takes, from its start to its end."""
    began = time.perf_counter()
    subprocess.run(command, env=captain.env, capture_output=True, check=True)
    return time.perf_counter() - began

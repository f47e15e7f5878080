"""What is typed all day: `ocaptain --help` and `ocaptain status`."""

import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median

from . import plans
from .table import Row, Target
from .world import OCAPTAIN, World

SMALL, LARGE = 10, 1000


def seconds(world: World, *argv: str) -> float:
    """How long a program takes, from its start to its end."""
    began = time.perf_counter()
    subprocess.run(argv, env=world.env, capture_output=True, check=True)
    return time.perf_counter() - began


def side_by_side(world: World, *commands: tuple[str, ...], runs: int) -> list[list[float]]:
    """Times of commands that are run in turn, so that whatever else goes on hits all alike."""
    for command in commands:
        seconds(world, *command)
    rounds = [[seconds(world, *command) for command in commands] for _ in range(runs)]
    return [list(times) for times in zip(*rounds, strict=True)]


def help_(world: World, quick: bool) -> Iterator[Row]:
    """`ocaptain --help`, beside an interpreter that does nothing."""
    commands = (OCAPTAIN, "--help"), (sys.executable, "-c", "pass")
    ours, bare = side_by_side(world, *commands, runs=7 if quick else 31)
    beside = "python3 -c pass", median(bare)
    yield Row("ocaptain --help", ours, "s", Target(0.15), beside)


def status(world: World, quick: bool) -> Iterator[Row]:
    """`ocaptain status` of a large voyage, beside that of a small one."""
    world.count_ssh()
    small = world.sail(world.plan(plans.idle(SMALL)), 1).id
    large = world.sail(world.plan(plans.idle(LARGE)), 1).id
    before = world.ssh_commands(f"{large}-storage")
    runs = 7 if quick else 31
    commands = (OCAPTAIN, "status", large), (OCAPTAIN, "status", small)
    slow, fast = side_by_side(world, *commands, runs=runs)
    beside = f"{SMALL} tasks", median(fast)
    yield Row(f"status of {LARGE:,} tasks", slow, "s", Target(2, ratio=True), beside)
    asked = (world.ssh_commands(f"{large}-storage") - before) / (runs + 1)
    yield Row("SSH commands of one status", [asked], "", Target(1))

"""Carries out the checks, and prints what came of them."""

import time
from collections.abc import Sequence

from .checks import CHECKS, Check
from .results import Differs, Unknown
from .world import World

OK = "ok"
DIFFERS = "DIFFERS"
UNKNOWN = "unknown"


def carry_out(world: World, pause_s: float) -> list[str]:
    """Carry out all checks, with a pause after each, and print them. Returns the verdicts."""
    good: set[int] = set()
    verdicts = []
    for check in CHECKS:
        verdict, seen = judge(check, world, good)
        verdicts.append(verdict)
        if verdict == OK:
            good.add(check.number)
        print(f"\n{check.number:3} {verdict}")
        print(f"    expected  {check.expected}")
        print(f"    seen      {seen}", flush=True)
        time.sleep(pause_s)
    return verdicts


def judge(check: Check, world: World, good: set[int]) -> tuple[str, str]:
    """Carry out a check, if those that it needs are `good`. Returns the verdict, and why."""
    lacking = [str(number) for number in check.needs if number not in good]
    if lacking:
        return UNKNOWN, f"not tried: {' and '.join(lacking)} would have to be ok"
    try:
        return OK, check.look(world)
    except Differs as difference:
        return DIFFERS, str(difference)
    except Unknown as reason:
        return UNKNOWN, str(reason)
    except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        return DIFFERS, f"what came has another shape: {error!r}"


def summary(verdicts: Sequence[str]) -> str:
    """Return how many checks ended how, and which, but for those that are ok."""
    parts = [f"{verdicts.count(OK)} ok"]
    for kind in (DIFFERS, UNKNOWN):
        numbers = [str(n) for n, verdict in enumerate(verdicts, start=1) if verdict == kind]
        if numbers:
            parts.append(f"{len(numbers)} {kind} ({', '.join(numbers)})")
        else:
            parts.append(f"0 {kind}")
    return ", ".join(parts)

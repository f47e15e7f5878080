"""`python -m bench`: measure, print the table, and judge."""

import argparse
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.support.machine import Trouble

from . import (
    board,
    claims,
    dashboard,
    exedev,
    fleet,
    growth,
    killed,
    logs,
    memory,
    quiet,
    startup,
    table,
    train,
)
from .conditions import machine, paragraph
from .effort import Effort
from .table import Row
from .world import stop_on_signals

Measurement = Callable[[Effort], Iterator[Row]]

MEASUREMENTS: dict[str, Measurement] = {
    "help": startup.help_,
    "status": startup.status,
    "board": board.board,
    "dashboard": dashboard.dashboard,
    "sail": fleet.sail,
    "claims": claims.in_process,
    "claims-ssh": claims.over_ssh,
    "landings": fleet.landings,
    "makespan-1": fleet.makespan_1,
    "makespan-5": fleet.makespan_5,
    "train": train.independent,
    "train-wide": train.wide,
    "train-shared": train.shared,
    "train-red": train.flaky,
    "train-killed": killed.killed,
    "memory": memory.memory,
    "growth": growth.growth,
    "logs": logs.logs,
    "quiet": quiet.quiet,
    "exedev": exedev.exedev,
}
DOCUMENT = Path(__file__).parent.parent / "docs" / "performance.md"
PLACE = re.compile(r"(?<=<!-- script/bench --write -->\n).*?(?=<!-- end -->)", re.DOTALL)


def main() -> int:
    """Exit status 1 if a target is missed, 2 if it could not be measured, 130 if interrupted."""
    options = arguments()
    stop_on_signals()
    rows: list[Row] = []
    try:
        for name in options.names or MEASUREMENTS:
            print(f"bench: {name} …", file=sys.stderr, flush=True)
            rows += MEASUREMENTS[name](options.effort)
    except KeyboardInterrupt:
        return 130
    except Trouble as trouble:
        print(f"bench: {trouble}", file=sys.stderr)
        return 2
    print(f"\n{machine()}\n\n{table.text(rows)}")
    if options.write:
        write(rows)
    if options.effort is Effort.SMOKE:
        return 0
    return 1 if any(row.missed for row in rows) else 0


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="script/bench", description=__doc__)
    parser.add_argument(
        "--quick",
        action="store_const",
        dest="effort",
        const=Effort.QUICK,
        default=Effort.FULL,
        help="fewer runs",
    )
    parser.add_argument(
        "--smoke",
        action="store_const",
        dest="effort",
        const=Effort.SMOKE,
        help="only whether it runs: no figure means anything, and no target counts",
    )
    parser.add_argument("--write", action="store_true", help=f"into docs/{DOCUMENT.name}")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASUREMENTS))
    options = parser.parse_args()
    unknown = set(options.names) - MEASUREMENTS.keys()
    if unknown:
        parser.error(f"no {', '.join(sorted(unknown))}; there is: {', '.join(MEASUREMENTS)}")
    return options


def write(rows: list[Row]) -> None:
    """Put the table into the document, in the place of the one there."""
    rows_as_text = table.markdown(table.HEADS, [row.cells() for row in rows])
    page = f"\n{paragraph(machine())}\n\n{rows_as_text}\n\n"
    DOCUMENT.write_text(PLACE.sub(lambda _: page, DOCUMENT.read_text()))


if __name__ == "__main__":
    sys.exit(main())

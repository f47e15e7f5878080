"""docs/picture.svg: what a captain sees of a voyage. `script/picture` takes it, of a real one."""

import io
import re
import time
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from tests.support.captain import Captain, Json, Voyage, new_captain, task
from tests.support.terminal import Terminal

DOCUMENT = Path(__file__).parents[2] / "docs" / "picture.svg"
COLUMNS = 84
ROWS = 40
SHIPS = 3
DONE = 3
"""How many tasks are completed when the picture is taken."""
FONTS = re.compile(r"@font-face \{\{.*?\}\}\s*", re.DOTALL)
"""Where rich would have the viewer fetch its font from."""
COLOURS = re.compile(r"\x1b\[[\d;]*m")
COMMANDS = ("ocaptain status", "ocaptain tasks", "ocaptain logs -n 6")


def run(seconds: float, file: str, said: str) -> str:
    """A command that takes so long, changes a file, and says something."""
    return f"sleep {seconds:g}; mkdir -p src; echo {file} >>src/{file}; echo '{said}'"


TASKS: dict[str, Json] = {
    "1": task("Read durations such as 1h30m", run(2, "durations.py", "14 tests passed")),
    "2": task("Read sizes such as 4GiB", run(3, "sizes.py", "11 tests passed")),
    "3": task("Retry with growing pauses", run(4, "retry.py", "retry waits 0.2 s, 0.4 s, 0.8 s")),
    "4": task("Put them on the command line", run(25, "cli.py", "--wait and --limit"), ["1", "2"]),
    "5": task("Say what a timeout cost", run(25, "report.py", "8 tests passed"), ["3"]),
    "6": task("Describe the options", run(25, "options.md", "described"), ["1"]),
    "7": task("Try it all from a fresh clone", run(9, "trial.sh", "all is well"), ["4", "5", "6"]),
}


def main() -> None:
    """Sail a small voyage on this machine, and write the picture of it."""
    with new_captain() as captain:
        DOCUMENT.write_text(svg(screens(voyage_in_the_middle(captain))))


def voyage_in_the_middle(captain: Captain) -> Voyage:
    """Sail a small voyage, and return it once ships are at work and some tasks have landed."""
    plan = captain.plan(
        captain.repository(),
        TASKS,
        name="durations",
        objective="Understand durations and sizes on the command line",
        check="test -d src",
        lease_seconds=300,
    )
    voyage = captain.sail(plan, SHIPS)
    voyage.until(is_in_the_middle)
    return voyage


def is_in_the_middle(status: Json) -> bool:
    """Whether some tasks have landed, and all ships are at work."""
    at_work = [ship for ship in status["ships"] if ship["state"] == "working"]
    return status["tasks"]["completed"] >= DONE and len(at_work) == SHIPS


def screens(voyage: Voyage) -> str:
    """What each command prints on a terminal, under the command, with its colours."""
    shown = []
    with Terminal(voyage.captain, COLUMNS, ROWS) as terminal:
        time.sleep(4)  # so that something has happened since
        for command in COMMANDS:
            terminal.type(command)
            terminal.over()
            lines = terminal.coloured()
            plain = [COLOURS.sub("", line) for line in lines]
            end = next(number for number, line in enumerate(plain) if line.startswith("over "))
            shown += [f"\x1b[0;1m$ {command}\x1b[0m", *lines[:end], ""]
    return "\n".join(shown[:-1])


def svg(ansi: str) -> str:
    """The picture of a terminal with that on it."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), legacy_windows=False)
    console.print(Text.from_ansi(ansi), soft_wrap=True)
    form = FONTS.sub("", CONSOLE_SVG_FORMAT)
    return console.export_svg(title="ocaptain", code_format=form, unique_id="ocaptain")


if __name__ == "__main__":
    main()

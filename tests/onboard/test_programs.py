"""The programs that VMs run."""

import re
import subprocess
import sys

import pytest

from ocaptain.fleet.archive import MAIN, ONBOARD
from ocaptain.onboard.programs import PROGRAMS
from tests.support.storage import Sail, task

SOURCES = sorted(ONBOARD.parent.rglob("*.py"))


def test_the_home_directory_is_the_one_that_has_the_voyage(sail: Sail):
    """Whatever HOME says: ~/voyage/lib/onboard is three folders below it."""
    storage = sail(task("1"))
    code = f"import sys; sys.path.insert(0, {str(storage.folder / 'lib')!r}); "
    code += "from onboard import programs; print(programs.HOME)"
    done = subprocess.run(
        [sys.executable, "-IS", "-c", code], env={"HOME": "/"}, capture_output=True, check=True
    )
    assert done.stdout.decode().strip() == str(storage.home)


def test_a_program_runs_with_its_arguments(sail: Sail):
    """As the door and the captain start it, by its name."""
    storage = sail(task("1"))
    (storage.folder / "logs" / "ship-0.log").write_text("2026-01-01T00:00:01.000Z one\n")
    query = '{"ship": "ship-0", "task": "", "since": "", "pattern": "", "tail": 0, "follow": false}'
    argv = [sys.executable, "-IS", str(storage.folder / "lib"), "logs", query]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout == '{"ok": true}\n2026-01-01T00:00:01.000Z ship-0 one\n'
    assert (storage.folder / "lib" / "__main__.py").read_text() == MAIN


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_is_started_by_somebody(name: str):
    """Its name stands in the code, or in the door, beside the table of programs."""
    others = [path for path in SOURCES if path.name != "programs.py"]
    texts = [path.read_text() for path in (*others, ONBOARD / "storage" / "door.sh")]
    assert any(re.search(rf'["\' ]{name}["\' ]', text) for text in texts)

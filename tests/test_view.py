"""What the captain is shown, as lines of text."""

import pytest
from rich.console import Console

from ocaptain import terminal as view
from tests.support.documented import example


@pytest.mark.parametrize(
    ("state", "failed", "hints", "reason"),
    [
        ("paused", 0, ["fetch"], "$5.20 of the budget of $5 are spent"),
        ("running", 0, [], "So."),
        ("running", 1, ["tasks --status failed"], "So."),
        ("halted", 0, ["resume"], "So."),
        ("paused", 1, ["resume", "tasks --status failed"], "So."),
        ("stalled", 2, ["reinforce", "tasks --status failed"], "So."),
        ("failed", 1, ["tasks --status failed"], "So."),
        ("failed", 0, ["retry verify"], "So."),
        ("complete", 0, [], "So."),
    ],
)
def test_status_says_what_to_type(state: str, failed: int, hints: list[str], reason: str):
    """All that moves the voyage on, one a line; where a task failed, verify.sh is not at fault."""
    seen = example("status")
    seen |= {"state": state, "reason": reason, "tasks": {**seen["tasks"], "failed": failed}}
    console = Console(width=80)
    with console.capture() as capture:
        console.print(view.status(seen))
    lines = [line.rstrip() for line in capture.get().splitlines()]
    assert [line for line in lines if line.startswith("→")] == [f"→ ocaptain {x}" for x in hints]

"""What the captain may look at."""

import pytest

from ocaptain.onboard.protocol import TaskCounts
from ocaptain.onboard.storage.status import next_commands

FETCH = "ocaptain fetch"
RESUME = "ocaptain resume"
REINFORCE = "ocaptain reinforce"
FAILED_TASKS = "ocaptain tasks --status failed"
RETRY_VERIFY = "ocaptain retry verify"


@pytest.mark.parametrize(
    ("state", "failed", "budget_is_spent", "commands"),
    [
        ("paused", 0, True, [FETCH]),
        ("running", 0, False, []),
        ("running", 1, False, [FAILED_TASKS]),
        ("halted", 0, False, [RESUME]),
        ("paused", 1, False, [RESUME, FAILED_TASKS]),
        ("stalled", 2, False, [REINFORCE, FAILED_TASKS]),
        ("failed", 1, False, [FAILED_TASKS]),
        ("failed", 0, False, [RETRY_VERIFY]),
        ("complete", 0, False, []),
    ],
)
def test_what_to_type_next(state: str, failed: int, budget_is_spent: bool, commands: list[str]):
    """All that moves the voyage on; if a task failed, verify.sh is not at fault."""
    tasks: TaskCounts = {
        "total": 4,
        "pending": 0,
        "in_progress": 0,
        "completed": 4 - failed,
        "failed": failed,
    }
    suggested = next_commands(state, tasks, budget_is_spent=budget_is_spent)
    assert [command["command"] for command in suggested] == commands
    assert all(command["why"].endswith(".") for command in suggested)

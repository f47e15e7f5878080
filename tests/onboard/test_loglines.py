"""Kinds of lines in a ship's log."""

import pytest

from ocaptain.onboard.loglines import kind_of


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ship-0 is under way", "step"),
        ("[1] claims it: Do it", "step"),
        ("[1] Bash: ls", "tool"),
        ("[1] mcp__x__y: z", "tool"),
        ("[1] Done: all is well", "speech"),
        ("[1] I landed on the moon", "speech"),
        ("[1] landed 4b0a30fb4299", "success"),
        ("[1] completed without a change: nothing to do", "success"),
        ("verify.sh exited 0", "success"),
        ("verify.sh exited 1", "trouble"),
        ("[1] check exited 2", "trouble"),
        ("[1] gives up: it changed nothing", "trouble"),
        ("[1] is in conflict over a b", "trouble"),
        ("[1] the claim is lost: halted by ada", "trouble"),
        ("", "speech"),
    ],
)
def test_a_line_is_known_by_how_it_begins(text: str, kind: str):
    """What helm writes itself, tools, and all else that an agent says."""
    assert kind_of(text) == kind

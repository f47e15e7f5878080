"""Lines of a conflict."""

import pytest

from ocaptain.onboard.ship.markers import leftover, markers, separators

STYLES = {
    "merge": b"<<<<<<< a\n1\n=======\n2\n>>>>>>> b c\n",
    "diff3": b"<<<<<<< a\n1\n||||||| base\n0\n=======\n2\n>>>>>>> b c\n",
    "crlf": b"<<<<<<< a\r\n1\r\n=======\r\n2\r\n>>>>>>> b c\r\n",
}


@pytest.mark.parametrize("style", STYLES)
def test_each_style_has_the_same_ends(style: str):
    """What parts the sides is told apart from what begins and ends them."""
    assert list(markers(STYLES[style])) == [b"<<<<<<< a", b">>>>>>> b c"]
    assert b"=======" in separators(STYLES[style])


@pytest.mark.parametrize("line", [b"<<<<<<", b" <<<<<<< a", b"<<<<<<<<< a", b"<<<<<<<a", b"<< a"])
def test_other_lines_are_none(line: bytes):
    """Neither shorter nor longer ones, nor those within a line."""
    assert not markers(b"x\n" + line + b"\n")


def test_markers_may_have_another_size():
    """As many characters as the attribute says, and no other number."""
    assert markers(b"<<< a\n", size=3)
    assert not markers(b"<<<<<<< a\n", size=3)


def test_what_a_side_had_is_its_own():
    """A line that is there once more than in any side is left over."""
    once = markers(b"<<<<<<< a\n")
    assert leftover(once + once, [once, markers(b"")]) == [b"<<<<<<< a"]
    assert leftover(once, [markers(b""), once]) == []

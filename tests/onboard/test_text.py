"""Text that people will read."""

import pytest

from ocaptain.onboard import text


def test_time_is_in_utc_with_milliseconds():
    """As RFC 3339 has it."""
    assert text.utc(0) == "1970-01-01T00:00:00.000Z"
    assert text.utc(1_767_225_661.0625) == "2026-01-01T00:01:01.062Z"


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 ships"), (1, "1 ship"), (2, "2 ships"), (11, "11 ships")]
)
def test_nouns_have_their_numbers(count: int, words: str):
    """One of a thing is one."""
    assert text.several(count, "ship") == words


def test_what_steers_a_terminal_is_replaced():
    """Character by character, apart from those that are wanted."""
    assert text.clean("a\x1b[2J\n\t\u202eé") == "a\ufffd[2J\ufffd\ufffd\ufffdé"
    assert text.clean("a\nb\tc\r", keep="\n\t") == "a\nb\tc\ufffd"


def test_what_joins_characters_is_kept():
    """An emoji of a family is one, and a zero-width space is no mark."""
    family = "\U0001f469\u200d\U0001f469\u200d\U0001f467 a\u200bb"
    assert text.clean(family) == family
    assert text.clean(f"{family}\u202e") == f"{family}\ufffd"


def test_one_line_is_made_of_many():
    """Of words with single spaces, up to a length."""
    assert text.one_line("  a\n\n b\tc\x1b ", 100) == "a b c\ufffd"
    assert text.one_line("abcdef", 3) == "abc"

"""What is longer than the screen, on a terminal and in a pipe."""

from collections.abc import Iterable
from itertools import islice

import pytest

from ocaptain.cli.paging import Pages, is_wanted


class Pager:
    """Takes three lines, and is left then."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def page(self, lines: Iterable[str]) -> None:
        self.lines += islice(lines, 3)


def fill(pages: Pages, lines: int) -> None:
    for number in range(lines):
        pages.add(str(number))


def test_what_fits_on_the_screen_is_printed(capsys):
    """No pager is started for it."""
    pager = Pager()
    pages = Pages(4, pager.page)
    fill(pages, 3)
    pages.close()
    assert capsys.readouterr().out == "0\n1\n2\n"
    assert pager.lines == []


def test_a_pager_gets_what_does_not_fit_until_somebody_leaves_it(capsys):
    """Whoever goes on with the lines is told; nothing is printed beside it."""
    pager = Pager()
    pages = Pages(2, pager.page)
    with pytest.raises(BrokenPipeError):
        fill(pages, 1_000_000)
    pages.close()
    assert pager.lines == ["0\n", "1\n", "2\n"]
    assert capsys.readouterr().out == ""


def test_no_pager_is_wanted_in_a_pipe():
    """Nor by a test, whose output is kept."""
    assert not is_wanted()

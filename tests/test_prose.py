"""The documents can be read in a terminal, and in one go: short lines, short paragraphs."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bench.conditions import paragraph

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])

MOST_CHARACTERS = 100
MOST_WORDS = 80

MARKER = r"\s*(?:[-*+]|\d+\.)\s+"
# A single word, such as a URL, or a single link: there is no place to break it.
UNBREAKABLE = re.compile(rf"(?:{MARKER}|\s*)(?:\S+|!?\[[^\]]*\]\(\S+\)\S*)")


@dataclass
class Paragraph:
    """Consecutive lines of prose, or one item of a list."""

    line: int
    words: list[str] = field(default_factory=list)


def outside_fences(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a document, numbered from 1. Those of code in fences are given as empty."""
    fenced = False
    for number, line in enumerate(text.splitlines(), start=1):
        is_fence = line.lstrip().startswith("```")
        if is_fence:
            fenced = not fenced
        yield number, "" if fenced or is_fence else line


def long_lines(text: str) -> list[int]:
    """The numbers of the lines that are too long and could be shorter; tables cannot."""
    numbers = []
    for number, line in outside_fences(text):
        breakable = not line.startswith("|") and not UNBREAKABLE.fullmatch(line)
        if len(line) > MOST_CHARACTERS and breakable:
            numbers.append(number)
    return numbers


def paragraphs(text: str) -> list[Paragraph]:
    """All paragraphs of prose, without their markers; tables, headings and comments are none."""
    result: list[Paragraph] = []
    continues = False
    for number, line in outside_fences(text):
        is_prose = line.strip() and not line.lstrip().startswith(("|", "#", "<!--"))
        if not is_prose:
            continues = False
            continue
        marker = re.match(MARKER, line)
        if marker or not continues:
            result.append(Paragraph(number))
            continues = True
        start = marker.end() if marker else 0
        result[-1].words += line[start:].split()
    return result


def long_paragraphs(text: str) -> list[tuple[int, int]]:
    """The paragraphs that are too long, each as the number of its first line and of its words."""
    return [
        (paragraph.line, len(paragraph.words))
        for paragraph in paragraphs(text)
        if len(paragraph.words) > MOST_WORDS
    ]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_lines_are_short(document: Path):
    """A line has at most 100 characters, so that it fits a terminal and a diff."""
    assert long_lines(document.read_text()) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_paragraphs_are_short(document: Path):
    """A paragraph, or an item of a list, has at most 80 words."""
    assert long_paragraphs(document.read_text()) == []


LINE = "word " * 20  # 100 characters, 99 of them to be seen
URL = "https://example.org/" + "a" * 90


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        (LINE, []),
        (f"{LINE}s", [1]),
        (f"Short.\n\n- {LINE}s\n", [3]),
        (f"# {LINE}s\n", [1]),
        (f"```sh\n{LINE}s\n```\n{LINE}s\n", [4]),
        (f"- An item:\n\n  ```\n  {LINE}s\n  ```\n", []),
        (f"| {LINE}s |\n", []),
        (f"{URL}\n", []),
        (f"- {URL}\n", []),
        (f"[some pages]({URL}),\n", []),
        (f"See {URL}\n", [1]),
        (f"[one]({URL}) and [two]({URL})\n", [1]),
    ],
)
def test_long_lines(text: str, numbers: list[int]):
    """A line of 101 characters is found, unless it is code, a table, or cannot be broken."""
    assert long_lines(text) == numbers


def words(number: int) -> str:
    """That many words, ten on a line."""
    return "\n".join(" ".join(["word"] * min(10, number - n)) for n in range(0, number, 10))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (words(80), []),
        (words(81), [(1, 81)]),
        (f"# A heading\n\n{words(81)}\n", [(3, 81)]),
        (f"# A heading\n{words(80)}\n", []),
        (f"{words(41)}\n\n{words(41)}\n", []),
        (f"- {words(80)}\n- {words(80)}\n", []),
        (f"1. {words(80)}\n12. {words(81)}\n", [(9, 81)]),
        (f"Before:\n- {words(80)}\n", []),
        (f"```\n{words(81)}\n```\n", []),
        (f"{words(41)}\n```\ncode\n```\n{words(41)}\n", []),
        ("| a | b |\n" * 81, []),
        (f"<!-- here -->\n{words(80)}\n<!-- end -->\n", []),
    ],
)
def test_long_paragraphs(text: str, found: list[tuple[int, int]]):
    """A paragraph of 81 words is found; items count each as one, code and tables not at all."""
    assert long_paragraphs(text) == found


def test_what_scripts_write_into_documents_is_short():
    """What a benchmark or a chaos run says of its machine is broken into lines, but no date is."""
    assert paragraph(f"{'word ' * 19}2026-11-22") == f"{('word ' * 19).strip()}\n2026-11-22"
    assert long_lines(paragraph("word " * 100)) == []

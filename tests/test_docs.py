"""The documents hold what the product holds: verbs, options, settings, modules, requests, links."""

import ast
import re
import tomllib
from pathlib import Path
from typing import get_args
from xml.etree import ElementTree

import pytest

from ocaptain.onboard.protocol import ErrorCode
from ocaptain.onboard.storage import journal, serve

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src" / "ocaptain"
README = (ROOT / "README.md").read_text()
DESIGN = (ROOT / "docs" / "design.md").read_text()
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text()
FILES = (ROOT / "docs" / "files.md").read_text()
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *SRC.rglob("*.md")])

NAME = r"`([^`]+)`"


def table(text: str, heading: str) -> list[list[str]]:
    """The rows of the table whose heading begins with `heading`, as lists of cells."""
    _, found, rest = text.partition(f"| {heading}")
    assert found, f"there is no table that begins with {heading}"
    rows = rest.partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


def block(text: str, start: str) -> str:
    """The fenced block that holds a line beginning with `start`."""
    return next(part for part in text.split("```")[1::2] if f"\n{start}" in part)


def documented_requests(text: str) -> list[list[str]]:
    return [re.findall(NAME, row[0]) for row in table(text, "op |")]


def test_requests() -> None:
    """docs/protocol.md names every request of ships and of the captain."""
    _, _, captains = PROTOCOL.partition("What the captain may ask.")
    ships = {name for row in documented_requests(PROTOCOL) for name in row}
    without_the_lock = {"log", "telemetry", "transcript"}
    assert ships == {*serve.operations_of("ship-0")} | without_the_lock
    orders = {name for row in documented_requests(captains) for name in row}
    assert orders == {*serve.operations_of("captain")}


def test_orders() -> None:
    """docs/protocol.md says of each request from `pause` on what it changes, and of no other."""
    _, _, captains = PROTOCOL.partition("What the captain may ask.")
    requests = [name for row in documented_requests(captains) for name in row]
    explained = [row[0].strip("`") for row in table(PROTOCOL, "Order |")]
    assert {*explained} == {*requests[requests.index("pause") :]}


def test_refusals() -> None:
    """docs/protocol.md explains every code with which a request is refused, and no other."""
    _, _, codes = PROTOCOL.partition("Any request can be refused as")
    codes, _, _ = codes.partition("What the captain may ask.")
    general = re.findall(NAME + r" \(", codes)
    explained = re.findall(r"^- " + NAME, codes, re.M)
    assert {*general, *explained} == {*get_args(ErrorCode)}


def test_sections() -> None:
    """docs/files.md names every section of the journal."""
    assert [row[0].strip("`") for row in table(FILES, "Section |")] == list(journal.SECTIONS)


def modules(package: Path) -> list[str]:
    return sorted(path.relative_to(package).as_posix() for path in package.rglob("*.py"))


def test_code_map() -> None:
    """The design's code map lists every module in its folder, and none that is not there."""
    mapped = []
    folders: list[tuple[int, str]] = []
    for line in block(DESIGN, "src/ocaptain/").partition("src/ocaptain/")[2].splitlines()[1:]:
        depth = len(line) - len(line.lstrip())
        folders = [(indent, name) for indent, name in folders if indent < depth]
        place = "".join(name for _, name in folders)
        names = re.findall(r"\w+\.py\b", line)
        mapped += [place + name for name in names]
        folder = re.search(r"(\w+/)(?= |$)", line)
        if folder:
            folders.append((depth, folder[1]))
    rooms = ("plan", "fleet", "board", "dashboard", "onboard")
    packages = [f"{name}/__init__.py" for name in rooms]
    packages += ["__init__.py", "onboard/storage/__init__.py", "onboard/ship/__init__.py"]
    assert {*mapped, *packages} == {*modules(SRC)}
    assert sorted([*mapped, *packages]) == modules(SRC)  # each once


def test_arrows() -> None:
    """The design draws the arrows to which import-linter holds the code."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = project["tool"]["importlinter"]["contracts"]
    [layers] = [contract["layers"] for contract in contracts if "layers" in contract]
    held = [set(re.findall(r"\w+", layer)) for layer in layers]
    drawn = block(DESIGN, "cli → ").partition("\n\n")[0]
    assert [set(re.findall(r"\w+", layer)) for layer in drawn.split("→")] == held


def rules_held() -> set[str]:
    """The rules that tests name, by `@rule("R1", "R2")`."""
    held = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        for test in ast.walk(ast.parse(path.read_text())):
            if isinstance(test, ast.FunctionDef):
                held |= rules_of(test)
    return held


def rules_of(test: ast.FunctionDef) -> set[str]:
    marks = [mark for mark in test.decorator_list if isinstance(mark, ast.Call)]
    names = [mark.args for mark in marks if ast.unparse(mark.func) in ("rule", "rules.rule")]
    return {str(ast.literal_eval(name)) for arguments in names for name in arguments}


def test_rules() -> None:
    """Each rule of docs/reliability.md is held by a test, and tests hold no others."""
    rules = re.findall(r"^- \*\*(R\d+)\*\* ", (ROOT / "docs" / "reliability.md").read_text(), re.M)
    assert rules == [f"R{number}" for number in range(1, len(rules) + 1)]
    assert set(rules) == rules_held()


def headings(path: Path) -> set[str]:
    """The anchors that GitHub makes of a document's headings."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links(document: Path) -> None:
    """Every relative link leads to a file, and to a heading that is there."""
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (document.parent / name) if name else document
        assert target.exists(), link
        assert not anchor or anchor in headings(target), link


def test_the_picture_is_whole() -> None:
    """It is SVG that fetches nothing, no font either, and shows what a captain types."""
    picture = ElementTree.parse(ROOT / "docs" / "picture.svg")
    text = "".join(picture.getroot().itertext()).replace("\xa0", " ")
    assert "url(http" not in text
    assert "$ ocaptain status" in text


# The brackets keep this file from finding itself.
PRIVATE = re.compile(
    r"\b[s]hared/|(?<![\w.~}-])/([w]ork|[r]oot)\b|/[h]ome/\w|\bsession \d|\b[i]ssue \d"
)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_private(document: Path) -> None:
    """No document names a path of anybody's machine, or how it came to be written."""
    assert not PRIVATE.search(document.read_text())

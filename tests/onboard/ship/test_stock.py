"""What follows from what is in a clone."""

import re
from pathlib import Path
from typing import get_args

import pytest

from ocaptain.onboard.ship import prompt
from ocaptain.onboard.ship.stock import (
    RULES,
    Change,
    Entry,
    Finding,
    Kind,
    Status,
    Stock,
    Tip,
    can_be_concluded,
    find_operation,
    findings,
    lacking,
    left_detached,
    read_changes,
    read_refs,
    read_status,
    stashed,
)

ROOT = Path(__file__).parents[3]
BLOB = "78981922613b2afb6025042ff6bd878ac1994e85"
OTHER = "1" * 40
CLEAN = Status(OTHER, "work/1-1", ())


def test_each_kind_has_its_row_its_rule_and_its_words():
    """docs/stock.md says of each kind whether it bars the landing, and an agent can be told."""
    rows = re.findall(r"^\| `(\w+)` .*\| (yes|no) \|$", (ROOT / "docs/stock.md").read_text(), re.M)
    assert [(kind, lands == "yes") for kind, lands in rows] == [
        (kind, rule.lands) for kind, rule in RULES.items()
    ]
    assert set(get_args(Kind)) == set(RULES) == set(prompt.WORDS) == set(prompt.LEFT)


@pytest.mark.parametrize(
    ("stock", "found"),
    [
        (Stock(CLEAN), []),
        (Stock(CLEAN, "rebase", ours=True, unsettled=("a",)), [Finding("conflict", ("a",))]),
        (Stock(CLEAN, "rebase", ours=True), []),
        (Stock(CLEAN, "rebase"), [Finding("operation", (), "rebase")]),
        (Stock(CLEAN, "merge", concludes=True), []),
        (
            Stock(CLEAN, "merge", concludes=True, unsettled=("a",), markers=("a", "b")),
            [Finding("operation", ("a",), "merge"), Finding("markers", ("b",))],
        ),
        (Stock(CLEAN, unsettled=("a",)), [Finding("unmerged", ("a",))]),
        (Stock(CLEAN, markers=("a",)), [Finding("markers", ("a",))]),
        (Stock(CLEAN, refused=(("a", "no"),)), [Finding("refused", ("a",), "no")]),
        (Stock(CLEAN, repositories=("a",)), [Finding("repository", ("a",))]),
        (Stock(CLEAN, unpublished=("a",)), [Finding("unpublished", ("a",))]),
        (Stock(CLEAN, changed_submodules=("a",)), [Finding("submodule", ("a",))]),
        (Stock(CLEAN, elsewhere=(Tip("x", OTHER),)), [Finding("elsewhere", ("x",))]),
        (Stock(CLEAN, index_only=OTHER), []),
    ],
)
def test_what_follows(stock: Stock, found: list[Finding]):
    """Row by row, what the agent has to know of."""
    assert findings(stock) == found


def test_status():
    """Git's answer, with names that have spaces and line breaks."""
    zero = "0" * 40
    answer = [
        f"# branch.oid {OTHER}",
        "# branch.head (detached)",
        f"1 .M N... 100644 100644 100755 {BLOB} {BLOB} a b",
        f"2 R. N... 100644 100644 100644 {BLOB} {BLOB} R100 new\nname",
        "old name",
        f"u DU N... 100644 000000 100644 100644 {BLOB} {zero} {BLOB} c",
        "? d/",
        "? e\n",
        "",
    ]
    status = read_status("\0".join(answer))
    assert (status.head, status.branch) == (OTHER, "")
    assert status.entries[0] == Entry("a b", ".", "M", "N...", ("100644", "100755"), BLOB)
    assert [entry.path for entry in status.entries] == ["a b", "new\nname", "c", "d/", "e\n"]
    assert status.unmerged() == ["c"]
    assert status.repositories() == ["d"]
    assert read_status("# branch.oid (initial)\0# branch.head main\0") == Status(
        "(initial)", "main", ()
    )


def test_changes():
    """Of a path that was renamed both names are kept."""
    answer = [
        f":100644 100644 {BLOB} {OTHER} M",
        "a",
        f":100644 160000 {BLOB} {OTHER} R086",
        "b",
        "c d",
        "",
    ]
    assert read_changes("\0".join(answer)) == [
        Change("a", "a", "100644", BLOB, OTHER),
        Change("c d", "b", "160000", BLOB, OTHER),
    ]


@pytest.mark.parametrize(
    ("names", "operation", "concludes"),
    [
        ([], "", False),
        (["MERGE_HEAD"], "merge", True),
        (["CHERRY_PICK_HEAD"], "cherry-pick", True),
        (["CHERRY_PICK_HEAD", "sequencer/todo"], "cherry-pick", False),
        (["sequencer/todo"], "cherry-pick", False),
        (["REVERT_HEAD", "sequencer/todo"], "revert", False),
        (["REVERT_HEAD"], "revert", True),
        (["rebase-merge", "CHERRY_PICK_HEAD"], "rebase", False),
        (["rebase-apply"], "rebase", False),
        (["rebase-apply", "rebase-apply/applying"], "am", False),
        (["BISECT_LOG"], "bisect", False),
    ],
)
def test_operations(names: list[str], operation: str, concludes: bool):
    """Git's own files tell what it is in the middle of, and whether a commit would end it."""
    names += ["HEAD", "index", "ORIG_HEAD"]
    assert find_operation(names) == operation
    assert can_be_concluded(names) == concludes


def test_reflogs_and_refs():
    """The stash is all of its reflog; a commit is left behind if HEAD moved from its name."""
    log = f"{'0' * 40} {BLOB} A <a@b> 1 +0000\tWIP\n{BLOB} {OTHER} A <a@b> 1 +0000\tWIP\n"
    assert stashed(log) == [Tip("stash@{0}", OTHER), Tip("stash@{1}", BLOB)]
    left = f"{BLOB} {OTHER} A <a@b> 1 +0000\tcheckout: moving from {BLOB} to main\n"
    named = f"{OTHER} {BLOB} A <a@b> 1 +0000\tcheckout: moving from main to side\n"
    assert left_detached(named + left) == [Tip(f"commit {BLOB[:12]}, on no branch", BLOB)]
    lines = f"{BLOB} commit   refs/heads/a\u2028b\n{OTHER} tag {BLOB} commit refs/tags/v\n"
    assert read_refs(f"{lines}{OTHER} blob   refs/x\n") == {
        "refs/heads/a\u2028b": BLOB,
        "refs/tags/v": BLOB,
    }


def test_what_is_lacking():
    """What lands somewhere, or is gone there as well, is not lacking."""
    changed = Change("a", "a", "100644", BLOB, OTHER)
    moved = Change("b", "b", "100644", "", OTHER)
    gone = Change("a", "a", "000000", BLOB, "0" * 40)
    assert lacking([changed], [], [changed])
    assert not lacking([changed], [], [])
    assert not lacking([changed], [moved], [changed])
    assert not lacking([gone], [], [])
    assert lacking([gone], [gone._replace(path="b")], [changed])

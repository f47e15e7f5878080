"""The journal, what follows from it, and the repository, held against each other."""

import shutil
from pathlib import Path
from threading import Thread

import pytest

from ocaptain.onboard.storage.journal import Damaged
from tests.support.machine import until
from tests.support.rules import rule
from tests.support.storage import VOYAGE, Sail, assert_sound, git, task


@rule("R81")
def test_a_sound_voyage_has_no_faults(sail: Sail):
    """fsck finds nothing where all is as harbor left it."""
    storage = sail(task("1"), task("2"))
    held = storage.claim("ship-0")
    commit = storage.push("work/1-1")
    assert storage.ask("ship-0", "land", claim=held["claim"], commit=commit)["ok"]
    storage.claim("ship-1")
    answer = storage.order("fsck")
    assert (answer["message"], answer["faults"], answer["mended"]) == ("All is sound.", [], [])


@rule("R81")
def test_fsck_mends_what_follows_from_the_journal(sail: Sail):
    """The branch, task files, ships' files and state.json are put back, and it says so."""
    storage = sail(task("1"), task("2"))
    held = storage.claim("ship-0")
    commit = storage.push("work/1-1")
    storage.ask("ship-0", "land", claim=held["claim"], commit=commit)
    whole = storage.sections()
    git(storage.repo, "update-ref", f"refs/heads/{VOYAGE}", storage.start)
    storage.write_state(whole | {"claims": {}})
    (storage.tasks_folder / "1.json").write_text("{}")
    (storage.folder / "ships" / "ship-0.json").unlink()
    first = storage.order("fsck")
    assert {word for note in first["mended"] for word in note.split()} >= {"branch", "state.json,"}
    again = storage.order("fsck")
    assert (again["faults"], again["mended"]) == ([], [])
    assert (storage.folder / "ships" / "ship-0.json").exists()
    assert storage.sections() == whole
    assert storage.head() == commit
    assert_sound(storage)


@rule("R81")
def test_fsck_names_what_it_cannot_mend(sail: Sail):
    """A commit that the branch lacks, a claim too many and an object that is gone are told."""
    storage = sail(task("1"), task("2"))
    held = storage.claim("ship-0")
    commit = storage.push("work/1-1")
    storage.ask("ship-0", "land", claim=held["claim"], commit=commit)
    with (journal := storage.journal()).locked():
        claim = {**journal.sections["claims"]["1"], "commit": "0" * 40, "task": "2", "number": 2}
        journal.commit("nobody", {"op": "x"}, {"claims": {"2": claim}})
    faults = storage.order("fsck")["faults"]
    assert faults == [
        "task 2 is pending, and 1 of its claims are landed",
        f"the branch lacks {'0' * 40}, with which task 2 landed",
    ]
    (storage.repo / "objects" / commit[:2] / commit[2:]).unlink()
    assert any("git fsck says" in fault for fault in storage.order("fsck")["faults"])


@rule("R81", "R142")
def test_fsck_names_what_is_wrong_with_the_train(sail: Sail):
    """Places without a claim, wrong bases, commits that are not there and a wrong window are
    told."""
    storage = sail(task("1"), task("2"), task("3"), check="true", landing_window=4)
    ships = ("ship-0", "ship-1", "ship-2")
    base = storage.start
    for ship in ships:
        held = storage.claim(ship)
        storage.ask(ship, "enter", claim=held["claim"])
        commit = storage.push(held["ref"], base)
        told = {"claim": held["claim"], "commit": commit, "base_commit": base}
        assert storage.ask(ship, "enter", **told)["ok"]
        base = commit
    assert storage.order("fsck")["faults"] == []
    train = storage.sections()["meta"]["train"]
    first, second, third = train["cars"]
    missing = "0" * 40

    def faults(**changes: object) -> list[str]:
        with (journal := storage.journal()).locked():
            journal.commit("nobody", {"op": "x"}, {"meta": {"train": {**train, **changes}}})
        return list(storage.order("fsck")["faults"])

    assert faults(window=5) == ["the train has room for 5 cars, where 1 to 4 are possible"]
    assert faults(queue=[3, 9]) == [
        "claim 3 is 2 times in the train",
        "claim 9 is in the train, and is no live claim of a task",
    ]
    assert faults(cars=[first, third]) == [
        f"the car of claim 3 is based on {third['base']}, and not on {first['commit']}"
    ]
    assert faults(cars=[{**first, "commit": None, "green": True}]) == [
        "the car of claim 1 is green, and has no commit"
    ]
    assert faults(cars=[{**first, "commit": missing}]) == [
        f"the car of claim 1 has the commit {missing}, which repo.git lacks"
    ]
    elsewhere = first["base"]
    assert faults(cars=[first, {**second, "commit": elsewhere}]) == [
        f"the car of claim 2 has the commit {elsewhere}, which is not on top of {first['commit']}"
    ]


@rule("R6", "R81")
def test_fsck_names_a_damaged_journal(sail: Sail):
    """A line that nobody can read any more is named: what comes before state.json by fsck alone."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    whole = storage.sections()
    good = storage.journal_file.read_bytes().splitlines(keepends=True)
    for bad in (good[0] + b"nonsense\n" + good[-1], good[0] + good[-1]):
        storage.journal_file.write_bytes(bad)
        with pytest.raises(Damaged, match="damaged after change 1"):
            storage.order("fsck")
    bad = good[0] + b"x" * (len(good[1]) - 1) + b"\n" + b"".join(good[2:])
    storage.journal_file.write_bytes(bad)
    storage.write_state(whole, seq=len(good))
    told = storage.order("fsck")["faults"]
    assert told == ["journal.jsonl: damaged after change 1; state.json has what came of it"]
    assert storage.claim("ship-1")["ok"]


@pytest.fixture
def own_fsck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a script `before`, which is run before each `git fsck`; if it fails, so does
    that."""
    folder = tmp_path / "own"
    (folder / "bin").mkdir(parents=True)
    before = folder / "before"
    words = f'case "$*" in *fsck*) (cd {folder} && sh before) || exit;; esac'
    (folder / "bin/git").write_text(f'#!/bin/sh\n{words}\nexec {shutil.which("git")} "$@"\n')
    (folder / "bin/git").chmod(0o755)
    before.write_text("")
    monkeypatch.setenv("PATH", str(folder / "bin"), prepend=":")
    return folder


@rule("R81")
def test_nobody_waits_while_git_reads_the_repository(sail: Sail, own_fsck: Path):
    """fsck has given the lock back by then, for that may take minutes."""
    storage = sail(task("1"))
    (own_fsck / "before").write_text("touch begun; while [ ! -e go ]; do sleep 0.02; done")
    told = []
    looking = Thread(target=lambda: told.append(storage.order("fsck")))
    looking.start()
    try:
        assert until((own_fsck / "begun").exists)
        assert storage.claim("ship-0")["ok"]
    finally:
        (own_fsck / "go").touch()
        looking.join()
    assert told[0]["message"] == "All is sound."


@rule("R81")
def test_git_looks_twice_before_anything_is_a_fault(sail: Sail, own_fsck: Path):
    """A push or a landing that goes on meanwhile is none."""
    storage = sail(task("1"))
    (own_fsck / "before").write_text("test -e begun || { touch begun; exit 3; }")
    assert storage.order("fsck")["faults"] == []
    (own_fsck / "before").write_text("echo torn >&2; exit 3")
    assert storage.order("fsck")["faults"] == ["repo.git: git fsck says: torn"]

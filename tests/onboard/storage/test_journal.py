import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocaptain.onboard.storage.journal import SECTIONS, Damaged, Journal
from tests.support.crashes import each_crash, recovered
from tests.support.rules import rule
from tests.support.storage import VOYAGE, Sail, Storage, assert_sound, fold, git, task


@rule("R1")
def test_a_crash_anywhere_in_a_landing_leaves_all_of_it_or_nothing(sail: Sail, tmp_path):
    """Killed at any single step, `land` has happened wholly or not at all, and can be repeated."""
    storage = sail(task("1"), task("2", "1"))
    number = storage.claim("ship-0")["claim"]
    commit = storage.push(f"work/1-{number}")
    before, land = storage.sections(), {"claim": number, "commit": commit, "id": "once"}

    def act(storage: Storage) -> dict[str, Any]:
        return storage.ask("ship-0", "land", **land)

    done = storage.copied(tmp_path / "done")
    assert act(done)["ok"]
    after, outcomes = done.sections(), set()
    for crashed in each_crash(storage, act, tmp_path):
        state = recovered(crashed)
        assert state in (before, after)
        outcomes.add(state == after)
        assert act(crashed) == {"ok": True, "head": commit, "next": None}
        assert recovered(crashed) == after
        assert len(crashed.lines()) == len(done.lines())
    assert outcomes == {True, False}


@rule("R4")
def test_a_crash_anywhere_in_a_recovery_is_recovered_from(sail: Sail, tmp_path):
    """Killed while it redoes what a crash left undone, harbor redoes it the next time."""
    storage = sail(task("1"), task("2", "1"))
    number = storage.claim("ship-0")["claim"]
    commit = storage.push(f"work/1-{number}")
    done = storage.copied(tmp_path / "done")
    done.ask("ship-0", "land", claim=number, commit=commit)
    line = done.journal_file.read_bytes().splitlines(keepends=True)[-1]
    with storage.journal_file.open("ab") as journal:
        journal.write(line)
    (storage.tasks_folder / "2.json").unlink()
    for crashed in each_crash(storage, Storage.sections, tmp_path):
        assert recovered(crashed) == done.sections()


@rule("R7")
def test_a_crash_anywhere_in_a_snapshot_loses_nothing(sail: Sail, tmp_path):
    """Killed while state.json is due, harbor has the same state as without it."""
    storage = sail(*(task(str(n)) for n in range(1, 4)))

    def act(storage: Storage) -> None:
        with (journal := storage.journal()).locked():
            journal.commit("captain", {"op": "big"}, {"answers": {"a": {"x": "y" * 70_000}}})

    for crashed in each_crash(storage, act, tmp_path):
        assert recovered(crashed) == fold(crashed.lines())


@rule("R5")
def test_a_torn_last_line_is_cut_off(sail: Sail, tmp_path):
    """Wherever the last line of the journal was torn, that change never was."""
    storage = sail(task("1"))
    before = storage.sections()
    done = storage.copied(tmp_path / "done")
    done.claim("ship-0")
    line = done.journal_file.read_bytes().splitlines(keepends=True)[-1]
    whole = storage.journal_file.read_bytes()
    for torn in (*(line[:cut] for cut in range(1, len(line), 17)), line[:-1], bytes(100), b"\n"):
        storage.journal_file.write_bytes(whole + torn)
        assert recovered(storage) == before
        assert storage.journal_file.read_bytes() == whole
    assert "cut off a torn line of the journal, after change 2" in storage.harbor_log()
    assert storage.claim("ship-0")["claim"] == 1
    assert_sound(storage)


@rule("R6")
def test_a_damaged_middle_line_is_no_crash(sail: Sail):
    """A line that does not parse before the last one stops harbor, and is left as it is."""
    storage = sail(task("1"), task("2"))
    storage.claim("ship-0")
    lines = storage.journal_file.read_bytes().splitlines(keepends=True)
    damaged = b"".join([lines[0], lines[1][:50] + b"\n", *lines[2:]])
    storage.journal_file.write_bytes(damaged)
    with pytest.raises(Damaged, match="damaged after change 1"):
        storage.sections()
    assert storage.journal_file.read_bytes() == damaged


def rewritten(path: Path, body: bytes) -> None:
    path.unlink()
    path.write_bytes(body)


def linked(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


SPOILS: dict[str, Callable[[Path], Any]] = {
    "torn": lambda path: path.write_bytes(path.read_bytes()[:20]),
    "emptied": lambda path: path.write_bytes(b""),
    "deleted": lambda path: path.unlink(),
    "edited": lambda path: path.write_text(path.read_text().replace("pending", "completed")),
    "another file": lambda path: rewritten(path, b"{}"),
    "a dangling link": lambda path: linked(path),
}


@rule("R9")
@pytest.mark.parametrize("spoil", SPOILS)
def test_a_spoilt_task_file_is_restored(sail: Sail, spoil: str):
    """A task file that is not as harbor left it is restored byte for byte, and that is logged."""
    storage = sail(task("1"), {**task("2"), "unknown": {"field": ["kept", 1.5, None]}})
    path = storage.tasks_folder / "2.json"
    before = path.read_bytes()
    storage.claim("ship-0")
    assert "restored" not in storage.harbor_log()
    SPOILS[spoil](path)
    storage.ask("ship-1", "beat", claim=None)
    assert path.read_bytes() == before
    assert not path.is_symlink()
    assert storage.harbor_log().count("restored 2.json") == 1
    storage.ask("ship-1", "beat", claim=None)
    assert storage.harbor_log().count("restored 2.json") == 1
    assert_sound(storage)


@rule("R9")
def test_the_whole_task_folder_is_restored(sail: Sail):
    """Where the task list's folder is gone, as after a clean-up, harbor makes it anew."""
    storage = sail(task("1"), task("2"))
    before = storage.tasks()
    shutil.rmtree(storage.home / ".claude")
    storage.sections()
    assert storage.tasks() == before


def with_snapshot(sail: Sail) -> Storage:
    """A storage that has written state.json, and changed since."""
    storage = sail(*(task(str(n), description="d" * 9_000) for n in range(1, 12)))
    assert (storage.folder / "state.json").exists()
    storage.finish("ship-0")
    storage.claim("ship-0")
    return storage


@rule("R7")
@pytest.mark.parametrize(
    "body",
    [
        *(None, b"", b"{", b"\xff\xfe", b"{}", b"[]", b"null", b"%020d\n" % 0),
        *(b"{}\n%020d\n" % 0, b'{"seq": 1}\n%020d\n' % 0, b"%020d\n" % 10**9, b"-1\n" * 7),
    ],
)
def test_the_snapshot_may_be_lost_or_spoilt(sail: Sail, body: bytes | None):
    """Whatever became of state.json, the state is the fold of the journal."""
    storage = with_snapshot(sail)
    path = storage.folder / "state.json"
    if body is None:
        path.unlink()
    else:
        path.write_bytes(body)
    assert recovered(storage) == fold(storage.lines())


@rule("R7")
@pytest.mark.parametrize("back", [1, 10, 100_000])
def test_a_snapshot_that_ends_where_no_line_does_is_not_believed(sail: Sail, back: int):
    """A state.json that is not of this journal neither stops harbor nor costs a line."""
    storage = with_snapshot(sail)
    lines, size = storage.lines(), storage.journal_file.stat().st_size
    storage.write_state({name: {} for name in SECTIONS}, offset=size - back)
    assert storage.sections() == fold(lines)
    assert storage.lines() == lines


@rule("R7")
def test_an_old_snapshot_is_as_good(sail: Sail):
    """With the state.json of an earlier time, the state is the fold of the journal."""
    storage = with_snapshot(sail)
    path = storage.folder / "state.json"
    old = path.read_bytes()
    filler = {"answers": {"a": {"x": "y" * 70_000}}}
    with (journal := storage.journal()).locked():
        journal.commit("captain", {"op": "filler"}, filler)
    assert path.read_bytes() != old
    path.write_bytes(old)
    assert recovered(storage) == fold(storage.lines())


@rule("R7")
def test_a_snapshot_that_knows_more_than_the_journal_is_not_believed(sail: Sail):
    """Where the journal was put back to an earlier time, state.json does not outlive it."""
    storage = with_snapshot(sail)
    first = storage.journal_file.read_bytes().splitlines(keepends=True)[0]
    storage.journal_file.write_bytes(first)
    assert storage.sections() == fold(storage.lines())


@rule("R7")
def test_a_lost_lock_file_does_no_harm(sail: Sail):
    """The lock file, which also says how far the files are, may be lost, emptied or spoilt."""
    storage = sail(task("1"), task("2"))
    storage.claim("ship-0")
    lock = storage.folder / "lock"
    for body in (b"", b"garbage", b"%020d" % 999, bytes(20), b"%020d" % 1):
        lock.write_bytes(body)
        storage.claim("ship-1")
        assert_sound(storage)
    lock.unlink()
    storage.claim("ship-1")
    assert_sound(storage)


@rule("R8")
def test_after_a_reboot_everything_is_written_again(sail: Sail):
    """Only the journal is synced: whatever else a power cut lost follows from it again."""
    storage = sail(task("1"), task("2"))
    claim = storage.claim("ship-0")
    commit = storage.push(claim["ref"])
    assert storage.ask("ship-0", "land", claim=claim["claim"], commit=commit)["ok"]
    path, ship = storage.tasks_folder / "1.json", storage.folder / "ships" / "ship-0.json"
    allowed = storage.folder / "allowed" / "ship-0" / "refs" / "heads" / claim["ref"]
    before = [each.read_bytes() for each in (path, ship, allowed)]
    stamp = path.stat().st_mtime_ns
    path.write_bytes(b"")
    os.utime(path, ns=(stamp, stamp))
    ship.unlink()
    allowed.unlink()
    git(storage.repo, "update-ref", f"refs/heads/{VOYAGE}", storage.start)
    with Journal(storage.home, VOYAGE, storage.time, boot=b"another-boot").locked():
        pass
    assert [each.read_bytes() for each in (path, ship, allowed)] == before
    assert storage.head() == commit
    assert (storage.folder / "lock").read_bytes().split()[1].startswith(b"another-boot")
    assert_sound(storage)


@rule("R4")
@pytest.mark.parametrize("left", [f"refs/heads/{VOYAGE}.lock", "HEAD.lock"])
def test_the_branch_moves_in_spite_of_a_lock_that_git_left(sail: Sail, left: str):
    """A lock of git's own, left where storage crashed while the branch moved, holds nothing up."""
    storage = sail(task("1"))
    number = storage.claim("ship-0")["claim"]
    commit = storage.push(f"work/1-{number}")
    (storage.repo / left).touch()
    assert storage.ask("ship-0", "land", claim=number, commit=commit)["ok"]
    storage.sections()
    assert storage.head() == commit


@rule("R10")
def test_changes_of_others_are_seen(sail: Sail):
    """A journal that stays open, as one that waits does, sees what others changed meanwhile."""
    storage = sail(task("1"), task("2"))
    with (journal := storage.journal()).locked():
        pass
    number = storage.claim("ship-0")["claim"]
    (storage.tasks_folder / "2.json").unlink()
    with journal.locked():
        assert journal.sections["claims"][str(number)]["ship"] == "ship-0"
        journal.commit("captain", {"op": "x"}, {"meta": {"x": 1}})
    assert_sound(storage)
    assert storage.tasks().keys() == {"1", "2"}


@rule("R10")
def test_one_at_a_time(sail: Sail):
    """While one holds the lock, another waits."""
    storage, order = sail(task("1")), []

    def second() -> None:
        with storage.journal().locked():
            order.append("second")

    with storage.journal().locked():
        other = threading.Thread(target=second)
        other.start()
        other.join(0.2)
        order.append("first")
    other.join(5)
    assert order == ["first", "second"]


@rule("R57")
def test_the_branch_has_a_reflog(sail: Sail):
    """Every place that the branch has been is in git's reflog."""
    storage = sail(task("1"), task("2"))
    for _ in range(2):
        claim = storage.claim("ship-0")
        commit = storage.push(claim["ref"])
        storage.ask("ship-0", "land", claim=claim["claim"], commit=commit)
    assert len(git(storage.repo, "reflog", "show", VOYAGE).splitlines()) >= 3


VALUES = (
    st.none()
    | st.integers()
    | st.text(max_size=5)
    | st.dictionaries(st.text(max_size=3), st.none())
)
CLAIMS = st.fixed_dictionaries(
    {"ship": st.sampled_from(["ship-0", "ship-1"]), "task": st.none() | st.sampled_from("12")}
)
SETS = st.fixed_dictionaries(
    {},
    optional={
        name: st.dictionaries(
            st.sampled_from("abc"), CLAIMS if name == "claims" else VALUES, max_size=3
        )
        for name in SECTIONS
    },
)


@rule("R7")
@given(st.lists(st.tuples(st.booleans(), SETS), max_size=4))
def test_state_is_the_fold_of_the_journal(changes: list[tuple[bool, dict[str, Any]]]):
    """Whatever is set and removed, by one process or by several, state and files are the fold."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        tasks = home / ".claude" / "tasks" / f"{VOYAGE}-tasks"
        for path in (tasks, *(home / "voyage" / name for name in ("ships", "logs", "artifacts"))):
            path.mkdir(parents=True)
        journal = Journal(home, VOYAGE)
        for anew, sets in changes:
            journal = Journal(home, VOYAGE) if anew else journal
            with journal.locked():
                journal.commit("captain", {"op": "any"}, sets)
        raw = (home / "voyage" / "journal.jsonl").read_bytes() if changes else b""
        lines = [json.loads(line) for line in raw.splitlines()]
        expected = fold(lines)
        for seen in (journal, Journal(home, VOYAGE)):
            with seen.locked():
                assert seen.sections == expected
        files = {path.stem: json.loads(path.read_text()) for path in tasks.glob("[!.]*.json")}
        assert files == expected["tasks"]
        claims = [c for line in lines for c in line["set"].get("claims", {}).items()]
        allowed = home / "voyage" / "allowed"
        assert {str(p.relative_to(allowed)) for p in allowed.rglob("*") if p.is_file()} == {
            f"{c['ship']}/refs/heads/work/{c['task']}-{number}" for number, c in claims if c["task"]
        }

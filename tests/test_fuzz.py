"""Whatever another machine wrote, its reader neither crashes nor hangs, and says whose it is."""

import asyncio
import io
import json
import re
import shutil
import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib import request

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ocaptain.config import load
from ocaptain.fleet.logs import query_of
from ocaptain.onboard.ship import channels, taskhook
from ocaptain.onboard.storage import background, logs, pull_request, serve
from ocaptain.onboard.storage.job import USUAL_TIMING, Step
from ocaptain.onboard.storage.journal import Damaged
from ocaptain.onboard.text import INVISIBLE, clean
from ocaptain.plan.check import check
from tests.support.crashes import FAST
from tests.support.odd import DEEP, FEW, JSON, VALUES, changed, written
from tests.support.rules import rule
from tests.support.ship import a_ship
from tests.support.storage import Json, Storage, assert_sound, fold, task, template

# Storage


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A storage to copy."""
    folder = template(tmp_path_factory.mktemp("model"))
    for spare in ("lib", "repo.git/hooks"):
        shutil.rmtree(folder / "voyage" / spare)
    return folder


def at_work(model: Path, folder: str) -> Storage:
    """A voyage with something in every section of its journal."""
    storage = Storage(model, Path(folder) / "home", [task("1"), task("2", "1"), task("3")])
    storage.finish("ship-0")
    claim = storage.claim("ship-1")
    storage.ask("ship-1", "release", claim=claim["claim"], id="x", fault="agent", why="it broke")
    storage.claim("ship-2")
    storage.order("hail", ship="ship-2", text="Look here", by="Ann@laptop")
    return storage


@pytest.fixture(scope="module")
def storage(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Storage:
    """One that is looked at, and copied."""
    return at_work(model, str(tmp_path_factory.mktemp("storage")))


@rule("R6")
@FEW
@given(data=st.data(), at=st.integers(0, 99), how=st.sampled_from(["in", "instead", "added"]))
def test_any_line_in_a_journal_is_taken_cut_off_or_damage(storage: Storage, data, at, how):
    """A line that is not harbor's stops it with `Damaged`; the last one, if torn, is cut off."""
    lines = storage.journal_file.read_bytes().splitlines(keepends=True)
    at = len(lines) if how == "added" else at % len(lines)
    end = data.draw(st.sampled_from([b"\n", b""]))
    sound = json.loads(lines[at % len(lines)])
    key = data.draw(st.sampled_from([*sound]))
    without = {name: value for name, value in sound.items() if name != key}
    odd = st.sampled_from([without, sound, DEEP]) | VALUES.map(lambda value: {**sound, key: value})
    line = data.draw(odd.map(lambda value: json.dumps(value).encode()) | written({"seq": 4}))
    lines[at : at + (how == "instead")] = [line.replace(b"\n", b"") + end]
    with tempfile.TemporaryDirectory(dir=FAST) as folder:
        twin = storage.copied(Path(folder) / "home")
        twin.journal_file.write_bytes(b"".join(lines))
        (twin.folder / "state.json").unlink(missing_ok=True)
        with suppress(Damaged), (journal := twin.journal()).locked():
            assert journal.sections == fold(twin.lines())


@rule("R7")
@FEW
@given(body=written([1, 100]))
@example(body=DEEP.encode())
def test_whatever_stands_in_state_json_the_state_is_the_journals(storage: Storage, body: bytes):
    """It is a cache: what harbor did not write there is not believed."""
    with tempfile.TemporaryDirectory(dir=FAST) as folder:
        twin = storage.copied(Path(folder) / "home")
        (twin.folder / "state.json").write_bytes(body)
        assert twin.sections() == fold(twin.lines())


@rule("R9")
@FEW
@given(body=st.binary(max_size=200), links=st.booleans())
def test_whatever_stands_in_a_task_file_it_is_put_back(storage: Storage, body: bytes, links: bool):
    """Harbor never reads one, so that nothing in it can do harm."""
    with tempfile.TemporaryDirectory(dir=FAST) as folder:
        twin = storage.copied(Path(folder) / "home")
        path = twin.tasks_folder / "2.json"
        before = path.read_bytes()
        path.unlink()
        if links:
            path.symlink_to("nowhere")
        else:
            path.write_bytes(body)
        assert_sound(twin)
        assert path.read_bytes() == before


SHIPS_OPS = st.sampled_from([*serve.operations_of("ship-0"), "log"])
CLAIMED = st.integers(1, 4) | JSON
SHIPS_FIELDS = {
    "claim": CLAIMED,
    "delivered": st.lists(st.sampled_from([1, "1", 2]) | JSON, max_size=3) | JSON,
    "commit": st.none() | JSON,
    "task": changed({"subject": "x", "metadata": {"files": ["a"]}}) | JSON,
    **dict.fromkeys(("id", "run_id", "note", "why", "fault", "state", "reason", "until"), JSON),
    **dict.fromkeys(("base_commit", "wait", "cost_usd", "offset", "text"), JSON),
}


@rule("R15")
@FEW
@given(op=SHIPS_OPS, fields=st.fixed_dictionaries({}, optional=SHIPS_FIELDS))
def test_whatever_a_ship_asks_it_is_answered(storage: Storage, op: str, fields: Json):
    """Any value in any place is taken, refused or ignored, and nothing is torn by it."""
    with tempfile.TemporaryDirectory(dir=FAST) as folder:
        twin = storage.copied(Path(folder) / "home")
        answer = twin.ask("ship-2", op, **fields)
        assert isinstance(answer["ok"], bool)
        json.dumps(answer, allow_nan=False)
        assert_sound(twin)
        assert twin.order("status")["ok"]


ORDERS_FIELDS = {
    "by": JSON,
    "why": JSON,
    "id": JSON,
    "task": st.sampled_from(["1", "2", "3", "verify"]) | JSON,
    "ship": st.sampled_from(["", "ship-0", "ship-2"]) | JSON,
    "fields": changed({"subject": "x", "blockedBy": ["1"], "metadata": {"files": ["a"]}}) | JSON,
    "text": JSON,
    "refs": st.dictionaries(st.text(), st.text(), max_size=2) | JSON,
    "add": st.integers(0, 3) | st.none() | st.text(),
    "lost": st.lists(st.sampled_from(["ship-0", "ship-1"]), max_size=2) | JSON,
    "hails": st.lists(st.integers(1, 3), max_size=2) | JSON,
}
ORDERS_OPS = st.sampled_from([*serve.operations_of("captain")])


@rule("R15")
@FEW
@given(op=ORDERS_OPS, fields=st.fixed_dictionaries({}, optional=ORDERS_FIELDS))
def test_whatever_a_captain_orders_nothing_is_torn(storage: Storage, op: str, fields: Json):
    """Any value in any place is taken, refused or ignored, and storage is sound after it."""
    with tempfile.TemporaryDirectory(dir=FAST) as folder:
        twin = storage.copied(Path(folder) / "home")
        with suppress(LookupError, TypeError, AttributeError, ValueError):  # which nobody answers
            answer = twin.order(op, **fields)
            assert isinstance(answer["ok"], bool)
        assert_sound(twin)
        assert twin.order("status")["ok"]
        assert twin.ask(twin.join(), "claim", run_id="r")["ok"]


# Logs and panes


ALL = query_of()


@rule("R101")
@FEW
@given(whole=st.lists(st.binary(max_size=60), max_size=5), text=st.text())
def test_whatever_ships_log_it_is_lines_fit_for_a_terminal(whole: list[bytes], text: str):
    """Nothing in a log can steer the terminal that shows it, or hide the name of its ship."""
    with tempfile.TemporaryDirectory(dir=FAST) as name:
        folder = Path(name) / "voyage"
        (folder / "logs").mkdir(parents=True)
        lines = b"".join(each + b"\n" for each in whole)
        (folder / "logs" / "ship-0.log").write_bytes(lines)
        (folder / "logs" / "ship-1.log").write_text(text.encode(errors="replace").decode() + "\n")
        (folder / "journal.jsonl").write_bytes(lines)
        kept = "\t" + INVISIBLE
        for line in logs.read(folder, ALL):
            assert all(c.isprintable() or c in kept for c in line)


@rule("R101")
@given(text=st.text())
def test_clean_text_steers_no_terminal(text: str):
    """Every character is there, or a sign that one was not fit to be shown."""
    shown = clean(text, keep="\n\t")
    assert len(shown) == len(text)
    assert all(c.isprintable() or c in "\n\t" + INVISIBLE for c in shown)


# What ships hear


@rule("R92")
@FEW
@given(said=written({"ok": True, "claim": None, "state": "running", "reason": None}))
@example(said=b'{"ok": ' + DEEP.encode())
def test_whatever_storage_says_to_a_ship_it_is_an_answer_or_none(said: bytes):
    """What is no answer of harbor's is as good as none, and is told in a few words."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(said)
        file.flush()
        answer, why = {"ok": True}, "no answer"
        try:
            answer = channels.exchange(["cat", file.name], "{}")
        except channels.Unreachable as silence:
            why = str(silence)
        assert "ok" in answer
        assert 0 < len(why) <= 300


CALL = {"tool_name": "TaskCreate", "tool_use_id": "x", "tool_input": {"subject": "Do it"}}


@rule("R93")
@FEW
@given(said=written(CALL))
@example(said=DEEP.encode())
def test_whatever_an_agent_calls_its_hook_stops_it(said: bytes, tmp_path: Path, monkeypatch):
    """The native tool is never run, however odd the call."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    a_ship(tmp_path, None)
    (tmp_path / "ssh").write_text('#!/bin/sh\necho \'{"ok": true, "message": "Task 4."}\'\n')
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(said), "utf-8"))
    monkeypatch.setattr("sys.stdout", out := io.StringIO())
    taskhook.main(tmp_path, 1)
    told = json.loads(out.getvalue())["hookSpecificOutput"]
    assert told["permissionDecision"] == "deny"
    assert told["permissionDecisionReason"]


PULLS = [{"html_url": "https://github.com/owner/name/pull/1"}]


@rule("R106")
@FEW
@given(said=st.lists(written(PULLS) | written({"default_branch": "main"}), min_size=3, max_size=3))
def test_whatever_the_git_host_says_it_is_noted(storage: Storage, said: list[bytes]):
    """What the host answers is a pull request's address, or the mirror's fault."""
    answers = iter(said)
    voyage: Any = {**storage.voyage, "origin": "https://github.com/owner/name"}
    with tempfile.TemporaryDirectory(dir=FAST) as folder, pytest.MonkeyPatch.context() as patch:
        twin = storage.copied(Path(folder) / "home")
        (twin.folder / "credentials").write_text("https://x:token@github.com\n")
        patch.setattr(request, "urlopen", lambda *_, **__: io.BytesIO(next(answers)))
        with (journal := twin.journal()).locked():
            ask = partial(pull_request.open_pull_request, journal, voyage, USUAL_TIMING)
        went_well = background.do_step(journal, "mirror", Step(ask, "-", {}), is_last=True)
        noted = twin.order("status")["pr_url" if went_well else "mirror_fault"]
        assert isinstance(noted, str)
        assert noted.isprintable()


# Plans


PLAN: dict[str, Any] = {
    "voyage.json": {
        "name": "x",
        "repo": "/nowhere",
        "agent": "shell",
        "check": "true",
        "max_attempts": 3,
        "budget_usd": 1,
        "notify": "true",
    },
    "tasks/1.json": {
        "id": "1",
        "subject": "x",
        "description": "",
        "status": "pending",
        "blocks": ["2"],
        "blockedBy": [],
        "metadata": {"files": ["a"], "run": "true"},
    },
}


@rule("R107")
@pytest.mark.parametrize("name", PLAN)
@FEW
@given(data=st.data())
def test_whatever_stands_in_a_plan_each_fault_names_its_file(name: str, data: st.DataObject):
    """`check` reports everything that is wrong with what others wrote, file by file."""
    with tempfile.TemporaryDirectory(dir=FAST) as folder:
        plan = Path(folder)
        (plan / "tasks").mkdir()
        for text in ("spec.md", "verify.sh"):
            (plan / text).write_text("true\n")
        second = {**PLAN["tasks/1.json"], "id": "2", "blocks": [], "blockedBy": ["1"]}
        files = {**PLAN, "tasks/2.json": second}
        for each, sound in files.items():
            (plan / each).write_text(json.dumps(sound))
        body = data.draw(written(PLAN[name]))
        (plan / name).write_bytes(body)
        found = asyncio.run(check(plan, load({"HOME": folder})))
        assert found.faults  # nowhere is no repository
        assert all(re.match(r"(tasks/|voyage\.json)", fault) for fault in found.faults)

"""Voyages that are broken on purpose, and the audit that judges them."""

import dataclasses
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.world import ENDS_S
from chaos import storm, tasks
from chaos.__main__ import DOCUMENT, has_check, write
from chaos.audit import Evidence, audit, gather
from chaos.faults import Broken
from chaos.lookout import Look, Lookout
from chaos.storm import KINDS, Storm
from chaos.victim import Victim
from tests.support.captain import Json, new_captain
from tests.support.commands import Done
from tests.support.machine import until
from tests.support.rules import LONG, rule

ROOT = Path(__file__).parent.parent


@pytest.fixture
def place(tools: None) -> Iterator[Path]:
    """A short path for all that a run makes, of which nothing may be left."""
    folder = Path(tempfile.mkdtemp(prefix="occ-", dir="/tmp"))
    yield folder
    remains = list(folder.iterdir())
    shutil.rmtree(folder)
    assert not remains


def start(place: Path, *words: str) -> subprocess.Popen[str]:
    """Start `python -m chaos WORDS` there."""
    return subprocess.Popen(
        [sys.executable, "-m", "chaos", *words],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(place)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@rule("R24", "R45", "R55", "R69", "R70")
@pytest.mark.timeout(900)
def test_faults_break_no_promise(place, is_long):
    """Voyages that are broken every few seconds end by themselves, and no promise is."""
    size = ["--minutes", "0.2", "--ships", "3", "--tasks", "12"]
    if is_long:
        size = ["--minutes", "3", "--ships", "4", "--tasks", "60"]
    run = start(place, "--seed", "37", *size)  # which strikes the train early
    out, err = run.communicate()
    assert run.returncode == 0, f"{out}\n{err}"
    assert "| **violations** | 0 |" in out
    assert int(out.partition("| faults | ")[2].split()[0]) > 2


def test_an_interrupted_run_leaves_nothing(place):
    """Ctrl-C in the middle ends all that runs, and removes it."""
    run = start(place, "--ships", "2", "--tasks", "20")
    assert run.stderr
    voyage = next(line for line in run.stderr if "is under way" in line).split()[1]
    next(run.stderr)
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=60)
    assert run.returncode == 130
    assert not list(Path("/tmp").glob(f"{voyage}-*"))


@LONG
@pytest.mark.timeout(300)
def test_reclaim_time(place):
    """No task of a dead ship is handed out before its lease can have expired."""
    run = start(place, "--reclaim", "3")
    out, err = run.communicate()
    assert run.returncode == 0, err
    measured = out.splitlines()[-1].split("|")[3]
    assert float(measured.partition("(")[2].partition("-")[0]) > 3 * 5 / 6 - 0.5


def test_the_seed_chooses(monkeypatch):
    """The same seed makes the same faults at the same times; another makes others."""

    def faults_of(seed: str) -> list[object]:
        struck: list[object] = []
        kinds = {kind: lambda _, chance: Broken(f"{chance.random()}") for kind in KINDS}
        monkeypatch.setattr(storm, "KINDS", kinds)
        one = Storm(None, seed, struck.append, Counter())  # type: ignore[arg-type]
        struck += [one.strike() for _ in range(3 * len(KINDS))]
        assert one.count == dict.fromkeys(KINDS, 3)
        return struck

    assert faults_of("1/0") == faults_of("1/0") != faults_of("2/0")


def test_every_other_plan_has_a_check():
    """So does each, or none, if that is asked for."""
    assert [has_check("half", number) for number in (1, 2, 3)] == [True, False, True]
    assert [has_check(which, 2) for which in ("all", "none")] == [True, False]


def test_a_page_takes_the_place_of_the_one_before(tmp_path):
    """Each of the two pages is once in the document, however often it is written."""
    document = tmp_path / "page.md"
    block = "<!-- script/chaos{} -->\n{}<!-- end -->\n"
    document.write_text(block.format("", "") + "Text.\n" + block.format(" --reclaim", "\nOld\n\n"))
    for number in range(2):
        write(f"Faults {number}", "", document)
        write(f"Times {number}", " --reclaim", document)
    after = block.format("", "\nFaults 1\n\n") + "Text.\n"
    assert document.read_text() == after + block.format(" --reclaim", "\nTimes 1\n\n")


def test_the_page_is_there_once():
    """docs/reliability.md has one table of what chaos came to, and one of reclaim times."""
    lines = DOCUMENT.read_text().splitlines()
    assert sum(line.startswith("| **violations**") for line in lines) == 1
    assert sum(line.startswith("| `lease_seconds` | bounds") for line in lines) == 1


# The audit


@pytest.fixture(scope="module")
def sailed(tools: None) -> Iterator[Evidence]:
    """What there is after a small voyage to which nothing was done."""
    with new_captain() as captain:
        listed = tasks.listed(5, random.Random(1), captain.root)
        (captain.root / "antidote").touch()
        check = tasks.noting_check(captain.root)
        plan = tasks.plan(captain, listed, tasks.repository(captain), "small", check=check)
        victim = Victim(captain, captain.sail(plan, 2).id)
        lookout = Lookout(victim)
        lookout.look()
        until(victim.is_complete, ENDS_S)
        lookout.look()
        planned = {task["id"]: task["id"] for task in listed}
        yield gather(lookout, planned, tasks.green_commits(captain.root))


@LONG
def test_a_sound_voyage_passes(sailed):
    """The audit finds nothing wrong if nothing is."""
    assert list(audit(sailed)) == []


def without(evidence: Evidence) -> Evidence:
    """A task was planned that is not there."""
    return dataclasses.replace(evidence, planned={"99": "99"})


def with_torn_line(evidence: Evidence) -> Evidence:
    """The journal's last line does not parse."""
    return dataclasses.replace(evidence, raw=[*evidence.raw, b"{"])


def with_line_twice(evidence: Evidence) -> Evidence:
    """The journal's last line is there twice."""
    return dataclasses.replace(evidence, lines=[*evidence.lines, evidence.lines[-1]])


def with_task_pending(evidence: Evidence) -> Evidence:
    """A task that is completed is pending."""
    return with_last(evidence, "tasks", lambda tasks: first(tasks).update(status="pending"))


def with_claim_alive(evidence: Evidence) -> Evidence:
    """A claim that landed is live."""
    return with_last(evidence, "claims", lambda claims: first(claims).update(state="live"))


def unverified(evidence: Evidence) -> Evidence:
    """Nobody verified the end."""
    return with_last(evidence, "meta", lambda meta: meta.update(verified={}))


def with_last(evidence: Evidence, section: str, change: Callable[[Json], None]) -> Evidence:
    """The same, with the last line's entries of a section changed."""
    lines = json.loads(json.dumps(evidence.lines))
    last = next(line for line in reversed(lines) if line["set"].get(section))
    change(last["set"][section])
    return dataclasses.replace(evidence, lines=lines)


def first(entries: Json) -> Json:
    """The first entry of a section."""
    entry: Json = next(iter(entries.values()))
    return entry


def with_untrue_count(evidence: Evidence) -> Evidence:
    """Status said that more was completed than there is."""
    return with_first_status(evidence, lambda status: status["tasks"].update(completed=9))


def with_one_ships_fault(evidence: Evidence) -> Evidence:
    """A task was set aside, and only one ship ever had it."""
    failed = {"failed": "after 10 interruptions"}
    spoilt = with_last(evidence, "tasks", lambda tasks: first(tasks)["metadata"].update(failed))
    for line in spoilt.lines:
        for claim in line["set"].get("claims", {}).values():
            claim["ship"] = "ship-0"  # for two may have had this task by turns
    return spoilt


def without_a_word(evidence: Evidence) -> Evidence:
    """Status said that the voyage stands still, and not what moves it on."""
    return with_first_status(evidence, lambda status: status.update(state="stalled", next=[]))


def with_early_end(evidence: Evidence) -> Evidence:
    """Status said that the voyage was complete before it was."""
    return with_first_status(evidence, lambda status: status.update(state="complete"))


def unchecked(evidence: Evidence) -> Evidence:
    """No check has noted anything."""
    return dataclasses.replace(evidence, green=set())


def with_a_dead_claims_car(evidence: Evidence) -> Evidence:
    """A claim that has landed is in the train once more."""
    return with_last(evidence, "meta", lambda meta: meta.update(train=train_with(cars=[car(1)])))


def with_a_car_beside(evidence: Evidence) -> Evidence:
    """A car is based on what is not ahead of it."""
    return with_last(evidence, "meta", lambda meta: meta.update(train=train_with(cars=[car(9)])))


def with_somebody_waiting(evidence: Evidence) -> Evidence:
    """A claim waits for a place at the end."""
    return with_last(evidence, "meta", lambda meta: meta.update(train=train_with(queue=[1])))


def train_with(**fields: object) -> Json:
    """A train as a journal may have it."""
    return {"window": 8, "cars": [], "queue": [], "checks_s": [], **fields}


def car(claim: int) -> Json:
    """A car on a base that is nowhere."""
    return {"claim": claim, "base": "0" * 40, "commit": None, "green": False}


def landing_past_others(evidence: Evidence) -> Evidence:
    """Each landing was asked for by a claim that was not the one at the front."""
    lines = json.loads(json.dumps(evidence.lines))
    for line in lines:
        line["claim"] = 99
    return dataclasses.replace(evidence, lines=lines)


def landing_beside_the_train(evidence: Evidence) -> Evidence:
    """The branch moved, and there was no train."""
    lines = json.loads(json.dumps(evidence.lines))
    for line in lines:
        line["set"].get("meta", {}).pop("train", None)
    return dataclasses.replace(evidence, lines=lines)


def with_first_status(evidence: Evidence, change: Callable[[Json], None]) -> Evidence:
    """The same, with what the first look saw changed."""
    look, *others = evidence.lookout.looks
    status = look.status
    assert status
    change(status)
    changed = look._replace(done=dataclasses.replace(look.done, out=json.dumps(status)))
    return with_looks(evidence, [changed, *others])


def with_looks(evidence: Evidence, looks: list[Look]) -> Evidence:
    """The same, if this had been seen."""
    lookout = Lookout(evidence.victim, looks, evidence.lookout.refs)
    return dataclasses.replace(evidence, lookout=lookout)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (without, "tasks that are lost"),
        (with_torn_line, "do not parse"),
        (with_line_twice, "numbered through"),
        (with_task_pending, "is pending at the end"),
        (with_claim_alive, "is live at the end"),
        (unverified, "was verified"),
        (with_untrue_count, "was not so"),
        (with_early_end, "before it was"),
        (with_one_ships_fault, "alone"),
        (without_a_word, "not what to type"),
        (unchecked, "on which no check has passed"),
        (with_a_dead_claims_car, "is in the train, and not live"),
        (with_a_car_beside, "is based on"),
        (with_somebody_waiting, "at the end there is a train"),
        (landing_past_others, "which was not green"),
        (landing_beside_the_train, "was not in the train"),
    ],
)
def test_the_audit_sees(sailed, spoil, sentence):
    """Whatever is not as promised is told."""
    assert any(sentence in violation for violation in audit(spoil(sailed)))


def test_the_audit_sees_lost_commits(sailed):
    """A commit that a work ref was seen at, and that is nowhere, is told."""
    refs = {*sailed.lookout.refs, ("refs/heads/work/1-99", "0" * 40)}
    lookout = Lookout(sailed.victim, sailed.lookout.looks, refs)
    violations = list(audit(dataclasses.replace(sailed, lookout=lookout)))
    assert f"refs/heads/work/1-99 was at {'0' * 40}, which nothing leads to now" in violations
    assert "refs/heads/work/1-99 was there, and is gone" in violations


def test_the_audit_sees_crashes(sailed):
    """A status that is a bug is told, and one that could not be had is not."""
    unseen = Look(0, 1, Done(1, "", "ocaptain: it cannot be reached", ("status",)))
    crash = Look(0, 1, Done(3, "", "ocaptain: KeyError", ("status",)))
    violations = list(audit(with_looks(sailed, [unseen, crash])))
    assert violations == ["status exited 3: 'ocaptain: KeyError'"]

"""A minute of faults, and the audit that judges them."""

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

from bench.world import World, until
from chaos import storm, tasks
from chaos.audit import Evidence, audit, gather
from chaos.faults import Broken
from chaos.fleet import Done, Fleet
from chaos.storm import KINDS, Storm
from chaos.watch import Look, Watch
from tests.support.rules import rule

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def place(tools: None) -> Iterator[Path]:
    """A short path for all that a run makes, of which nothing may be left."""
    folder = Path(tempfile.mkdtemp(prefix="occ-", dir="/tmp"))
    yield folder
    left = list(folder.iterdir())
    shutil.rmtree(folder)
    assert not left


def start(place: Path, *words: str) -> subprocess.Popen[str]:
    """Start `python -m chaos WORDS` there."""
    env = {**os.environ, "TMPDIR": str(place)}
    argv, pipe = [sys.executable, "-m", "chaos", *words], subprocess.PIPE
    return subprocess.Popen(argv, cwd=ROOT, env=env, stdout=pipe, stderr=pipe, text=True)


@rule("R24", "R45", "R55", "R69", "R70")
@pytest.mark.timeout(900)
def test_a_minute_of_faults(place):
    """Voyages that are broken every few seconds end by themselves, and no promise is."""
    words = ("--minutes", "1", "--seed", "1", "--ships", "4", "--tasks", "60")
    run = start(place, *words)
    out, err = run.communicate()
    assert run.returncode == 0, f"{out}\n{err}"
    assert "| **violations** | 0 |" in out
    assert int(out.partition("| faults | ")[2].split()[0]) > 10


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


# The audit


@pytest.fixture(scope="module")
def sailed(tools: None) -> Iterator[Evidence]:
    """What there is after a small voyage to which nothing was done."""
    folder = Path(tempfile.mkdtemp(prefix="occ-", dir="/tmp"))
    world = World(folder)
    try:
        listed = tasks.listed(5, random.Random(1), folder)
        (folder / "antidote").touch()
        plan = tasks.plan(world, listed, tasks.repository(world))
        fleet = Fleet(world, world.sail(plan, 2).id)
        watch = Watch(fleet)
        watch.look()
        until("the end of the voyage", lambda: world.completed(fleet.id))
        watch.look()
        yield gather(fleet, watch, {task["id"]: task["id"] for task in listed})
    finally:
        world.sink()
        shutil.rmtree(folder)


def test_a_sound_voyage_passes(sailed):
    """Where nothing is wrong, the audit finds nothing."""
    assert list(audit(sailed)) == []


def lines_with(found: Evidence, section: str, change: Callable[[dict], None]) -> Evidence:
    """The same, with the last line's entries of a section changed."""
    lines = json.loads(json.dumps(found.lines))
    last = next(line for line in reversed(lines) if line["set"].get(section))
    change(last["set"][section])
    return dataclasses.replace(found, lines=lines)


def look_with(found: Evidence, change: Callable[[dict], None]) -> Evidence:
    """The same, with what the first look saw changed."""
    watch = Watch(found.fleet, list(found.watch.looks), found.watch.refs)
    look = watch.looks[0]
    seen = look.seen
    assert seen
    change(seen)
    watch.looks[0] = Look(
        look.before, look.after, dataclasses.replace(look.done, out=json.dumps(seen))
    )
    return dataclasses.replace(found, watch=watch)


def again(entries: dict) -> None:
    """A task that is completed is pending."""
    next(iter(entries.values()))["status"] = "pending"


def alive(entries: dict) -> None:
    """A claim that landed is live."""
    next(iter(entries.values()))["state"] = "live"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda f: dataclasses.replace(f, planned={"99": "99"}), "tasks that are lost"),
        (lambda f: dataclasses.replace(f, raw=[*f.raw, b"{"]), "do not parse"),
        (lambda f: dataclasses.replace(f, lines=[*f.lines, f.lines[-1]]), "numbered through"),
        (lambda f: lines_with(f, "tasks", again), "is pending at the end"),
        (lambda f: lines_with(f, "claims", alive), "is live at the end"),
        (lambda f: lines_with(f, "meta", lambda meta: meta.update(verified={})), "was verified"),
        (lambda f: look_with(f, lambda seen: seen["tasks"].update(completed=9)), "was not so"),
        (lambda f: look_with(f, lambda seen: seen.update(state="complete")), "before it was"),
    ],
    ids=["lost", "torn", "numbers", "undone", "unended", "unverified", "untrue", "early"],
)
def test_the_audit_sees(sailed, wrong, told):
    """Whatever is not as promised is told."""
    assert any(told in violation for violation in audit(wrong(sailed)))


def test_the_audit_sees_lost_commits(sailed):
    """A commit that a work ref was seen at, and that is nowhere, is told."""
    refs = {*sailed.watch.refs, ("refs/heads/work/1-99", "0" * 40)}
    watch = Watch(sailed.fleet, sailed.watch.looks, refs)
    told = list(audit(dataclasses.replace(sailed, watch=watch)))
    assert f"refs/heads/work/1-99 was at {'0' * 40}, which nothing leads to now" in told
    assert "refs/heads/work/1-99 was there, and is gone" in told


def test_the_audit_sees_crashes(sailed):
    """A status that is a bug is told, and one that could not be had is not."""
    unseen = Look(0, 1, Done(("status",), 1, "", "ocaptain: it cannot be reached"))
    crash = Look(0, 1, Done(("status",), 3, "", "ocaptain: KeyError"))
    watch = Watch(sailed.fleet, [unseen, crash], set())
    told = list(audit(dataclasses.replace(sailed, watch=watch)))
    assert told == ["status exited 3: 'ocaptain: KeyError'"]

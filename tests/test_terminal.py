"""What the captain is shown, as lines of text."""

import re
import time
from typing import Any

import pytest

from ocaptain import terminal
from ocaptain.fleet.orders import FsckOutcome, HailOutcome, ReinforceOutcome
from ocaptain.fleet.voyage import VoyageStatus
from ocaptain.plan.plan import Forecast, Plan, Report, Review, Source
from tests.support.documented import example
from tests.support.rendered import lines


@pytest.fixture
def status() -> VoyageStatus:
    """A voyage under way that is one minute and a half old, and where all is well."""
    status: VoyageStatus = example("status")
    status["created"] = time.time() - 90
    status["next"] = []
    status["train"] = {"window": None, "check_s": None, "landings_per_hour": None, "cars": []}
    status["tasks"] = {"total": 3, "pending": 1, "in_progress": 1, "completed": 1, "failed": 0}
    return status


def test_a_voyage_at_a_glance(status: VoyageStatus):
    """State, objective, tasks, verification, cost, and a line for each ship."""
    for ship in status["ships"]:
        ship["since"] = ship["since"] and time.time() - 150
    assert lines(terminal.status(status)) == [
        "voyage-3f9a1c0b7d52  running  sailed 1m30s ago, on exedev",
        "Write a short guide for new contributors",
        "tasks   1 of 3 completed, 1 in progress, 1 pending",
        "verify  pending    cost $0.42",
        "",
        "ship    state     for    done  seen    task",
        "ship-0  working   2m30s  1     3s ago  2 Say what is where",
        "ship-1  starting  -      0     never",
    ]


def test_agents_that_tell_no_dollars_have_tokens(status: VoyageStatus):
    """Nobody is told that they cost $0.00."""
    status["cost_usd"] = 0.0
    status["usage"] = {
        "input_tokens": 1_000_000,
        "output_tokens": 200_000,
        "cache_read_tokens": 0,
        "cache_write_tokens": 34_000,
        "api_s": 1.5,
    }
    assert lines(terminal.status(status))[3] == "verify  pending    cost 1.2M tokens"


def test_in_a_voyage_of_several_agents_each_ship_says_which_is_at_work(status: VoyageStatus):
    """In others that would be said for nothing."""
    status["agents"] = ["claude", "codex"]
    status["ships"][0]["agent"] = "codex"
    assert lines(terminal.status(status))[-2].endswith("codex: 2 Say what is where")


def test_the_train(status: VoyageStatus):
    """With a check in the plan a line says how many run, who waits, and how fast that is."""
    status["train"] = {
        "window": 2,
        "check_s": 90,
        "landings_per_hour": 80,
        "cars": [
            {"ship": "ship-0", "task": "2", "state": "green", "behind": None, "since": 1},
            {"ship": "ship-1", "task": "1", "state": "checking", "behind": "2", "since": 1},
            {"ship": "ship-2", "task": "3", "state": "waiting", "behind": None, "since": None},
        ],
    }
    assert lines(terminal.status(status))[3] == (
        "check   2 of 2 at once, 1 waiting, 1m30s each: at most 80 landings an hour"
    )


def test_what_to_type_next(status: VoyageStatus):
    """Each command stands at the beginning of a line, and beside it why."""
    status["state"] = "paused"
    status["reason"] = "paused by ada"
    status["next"] = [
        {"command": "ocaptain resume", "why": "Tasks are handed out again."},
        {"command": "ocaptain tasks --status failed", "why": "It says why 1 task failed."},
    ]
    assert lines(terminal.status(status))[2:5] == [
        "paused by ada",
        "→ ocaptain resume                 Tasks are handed out again.",
        "→ ocaptain tasks --status failed  It says why 1 task failed.",
    ]


def test_a_ship_that_is_broken(status: VoyageStatus):
    """When it tries again goes before why it is broken, which wraps; another day has its date."""
    until = time.mktime((2026, 3, 4, 5, 6, 0, 0, 0, -1))
    at = {"state": "broken", "since": time.time() - 150, "until": until}
    status["ships"][1].update({**at, "reason": "task 7: setup.sh exited 1: no space left"})  # type: ignore[typeddict-item]
    assert lines(terminal.status(status))[-2:] == [
        "ship-1  broken   2m30s  0     never   again 2026-03-04 05:06: task 7: setup.sh",
        "                                      exited 1: no space left",
    ]


@pytest.mark.parametrize(
    ("state", "took_s", "text"),
    [
        ("complete", 103.0, "in 1m43s, 2h05m ago (2026-03-04 05:06Z)"),
        ("failed", 103.0, "after 1m43s, 2h05m ago (2026-03-04 05:06Z)"),
        ("paused", None, "for 2h05m, sailed 1d00h ago"),
        ("stalled", None, "for 2h05m, sailed 1d00h ago"),
        ("running", None, "sailed 1d00h ago"),
    ],
)
def test_a_state_has_its_own_age(
    status: VoyageStatus,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
    took_s: float | None,
    text: str,
):
    """What is over says when, and how long it took; what stands still, for how long it does."""
    began = 1_772_600_760.0
    monkeypatch.setattr(time, "time", lambda: began + 7_530)
    status["state"] = state
    status["created"] = began + 7_530 - 86_500
    status["since"] = began
    status["took_s"] = took_s
    where = f"{text}, on {status['provider']}"
    assert (
        lines(terminal.status(status, utc=True), 120)[0] == f"{status['voyage']}  {state}  {where}"
    )


def test_what_became_of_background_jobs(status: VoyageStatus):
    """Each has a line if there is something to say of it."""
    status["mirrored"] = "8c1f0b6a4de2395b7c60f1a2d4e88b3c5a917d02"
    status["mirrored_ref"] = "refs/heads/voyage-1"
    status["pr_url"] = "https://github.com/me/code/pull/7"
    status["notify_fault"] = "failed: it took too long"
    status["upkeep_fault"] = "repository not packed: no space left on device"
    assert lines(terminal.status(status))[4:7] == [
        "origin  8c1f0b6a4de2 at voyage-1  https://github.com/me/code/pull/7",
        "notify  failed: it took too long",
        "storage repository not packed: no space left on device",
    ]
    status["mirrored_ref"] = "refs/ocaptain/voyage-1"
    status["pr_url"] = None
    assert lines(terminal.status(status))[4] == "origin  8c1f0b6a4de2 at refs/ocaptain/voyage-1"


def test_a_ship_that_waits(status: VoyageStatus):
    """The end of the wait stands first, then the reason, which wraps, and the task it holds."""
    ship = status["ships"][0]
    ship["state"] = "limited"
    ship["since"] = time.time() - 61
    ship["reason"] = "the API cannot be reached"
    ship["until"] = time.mktime((2040, 11, 22, 19, 30, 0, 0, 0, -1))
    assert lines(terminal.status(status))[-3:-1] == [
        "ship-0  limited   1m01s  1     3s ago  until 2040-11-22 19:30: the API cannot",
        "                                       be reached (2 Say what is where)",
    ]
    ship["until"] = time.time() + 30
    row = lines(terminal.status(status), 200)[-2]
    assert re.search(r"until (\S+ )?\d\d:\d\d:\d\d: the API cannot be reached \(2 Say", row)


@pytest.mark.parametrize("columns", [80, 200])
def test_a_ship_has_one_line(status: VoyageStatus, columns: int):
    """Long subjects are cut off, however wide the terminal is."""
    status["objective"] = "guide " * 100
    status["ships"][0]["subject"] = "page " * 100
    shown = lines(terminal.status(status), columns)
    assert len(shown) == 8
    assert max(map(len, shown)) <= columns


def test_nothing_steers_the_terminal(status: VoyageStatus):
    """What ships and plans say is shown without control characters."""
    status["reason"] = "\x1b[2Jgone\nand more"
    status["objective"] = "\x07"
    status["ships"][0]["subject"] = "\x1b]0;title\x07"
    shown = "\n".join(lines(terminal.status(status)))
    assert "\x1b" not in shown
    assert "\x07" not in shown


def test_the_voyages():
    """One a line; if storage does not answer, with why."""
    rows = example("voyages")
    rows[0].update(created=time.time() - 3 * 3600, name="guide", objective="Write a short guide")
    rows[1]["reason"] = "It has no storage any more."
    assert lines(terminal.voyages(rows), 120) == [
        "voyage               provider  state    age    VMs  name and objective",
        "voyage-3f9a1c0b7d52  exedev    running  3h00m  3    guide: Write a short guide",
        "voyage-a01b5e93c44d  local     unseen   -      1    It has no storage any more.",
    ]


def test_what_came_of_an_order():
    """A sentence, and which ships have yet to hear of it."""
    assert lines(terminal.order({"message": "Stopped.", "unheard": ["vm-1"]})) == [
        "Stopped.",
        "vm-1 cannot be reached now. It will hear of this when it asks storage next.",
    ]
    outcome: ReinforceOutcome = {"message": "All are new.", "lost": [], "kept": [], "new": []}
    assert lines(terminal.reinforce(outcome)) == ["All are new."]


def test_who_took_a_message_in():
    """A sentence for each kind of ship; that the message was sent has been said at once."""
    outcome: HailOutcome = {
        "message": "Sent.",
        "unheard": [],
        "ships": [
            {"id": "ship-0", "task": "1", "hails": 0},
            {"id": "ship-1", "task": "2", "hails": 1},
            {"id": "ship-2", "task": None, "hails": 1},
            {"id": "ship-3", "task": "3", "hails": 1},
        ],
    }
    assert lines(terminal.hail(outcome)) == [
        "It was taken in by ship-0's agent.",
        "It is not yet taken in by the agents of ship-1, ship-3.",
        "It waits for ship-2's next task.",
    ]


def test_what_fsck_found():
    """What was mended, and then what was not."""
    outcome: FsckOutcome = {
        "message": "1 fault.",
        "unheard": [],
        "mended": ["restored 3.json"],
        "faults": ["a ref is gone"],
    }
    assert lines(terminal.fsck(outcome)) == [
        "1 fault.",
        "mended: restored 3.json",
        "fault: a ref is gone",
    ]


def test_what_check_found():
    """A sound plan is summed up; of any other there are notes alone."""
    plan = Plan(
        name="guide",
        repo=".",
        objective="Write a guide",
        source=Source("/code", None, "main", "4b0a30fb4299395b7c60f1a2d4e88b3c5a917d02"),
        artifacts={},
        tasks=[],
        ships=2,
    )
    forecast = Forecast(tasks=3, longest_chain=["1", "3"], max_parallel=2)
    report = Report(notes=["so and so"], plan=plan, forecast=forecast)
    assert lines(terminal.report(report)) == [
        "plan           guide: Write a guide",
        "repository     /code at 4b0a30fb4299",
        "tasks          3, at most 2 of them at once",
        "longest chain  2: 1 → 3",
        "ships          2, with the agent claude and its usual model",
        "check          none before landing",
        "budget         no limit: set budget_usd in voyage.json for one",
        "note: so and so",
    ]
    unsound = Report(faults=["spec.md: is missing or empty"], notes=["so and so"])
    assert lines(terminal.report(unsound)) == ["note: so and so"]


def test_what_a_voyage_may_cost_is_said_before_it_sails():
    """Model, check and budget of the plan; commands cost nothing."""
    settings: Any = {"name": "guide", "repo": ".", "artifacts": {}, "tasks": [], "ships": 2}
    source = Source("/code", None, "main", "4b0a30fb4299395b7c60f1a2d4e88b3c5a917d02")
    plan = Plan(**settings, source=source, model="opus", check="make test", budget_usd=20)
    limited = Plan(**settings, source=source, budget_tokens=5_000_000)
    assert lines(terminal.report(Report(plan=limited)))[-1] == (
        "budget         5,000,000 tokens; then it pauses"
    )
    assert lines(terminal.report(Report(plan=plan)))[-3:] == [
        "ships          2, with the agent claude and the model opus",
        "check          make test, before each landing",
        "budget         $20; then it pauses",
    ]
    others: Any = [{"id": "1", "metadata": {"agent": name}} for name in ("codex", "claude")]
    mixed = Plan(**{**settings, "tasks": others}, source=source)
    assert lines(terminal.report(Report(plan=mixed)))[-3:] == [
        "ships          2, with the agent claude and its usual model; also codex",
        "check          none before landing",
        "budget         no limit: set budget_usd in voyage.json for one",
    ]
    review = Review(agent="codex", model="gpt-5", rounds=1)
    read = Plan(**settings, source=source, review=review)
    assert lines(terminal.report(Report(plan=read)))[-1] == (
        "review         by codex with the model gpt-5 before each check, at most 1 round"
    )
    shell = Plan(**settings, source=source, agent="shell")
    assert lines(terminal.report(Report(plan=shell)))[-1] == (
        "budget         the agent shell costs nothing"
    )


def test_into_a_pipe_nothing_is_cut_off(status: VoyageStatus, capsys: pytest.CaptureFixture[str]):
    """Programs and people who redirect get whole lines."""
    status["objective"] = "guide " * 100
    terminal.show(terminal.status(status))
    assert status["objective"].strip() in capsys.readouterr().out


def test_lines_of_a_reason_become_one(status: VoyageStatus):
    """What other machines wrote may have several; no mark stands between them."""
    status["reason"] = "the check exited 1:\n\nred"
    assert "the check exited 1: red" in lines(terminal.status(status))

"""The captain's orders: what comes of each on storage and on the ships."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ocaptain.errors import Failure
from ocaptain.fleet import orders, sink
from ocaptain.fleet.voyage import Signature, Voyage
from ocaptain.onboard.process import marked
from ocaptain.onboard.protocol import Status, TaskRow
from ocaptain.ssh import VM
from tests.support.machine import command_line, put, until
from tests.support.rules import LONG, rule
from tests.support.sailing import Sailing, half_made, under_way

ME = Signature("me@here", "lunch")


@pytest.fixture
def voyage(sailing: Sailing) -> Iterator[Voyage]:
    """The voyage with a ship that does not answer, and with no claim in the end."""
    voyage = sailing.voyage
    voyage.add_vms(VM(mute(voyage), (("ProxyCommand", "false"),), ""))
    yield voyage
    del voyage.vms[mute(voyage)]
    for task in ("1", "2"):
        sailing.ask_as("captain", "release", task=task)


def mute(voyage: Voyage) -> str:
    return voyage.vm("ship-9")


def knock(sailing: Sailing) -> Path:
    """What a ship looks for, to ask storage at once."""
    return sailing.home("ship0") / "voyage" / "knock"


def status(voyage: Voyage) -> Status:
    return asyncio.run(voyage.ask_status())


def rows(voyage: Voyage) -> dict[str, TaskRow]:
    return {row["id"]: row for row in asyncio.run(voyage.ask_tasks())}


def claim(sailing: Sailing) -> int:
    """Claim the first task as ship-0. Returns the claim's number."""
    return int(sailing.ask_as("ship-0", "claim", run_id="test")["claim"])


# The whole voyage


@rule("R72")
def test_a_pause_hands_nothing_out_and_lets_ships_work_on(sailing: Sailing, voyage: Voyage):
    """No ship needs to hear of it at once; `resume` ends it."""
    number = claim(sailing)
    outcome = asyncio.run(orders.pause(voyage, ME))
    assert outcome["unheard"] == []
    assert "Nothing more is handed out" in outcome["message"]
    paused = status(voyage)
    assert (paused["state"], paused["reason"]) == ("paused", "paused by me@here: lunch")
    assert sailing.ask_as("ship-0", "beat", claim=number)["lost"] is None
    assert not knock(sailing).exists()
    assert "handed out" in asyncio.run(orders.resume(voyage, ME))["message"]
    assert status(voyage)["state"] == "running"


@rule("R73")
def test_a_halt_stops_agents_and_knocks_at_their_ships(sailing: Sailing, voyage: Voyage):
    """A ship that cannot be told is named; it hears of it when it asks storage next."""
    number = claim(sailing)
    outcome = asyncio.run(orders.halt(voyage, ME))
    assert outcome["unheard"] == [mute(voyage)]
    assert knock(sailing).exists()
    knock(sailing).unlink()
    assert status(voyage)["state"] == "halted"
    assert sailing.ask_as("ship-0", "beat", claim=number)["lost"]
    asyncio.run(orders.resume(voyage, ME))


@rule("R111")
def test_resume_brings_ships_the_credentials_that_are_set_here(sailing: Sailing, voyage: Voyage):
    """Into a file that nobody else can read; ships that did not get them are named."""
    headers = {"OTEL_EXPORTER_OTLP_HEADERS": "new"}
    of_another_agent = {"CLAUDE_CODE_OAUTH_TOKEN": "not for the agent shell"}
    settings = replace(sailing.config, agent_env={**headers, **of_another_agent})
    elsewhere = Voyage(settings, voyage.provider, voyage.id).add_vms(*voyage.vms.values())
    assert asyncio.run(orders.resume(elsewhere, ME))["unheard"] == [mute(voyage)]
    file = sailing.home("ship0") / "voyage" / "agent_env.json"
    assert json.loads(file.read_text()) == headers
    assert file.stat().st_mode & 0o777 == 0o600


@rule("R99", "R111")
def test_resume_brings_storage_the_git_hosts_token(sailing: Sailing, voyage: Voyage):
    """If it has one already, into a file that nobody else can read."""
    settings = replace(sailing.config, gh_token="new")
    elsewhere = Voyage(settings, voyage.provider, voyage.id).add_vms(*voyage.vms.values())
    file = sailing.home() / "voyage" / "credentials"
    asyncio.run(orders.resume(elsewhere, ME))
    assert not file.exists()
    file.write_text("https://x-access-token:old@github.com\n")
    asyncio.run(orders.resume(elsewhere, ME))
    assert file.read_text() == "https://x-access-token:new@github.com\n"
    assert file.stat().st_mode & 0o777 == 0o600


# Tasks


@rule("R76")
def test_a_released_task_is_pending_and_its_ship_is_told(sailing: Sailing, voyage: Voyage):
    """If no ship has it, that is a failure, and nothing is changed."""
    claim(sailing)
    outcome = asyncio.run(orders.release(voyage, ME, "1"))
    assert outcome == {
        "message": "Task 1 is pending again; ship-0 drops it.",
        "unheard": [mute(voyage)],
    }
    assert knock(sailing).exists()
    knock(sailing).unlink()
    assert rows(voyage)["1"]["status"] == "pending"
    with pytest.raises(Failure, match="no ship has task 2"):
        asyncio.run(orders.release(voyage, ME, "2"))


@rule("R75")
def test_a_task_that_was_set_aside_comes_back(sailing: Sailing, voyage: Voyage):
    """Its attempts count from the beginning; a task that is not there is a failure."""
    for _ in range(3):
        sailing.ask_as("ship-0", "release", claim=claim(sailing), why="no luck", fault="agent")
    assert rows(voyage)["1"]["status"] == "failed"
    message = asyncio.run(orders.retry(voyage, ME, "1"))["message"]
    assert message == "Task 1 is pending again."
    assert (rows(voyage)["1"]["status"], rows(voyage)["1"]["attempts"]) == ("pending", 0)
    with pytest.raises(Failure, match="there is no task '9'"):
        asyncio.run(orders.retry(voyage, ME, "9"))


@rule("R77")
def test_a_task_is_added_and_changed(sailing: Sailing, voyage: Voyage):
    """What is not given stays as it was; an empty id has it wait for nothing."""
    outcome = asyncio.run(
        orders.add_task(
            voyage, ME, subject="More", description="Do more.", after=["1"], run="touch more"
        )
    )
    task = outcome["id"]

    def file() -> dict:
        folder = sailing.home() / ".claude" / "tasks" / f"{voyage.id}-tasks"
        return json.loads((folder / f"{task}.json").read_text())

    added = file()
    assert (added["subject"], added["description"]) == ("More", "Do more.")
    assert (added["blockedBy"], added["metadata"]["run"]) == (["1"], "touch more")

    changed = asyncio.run(orders.edit_task(voyage, ME, task, subject="Most", files=["a"]))
    assert changed["id"] == task
    edited = file()
    assert (edited["subject"], edited["description"]) == ("Most", "Do more.")
    assert (edited["blockedBy"], edited["metadata"]["run"]) == (["1"], "touch more")
    assert edited["metadata"]["files"] == ["a"]

    with pytest.raises(Failure, match="would wait for one another"):
        asyncio.run(orders.edit_task(voyage, ME, "1", after=[task]))
    asyncio.run(orders.edit_task(voyage, ME, task, after=[""]))
    assert file()["blockedBy"] == []


@rule("R77", "R167")
def test_an_agent_that_is_new_to_the_voyage_comes_with_its_credentials(
    sailing: Sailing, voyage: Voyage
):
    """It is refused if it could not work; then nothing is changed, neither here nor there."""
    file = sailing.home("ship0") / "voyage" / "agent_env.json"
    file.write_text("{}")

    def edit(agent: str, **agent_env: str) -> orders.TaskOutcome:
        settings = replace(sailing.config, provider="hosts", agent_env=agent_env)
        elsewhere = Voyage(settings, voyage.provider, voyage.id).add_vms(*voyage.vms.values())
        return asyncio.run(orders.edit_task(elsewhere, ME, "2", agent=agent))

    with pytest.raises(Failure, match='there is no agent "codecs"; did you mean "codex"'):
        edit("codecs")
    with pytest.raises(Failure, match='needs "agent_command", which this voyage sailed without'):
        edit("acp")
    with pytest.raises(Failure, match="set CODEX_API_KEY or OPENAI_API_KEY"):
        edit("codex", GEMINI_API_KEY="g")
    assert (rows(voyage)["2"]["agent"], file.read_text()) == ("shell", "{}")
    assert edit("codex", CODEX_API_KEY="c", GEMINI_API_KEY="g")["unheard"] == [mute(voyage)]
    assert (rows(voyage)["2"]["agent"], file.read_text()) == ("codex", '{"CODEX_API_KEY": "c"}')
    edit("codex")
    with pytest.raises(Failure, match="Here some lack: set CODEX_API_KEY"):
        edit("gemini", GEMINI_API_KEY="g")
    assert json.loads(file.read_text()) == {"CODEX_API_KEY": "c"}
    edit("shell")


# Messages


@rule("R78")
def test_an_agent_that_has_no_ears_is_told_nothing(voyage: Voyage):
    """A command does not read; nobody is knocked up for it."""
    with pytest.raises(Failure, match="the agent shell cannot be told anything"):
        asyncio.run(orders.hail(voyage, ME, "Hello"))


@pytest.fixture
def attentive(sailing: Sailing) -> Iterator[None]:
    """Storage takes the agent for one that can be told something."""
    path = sailing.home() / "voyage" / "voyage.json"
    before = path.read_text()
    path.write_text(json.dumps({**json.loads(before), "interactive": True}))
    yield
    path.write_text(before)


@rule("R110")
def test_a_message_waits_for_the_ships_next_task(sailing: Sailing, voyage: Voyage, attentive: None):
    """It is not waited for then; only those that it is for are knocked at, and reported."""
    outcome = asyncio.run(orders.hail(voyage, ME, "Hello", "ship-0"))
    assert outcome["unheard"] == []
    assert outcome["ships"] == [{"id": "ship-0", "task": None, "hails": 1}]
    assert knock(sailing).exists()
    knock(sailing).unlink()
    assert asyncio.run(orders.hail(voyage, ME, "All hands"))["unheard"] == [mute(voyage)]
    hails = sailing.ask_as("ship-0", "claim", run_id="test")["hails"]
    assert sorted(hails.values()) == ["All hands", "Hello"]


# The audit


@rule("R81")
def test_fsck_says_what_it_mended(sailing: Sailing, voyage: Voyage):
    """A torn task file is put back from the journal."""
    assert asyncio.run(orders.fsck(voyage, ME))["faults"] == []
    put(sailing.home() / ".claude" / "tasks" / f"{voyage.id}-tasks" / "1.json", "{torn")
    outcome = asyncio.run(orders.fsck(voyage, ME))
    [mended] = outcome["mended"]
    assert "1.json" in mended
    assert outcome["faults"] == []
    assert asyncio.run(orders.fsck(voyage, ME))["mended"] == []


# Ships


@LONG
@rule("R112", "R113")
def test_ships_are_restarted_replaced_and_relieved(
    tools: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """A helm that ended is started again, a ship without a VM gives way to a new one, and a VM that
    no ship has goes, as does that of a ship that is relieved."""
    with under_way(tmp_path) as sailing:
        voyage = sailing.voyage
        outcome = asyncio.run(orders.reinforce(voyage, ME, 0))
        assert outcome["message"] == (
            "0 ships lost of 1; 0 new ships. "
            "1 ship answered; helm was started again wherever it had ended."
        )
        until(lambda: has_helm(voyage, "ship-0"))

        asyncio.run(voyage.destroy([voyage.vm("ship-0")], "sink"))
        stray = half_made(sailing.config, voyage.vm("ship-7"))
        voyage.add_vms(*asyncio.run(voyage.provider.list()))
        outcome = asyncio.run(orders.reinforce(voyage, ME, 0))
        assert (outcome["lost"], outcome["kept"], outcome["new"]) == ([], ["ship-0"], [])
        outcome = asyncio.run(orders.reinforce(voyage, ME, 0, force=True))
        assert (outcome["lost"], outcome["new"]) == (["ship-0"], ["ship-1"])
        assert f"{voyage.vm('ship-0')} does not answer: " in capsys.readouterr().err
        names = [voyage.storage, voyage.vm("ship-1")]
        assert [*sorted(voyage.vms, reverse=True), stray.exists()] == [*names, False]

        check_that_a_sunk_ship_is_replaced_at_once(voyage, capsys)
        asyncio.run(orders.halt(voyage, ME))
        relieved = asyncio.run(orders.relieve(voyage, ME, "ship-2"))
        assert relieved["message"] == "ship-2 has gone home, and its VM is destroyed."
        assert f"to finish it: ocaptain relieve {voyage.id} ship-2" in capsys.readouterr().err
        assert status(voyage)["ships"] == []
        assert list(voyage.vms) == [voyage.storage]
        with pytest.raises(Failure, match="there is no ship 'ship-2'"):
            asyncio.run(orders.relieve(voyage, ME, "ship-2"))


def check_that_a_sunk_ship_is_replaced_at_once(
    voyage: Voyage, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also though storage has heard it a moment ago; storage says that it is sunk."""
    doom = asyncio.run(sink.foresee(voyage, with_storage=False))
    assert doom.sentences[-1].endswith("For new ships: ocaptain reinforce")
    asyncio.run(sink.destroy(doom))
    assert [ship["state"] for ship in status(voyage)["ships"]] == ["sunk"]
    outcome = asyncio.run(orders.reinforce(voyage, ME, 0))
    assert outcome["message"] == "1 ship lost of 1; 1 new ship."
    assert "does not answer" not in capsys.readouterr().err


@rule("R112", "R115")
def test_a_ship_that_another_command_makes_is_left_alone(sailing: Sailing):
    """Nobody tries to reach it, and its VM is not taken for a stray one."""
    voyage = sailing.voyage
    update = asyncio.run(voyage.replace_ships(ME, lost=[], more=1))
    [new] = update["new"]
    being_made = half_made(sailing.config, voyage.vm(new))
    voyage.add_vms(*asyncio.run(voyage.provider.list()))
    outcome = asyncio.run(orders.reinforce(voyage, ME, 0))
    assert (outcome["lost"], outcome["kept"], outcome["new"]) == ([], [new], [])
    assert being_made.exists()
    asyncio.run(voyage.destroy([voyage.vm(new)], "sink"))
    asyncio.run(voyage.forget_ships(ME, [new]))


def has_helm(voyage: Voyage, ship: str) -> bool:
    """Whether helm runs on a ship."""
    pids = marked(f"OCAPTAIN_VM={voyage.vm(ship)}")
    return any(command_line(pid).endswith("\0helm-main\0") for pid in pids)

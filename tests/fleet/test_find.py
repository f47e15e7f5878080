"""Voyages as they are found: on every provider, by names, and without asking the provider."""

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ocaptain.config import Config
from ocaptain.errors import Failure
from ocaptain.fleet.choice import Candidate, ambiguous, choose
from ocaptain.fleet.find import ask_cached, find, survey, voyages, wait_patiently
from ocaptain.fleet.voyage import Voyage
from ocaptain.providers import open_provider
from tests.support.sailing import Sailing, half_made

ONE, OTHER = "voyage-111111111111", "voyage-122222222222"


@pytest.fixture
def two(config: Config) -> Config:
    """Settings by which there are two voyages, and both have a storage that nobody reaches."""
    for name in (f"{OTHER}-storage", f"{ONE}-storage", f"{ONE}-ship12"):
        half_made(config, name)
    half_made(config, "my-own")
    return config


def test_all_voyages_are_found_by_their_vms(two: Config):
    """Each has its own VMs, and an ssh_config that names them."""
    first, second = asyncio.run(voyages(two))
    assert (first.id, second.id) == (ONE, OTHER)
    assert set(first.vms) == {f"{ONE}-storage", f"{ONE}-ship12"}
    assert set(second.vms) == {f"{OTHER}-storage"}
    assert f"Host {ONE}-ship12\n" in first.ssh.path.read_text()
    assert f"Host {ONE}" not in second.ssh.path.read_text()


@pytest.mark.parametrize("name", ["11", "voyage-11", ONE])
def test_the_beginning_of_an_id_is_enough(two: Config, name: str):
    """With or without what all ids begin with; its hints name the voyage, as one had to."""
    voyage = asyncio.run(find(two, name))
    assert voyage.id == ONE
    assert voyage.to_type("ocaptain retry verify") == f"ocaptain retry {ONE} verify"
    told = voyage.to_type("to have more done: ocaptain tasks add SUBJECT. It is ocaptain's.")
    assert told == f"to have more done: ocaptain tasks add {ONE} SUBJECT. It is ocaptain's."


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        (None, "More than one voyage fits."),
        ("1", "More than one voyage fits."),
        ("voyage-", "More than one voyage fits."),
        ("2222", "There is no voyage 2222."),
        ("voyage-122222222223", f"Did you mean {OTHER}?"),
        ("ship-3", "Of a ship: ocaptain logs ship-3  or  ocaptain shell ship-3"),
        ("ad", "Did you mean: ocaptain tasks add"),
        ("17", "Of a task: ocaptain tasks show 17"),
    ],
)
def test_a_name_that_does_not_say_which_is_refused(two: Config, name: str | None, fault: str):
    """Those that there are are named, with their provider and state; what is the name of a ship or
    a task is told from a voyage's."""
    with pytest.raises(Failure) as caught:
        asyncio.run(find(two, name))
    said = str(caught.value)
    first, *_, last = said.splitlines()
    assert fault in first or fault == last
    for voyage in (ONE, OTHER):
        assert f"\n  {voyage}  local  unseen" in said


def test_what_is_left_of_a_voyage_without_storage_is_in_nobodys_way(two: Config):
    """It cannot go on; its name finds it all the same."""
    shutil.rmtree(two.data_dir / "local" / f"{ONE}-storage")
    assert asyncio.run(find(two, None)).id == OTHER
    assert asyncio.run(find(two, "11")).id == ONE


@pytest.mark.parametrize("name", [None, "11"])
def test_without_any_voyage_one_learns_how_to_sail(config: Config, name: str | None):
    """Whatever name was given."""
    with pytest.raises(Failure, match=r"with the provider local\.\nocaptain sail PLAN"):
        asyncio.run(find(config, name))


def test_a_voyage_is_found_whatever_provider_is_named(two: Config, tmp_path: Path):
    """Those that are set up are all asked. One that fails is told of in a line, and a default that
    is not set up is not even asked."""
    shutil.rmtree(two.data_dir / "local" / f"{OTHER}-storage")
    (tmp_path / "none").write_text("UserKnownHostsFile none\nGlobalKnownHostsFile none\n")
    default = replace(two, provider="exedev", provider_origin="default")
    voyage = asyncio.run(find(default, None))
    assert (voyage.id, voyage.config.provider) == (ONE, "local")
    assert voyage.to_type("ocaptain resume") == "ocaptain resume"
    shutil.rmtree(two.data_dir / "local")
    with pytest.raises(Failure, match="no provider is set up: see `ocaptain doctor`"):
        asyncio.run(find(default, None))
    assert asyncio.run(voyages(default)) == []


def test_a_provider_that_does_not_answer_holds_nobody_up(
    two: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """It is told of in a line. If no other has voyages either, that is the failure."""
    inventory = tmp_path / "hosts"
    named = replace(two, provider="hosts", provider_origin="environment", hosts=inventory)
    assert asyncio.run(find(named, "11")).id == ONE
    fault = f"{inventory}: No such file or directory."
    told = f"Provider hosts: {fault} More: OCAPTAIN_PROVIDER=hosts ocaptain doctor\n"
    shutil.rmtree(two.socket_dir)  # where it was reached from here before
    assert asyncio.run(find(named, "11")).id == ONE
    assert capsys.readouterr().err == told * 2
    shutil.rmtree(two.data_dir / "local")
    with pytest.raises(Failure) as caught:
        asyncio.run(find(named, None))
    assert str(caught.value).startswith(f"Provider hosts (OCAPTAIN_PROVIDER): {fault}\nmkdir -p ")


def test_a_provider_that_was_late_a_moment_ago_is_not_waited_for_as_long(config: Config):
    """The others' voyages are there at once then; if there are none, it is waited for."""
    voyage = Voyage(config, open_provider(config), ONE)

    async def wait(found: list[Voyage], late: list[str]) -> dict[str, bool]:
        async def answer() -> list[Voyage]:
            return found

        async def hang() -> list[Voyage]:
            await asyncio.sleep(0.2)
            return []

        looks = {"local": asyncio.create_task(answer()), "exedev": asyncio.create_task(hang())}
        await wait_patiently(looks, late, impatience_s=0.01, patience_s=60)
        return {name: not look.cancelled() for name, look in looks.items()}

    assert asyncio.run(wait([voyage], ["exedev"])) == {"local": True, "exedev": False}
    assert asyncio.run(wait([voyage], [])) == {"local": True, "exedev": True}
    assert asyncio.run(wait([], ["exedev"])) == {"local": True, "exedev": True}


def test_a_provider_that_is_named_confines_what_is_about_all_voyages(two: Config):
    """So `sink --all` reaches no others, as it does if nobody has named one."""
    named = replace(two, provider="hosts", provider_origin="environment")
    with pytest.raises(Failure, match="Provider hosts"):
        asyncio.run(voyages(named, confined=True))
    assert len(asyncio.run(voyages(named))) == 2
    default = replace(two, provider="exedev", provider_origin="default")
    assert len(asyncio.run(voyages(default, confined=True))) == 2


def a_candidate(config: Config, voyage: str, state: str, name: str = "guide") -> Candidate:
    """A voyage as its storage would describe it."""
    return Candidate(
        Voyage(config, open_provider(config), voyage),
        {
            "voyage": voyage,
            "provider": "local",
            "vms": 2,
            "state": state,
            "reason": None,
            "created": 0.0,
            "name": name,
            "objective": "Write\x1b a guide",
        },
    )


def test_the_one_that_is_not_over_is_meant(config: Config):
    """Unless something else is named: a plan's name means its own voyages only."""
    over = a_candidate(config, ONE, "complete")
    going = a_candidate(config, OTHER, "paused")
    third = a_candidate(config, "voyage-133333333333", "failed", "twelve")
    known = [over, going, third]
    assert choose(known, None) is going.voyage
    assert choose(known, "guide") is going.voyage
    assert choose(known, "twelve") is third.voyage
    assert choose([over], None) is over.voyage
    with pytest.raises(Failure, match=f"\n  {ONE}  local  complete .*\n  voyage-133333333333 "):
        choose([over, third], None)
    with pytest.raises(Failure, match=r"^There is no voyage twelf\. Did you mean twelve\?"):
        choose(known, "twelf")
    both = str(ambiguous([over, third]))
    assert "guide: Write" in both
    assert both.endswith(
        "\nName one: the beginning of its id (1111) or its plan's name (guide) will do."
    )
    assert "\x1b" not in both


def test_a_name_that_two_voyages_share_is_no_advice(config: Config):
    """Typed again it would fit both again; the beginning of an id tells them apart."""
    twins = [a_candidate(config, voyage, "complete") for voyage in (ONE, OTHER)]
    third = a_candidate(config, "voyage-133333333333", "failed", "twelve")
    advice = "\nName one: the beginning of its id"
    assert str(ambiguous(twins)).endswith(f"{advice} (1111) will do.")
    assert str(ambiguous([*twins, third])).endswith(
        f"{advice} (1333) or its plan's name (twelve) will do."
    )


async def state(voyage: Voyage) -> str:
    status = await voyage.ask_status()
    return status["state"]


def test_who_was_reached_before_is_asked_without_the_provider(sailing: Sailing, tmp_path: Path):
    """The answer comes even if the provider knows of no voyage."""
    forgetful = replace(sailing.config, data_dir=tmp_path)
    with pytest.raises(Failure, match="No voyage is under way"):
        asyncio.run(find(forgetful, None))
    for name in (None, sailing.voyage.id[:12]):
        assert asyncio.run(ask_cached(forgetful, name, state)) == "running"


def test_tasks_are_asked_for_once(sailing: Sailing, monkeypatch: pytest.MonkeyPatch):
    """Their answer says whether the voyage is over: if it is, another may be meant."""
    asked: list[str] = []
    ask = Voyage.ask

    async def noted(voyage: Voyage, op: str, *args: Any, **fields: Any) -> Any:
        asked.append(op)
        return await ask(voyage, op, *args, **fields)

    monkeypatch.setattr(Voyage, "ask", noted)
    answer = asyncio.run(ask_cached(sailing.config, None, Voyage.ask_task_rows))
    assert answer["state"] == "running"
    assert asked == ["tasks"]


def test_if_that_fails_the_provider_says_how_to_reach_it(sailing: Sailing):
    """The ssh_config of an earlier command may be out of date, and is then written again."""
    sailing.voyage.ssh.path.write_text("Host *\n  ProxyCommand false\n  ControlPath none\n")
    assert asyncio.run(ask_cached(sailing.config, None, state)) == "running"
    assert f"Host {sailing.voyage.storage}\n" in sailing.voyage.ssh.path.read_text()


def test_if_several_were_reached_the_provider_says_which_there_is(sailing: Sailing):
    """The others may have been sunk from another machine."""
    gone = sailing.config.run_dir() / ONE
    gone.mkdir()
    (gone / "ssh_config").write_text("")
    asked: list[tuple[str, int]] = []

    async def ask(voyage: Voyage) -> None:
        asked.append((voyage.id, len(voyage.vms)))

    asyncio.run(ask_cached(sailing.config, None, ask))
    assert asked == [(sailing.voyage.id, 2)]
    shutil.rmtree(gone)


def test_a_voyage_is_found_by_its_plans_name(sailing: Sailing):
    """Also if another is there; what is typed about it then names it."""
    half_made(sailing.config, f"{OTHER}-storage")
    try:
        found = asyncio.run(find(sailing.config, "small"))
        assert found.id == sailing.voyage.id
        assert found.has_to_be_named
    finally:
        shutil.rmtree(sailing.config.data_dir / "local" / f"{OTHER}-storage")


def test_a_survey_has_each_voyage_also_one_that_is_not_seen(sailing: Sailing):
    """Its state is then `unseen`, with the reason, and the others are shown all the same."""
    half_made(sailing.config, f"{OTHER}-ship0")
    rows = {row["voyage"]: row for row in asyncio.run(survey(sailing.config))}
    asyncio.run(sailing.voyage.provider.destroy([f"{OTHER}-ship0"]))
    assert set(rows) == {sailing.voyage.id, OTHER}
    seen, unseen = rows[sailing.voyage.id], rows[OTHER]
    assert (seen["state"], seen["vms"], seen["objective"]) == ("running", 2, "Do little")
    assert (seen["provider"], seen["name"]) == ("local", "small")
    assert seen["created"]
    assert (unseen["state"], unseen["vms"], unseen["created"]) == ("unseen", 1, None)
    assert str(unseen["reason"]).startswith(f"{OTHER} has no storage any more.")

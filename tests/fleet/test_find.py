"""Voyages as they are found: all, by the beginning of a name, and without asking the provider."""

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ocaptain.config import Config
from ocaptain.errors import Failure
from ocaptain.fleet.find import ask_cached, find, survey, voyages
from ocaptain.fleet.voyage import Voyage
from tests.support.sailing import Sailing, half_made

ONE, OTHER = "voyage-111111111111", "voyage-122222222222"


@pytest.fixture
def two(config: Config) -> Config:
    """Settings by which there are two voyages, of which one has no storage any more."""
    for name in (f"{OTHER}-ship0", f"{ONE}-storage", f"{ONE}-ship12"):
        half_made(config, name)
    half_made(config, "my-own")
    return config


def test_all_voyages_are_found_by_their_vms(two: Config):
    """Each has its own VMs, and an ssh_config that names them."""
    first, second = asyncio.run(voyages(two))
    assert (first.id, second.id) == (ONE, OTHER)
    assert set(first.vms) == {f"{ONE}-storage", f"{ONE}-ship12"}
    assert set(second.vms) == {f"{OTHER}-ship0"}
    assert f"Host {ONE}-ship12\n" in first.ssh.path.read_text()
    assert f"Host {ONE}" not in second.ssh.path.read_text()


@pytest.mark.parametrize("name", ["11", "voyage-11", ONE])
def test_the_beginning_of_an_id_is_enough(two: Config, name: str):
    """With or without what all ids begin with."""
    assert asyncio.run(find(two, name)).id == ONE


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        (None, "More than one voyage fits."),
        ("1", "More than one voyage fits."),
        ("voyage-", "More than one voyage fits."),
        ("2222", "There is no voyage 2222."),
    ],
)
def test_a_name_that_does_not_say_which_is_refused(two: Config, name: str | None, fault: str):
    """Those that there are are named."""
    with pytest.raises(Failure) as caught:
        asyncio.run(find(two, name))
    assert str(caught.value) == f"{fault}\nThere is: {ONE}  {OTHER}"


@pytest.mark.parametrize("name", [None, "11"])
def test_without_any_voyage_one_learns_how_to_sail(config: Config, name: str | None):
    """Whatever name was given."""
    with pytest.raises(Failure, match=r"with the provider local\.\nocaptain sail PLAN"):
        asyncio.run(find(config, name))


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


def test_a_survey_has_each_voyage_also_one_that_is_not_seen(sailing: Sailing):
    """Its state is then `unseen`, with the reason, and the others are shown all the same."""
    half_made(sailing.config, f"{OTHER}-ship0")
    rows = {row["voyage"]: row for row in asyncio.run(survey(sailing.config))}
    asyncio.run(sailing.voyage.provider.destroy([f"{OTHER}-ship0"]))
    assert set(rows) == {sailing.voyage.id, OTHER}
    seen, unseen = rows[sailing.voyage.id], rows[OTHER]
    assert (seen["state"], seen["vms"], seen["objective"]) == ("running", 2, "Do little")
    assert seen["created"]
    assert (unseen["state"], unseen["vms"], unseen["created"]) == ("unseen", 1, None)
    assert str(unseen["reason"]).startswith(f"{OTHER} has no storage any more.")

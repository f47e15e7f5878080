"""What comes home of a voyage, and what is said of that which has not."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocaptain.errors import Failure
from ocaptain.fleet.fetch import at_risk, fetch
from ocaptain.fleet.voyage import Voyage
from tests.support.machine import put
from tests.support.rules import rule
from tests.support.sailing import Sailing, under_way
from tests.support.storage import git


@pytest.fixture(scope="module")
def sailing(tools: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sailing]:
    """A voyage with a task that has landed and another's wreck."""
    with under_way(tmp_path_factory.mktemp("sailing")) as voyage:
        voyage.land("landed")
        voyage.give_up("wreck")
        yield voyage


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A repository of the captain's."""
    git(tmp_path, "init", "-q", str(tmp_path / "repo"))
    return tmp_path / "repo"


@rule("R58")
def test_what_only_storage_has_is_said_until_it_is_fetched(sailing: Sailing, repo: Path):
    """The branch comes first, and wrecks only with all the rest; then nothing is at risk."""
    voyage = sailing.voyage
    [(ref, wreck)] = asyncio.run(voyage.ask_unfetched())["wrecks"].items()
    assert asyncio.run(at_risk(voyage)) == (
        f"{voyage.id}: never fetched or pushed: 1 commits on its branch and unlanded work ({ref})"
    )

    report = asyncio.run(fetch(voyage, repo, everything=False))
    head = git(repo, "rev-parse", voyage.id)
    assert git(repo, "log", "-1", "--format=%s", head) == "Make landed"
    assert f"{voyage.id} is at {head[:12]}; 1 commits were on storage alone" in report
    assert f"Unlanded work is on storage only: {ref} (--all)" in report
    assert git(repo, "for-each-ref", "refs/ocaptain") == ""
    assert list(repo.iterdir()) == [repo / ".git"]
    rest = f"{voyage.id}: never fetched or pushed: unlanded work ({ref})"
    assert asyncio.run(at_risk(voyage)) == rest

    report = asyncio.run(fetch(voyage, repo, everything=True))
    assert "0 commits were on storage alone" in report
    assert f"Logs, journal and artifacts: {repo / voyage.id}/" in report
    number = ref.rpartition("/")[2]
    assert git(repo, "rev-parse", f"refs/ocaptain/{voyage.id}/{number}") == wreck
    journal = (repo / voyage.id / "journal.jsonl").read_bytes()
    assert journal.splitlines()[0] in (sailing.home() / "voyage/journal.jsonl").read_bytes()
    assert (repo / voyage.id / "artifacts" / "spec.md").read_text() == "# Do little\n"
    assert asyncio.run(at_risk(voyage)) is None


@rule("R58")
def test_what_cannot_be_fetched_stays_at_risk(sailing: Sailing, repo: Path):
    """A branch of that name with other commits is left alone, and one learns what to type."""
    voyage = sailing.voyage
    sailing.give_up("another")
    git(repo, "commit", "-q", "--allow-empty", "-m", "Mine")
    git(repo, "branch", voyage.id)
    with pytest.raises(Failure) as caught:
        asyncio.run(fetch(voyage, repo, everything=True))
    assert f"{voyage.id} could not be fetched into {repo}: " in str(caught.value)
    assert str(caught.value).endswith(f"ocaptain fetch {voyage.id} --into REPO")
    assert git(repo, "log", "-1", "--format=%s", voyage.id) == "Mine"
    assert "unlanded work" in str(asyncio.run(at_risk(voyage)))


def test_records_that_cannot_be_written_are_a_failure(sailing: Sailing, repo: Path):
    """Something else may have their name."""
    put(repo / sailing.voyage.id, "Mine\n")
    with pytest.raises(Failure, match="could not be fetched into"):
        asyncio.run(fetch(sailing.voyage, repo, everything=True))
    assert (repo / sailing.voyage.id).read_text() == "Mine\n"


def test_what_cannot_be_seen_is_at_risk(sailing: Sailing):
    """Storage that gives no answer may have anything."""
    lost = Voyage(sailing.config, sailing.voyage.provider, "voyage-111111111111")
    sentence = asyncio.run(at_risk(lost))
    assert sentence
    assert "what was never fetched of it cannot be seen. voyage-111111111111" in sentence

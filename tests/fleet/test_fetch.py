"""What comes home of a voyage, and what is said of that which has not."""

import asyncio
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocaptain.errors import Failure
from ocaptain.fleet.answers import read_answer
from ocaptain.fleet.fetch import (
    Unrelated,
    at_risk,
    fetch,
    is_related,
    records_folder,
    related_repository,
    unpack,
)
from ocaptain.fleet.voyage import Voyage
from ocaptain.onboard.protocol import Unfetched
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
        f"{voyage.id}: never fetched or pushed: 1 commit on its branch and unlanded work ({ref})"
    )

    outcome = asyncio.run(fetch(voyage, repo, everything=False))
    report = outcome["message"]
    head = git(repo, "rev-parse", voyage.id)
    assert git(repo, "log", "-1", "--format=%s", head) == "Make landed"
    assert f"{voyage.id} is at {head[:12]} in {repo}: 1 commit new to you." in report
    assert f"Work that did not land is on storage only: {ref} (--all brings it)" in report
    assert (outcome["repo"], outcome["commits"], outcome["wrecks"]) == (str(repo), 1, [ref])
    assert git(repo, "for-each-ref", "refs/ocaptain") == ""
    assert list(repo.iterdir()) == [repo / ".git"]
    rest = f"{voyage.id}: never fetched or pushed: unlanded work ({ref})"
    assert asyncio.run(at_risk(voyage)) == rest

    report = asyncio.run(fetch(voyage, repo, everything=True))["message"]
    records = repo / records_folder(voyage.id)
    assert "nothing there is new to you" in report
    assert f"Logs, transcripts, journal, artifacts: {records}/" in report
    number = ref.rpartition("/")[2]
    assert git(repo, "rev-parse", f"refs/ocaptain/{voyage.id}/{number}") == wreck
    journal = (records / "journal.jsonl").read_bytes()
    assert journal.splitlines()[0] in (sailing.home() / "voyage/journal.jsonl").read_bytes()
    assert (records / "artifacts" / "spec.md").read_text() == "# Do little\n"
    assert asyncio.run(at_risk(voyage)) is None


@rule("R58")
def test_what_cannot_be_fetched_stays_at_risk(sailing: Sailing, tmp_path: Path):
    """If there is no repository, one learns what to type."""
    voyage = sailing.voyage
    sailing.give_up("another")
    with pytest.raises(Failure) as caught:
        asyncio.run(fetch(voyage, tmp_path, everything=True))
    told = f"{voyage.id} could not be fetched into {tmp_path}: that is in no git repository\n"
    assert str(caught.value).startswith(told)
    assert str(caught.value).endswith(f"ocaptain fetch {voyage.id} --into REPO")
    assert "unlanded work" in str(asyncio.run(at_risk(voyage)))


@rule("R58", "R133")
def test_a_branch_that_one_works_on_is_left_as_it_is(sailing: Sailing, repo: Path, tmp_path: Path):
    """With commits of one's own, or checked out, here or in a worktree: what came home is said, and
    what to type. Once nothing is in the way the branch follows, and nothing else is left."""
    voyage, branch = sailing.voyage, sailing.voyage.id
    home = f"refs/ocaptain/{branch}/head"
    asyncio.run(fetch(voyage, repo, everything=False))
    old = git(repo, "rev-parse", branch)
    git(repo, "worktree", "add", "-q", str(tmp_path / "a tree"), branch)
    git(repo, "config", "fetch.prune", "true")
    new = sailing.move("further")
    with pytest.raises(Failure) as caught:
        asyncio.run(fetch(voyage, repo, everything=True))
    assert f"for it is checked out at {tmp_path}/a tree.\n" in str(caught.value)
    assert str(caught.value).endswith(f"git -C '{tmp_path}/a tree' merge --ff-only {home}")
    assert (git(repo, "rev-parse", branch), git(repo, "rev-parse", home)) == (old, new)
    assert git(tmp_path / "a tree", "status", "--porcelain") == ""

    git(tmp_path / "a tree", "commit", "-q", "--allow-empty", "-m", "Mine")
    with pytest.raises(Failure, match="it has diverged: 1 of its commits are of your own"):
        asyncio.run(fetch(voyage, repo, everything=False))
    assert git(tmp_path / "a tree", "log", "-1", "--format=%s") == "Mine"

    git(tmp_path / "a tree", "checkout", "-q", "--detach")
    git(repo, "update-ref", f"refs/heads/{branch}", old)
    asyncio.run(fetch(voyage, repo, everything=False))
    refs = git(repo, "for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", home)
    assert refs == f"refs/heads/{branch} {new}"


def test_records_that_cannot_be_written_are_a_failure(sailing: Sailing, repo: Path):
    """Something else may have their name."""
    place = repo / records_folder(sailing.voyage.id)
    put(place, "Mine\n")
    with pytest.raises(Failure, match="could not be fetched into"):
        asyncio.run(fetch(sailing.voyage, repo, everything=True))
    assert place.read_text() == "Mine\n"


def test_records_are_in_nobodys_way(sailing: Sailing, repo: Path):
    """Their folder is no untracked file, and does not make the branch's name ambiguous."""
    asyncio.run(fetch(sailing.voyage, repo, everything=True))
    assert (repo / records_folder(sailing.voyage.id)).is_dir()
    assert git(repo, "log", "--format=%s", sailing.voyage.id).startswith("Make ")
    assert git(repo, "status", "--porcelain", "--untracked-files=all") == ""


@rule("R58")
def test_a_repository_of_something_else_is_left_alone(sailing: Sailing, repo: Path):
    """It lacks the commit at which the voyage began; if one insists it gets the branch even so."""
    git(repo, "commit", "-q", "--allow-empty", "-m", "Mine")
    with pytest.raises(Unrelated) as caught:
        asyncio.run(fetch(sailing.voyage, repo, everything=True))
    message, *hints = str(caught.value).splitlines()
    assert message.startswith(f"{repo} does not have the commit at which {sailing.voyage.id} began")
    assert hints[-1].endswith(f"ocaptain fetch {sailing.voyage.id} --force")
    assert git(repo, "for-each-ref", "--format=%(refname)") == git(repo, "symbolic-ref", "HEAD")
    assert list(repo.iterdir()) == [repo / ".git"]
    assert asyncio.run(related_repository(sailing.voyage, repo)) is None
    asyncio.run(fetch(sailing.voyage, repo, everything=False, unrelated=True))
    assert asyncio.run(related_repository(sailing.voyage, repo)) == repo


def test_what_cannot_be_seen_is_at_risk(sailing: Sailing):
    """Storage that gives no answer may have anything."""
    lost = Voyage(sailing.config, sailing.voyage.provider, "voyage-111111111111")
    sentence = asyncio.run(at_risk(lost))
    assert sentence
    assert "what was never fetched of it cannot be seen. voyage-111111111111" in sentence


def test_an_archive_is_unpacked_below_its_folder_alone(tmp_path: Path):
    """Whatever storage packs: files that are named out of it, links and devices are left out."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name in ("logs/ship-0.log", "../out", "/abs", "a/../../out", "link/x"):
            entry = tarfile.TarInfo(name)
            entry.size = 4
            tar.addfile(entry, io.BytesIO(b"said"))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/tmp"
        tar.addfile(link)
    packed.seek(0)
    put(tmp_path / "home" / "logs" / "ship-0.log", "old")
    unpack(packed, tmp_path / "home")
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"home/logs/ship-0.log", "home/link/x"}
    assert (tmp_path / "home" / "logs" / "ship-0.log").read_text() == "said"


@rule("R58")
def test_records_that_come_in_part_are_a_failure(sailing: Sailing, repo: Path):
    """What tar says on storage is told, and nothing counts as fetched."""
    sailing.give_up("another")
    ships = sailing.home() / "voyage" / "ships"
    ships.rename(ships.with_name("away"))
    with pytest.raises(Failure, match="tar on storage failed: tar: ships: Cannot stat"):
        asyncio.run(fetch(sailing.voyage, repo, everything=True))
    ships.with_name("away").rename(ships)
    assert "unlanded work" in str(asyncio.run(at_risk(sailing.voyage)))


def test_an_older_storage_that_does_not_say_where_its_voyage_began_is_fetched_from(tmp_path: Path):
    """Its answer is one, and any repository will do."""
    answer = b'{"ok": true, "head": "a1", "commits": 0, "wrecks": {}}'
    unfetched = read_answer(answer, Unfetched)
    assert asyncio.run(is_related(tmp_path, unfetched.get("start")))

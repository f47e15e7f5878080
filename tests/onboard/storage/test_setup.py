import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ocaptain.onboard.storage import setup
from tests.support.rules import rule
from tests.support.storage import SHIPS, VOYAGE, Json, boot, bundle, fold, git, set_up, task

BUNDLED: Json = {"url": None, "ref": "refs/heads/main", "shallow": ""}


def repo_of(home: Path) -> Path:
    return home / "voyage" / "repo.git"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def origin(folder: Path, commits: int) -> Path:
    """A repository with a few commits on main, and a branch."""
    git(folder, "init", "-q", "-b", "main", "origin")
    for number in range(commits):
        (folder / "origin" / "file").write_text(f"{number}\n")
        git(folder / "origin", "add", "-A")
        git(folder / "origin", "commit", "-q", "-m", f"Commit {number}")
    git(folder / "origin", "branch", "release", "HEAD~1")
    git(folder / "origin", "tag", "v1")
    return folder / "origin"


def journal(home: Path) -> list[Json]:
    lines = (home / "voyage" / "journal.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_a_voyage_begins(home: Path, tmp_path: Path):
    """From a bundle come branch, tasks and the journal's first line; the boot file is gone."""
    head = bundle(home, tmp_path / "source")
    odd = {**task("2", "1"), "unknown": ["kept"]}
    set_up(home, boot([task("1"), odd], BUNDLED))
    folder = home / "voyage"
    assert git(repo_of(home), "rev-parse", VOYAGE) == head
    assert git(repo_of(home), "symbolic-ref", "HEAD") == f"refs/heads/{VOYAGE}"
    assert git(repo_of(home), "for-each-ref", "--format=%(refname)") == f"refs/heads/{VOYAGE}"
    tasks = home / ".claude" / "tasks" / f"{VOYAGE}-tasks"
    assert json.loads((tasks / "2.json").read_text()) == odd
    assert (folder / "artifacts" / "spec.md").read_text() == "Spec\n"
    assert json.loads((folder / "voyage.json").read_text())["voyage"] == VOYAGE
    state = fold(journal(home))
    assert state["meta"] == {"start": head, "head": head, "next_ship": len(SHIPS)}
    assert not (folder / "boot.json").exists()
    assert not (folder / "source.bundle").exists()


@rule("R104")
def test_setting_up_twice_is_harmless(home: Path, tmp_path: Path):
    """A set-up whose answer was lost is done again, with the bundle or without, to the same end."""
    bundle(home, tmp_path / "source")
    sent = (home / "voyage" / "source.bundle").read_bytes()
    told = boot([task("1")], BUNDLED)
    set_up(home, told)
    first = journal(home)
    git(repo_of(home), "update-ref", "refs/heads/work/1-1", "HEAD")
    for again in (sent, None):
        if again:
            (home / "voyage" / "source.bundle").write_bytes(again)
        set_up(home, told)
    assert journal(home) == first
    keys = (home / ".ssh" / "authorized_keys").read_text().splitlines()
    assert len(keys) == len(SHIPS)
    assert "work/1-1" in git(repo_of(home), "for-each-ref")


@rule("R104")
def test_a_set_up_that_was_cut_short_is_finished(home: Path, tmp_path: Path):
    """Where an attempt ended before its first line of journal, the next begins the voyage."""
    head = bundle(home, tmp_path / "source")
    sent = (home / "voyage" / "source.bundle").read_bytes()
    git(home / "voyage", "init", "-q", "--bare", "repo.git")
    set_up(home, boot([task("1")], BUNDLED))
    (home / "voyage" / "journal.jsonl").write_text('{"seq": 1, "ti')
    (home / "voyage" / "source.bundle").write_bytes(sent)
    set_up(home, boot([task("1")], BUNDLED))
    assert fold(journal(home))["meta"]["head"] == head


@pytest.mark.parametrize("ref", ["HEAD", "refs/heads/main", "refs/heads/release"])
def test_a_url_is_fetched(home: Path, tmp_path: Path, ref: str):
    """From a URL the branch that was asked for is fetched, and no tag or other branch."""
    source = origin(tmp_path, 3)
    (home / "voyage").mkdir()
    set_up(home, boot([], {"url": f"file://{source}", "ref": ref, "shallow": ""}))
    assert git(repo_of(home), "rev-parse", VOYAGE) == git(source, "rev-parse", ref)
    assert git(repo_of(home), "for-each-ref", "--format=%(refname)") == f"refs/heads/{VOYAGE}"


def test_a_url_that_cannot_be_read(home: Path, tmp_path: Path):
    """Where the repository cannot be had, set-up ends with what git said, and no voyage begins."""
    source = {"url": f"file://{tmp_path}/nowhere", "ref": "HEAD", "shallow": ""}
    with pytest.raises(SystemExit, match=r"^git fetch .* failed: .*nowhere"):
        set_up(home, boot([task("1")], source))
    assert not (home / "voyage" / "journal.jsonl").exists()


def test_a_shallow_checkout(home: Path, tmp_path: Path):
    """A bundle of a shallow checkout makes a repository that can be cloned and pushed to."""
    source = origin(tmp_path, 4)
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth", "2", f"file://{source}", str(shallow))
    (home / "voyage").mkdir()
    git(shallow, "bundle", "create", "-q", str(home / "voyage" / "source.bundle"), "main")
    told = {**BUNDLED, "shallow": (shallow / ".git" / "shallow").read_text()}
    set_up(home, boot([], told))
    (repo_of(home) / "hooks" / "pre-receive").unlink()
    assert git(repo_of(home), "rev-parse", VOYAGE) == git(source, "rev-parse", "main")
    assert git(repo_of(home), "rev-list", "--count", VOYAGE) == "2"
    git(repo_of(home), "fsck", "--strict")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", f"file://{repo_of(home)}", str(clone))
    git(clone, "commit", "-q", "--allow-empty", "-m", "More")
    git(clone, "push", "-q", "origin", "HEAD:refs/heads/work/1-1")
    back = tmp_path / "back"
    git(tmp_path, "clone", "-q", f"file://{source}", str(back))
    git(back, "fetch", "-q", f"file://{repo_of(home)}", "work/1-1")
    assert git(back, "log", "--format=%s", "FETCH_HEAD").splitlines()[0] == "More"


@rule("R57")
def test_nothing_in_the_repository_is_ever_lost(home: Path, tmp_path: Path):
    """Reflogs are kept for every ref, and nothing is collected, whatever is pushed."""
    bundle(home, tmp_path / "source")
    set_up(home, boot([], BUNDLED))
    repo = repo_of(home)
    first = git(repo, "commit-tree", "HEAD^{tree}", "-m", "first")
    git(repo, "update-ref", "refs/heads/work/1-1", first)
    git(repo, "update-ref", "refs/heads/work/1-1", "HEAD")
    assert first[:7] in git(repo, "reflog", "show", "work/1-1")
    assert git(repo, "config", "gc.auto") == "0"


# Ways in

WAY = 'restrict,command="sh ~/voyage/lib/onboard/storage/door.sh {}" ssh-ed25519 AAAA {}'


def enlist(home: Path, *new: str) -> None:
    """Let ships in, as it is done after `sail`: by boot.json alone."""
    keys = {ship: f"ssh-ed25519 AAAA {ship}" for ship in new}
    (home / "voyage" / "boot.json").write_text(
        json.dumps({"ship_keys": keys, "accounts": False, "new": None})
    )
    setup.main(home)


def ways(home: Path) -> list[str]:
    """Who has a way in, in order."""
    lines = (home / ".ssh" / "authorized_keys").read_text().splitlines()
    ships = [line.rpartition(" ")[2] for line in lines]
    assert lines == [WAY.format(ship, ship) for ship in ships]
    return ships


def test_each_ship_has_its_own_way_in(home: Path, tmp_path: Path):
    """Every key is restricted to the door with its own ship's name, whatever the home is called."""
    awkward = home / 'it\'s "100%" & more'
    awkward.mkdir()
    bundle(awkward, tmp_path / "source")
    set_up(awkward, boot([], BUNDLED))
    assert ways(awkward) == list(SHIPS)
    path = awkward / ".ssh" / "authorized_keys"
    assert path.stat().st_mode & 0o022 == 0
    command = path.read_text().partition('command="')[2].partition('" ')[0]
    env = {**os.environ, "HOME": str(awkward), "SSH_ORIGINAL_COMMAND": "git-upload-pack"}
    asked: Json = {"input": b"0000", "capture_output": True, "check": True}
    done: Any = subprocess.run(["sh", "-c", command], env=env, **asked)
    assert f"refs/heads/{VOYAGE}".encode() in done.stdout


@rule("R79")
def test_ships_join(home: Path, tmp_path: Path):
    """New keys come in, often as one likes; nothing else of storage changes, its code least of all,
    and whose key was there already keeps it once."""
    bundle(home, tmp_path / "source")
    set_up(home, boot([task("1")], BUNDLED))
    lib = [*(home / "voyage" / "lib").rglob("*")]
    first, stamps = journal(home), [path.stat() for path in lib]
    for _ in range(2):
        enlist(home, "ship-3", "ship-10")
        assert ways(home) == [*SHIPS, "ship-3", "ship-10"]
        assert not (home / "voyage" / "boot.json").exists()
    enlist(home, "ship-11", "ship-1")
    assert ways(home) == [*SHIPS, "ship-3", "ship-10", "ship-11"]
    assert journal(home) == first
    assert [path.stat()[:-3] for path in lib] == [stat[:-3] for stat in stamps]
    assert [path.name for path in (home / ".ssh").iterdir()] == ["authorized_keys"]


@rule("R2")
def test_what_was_set_up_is_on_the_disk(home: Path, tmp_path: Path, monkeypatch):
    """Before anybody is told that storage is ready, all of it is synced: a power failure right
    after that takes nothing away."""
    bundle(home, tmp_path / "source")
    synced = list[set[str]]()

    def sync() -> None:
        folder = home / "voyage"
        synced.append({path.name for path in (*folder.iterdir(), *home.rglob("*.json"))})

    monkeypatch.setattr(os, "sync", sync)
    set_up(home, boot([task("1")], BUNDLED))
    [there] = synced
    assert there >= {"voyage.json", "lib", "python", "journal.jsonl", "1.json", "ship-0.json"}


def test_ships_are_known_from_the_first_line_on(home: Path, tmp_path: Path):
    """There is an entry, and a file, for every ship that is to come."""
    bundle(home, tmp_path / "source")
    set_up(home, boot([task("1")], BUNDLED))
    ships = fold(journal(home))["ships"]
    assert list(ships) == list(SHIPS)
    for ship in SHIPS:
        path = home / "voyage" / "ships" / f"{ship}.json"
        assert json.loads(path.read_text()) == ships[ship]
        assert (ships[ship]["id"], ships[ship]["state"], ships[ship]["last_seen_at"]) == (
            ship,
            "starting",
            None,
        )

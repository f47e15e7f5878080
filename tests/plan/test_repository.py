"""What of a checkout stays behind, and what is otherwise on ships."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from ocaptain.plan.repository import Tree
from tests.support.plans import checked, diamond, faults, git, patch

NO_LFS = ("-c", "filter.lfs.required=false", "-c", "filter.lfs.clean=", "-c", "filter.lfs.smudge=")


@pytest.fixture
def plan(plan: Path) -> Path:
    """A plan of which nothing else is to be noted."""
    patch(plan, "voyage.json", recommended_ships=1)
    return plan


def commit(repo: Path, files: Mapping[str, str | bytes]) -> None:
    """Commit files as they are, whatever attributes say, each by its path."""
    for path, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        (repo / path).parent.mkdir(parents=True, exist_ok=True)
        (repo / path).write_bytes(data)
        blob = git(repo, "hash-object", "-w", "--no-filters", path)
        git(repo, "update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
    git(repo, "commit", "-q", "-m", "more")


def notes(plan: Path, repo: Path) -> list[str]:
    """What is noted of the repository."""
    report = checked(plan)
    assert report.faults == []
    return [note.removeprefix(f"{repo}: ") for note in report.notes]


def test_what_stays_behind(plan: Path, repo: Path, tmp_path: Path):
    """Shallow history, uncommitted changes, submodules and LFS are noted."""
    (repo / "assets").mkdir()
    (repo / "assets/.gitattributes").write_text("*.png filter=lfs diff=lfs merge=lfs -text\n")
    (repo / "assets/map.png").touch()
    git(repo, "submodule", "add", "-q", str(repo), "sub")
    git(repo, *NO_LFS, "add", ".")
    git(repo, *NO_LFS, "commit", "-q", "-m", "second")
    git(tmp_path, *NO_LFS, "clone", "-q", "--depth=1", f"file://{repo}", "shallow")
    shallow = tmp_path / "shallow"
    (shallow / "new.txt").touch()
    patch(plan, "voyage.json", repo=str(shallow), recommended_ships=1)
    report = checked(plan)
    assert report.plan
    assert report.plan.source.shallow == (shallow / ".git/shallow").read_text()
    assert report.notes == [
        f"{shallow}: a shallow clone: the voyage has only the history that is here",
        f"{shallow}: changes that are not committed stay behind (see `git status`): new.txt",
        f"{shallow}: submodules stay empty unless setup.sh updates them",
        f"{shallow}: files in LFS stay pointers unless setup.sh pulls them",
    ]


def test_a_plan_that_is_not_committed_sails_all_the_same(repo: Path):
    """Its own folder is nothing that stays behind; what is beside it is named, a few at most."""
    plan = diamond(repo / "plans" / "guide", repo)
    patch(plan, "voyage.json", recommended_ships=1)
    assert notes(plan, repo) == []
    for name in ("a", "b", "plans/c", "d"):
        (repo / name).touch()
    [note] = notes(plan, repo)
    assert note.endswith("stay behind (see `git status`): a, b, d and 1 other")


CRLF = b"one\r\ntwo\r\n"
DIRTY = "each fresh clone has changes from the start, in "


@pytest.mark.parametrize(
    ("attributes", "files", "named"),
    [
        ("*.txt text", {"a.txt": CRLF}, "a.txt"),
        ("* text=auto eol=crlf\n*.sh text eol=lf", {"x.sh": CRLF}, "x.sh"),
        ("*.txt text", {f"{i}.txt": CRLF for i in range(5)}, "0.txt, 1.txt, 2.txt and 2 others"),
        ("*.c ident", {"a.c": "$Id: 1234 $\n"}, "a.c"),
        ("*.t working-tree-encoding=UTF-16", {"a.t": "é\n".encode("utf-16")}, "a.t"),
    ],
)
def test_a_clone_that_is_dirty_from_the_start(plan, repo, attributes, files, named):
    """Its files are named, with what mends that: other line endings, encodings and the like."""
    commit(repo, {".gitattributes": attributes, **files})
    git(repo, "checkout", "-q", "-f", "HEAD")
    told = [note for note in notes(plan, repo) if note.startswith(DIRTY)]
    assert len(told) == 1
    assert told[0].startswith(f"{DIRTY}{named}, where .gitattributes wants")
    assert told[0].endswith("git add --renormalize . && git commit")


@pytest.mark.parametrize(
    ("attributes", "file"),
    [("* text=auto", CRLF), ("* -text", CRLF), ("* text", "one\n"), ("*.txt text eol=crlf", "x\n")],
)
def test_a_clone_that_is_clean(plan, repo, attributes, file):
    """Attributes alone are nothing to note, nor is anything made where the checkout is."""
    commit(repo, {".gitattributes": attributes, "a.txt": file})
    before = sorted(path for path in repo.rglob("*") if "/.git/" not in str(path))
    refs = git(repo, "for-each-ref")
    assert [note for note in notes(plan, repo) if note.startswith(DIRTY)] == []
    assert sorted(path for path in repo.rglob("*") if "/.git/" not in str(path)) == before
    assert git(repo, "for-each-ref") == refs


def test_settings_of_the_captains_do_not_count(plan, repo, tmp_path, monkeypatch):
    """Ships have none of them: filters, attributes and hooks among them."""
    commit(repo, {".gitattributes": "*.key filter=lock", "a.key": "x\n", "b.txt": "y\n"})
    attributes = tmp_path / "attributes"
    attributes.write_text("*.txt filter=lock text eol=crlf\n")
    config = tmp_path / "gitconfig"
    config.write_text(
        f"[core]\n\tattributesFile = {attributes}\n\thooksPath = {tmp_path}\n"
        '[filter "lock"]\n\tclean = false\n\tsmudge = false\n\trequired = true\n'
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    assert notes(plan, repo) == [
        "files with filter=lock stay as they are committed: ships do not have that filter"
    ]


def test_attributes_that_no_file_has(plan, repo):
    """A filter that nothing goes through is nothing to note."""
    commit(repo, {".gitattributes": "*.png filter=lfs -text\n*.key filter=lock\n", "a": "x\n"})
    git(repo, "checkout", "-q", "-f", "HEAD")
    assert notes(plan, repo) == []


def test_a_nested_repository(plan, repo):
    """A link that .gitmodules does not name is told from a submodule, for nobody can fill it."""
    head = git(repo, "rev-parse", "HEAD")
    for path in ("vendor/x", "sub"):
        git(repo, "update-index", "--add", "--cacheinfo", f"160000,{head},{path}")
    (repo / ".gitmodules").write_text('[submodule "s"]\n\tpath = sub\n\turl = ../s\n')
    git(repo, "add", ".gitmodules")
    git(repo, "commit", "-q", "-m", "links")
    told = notes(plan, repo)
    assert "submodules stay empty unless setup.sh updates them" in told
    nested = "links to repositories that .gitmodules does not name stay empty: vendor/x"
    assert nested in told


def test_a_commit_that_cannot_be_checked_out(plan, repo):
    """An object that is missing is a fault: no ship could begin."""
    commit(repo, {".gitattributes": "* text=auto", "a": "x\n"})
    blob = git(repo, "rev-parse", "HEAD:a")
    (repo / ".git/objects" / blob[:2] / blob[2:]).unlink()
    [fault] = faults(plan)
    assert fault.startswith('voyage.json: "repo": ')
    assert "cannot be checked out: git cannot write a (see `git fsck`)" in fault


def test_a_linked_worktree_deep_inside(plan, repo, tmp_path, monkeypatch):
    """It is tried as well; its objects are where the repository is."""
    commit(repo, {".gitattributes": "*.txt text", "deep/a.txt": CRLF})
    git(repo, "worktree", "add", "-q", "-b", "other", str(tmp_path / "a tree"))
    monkeypatch.chdir(tmp_path / "a tree" / "deep")
    patch(plan, "voyage.json", repo=".")
    told = notes(plan, tmp_path / "a tree/deep")
    assert any(note.startswith(f"{DIRTY}deep/a.txt") for note in told)


def test_what_a_tree_has():
    """Links and attributes are read of its listing, whatever is in a name."""
    sha = "0" * 40
    lines = [f"100644 blob {sha}\ta/.gitattributes", f"160000 commit {sha}\tb\nc"]
    tree = Tree("\0".join([*lines, f"100755 blob {sha}\tx.gitattributes", ""]))
    assert (tree.files, tree.links) == (["a/.gitattributes", "x.gitattributes"], ["b\nc"])
    assert tree.attributes() == ["a/.gitattributes"]

"""What git ignores in a clone though the repository does not say so."""

from ocaptain.onboard.ship.ignored import USUALLY, is_usual, places
from ocaptain.onboard.ship.stock import read_entries
from tests.support.storage import git
from tests.support.yard import OTHERS, Yard


def test_new_files_land_where_the_repository_has_some(yard: Yard):
    """Below a `node_modules` that is tracked nothing is ignored, below any other all is."""
    for name in ("fixtures/node_modules/a/index.js", "old/x.pyc"):
        path = yard.other / name
        path.parent.mkdir(parents=True)
        path.write_text("theirs")
    yard.land(x="x")
    for _ in range(2):
        yard.begin("work/1-1")
        yard.write("fixtures/node_modules/b/node_modules/c.js", "new")
        yard.write("old/y.pyc", "new")
        yard.write("node_modules/d.js", "junk")
        yard.write("new/z.pyc", "junk")
        yard.commit_rest()
        assert git(yard.path, "show", "--name-only", "--format=").split() == [
            "fixtures/node_modules/b/node_modules/c.js",
            "old/y.pyc",
        ]


def test_git_ignores_what_usually_is(yard: Yard):
    """That is told from names alone, as git does it."""
    names = ["a", "a.pyc", "b/a.pyc", "b/.pyc", ".DS_Store", "b/.DS_Store", "DS_Store", "a.pyc.txt"]
    names += ["node_modules/a", "b/.venv/c/d", "node_modules", "b/__pycache__", "x__pycache__/a"]
    for number, name in enumerate(names):
        yard.write(f"{number}/{name}", "x")
    git(yard.path, "add", "--all", "--force")
    ours = yard.root / "usual"
    ours.write_text(USUALLY)
    words = ("ls-files", "--cached", "--ignored", f"--exclude-from={ours}")
    git(yard.path, "init", "-q", "vendor/node_modules")
    git(yard.path / "vendor/node_modules", *OTHERS, "commit", "-q", "--allow-empty", "-m", "Inner")
    git(yard.path, "add", "--force", "vendor/node_modules")
    tracked = read_entries(git(yard.path, "ls-files", "--stage").splitlines())
    usual = [entry.path for entry in tracked if is_usual(entry)]
    assert usual == git(yard.path, *words).splitlines()
    assert "vendor/node_modules" in usual


def test_places():
    """Each line names one place, whatever characters its name has."""
    tracked = ["a[1]/.venv/b/.venv/c", "d/.DS_Store", "e.pyc"]
    assert places(tracked) == [
        "!/a\\[1]/.venv/",
        "!/a\\[1]/.venv/**",
        "!/d/.DS_Store",
        "!/*.pyc",
    ]

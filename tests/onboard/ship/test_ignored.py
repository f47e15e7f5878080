"""What git ignores in a clone though the repository does not say so."""

from ocaptain.onboard.ship.ignored import places
from tests.support.storage import git
from tests.support.yard import Yard


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


def test_places():
    """Each line names one place, whatever characters its name has."""
    tracked = ["a[1]/.venv/b/.venv/c", "d/.DS_Store", "e.pyc"]
    assert places(tracked) == [
        "!/a\\[1]/.venv/",
        "!/a\\[1]/.venv/**",
        "!/d/.DS_Store",
        "!/*.pyc",
    ]

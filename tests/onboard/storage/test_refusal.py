"""What the captain is told if a git host refuses a push; how often it is tried again is in
test_mirror.py."""

from ocaptain.onboard.storage.job import Timing
from tests.fakes import github_rules
from tests.fakes.github import GitHub
from tests.support.mirrored import NAME, hub_repo, moor
from tests.support.rules import rule
from tests.support.storage import task


@rule("R59")
def test_a_file_that_is_too_large_is_named(hub: GitHub):
    """With its task and commit; a later landing is offered, and so is the branch in the end."""
    storage = moor(hub, task("1"), task("2"), task("3"))
    github_rules.limit_files(hub_repo(hub), 0.01)
    storage.land({"a big.bin": "small"})
    storage.mirror()
    large = storage.land({"a big.bin": "x" * 20_000})
    storage.land({"a big.bin": "small again"})
    storage.mirror(Timing())
    assert storage.news()[2] == (
        f"no push: a big.bin (0.02 MB, task 2, commit {large[:12]}) is larger than the 0.01 MB "
        "that the host takes. Storage has all of it. To bring it home: ocaptain fetch"
    )
    assert not storage.due()
    storage.verify()
    assert storage.due()


@rule("R59")
def test_a_workflow_that_the_token_may_not_change_is_named(hub: GitHub):
    """With its task and commit, and with how to go on; a better token does."""
    storage = moor(hub, task("1"))
    head = storage.land({".github/workflows/ci.yml": "on: push\n"})
    storage.mirror()
    [mirrored, _, fault] = storage.news()
    assert mirrored is None
    assert f".github/workflows/ci.yml (task 1, commit {head[:12]})" in fault
    assert "scope `workflow`" in fault
    better = hub.token(write=[NAME], workflow=True)
    storage.give_token(better)
    storage.order("resume")
    storage.mirror()
    assert storage.news() == [head, None, None]

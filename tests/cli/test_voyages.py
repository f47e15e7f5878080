"""Naming voyages, and sinking them."""

import pytest

from tests.support.rules import rule
from tests.support.shell import Shell

# Voyages that are not there, or not the only one

VERBS = ["status", "tasks", "logs", "wait", "fetch", "shell", "sink"]
VERBS += ["pause", "resume", "halt", "reinforce", "fsck", "retry 1", "release 1", "hail Hello"]
VERBS += ["hail ship-0 Hello", "relieve ship-0", "tasks add More", "tasks edit 1"]


@pytest.mark.parametrize("verb", VERBS)
def test_without_a_voyage_one_learns_how_to_get_one(shell: Shell, verb: str):
    """Exit status 1, and on stderr what to type."""
    done = shell.type(*verb.split())
    assert (done.status, done.out) == (1, "")
    assert done.err == (
        "ocaptain: No voyage is under way with the provider local.\n"
        "ocaptain sail PLAN  or  ocaptain demo\n"
    )


@pytest.mark.parametrize("name", ["1", "voyage-1", None])
def test_a_prefix_of_two_voyages_is_no_name(shell: Shell, name: str | None):
    """Both are named, so that one can be chosen; nothing is done to either."""
    for voyage in ("voyage-111111111111", "voyage-122222222222"):
        shell.vm(f"{voyage}-storage")
    done = shell.type("sink", "-f", *([name] if name else []))
    assert (done.status, done.out) == (1, "")
    assert "More than one voyage fits." in done.err
    assert "There is: voyage-111111111111  voyage-122222222222" in done.err
    assert len(list(shell.vms.iterdir())) == 2


@pytest.mark.parametrize("name", ["2", "voyage-2", "voyage", "oyage-1", "11111111111x", "1" * 13])
def test_a_name_that_no_voyage_begins_with_finds_none(shell: Shell, name: str):
    """A name is found by its beginning only, and those that there are are named."""
    shell.vm("voyage-111111111111-storage")
    done = shell.type("sink", "-f", "-s", name)
    assert (done.status, done.out) == (1, "")
    assert done.err == f"ocaptain: There is no voyage {name}.\nThere is: voyage-111111111111\n"


def test_a_storage_that_is_not_there_any_more_is_named(shell: Shell):
    """A voyage of which only ships are left can be asked nothing, but be sunk."""
    shell.vm("voyage-111111111111-ship0")
    done = shell.type("status")
    assert done.status == 1
    assert "voyage-111111111111 has no storage any more" in done.err
    assert "ocaptain sink voyage-111111111111" in done.err


@rule("R106")
def test_a_storage_that_gives_no_answer_is_named(shell: Shell):
    """What is left of a sail that was killed has no harbor."""
    shell.vm("voyage-111111111111-storage")
    done = shell.type("status")
    assert done.status == 1
    assert done.err.startswith("ocaptain: voyage-111111111111-storage ")
    assert "Traceback" not in done.err


# Sinking


def test_sink_asks_first(shell: Shell):
    """It says what it would destroy; a no, and nothing, keep it."""
    ship = shell.vm("voyage-111111111111-ship0")
    for answer in ("n\n", ""):
        done = shell.type("sink", stdin=answer)
        assert done.status == 1
        assert "To be destroyed: voyage-111111111111-ship0" in done.out
        assert "Go on? [y/N]" in done.out
        assert ship.exists()


@rule("R105")
def test_sink_destroys_what_it_names_and_nothing_else(shell: Shell):
    """Ships alone without -s, and no voyage whose id only looks like it."""
    ship = shell.vm("voyage-111111111111-ship0")
    kept = [shell.vm(f"voyage-{name}") for name in ("111111111111-storage", "111111111112-ship0")]
    done = shell.type("sink", "111111111111", stdin="y\n")
    assert (done.status, done.err) == (0, "")
    assert done.out.endswith("Destroyed 1 VM.\n")
    assert not ship.exists()
    assert all(vm.exists() for vm in kept)


@rule("R58")
def test_sink_says_when_it_cannot_see_what_was_never_fetched(shell: Shell):
    """A storage that gives no answer may hold something yet: it asks, and a no keeps it."""
    storage = shell.vm("voyage-111111111111-storage")
    done = shell.type("sink", "-s", stdin="n\nn\n")
    assert done.status == 1
    assert "what was never fetched of it cannot be seen" in done.out
    assert storage.exists()
    assert shell.type("sink", "-s", "-f").status == 0
    assert not storage.exists()


def test_sink_all_takes_every_voyage(shell: Shell):
    """Whatever is not a VM of ocaptain's stays."""
    for name in ("111111111111-storage", "111111111111-ship0", "222222222222-ship12"):
        shell.vm(f"voyage-{name}")
    other = shell.vm("my-own")
    assert "Destroyed 3 VMs." in shell.type("sink", "--all", "-f").out
    assert list(shell.vms.iterdir()) == [other]

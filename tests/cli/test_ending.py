"""Sinking voyages."""

import json

from tests.support.moored import moored
from tests.support.rules import rule
from tests.support.shell import Shell
from tests.support.storage import task


def test_sink_asks_first(shell: Shell):
    """It says what it would destroy; a no, and nothing, keep it."""
    ship = shell.vm("voyage-111111111111-ship0")
    for answer in ("n\n", ""):
        done = shell.type("sink", stdin=answer)
        assert done.status == 1
        assert done.out.startswith("voyage-111111111111  unseen\n")
        assert "To be destroyed: voyage-111111111111-ship0, the ships' keys" in done.out
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


def test_one_voyage_and_every_voyage_are_not_sunk_at_once(shell: Shell):
    """Which of both is meant nobody can know, and so nothing is destroyed."""
    ship = shell.vm("voyage-111111111111-ship0")
    done = shell.type("sink", "--all", "-f", "1111")
    assert done.status == 2
    assert done.err.startswith("Usage: ocaptain sink [OPTIONS] [VOYAGE]\n")
    assert "--all sinks every voyage. To sink 1111 alone, leave it out." in done.err
    assert ship.exists()


def test_sink_says_what_the_voyage_is_at_and_whose_work_is_lost(shell: Shell, tools: None):
    """So that nobody takes one for another; for programs, all that is said is on stderr."""
    with moored(shell.home, [task("1")]) as fleet:
        fleet.storage.claim("ship-0")
        voyage = fleet.name.removesuffix("-storage")
        done = shell.type("sink", "-s", stdin="n\n", **fleet.environ)
        assert done.status == 1
        state, lost, risk_or_names = done.out.splitlines()[:3]
        assert state.split()[:2] == [voyage, "running"]
        assert lost == (
            "1 task in progress: ship-0 (1). What is not yet on storage of that is lost."
        )
        assert risk_or_names == f"To be destroyed: {fleet.name}"
        shell.vm(f"{voyage}-ship1")
        done = shell.type("sink", "-f", "--json", **fleet.environ)
        assert json.loads(done.out) == {"destroyed": [f"{voyage}-ship1"], "left": []}
        assert f"To be destroyed: {voyage}-ship1, the ships' keys" in done.err


def test_without_a_voyage_there_is_nothing_to_destroy(shell: Shell):
    """`--all` asks nothing then."""
    done = shell.type("sink", "--all")
    assert (done.status, done.out) == (0, "There is nothing to destroy.\n")

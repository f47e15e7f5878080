"""Naming voyages."""

from pathlib import Path

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


def test_no_voyages_are_no_table(shell: Shell):
    """That there is none is said, and programs get an empty list."""
    done = shell.type("voyages")
    assert (done.status, done.out) == (0, "")
    assert done.err == "There is no voyage. To have one: ocaptain sail PLAN  or  ocaptain demo\n"
    assert shell.type("voyages", "--json").out == "[]\n"


@pytest.mark.parametrize("name", ["1", "voyage-1", None])
def test_a_prefix_of_two_voyages_is_no_name(shell: Shell, name: str | None):
    """Both are named, so that one can be chosen; nothing is done to either."""
    for voyage in ("voyage-111111111111", "voyage-122222222222"):
        shell.vm(f"{voyage}-storage")
    done = shell.type("sink", "-f", *([name] if name else []))
    assert (done.status, done.out) == (1, "")
    assert "More than one voyage fits." in done.err
    for voyage in ("voyage-111111111111", "voyage-122222222222"):
        assert f"\n  {voyage}  local  unseen" in done.err
    assert len(list(shell.vms.iterdir())) == 2


@pytest.mark.parametrize("name", ["2", "voyage-2", "voyage", "oyage-1", "11111111111x", "1" * 13])
def test_a_name_that_no_voyage_begins_with_finds_none(shell: Shell, name: str):
    """A name is found by its beginning only, and those that there are are named."""
    shell.vm("voyage-111111111111-storage")
    done = shell.type("sink", "-f", "-s", name)
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith(f"ocaptain: There is no voyage {name}.")
    assert "\n  voyage-111111111111  local  unseen" in done.err


def test_the_default_provider_is_told_of_only_if_it_is_needed(shell: Shell, plan: Path):
    """A voyage with another provider is found without it; `sail` says whence the provider is."""
    del shell.env["OCAPTAIN_PROVIDER"]
    ssh_config = shell.home / "ssh_config"
    ssh_config.write_text("UserKnownHostsFile none\nGlobalKnownHostsFile none\n")
    shell.env["OCAPTAIN_SSH_CONFIG"] = str(ssh_config)
    nothing = shell.type("status").err
    assert nothing.startswith("ocaptain: No voyage is under way, and no provider is set up")
    shell.vm("voyage-111111111111-ship0")
    said = shell.type("status").err
    assert said.startswith("ocaptain: voyage-111111111111 has no storage any more")
    assert "exe" not in said
    done = shell.type("sail", str(plan))
    assert (done.status, done.out) == (1, "")
    assert (
        "Provider exedev (the default; OCAPTAIN_PROVIDER names another, such as local): "
        "Your ssh does not know the host key of exe.dev"
    ) in done.err
    said = shell.type("sail", str(plan), "--provider", "hosts").err
    assert "Provider hosts (--provider): " in said


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

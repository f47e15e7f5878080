"""Launching voyages, as far as it is typed."""

from pathlib import Path

from tests.support.shell import Shell


def test_what_a_provider_cannot_honour_is_refused(shell: Shell, plan: Path):
    """Before anything is made; what is in the environment may be for another provider."""
    done = shell.type("sail", str(plan), "--cpu", "2", "--image", "debian", OCAPTAIN_DISK="9GB")
    assert (done.status, done.out) == (1, "")
    assert done.err == (
        "ocaptain: The provider local cannot honour --cpu, --image: its machines are as they are.\n"
        "Leave that out, or: export OCAPTAIN_PROVIDER=exedev\n"
    )
    assert not shell.vms.exists()


def test_a_wrong_provider_is_refused_before_a_plan_is_written(shell: Shell):
    """With the one that was probably meant, as it was typed."""
    done = shell.type("sail", "--task", "Mend it", "--provider", "lcoal")
    assert (done.status, done.out) == (1, "")
    told, hint = done.err.splitlines()
    assert told.startswith("ocaptain: There is no provider 'lcoal' here; there is: ")
    assert hint == "Did you mean local? --provider local"

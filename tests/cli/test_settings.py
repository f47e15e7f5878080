"""What is wrong with somebody's settings, as they are told of it."""

import pytest

from tests.support.shell import Shell


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("provider = ", "cannot be read"),
        ("shipz = 3", '"shipz" is no key of ocaptain'),
        ("provider = []", '"provider" has to be text or a number'),
        ("default_ships = 0", "has to be a number from 1 to 99"),
    ],
)
def test_a_fault_of_config_toml_is_told_by_its_key(shell: Shell, text: str, complaint: str):
    """Whatever the verb, exit status 1."""
    shell.config(text)
    done = shell.type("status")
    assert (done.status, done.out) == (1, "")
    assert complaint in done.err


def test_a_token_that_others_can_read_is_refused_and_not_repeated(shell: Shell):
    """One is told how to mend it."""
    path = shell.config('gh_token = "ghp_hush"', 0o644)
    done = shell.type("status")
    assert done.status == 1
    assert done.err.endswith(f"\nchmod 600 {path}\n")
    assert "hush" not in done.err


def test_a_provider_that_does_not_exist(shell: Shell):
    """Those that do are named, and where to set it."""
    done = shell.type("status", OCAPTAIN_PROVIDER="nimbus")
    assert done.status == 1
    assert done.err.startswith(
        "ocaptain: There is no provider 'nimbus' here; there is: exedev, hosts, local"
    )
    assert "OCAPTAIN_PROVIDER" in done.err

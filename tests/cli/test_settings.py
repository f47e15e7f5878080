"""What is wrong with somebody's settings, as they are told of it."""

import re

import pytest

from tests.support.shell import Shell


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("provider = ", "cannot be read"),
        ("shipz = 3", '"shipz" is no key of ocaptain'),
        ("defalt_ships = 3", "is no key of ocaptain's; is default_ships meant?"),
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


def test_settings_are_shown_and_a_file_for_them_is_written(shell: Shell):
    """Where each comes from is said, and no token is shown; a second file is not written."""
    shown = shell.type("config", GH_TOKEN="ghp_hush").out
    assert "config.toml  (none yet: `ocaptain config init` writes one)" in shown
    assert re.search(r"^provider +OCAPTAIN_PROVIDER +local$", shown, re.M)
    assert re.search(r"^gh_token +GH_TOKEN +set, and not shown$", shown, re.M)
    assert re.search(r"^vm_limit +default +50$", shown, re.M)
    assert re.search(r"^claude_code_enable_telemetry +- +not set \(CLAUDE", shown, re.M)
    assert "hush" not in shown
    path = shell.home / ".config" / "ocaptain" / "config.toml"
    assert shell.type("config", "init").out.startswith(f"wrote {path}\n")
    again = shell.type("config", "init")
    assert (again.status, again.out) == (1, "")
    assert f"{path} exists." in again.err


def test_a_provider_that_does_not_exist(shell: Shell):
    """Those that do are named, and where to set it."""
    done = shell.type("status", OCAPTAIN_PROVIDER="nimbus")
    assert done.status == 1
    assert done.err.startswith(
        "ocaptain: There is no provider 'nimbus' here; there is: exedev, hosts, local"
    )
    assert "export OCAPTAIN_PROVIDER=local" in done.err
    assert "Did you mean local?" in shell.type("status", OCAPTAIN_PROVIDER="lcoal").err

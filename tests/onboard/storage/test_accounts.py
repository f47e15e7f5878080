"""Accounts of ships on storage, as far as it goes without making any: tests/integration does."""

import re

from ocaptain.fleet.archive import ONBOARD
from ocaptain.onboard.storage import accounts

LOGIN = (ONBOARD / "storage" / "login.sh").read_text()


def test_the_login_shell_asks_sudo_for_what_sudo_grants():
    """The door, as the user harbor, with the ship's name and what it asks for."""
    granted = re.search(r"NOPASSWD: (\S+ \S+) \*\n", accounts.SUDO_RULE)
    assert granted
    assert f"exec sudo -n -u harbor {granted[1]} " in LOGIN
    assert accounts.SUDO_RULE.startswith(f"%{accounts.SHIP_GROUP} ALL=(harbor) ")


def test_the_login_shell_knows_harbors_home():
    """It stands in the script, which starts for each connection and reads no configuration."""
    assert set(re.findall(r"/home/\w+", LOGIN)) == {str(accounts.HARBOR)}

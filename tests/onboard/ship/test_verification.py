"""The verification of a branch on which all tasks are completed."""

import os

import pytest

from ocaptain.onboard.protocol import VerificationGrant
from ocaptain.onboard.ship.helm import hold
from ocaptain.onboard.ship.verification import Verification
from tests.support.ship import Harbor, a_ship
from tests.support.yard import Yard

pytestmark = pytest.mark.usefixtures("children")


@pytest.fixture(autouse=True)
def home(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ship's home, which has the plan's scripts."""
    monkeypatch.setenv("HOME", str(yard.root))


def verification(yard: Yard, harbor: Harbor, verify: str, set_up: str = "true") -> Verification:
    """A claim of the verification of the branch, with scripts of the plan's."""
    (yard.root / "voyage" / "verify.sh").write_text(verify)
    (yard.root / "voyage" / "setup.sh").write_text(set_up)
    name = f"ship-{os.urandom(4).hex()}"
    ship = a_ship(
        yard.root,
        harbor,
        ship=name,
        author=yard.settings,
        lease_seconds=6,
        time_limit_minutes=1,
    )
    head = yard.land(landed="by another\n")
    grant: VerificationGrant = {"claim": 9, "head": head, "task": None}
    return Verification(ship, grant)


def test_a_branch_that_passes_is_told_to_storage(yard: Yard):
    """verify.sh runs after setup.sh, in a fresh clone of the commit that was claimed."""
    harbor = Harbor()
    (yard.path / "stray").write_text("of an earlier task")
    verify = "test -e is-set-up && test -e landed && test ! -e stray"
    work = verification(yard, harbor, verify, set_up="touch is-set-up")
    assert hold(work.ship, work)
    [landing] = harbor.requests("land")
    assert (landing["claim"], landing["commit"]) == (9, work.head)
    assert landing["state"] == "verifying"
    assert harbor.requests("release") == []


def test_a_branch_that_fails_is_given_back_with_the_output(yard: Yard):
    """Storage makes a repair task of it."""
    harbor = Harbor()
    work = verification(yard, harbor, "echo two of three; exit 5")
    assert hold(work.ship, work)
    assert harbor.requests("land") == []
    [release] = harbor.requests("release")
    assert (release["claim"], release["fault"]) == (9, "agent")
    assert release["why"] == "verify.sh exited 5:\ntwo of three\n"


def test_a_set_up_that_fails_is_this_ships_trouble(yard: Yard):
    """verify.sh does not run then, and no repair task comes of it."""
    harbor = Harbor()
    work = verification(yard, harbor, "echo verified", set_up="echo no network; exit 3")
    assert not hold(work.ship, work)
    [release] = harbor.requests("release")
    assert release["fault"] == "infrastructure"
    assert release["why"] == "no network\nsetup.sh failed\n"


def test_a_verification_that_became_void_is_nobodys_fault(yard: Yard):
    """The branch or the tasks changed meanwhile: there will be another one."""
    harbor = Harbor(land={"ok": False, "code": "void", "error": "the branch changed"})
    work = verification(yard, harbor, "true")
    assert hold(work.ship, work)
    assert harbor.requests("release") == []

"""A voyage from outside: what runs on its VMs, what its storage answers, and what it is told."""

import asyncio
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from getpass import getuser
from math import inf
from threading import Timer
from typing import ClassVar

import pytest

from ocaptain.config import Config
from ocaptain.errors import Failure
from ocaptain.fleet.voyage import RUN_S, Ending, Signature, Voyage, VoyageStatus, sign
from ocaptain.onboard.protocol import Message, Status
from ocaptain.providers import VM
from ocaptain.providers.hosts import Hosts
from ocaptain.providers.local import Local
from ocaptain.ssh import Home, Remote, Unreachable
from tests.support.machine import hang_up
from tests.support.rules import rule
from tests.support.sailing import Sailing, elsewhere, half_made

ID = "voyage-111111111111"


@contextmanager
def storage_away(sailing: Sailing) -> Iterator[None]:
    """Storage gives no answer."""
    lib = sailing.home() / "voyage" / "lib"
    aside = lib.rename(lib.with_name("aside"))
    try:
        yield
    finally:
        aside.rename(lib)


# What runs on its VMs


def test_a_command_runs_on_all_vms_and_failures_are_told_by_vm(sailing: Sailing):
    """In the command's own words, else by its exit status; what worked is not told of."""
    voyage = sailing.voyage
    script = f"""
    [ $OCAPTAIN_VM = {voyage.storage} ] && cat >~/heard && exit 0
    [ "$(cat)" = quiet ] || echo "no room" >&2
    exit 7
    """
    vms = [voyage.storage, voyage.vm("ship-0"), voyage.vm("ship-9")]
    remote = Remote("sh", "-c", script)
    gone = {vms[2]: f"{vms[2]} is not there any more."}
    faults = asyncio.run(voyage.run_on(vms, remote, stdin=b"Hello\n"))
    assert faults == {vms[1]: "no room", **gone}
    assert (sailing.home() / "heard").read_text() == "Hello\n"
    faults = asyncio.run(voyage.run_on(vms, remote, stdin=b"quiet"))
    assert faults == {vms[1]: "exit status 7", **gone}


def test_a_command_that_does_not_end_is_a_failure_of_its_vm(sailing: Sailing):
    """The time that it had is said."""
    ship = sailing.voyage.vm("ship-0")
    faults = asyncio.run(sailing.voyage.run_on([ship], Remote("sleep", "3"), timeout=0.3))
    assert list(faults) == [ship]
    assert "did not end within 0.3 s" in faults[ship]


def test_a_program_of_the_onboard_half_runs_as_whose_the_voyage_is(sailing: Sailing):
    """On machines with accounts that is harbor, by sudo; else it is the login user."""
    voyage = sailing.voyage
    (sailing.home() / "it's here").write_text("found")
    remote = voyage.as_harbor("cat", Home("it's here"))
    assert asyncio.run(voyage.ssh.run(voyage.storage, remote)).out == b"found"
    with_accounts = Voyage(sailing.config, Hosts(sailing.config), ID)
    assert with_accounts.program("logs").startswith("sudo -nHu harbor sh -c 'python3 -IS ~/voyage")


# Asking storage


def test_storage_answers_what_it_is_asked(sailing: Sailing):
    """Also a captain's other command, which was told of no VM."""
    voyage = elsewhere(sailing.config, sailing.voyage)
    status = asyncio.run(voyage.ask_status())
    assert (status["voyage"], status["state"]) == (voyage.id, "running")
    assert [(row["id"], row["blocked_by"]) for row in asyncio.run(voyage.ask_tasks())] == [
        ("1", []),
        ("2", ["1"]),
    ]
    record = asyncio.run(voyage.ask_voyage_record())
    assert record["ships"] == ["ship-0"]
    assert record["artifacts"] == {"spec.md": "# Do little\n", "verify.sh": "true\n"}
    assert record["voyage"]["lease_seconds"] == 3600


def test_a_refusal_is_a_failure_in_harbors_words(sailing: Sailing):
    """Storage was reached, so it is not asked again."""
    began = time.monotonic()
    with pytest.raises(Failure, match="there is no task '9'") as caught:
        asyncio.run(sailing.voyage.ask("retry", Message, {"task": "9"}, retries=20))
    assert not isinstance(caught.value, Unreachable)
    assert time.monotonic() - began < 10


@rule("R106")
def test_storage_that_gives_no_answer_is_named(sailing: Sailing):
    """With the last that it printed, and what to type to look closer."""
    voyage = sailing.voyage
    with storage_away(sailing), pytest.raises(Unreachable) as caught:
        asyncio.run(voyage.ask_status())
    fault, hint, _ = str(caught.value).splitlines()
    assert fault.startswith(f"{voyage.storage} gave no answer: ")
    assert "voyage/lib" in fault
    assert hint.endswith(f"ocaptain shell --raw {voyage.id}")


def test_a_voyage_without_storage_is_not_asked(config: Config):
    """Whether only ships are left or nothing is known of it."""
    half_made(config, f"{ID}-ship0")
    voyage = Voyage(config, Local(config), ID)
    with pytest.raises(Failure, match=f"{ID} has no storage any more.\nocaptain sink {ID}"):
        asyncio.run(voyage.ask_status())
    voyage.add_vms(*asyncio.run(voyage.provider.list()))
    with pytest.raises(Failure, match=f"{ID} has no storage any more."):
        asyncio.run(voyage.ask_status())


def test_a_voyage_is_found_again_if_its_folder_was_cleaned_up(sailing: Sailing):
    """Whoever empties /tmp ends no command that asks again and again, though it knows no VMs."""
    known = sailing.voyage
    unknown = Voyage(sailing.config, known.provider, known.id)
    for voyage in (known, unknown):
        shutil.rmtree(voyage.ssh.path.parent)
        assert asyncio.run(voyage.ask_status())["voyage"] == known.id


def test_a_watch_ends_when_its_time_is_up(sailing: Sailing):
    """With the last status, though that is not enough."""
    status = asyncio.run(sailing.voyage.watch(lambda _: False, timeout=0))
    assert status["voyage"] == sailing.voyage.id


class Timed(Voyage):
    """A voyage that notes how long each status may take, and has its second take too long."""

    limits: ClassVar[list[float]] = []

    async def ask_status(self, timeout: float = RUN_S) -> VoyageStatus:
        self.limits.append(timeout)
        return await super().ask_status(0.001 if len(self.limits) == 2 else timeout)


def test_a_slow_answer_ends_no_watch(sailing: Sailing):
    """The first may take any time; a later one that takes too long makes the voyage unseen."""
    voyage = Timed(sailing.config, sailing.voyage.provider, sailing.voyage.id)
    states: list[str] = []

    def is_enough(status: Status) -> bool:
        states.append(status["state"])
        return len(states) == 3

    asyncio.run(voyage.watch(is_enough))
    assert states == ["running", "unseen", "running"]
    assert voyage.limits == [inf, RUN_S, RUN_S]


@rule("R106")
def test_a_watch_goes_on_while_storage_is_away(sailing: Sailing):
    """The state is `unseen` then, and the rest stays. What was never seen is a failure."""
    with storage_away(sailing), pytest.raises(Unreachable):
        asyncio.run(sailing.voyage.watch(lambda _: True))
    seen: list[tuple[str, int]] = []
    with ExitStack() as away:

        def is_over(status: Status) -> bool:
            seen.append((status["state"], len(status["ships"])))
            if len(seen) == 1:
                away.enter_context(storage_away(sailing))
            if status["state"] == "unseen":
                away.close()
            return len(seen) == 3

        status = asyncio.run(sailing.voyage.watch(is_over))
    assert seen == [("running", 1), ("unseen", 1), ("running", 1)]
    assert status["reason"] is None


def looks(*states: str, gap_s: float = 1.0) -> list[bool]:
    """What an Ending makes of a voyage in these states, looked at one after the other."""
    now = [1_000.0]
    ending = Ending(clock=lambda: now[0])
    found = []
    for state in states:
        now[0] += gap_s
        found.append(ending.has_come(state))
    return found


@rule("R129")
def test_a_stall_has_to_hold_before_it_ends_a_watch():
    """Other ends count at once. After storage or this machine was away ships may need longer to
    call."""
    assert looks("running", "failed") == [False, True]
    assert looks(*["stalled"] * 10) == [False] * 9 + [True]
    assert not any(looks(*["stalled"] * 9, "running", *["stalled"] * 9))
    assert looks("unseen", *["stalled"] * 60) == [False] * 60 + [True]
    assert not any(looks(*["stalled"] * 12, gap_s=3600.0))


# Changing storage


def test_an_order_is_signed_and_repeated_until_storage_is_reached(sailing: Sailing):
    """The journal has it once, with who gave it and why."""
    signature = sign("lunch")
    assert signature.by.startswith(f"{getuser()}@")
    vm = sailing.home().parent
    aside = (vm / "host_key").rename(vm / "aside")
    assert hang_up(vm)
    with pytest.raises(Unreachable, match="cannot be reached"):
        asyncio.run(sailing.voyage.ask_status())
    Timer(0.5, aside.rename, [vm / "host_key"]).start()
    asyncio.run(sailing.voyage.order("pause", Message, signature))
    lines = [line for line in sailing.journal() if line["op"] == "pause"]
    assert [(line["by"], line["why"]) for line in lines] == [(signature.by, "lunch")]
    assert "lunch" in str(asyncio.run(sailing.voyage.ask_status())["reason"])
    asyncio.run(sailing.voyage.order("resume", Message, signature))


def test_ships_join_and_leave(sailing: Sailing):
    """Storage gives new ones names that nobody had."""
    voyage = sailing.voyage
    signature = Signature("me@here")
    update = asyncio.run(voyage.replace_ships(signature, lost=[], more=2))
    assert update["new"] == ["ship-1", "ship-2"]
    assert asyncio.run(voyage.ask_voyage_record())["ships"] == ["ship-0", "ship-1", "ship-2"]
    update = asyncio.run(voyage.replace_ships(signature, lost=["ship-1", "ship-2"], more=0))
    assert (update["lost"], update["kept"], update["new"]) == ([], ["ship-1", "ship-2"], [])
    update = asyncio.run(voyage.replace_ships(signature, lost=["ship-1"], more=0, force=True))
    assert (update["lost"], update["new"]) == (["ship-1"], ["ship-3"])
    asyncio.run(voyage.forget_ships(signature, ["ship-2", "ship-3"]))
    assert asyncio.run(voyage.ask_voyage_record())["ships"] == ["ship-0"]


def test_what_the_captain_has_is_told_to_storage(sailing: Sailing):
    """It is not what storage alone has any more."""
    voyage = sailing.voyage
    commit = sailing.land("one")
    unfetched = asyncio.run(voyage.ask_unfetched())
    assert (unfetched["head"], unfetched["commits"], unfetched["wrecks"]) == (commit, 1, {})
    asyncio.run(voyage.mark_fetched({"head": commit}))
    assert asyncio.run(voyage.ask_unfetched())["commits"] == 0


# The end


def test_vms_that_cannot_be_destroyed_are_told_with_what_to_type(
    config: Config, capsys: pytest.CaptureFixture[str]
):
    """Here nobody knows which machines there are; how to reach them is kept."""
    voyage = Voyage(config, Hosts(config), ID)
    voyage.add_vms(VM(voyage.storage, (), ""))
    assert asyncio.run(voyage.destroy([voyage.storage], "sink 1")) == [voyage.storage]
    told = capsys.readouterr().err
    assert f"{voyage.storage} is left: " in told
    assert told.endswith("Try later: ocaptain sink 1\n")
    assert voyage.ssh.path.exists()


def test_with_storage_goes_how_to_reach_it(config: Config, capsys: pytest.CaptureFixture[str]):
    """As long as only ships are destroyed, that stays."""
    for vm in ("storage", "ship0"):
        half_made(config, f"{ID}-{vm}")
    voyage = Voyage(config, Local(config), ID)
    voyage.add_vms(*asyncio.run(voyage.provider.list()))
    assert asyncio.run(voyage.destroy(voyage.ship_vms(), "sink")) == []
    assert (list(voyage.vms), voyage.ssh.path.exists()) == ([voyage.storage], True)
    assert asyncio.run(voyage.destroy([voyage.storage], "sink")) == []
    assert not voyage.ssh.path.parent.exists()
    assert asyncio.run(voyage.provider.list()) == []
    assert capsys.readouterr().err == ""

"""A ship's loop: claim, have the agent work, land; and verify when all is done."""

import fcntl
import gc
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from .attempt import Attempt
from .client import Refused
from .heartbeat import GiveUp
from .mount import keep_mounted
from .ship import Ship
from .verification import Verification
from .work import Work

FIRST_PAUSE_S = 5.0
"""How long to wait after trouble, in seconds. It doubles while the trouble lasts."""


def main(home: Path) -> None:
    """Run the ship's loop, unless it runs already."""
    gc.enable()  # programs that end at once do without
    with (home / "voyage" / "helm.lock").open("w") as lock, suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        keep_racing(Ship(home))


def keep_racing(ship: Ship) -> NoReturn:
    """Race for tasks, for ever; while this ship is in trouble, with longer and longer pauses."""
    ship.say(f"{ship.name} is under way")
    threading.Thread(target=keep_mounted, args=[ship], daemon=True).start()
    ship.transcripts.end_all()
    threading.Thread(target=ship.keep_log_sent, daemon=True).start()
    threading.Thread(target=ship.keep_telemetry_sent, daemon=True).start()
    threading.Thread(target=ship.transcripts.keep_sending, daemon=True).start()
    clean_up(ship)
    pause_s = 0.0
    while True:
        time.sleep(pause_s)
        if race(ship):
            pause_s = 0.0
        else:
            pause_s = min(2 * pause_s + FIRST_PAUSE_S, ship.voyage["lease_seconds"] / 3)


def clean_up(ship: Ship) -> None:
    """Kill what an earlier helm left running, and save what it left unsaved."""
    ship.processes.kill()
    clone = ship.open_clone(threading.Event())
    with suppress(OSError):
        Work(clone).save(clone.begun(), ship.secrets, ended=True)


def race(ship: Ship) -> bool:
    """Claim what there is to do, and do it. Returns False if this ship is in trouble."""
    try:
        grant = ship.storage.claim(ship.abilities)
    except Refused as refusal:
        ship.say(f"storage refuses: {refusal.error}")
        return False
    if grant["claim"] is None:
        ship.rest(grant["rest_s"])
        return True
    if grant["task"] is None:
        return hold(ship, Verification(ship, grant))
    attempt = Attempt(ship, grant)
    try:
        return hold(ship, attempt)
    finally:
        ship.transcripts.end(attempt.claim)


def hold(ship: Ship, duty: Attempt | Verification) -> bool:
    """Do the work on a claim, and give the claim back if that fails.

    Returns False if it failed by this ship's fault."""
    with duty.heartbeat:
        try:
            duty.run()
            return True
        except GiveUp as raised:
            failure = raised
        except OSError as error:
            failure = GiveUp(f"{ship.name}: {error}", "infrastructure")
        give_back(ship, duty, failure)
    return failure.fault != "infrastructure"


def give_back(ship: Ship, duty: Attempt | Verification, failure: GiveUp) -> None:
    """Stop the work on a claim, keep what there is of it, and release the claim."""
    ship.say(f"gives up: {failure.why}", duty.heartbeat.task_id)
    ship.processes.kill()
    if isinstance(duty, Attempt):
        duty.save(ended=True)
    duty.heartbeat.end()  # or the next beat would learn that the claim is lost
    report = duty.heartbeat.last_report()
    with suppress(Refused):
        ship.storage.release(duty.claim, report, failure.why, failure.fault, failure.agent)

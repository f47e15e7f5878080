"""What harbor has done beside its answers, by detached children: one for each errand, at a time.

What an errand has to do next follows from the journal alone, so it does not matter which call
started it, or when it was killed. How far it is stands in `meta`, and as its fault why no further.
"""

import fcntl
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

from . import mirror, orders
from .harbor import Call, Json
from .journal import UNSOUND, Journal, open_voyage
from .mirror import Step

LOOK_S, TELL_S, PAUSE_S, TRIES = 5, 60, 30, 3


def start_due_jobs(home: Path, journal: Journal, voyage: Json) -> None:
    """Have done what there is to do, by a process that has nothing of this one's (no lock, no pipe,
    no session), unless one is at it.

    This looks at a journal outside the lock, as it was at the last answer: `main` looks again."""
    for name, errand in ERRANDS.items():
        if errand(journal, voyage):
            with suppress(OSError), (journal.folder / f"{name}.lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                lock.close()  # which the new process is to have
                from .. import process  # which takes longer to import than most calls take

                process.start_detached(home, "background.out", "background", name)


def main(home: Path, name: str) -> None:
    """Do what there is to do for the errand `name`, unless somebody is at it, until nothing is
    left or that has failed a few times in a row."""
    tries = TRIES
    journal, voyage = open_voyage(home)
    with (journal.folder / f"{name}.lock").open("a") as lock, suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        while tries:
            with journal.locked():
                step = ERRANDS[name](journal, voyage)
            if not step:
                return
            tries = TRIES if take(journal, name, step, last=tries == 1) else tries - 1
            time.sleep(PAUSE_S * (tries < TRIES))


def take(journal: Journal, name: str, step: Step, *, last: bool) -> bool:
    """Take a step, and note what comes of it; whether it went well."""
    from http.client import HTTPException

    fault, do, news = step
    try:
        news = {**news, **(do() or {}), f"{name}_fault": None}
    except (OSError, HTTPException, *UNSOUND) as why:
        news = {**(news if last else {}), f"{name}_fault": mirror.line(f"{fault}: {why}", 300)}
    with journal.locked():
        meta = journal.sections["meta"]
        if change := {key: value for key, value in news.items() if meta.get(key) != value}:
            journal.commit("harbor", {"op": name, "claim": None}, {"meta": change})
    return not news[f"{name}_fault"]


# What the voyage's `notify` is told: each news once, and again where it went away and came back


def next_news(journal: Journal, voyage: Json) -> Step | None:
    """Tell what is news; while the voyage is under way wait for more, as nobody may call to say
    that all ships are gone."""
    if not voyage["notify"]:
        return None
    call = Call(journal, voyage, "captain", {})
    news, told = orders.news(call), call.meta.get("notified", {})
    still = {key: told[key] for key in told if key in news}
    for key in news.keys() - still.keys():
        after = {"notified": {**still, key: news[key]}}
        return f"{key}: not told", partial(tell, voyage, key, news[key]), after
    over = still == told and news.keys() & {"complete", "failed"}
    return None if over else ("", partial(time.sleep, LOOK_S), {"notified": still})


def tell(voyage: Json, event: str, text: str) -> None:
    """Post to the URL, or run the command, that the voyage's `notify` is. Raises OSError where that
    fails, ValueError where it makes no sense."""
    from .. import process

    what, told = voyage["notify"], {"voyage": voyage["voyage"], "event": event, "text": text}
    if what.startswith(("http://", "https://")):
        mirror.ask(what, told, {"Content-Type": "application/json"})
        return
    env = {f"OCAPTAIN_{key.upper()}": value for key, value in told.items()}
    if (done := process.run(["bash", "-c", what], env=env, timeout=TELL_S)).status:
        raise OSError(f"exit status {done.status}: {done.stderr[-300:]}")


ERRANDS = {"mirror": mirror.errand, "notify": next_news}

"""The background job that tells the voyage's `notify` what is new: each news once, and again if it
went away and came back."""

from __future__ import annotations

import time
from functools import partial

from .call import Call
from .job import Step, http_request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol import VoyageRecord
    from .job import Timing
    from .journal import Journal

STDERR_LIMIT = 300


def next_step(journal: Journal, voyage: VoyageRecord, timing: Timing) -> Step | None:
    """Return how to tell the next news or, while the voyage is under way, a wait for some: if all
    ships are gone, nobody calls to say so."""
    if not voyage["notify"]:
        return None
    from . import status  # for whose import calls of other voyages should not have to wait

    call = Call(journal, voyage, "captain", {})
    news = status.news(call)
    notified = call.meta.get("notified", {})
    still_so = {event: text for event, text in notified.items() if event in news}
    for event, text in news.items():
        if event not in still_so:
            tell_it = partial(tell, voyage, event, text, timing)
            return Step(tell_it, f"{event}: not told", {"notified": {**still_so, event: text}})
    is_over = "complete" in news or "failed" in news
    if is_over and still_so == notified:
        return None
    wait = partial(time.sleep, timing.news_poll_s)
    return Step(wait, "", {"notified": still_so})


def tell(voyage: VoyageRecord, event: str, text: str, timing: Timing) -> None:
    """Post the news to the URL, or run the command, that the voyage's `notify` is.

    Raises OSError or HTTPException if that fails, ValueError if it makes no sense."""
    notify = voyage["notify"] or ""
    if notify.startswith(("http://", "https://")):
        notice = {"voyage": voyage["voyage"], "event": event, "text": text}
        http_request(notify, notice, {"Content-Type": "application/json"}, timing.http_s)
    else:
        env = {
            "OCAPTAIN_VOYAGE": voyage["voyage"],
            "OCAPTAIN_EVENT": event,
            "OCAPTAIN_TEXT": text,
        }
        run_command(notify, env, timing.notify_command_s)


def run_command(command: str, env: dict[str, str], timeout_s: float) -> None:
    """Run the captain's command. Raises OSError if it fails."""
    from .. import process

    done = process.run(["bash", "-c", command], env=env, timeout=timeout_s)
    if done.status:
        raise OSError(f"exit status {done.status}: {done.stderr[-STDERR_LIMIT:]}")

"""The background job that tells the voyage's `notify` what is new: each news once, and again if it
went away and came back. What could not be told is tried again once something else can."""

from __future__ import annotations

import time
from functools import partial

from .call import Call
from .job import Step, http_request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol import Meta, VoyageRecord
    from .job import Timing
    from .journal import Journal

STDERR_LIMIT = 300
STALLED_LOOKS = 2
"""After how many looks in a row that find a voyage stalled the next one tells it: it may pass."""


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
    wait = partial(time.sleep, timing.news_poll_s)
    looks = call.meta.get("stalled_looks", 0)
    if "stalled" not in news and looks:
        return Step(wait, "", {"notified": still_so, "stalled_looks": 0})
    if "stalled" in news and looks < STALLED_LOOKS:
        return Step(wait, "", {"notified": still_so, "stalled_looks": looks + 1})
    untold = [event for event in call.meta.get("untold") or () if event in news]
    for event in news:
        if event not in still_so:
            return telling(call, event, news[event], still_so, untold, timing)
    is_over = "complete" in news or "failed" in news
    if is_over and still_so == notified:
        return None
    return Step(wait, "", {"notified": still_so, **what_is_left(call, untold)})


def telling(
    call: Call, event: str, text: str, told: dict[str, str], untold: list[str], timing: Timing
) -> Step:
    """Return the step that tells news. `told` has what needs not be told now, and why `untold`
    is among it: that was given up, until others can be told."""
    others = [other for other in untold if other != event]
    settled = {other: told[other] for other in told if other not in others}
    when_told: Meta = {"notified": {**settled, event: text}, **what_is_left(call, others)}

    def tell_it() -> Meta:
        tell(call.voyage, event, text, timing)
        return when_told

    given_up: Meta = {"notified": {**told, event: text}, "untold": [*others, event]}
    return Step(tell_it, f"{event}: not told", given_up)


def what_is_left(call: Call, untold: list[str]) -> Meta:
    """Return what `meta` is to say of news that was not told: of these, and why."""
    if not untold:
        return {"untold": None, "notify_fault": None}
    return {"untold": untold, "notify_fault": call.meta.get("notify_fault")}


def tell(voyage: VoyageRecord, event: str, text: str, timing: Timing) -> None:
    """Post the news to the URL, or run the command, that the voyage's `notify` is.

    Raises OSError or HTTPException if that fails, ValueError if it makes no sense."""
    notify = voyage["notify"] or ""
    if notify.startswith(("http://", "https://")):
        notice = {"voyage": voyage["voyage"], "event": event, "text": text}
        url, headers = without_login(notify)
        headers["Content-Type"] = "application/json"
        http_request(url, notice, headers, timing.http_s)
    else:
        env = {
            "OCAPTAIN_VOYAGE": voyage["voyage"],
            "OCAPTAIN_EVENT": event,
            "OCAPTAIN_TEXT": text,
        }
        run_command(notify, env, timing.notify_command_s)


def without_login(url: str) -> tuple[str, dict[str, str]]:
    """Return a URL without what stands before its host, and the header that says it (RFC 7617)."""
    from base64 import b64encode
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, {}
    name, _, password = login.partition(":")
    encoded = b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode()
    return parts._replace(netloc=host).geturl(), {"Authorization": f"Basic {encoded}"}


def run_command(command: str, env: dict[str, str], timeout_s: float) -> None:
    """Run the captain's command. Raises OSError if it fails."""
    from .. import process

    done = process.run(["bash", "-c", command], env=env, timeout=timeout_s)
    if done.status:
        raise OSError(f"exit status {done.status}: {done.stderr[-STDERR_LIMIT:]}")

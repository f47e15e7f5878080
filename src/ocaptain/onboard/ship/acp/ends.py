"""What an agent's failures mean: which can be waited out, and which the captain has to mend."""

import json
import re
import time
from typing import Any, NamedTuple

from ..agents.agent import Outcome

AUTHENTICATION_REQUIRED = -32000
REFUSED_STATUSES = (401, 403, 404)
TOO_MANY_REQUESTS = 429
SERVER_ERROR = 500
LAST_STATUS = 599

REFUSED = re.compile(
    r"unauthori[sz]ed|authentication (required|failed)|forbidden|api.?key not valid"
    r"|(invalid|incorrect|missing).{0,20}(api.?key|credential|token\b)|permission.?denied"
    r"|billing|model.{0,60}(not found|does not exist|not supported)|\b(401|403)\b",
    re.IGNORECASE,
)
LIMITED = re.compile(
    r"rate.?limit|usage.?limit|over.?loaded|quota|too many requests|resource.?exhausted"
    r"|unavailable|reconnecting|disconnected|connection|connect\b|ECONN\w+|ENOTFOUND|ETIMEDOUT"
    r"|fetch failed|timed? ?out|cannot connect|internal server error|bad gateway"
    r"|\b(429|5\d\d)\b"
    r"|APIError",  # of OpenCode, which has tried for a minute by then and tells no status
    re.IGNORECASE,
)
SHARED = re.compile(
    r"rate.?limit|usage.?limit|quota|too many requests|resource.?exhausted|\b429\b",
    re.IGNORECASE,
)
"""What tells of a limit that the credential's account has."""
OF_SERVER = re.compile(r"capacity|over.?loaded", re.IGNORECASE)
"""What tells of the API's own trouble, though it may come as too many requests."""
AGAIN_IN = re.compile(
    r"(?:try again|retry|reset)\w*\W+(?:in|after)\W+(?P<number>\d+(?:\.\d+)?)\s*"
    r"(?P<unit>ms|s|m|h|d)",
    re.IGNORECASE,
)
ATTEMPT_FAILED = re.compile(r"\bAttempt \d+ failed.*", re.IGNORECASE)
"""What Gemini CLI prints of an API that it will ask again."""
AGAIN_AT = re.compile(
    r"(?:try again|resets)\s(?:at\s)?(?P<hour>\d{1,2})(?::(?P<minute>\d\d))?\s?(?P<half>[ap])m\b",
    re.IGNORECASE,
)
"""A time of the day, as Codex and Claude's adapter tell it: in the time zone of their machine."""
LATE_S = 3600
"""For how long a time of the day is taken for one that is just over, and not for tomorrow's."""
UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
RESETS_AT = re.compile(r'"resets?_?at"\s*:\s*(?P<time>\d{10})\b', re.IGNORECASE)


class Failure(NamedTuple):
    """How a turn ended: mostly, how it failed."""

    outcome: Outcome
    text: str
    until: float = 0.0
    """When a limit ends, in UNIX time; 0 if the agent did not say."""
    is_shared: bool = False
    """Whether all that use this credential have the limit."""


def of_error(error: Any) -> Failure:
    """Return what an error of JSON-RPC means: {code, message, data}."""
    if not isinstance(error, dict):
        return Failure("error", f"the agent answered with an error: {error}")
    message = str(error.get("message", ""))
    details = json.dumps(error.get("data")) if error.get("data") else ""
    text = f"{message} {_detail(error.get('data'))}".strip()
    return of_words(text or "the agent failed", f"{message} {details}", error.get("code"))


def of_words(text: str, all_of_it: str = "", code: Any = None) -> Failure:
    """Return what words of an agent or of its API mean, and the HTTP status if it tells one."""
    words = all_of_it or text
    if code == AUTHENTICATION_REQUIRED or code in REFUSED_STATUSES:
        return Failure("refused", text)
    is_status = isinstance(code, int) and SERVER_ERROR <= code <= LAST_STATUS
    if code == TOO_MANY_REQUESTS or is_status:
        return _limit(text, words, code)
    if REFUSED.search(words):
        return Failure("refused", text)
    if LIMITED.search(words):
        return _limit(text, words, code)
    return Failure("error", text)


def _limit(text: str, words: str, code: Any) -> Failure:
    is_of_account = code == TOO_MANY_REQUESTS or bool(SHARED.search(words))
    is_shared = is_of_account and not OF_SERVER.search(words)
    return Failure("limited", text, ends_at(words), is_shared)


def ends_at(words: str) -> float:
    """Return when a limit ends, in UNIX time, if these words tell; otherwise 0."""
    if found := RESETS_AT.search(words):
        return float(found["time"])
    if found := AGAIN_IN.search(words):
        unit = found["unit"].lower()
        return time.time() + float(found["number"]) * UNIT_S[unit]
    if found := AGAIN_AT.search(words):
        hour = int(found["hour"]) % 12 + (12 if found["half"].lower() == "p" else 0)
        return _next(hour, int(found["minute"] or 0))
    return 0.0


def _next(hour: int, minute: int) -> float:
    """Return when the next such minute is over, in UNIX time; 0 if one is just over."""
    now = time.time()
    year, month, today = time.localtime(now)[:3]
    for day in (today - 1, today, today + 1):
        ends = time.mktime((year, month, day, hour, minute + 1, 0, 0, 0, -1))
        if ends > now - LATE_S:
            return ends if ends > now else 0.0
    return 0.0


def _detail(data: Any) -> str:
    """Return what an error's data adds for people."""
    match data:
        case str():
            return f"({data})"
        case {"message": str(said)} | {"details": str(said)} | {"errorName": str(said)}:
            return f"({said})"
    return ""

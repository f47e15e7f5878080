"""Times as people say them: how long something took, and when it was."""

import re
import time
from datetime import UTC, datetime

MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400
UNITS_S = {"s": 1, "m": MINUTE_S, "h": HOUR_S, "d": DAY_S}
AGO = re.compile(r"(?:\d+[smhd])+")
CLOCK = re.compile(r"\d{1,2}:\d\d(?::\d\d)?")


def duration(seconds: float) -> str:
    """Return a duration as people say it: 45s, 1m38s, 2h05m, 1d23h."""
    whole = max(0, int(seconds))
    if whole < MINUTE_S:
        return f"{whole}s"
    if whole < HOUR_S:
        return f"{whole // MINUTE_S}m{whole % MINUTE_S:02}s"
    if whole < DAY_S:
        return f"{whole // HOUR_S}h{whole % HOUR_S // MINUTE_S:02}m"
    return f"{whole // DAY_S}d{whole % DAY_S // HOUR_S:02}h"


def since(epoch: float | None) -> str:
    """Return how long ago a UNIX time was, or a dash if it is not known."""
    return "-" if epoch is None else duration(time.time() - epoch)


def clock(epoch: float, *, utc: bool = False, seconds: bool = False) -> str:
    """Return a UNIX time on this machine's clock, or in UTC, then with a Z.

    Its date stands before it, unless that is today's. What no calendar has becomes a question
    mark."""
    zone = UTC if utc else None
    try:
        moment = datetime.fromtimestamp(epoch, zone)
    except (ValueError, OverflowError, OSError):
        return "?"
    text = moment.strftime("%H:%M:%S" if seconds else "%H:%M")
    if moment.date() != datetime.now(zone).date():
        text = f"{moment:%Y-%m-%d} {text}"
    return f"{text}Z" if utc else text


def past(text: str) -> datetime | None:
    """Return the moment that somebody means by a text; None if it is none.

    It is so long ago (`90s`, `1h30m`, `2d`), a time of today's (`14:05`), a date, or both. Unless
    it says otherwise, it is on this machine's clock."""
    now = datetime.now().astimezone()
    if AGO.fullmatch(text):
        ago_s = sum(int(number) * UNITS_S[unit] for number, unit in re.findall(r"(\d+)(.)", text))
        return datetime.fromtimestamp(max(0, now.timestamp() - ago_s), UTC)
    if CLOCK.fullmatch(text):
        text = f"{now:%Y-%m-%d} {text:0>5}"
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None

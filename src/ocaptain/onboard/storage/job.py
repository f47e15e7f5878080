"""What harbor's background jobs share: the step that each does next, their timing, and HTTP."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ..protocol import Meta

HTTP_ANSWER_LIMIT = 1_000_000
HTTP_ERROR_LIMIT = 9_999
SERVER_ERROR = 500
MATTERS_OF_TIME = (408, 429)
"""Request Timeout and Too Many Requests (RFC 9110, RFC 6585)."""


class Timing:
    """How often a job tries, and how many seconds it gives to what."""

    def __init__(
        self,
        *,
        attempts: int = 3,
        retry_pause_s: float = 30,
        news_poll_s: float = 5,
        notify_command_s: float = 60,
        refused_pause_s: float = 60,
        push_s: float = 1800,
        http_s: float = 60,
    ) -> None:
        self.attempts = attempts
        self.retry_pause_s = retry_pause_s
        self.news_poll_s = news_poll_s
        self.notify_command_s = notify_command_s
        self.refused_pause_s = refused_pause_s
        self.push_s = push_s
        self.http_s = http_s


USUAL_TIMING = Timing()


class Rejected(OSError):
    """The other side has understood, and says no: the same again will hardly help."""

    def __init__(self, said: str, news: Meta | None = None) -> None:
        """`news` has entries of `meta` that follow from it."""
        super().__init__(said)
        self.news: Meta = news or {}


class Step:
    """What a job does next, outside the lock."""

    def __init__(self, action: Callable[[], Meta | None], failure: str, outcome: Meta) -> None:
        """`action` does it, and may return entries of `meta`. It raises OSError, HTTPException or
        one of UNSOUND; then `failure` says in a word or two what has failed. `outcome` has entries
        of `meta` for when the step is over: done, or given up."""
        self.action = action
        self.failure = failure
        self.outcome = outcome


def http_request(
    url: str, data: Mapping[str, Any] | None, headers: Mapping[str, str], timeout_s: float
) -> bytes:
    """Return what an HTTP server answers to a GET or, if there is `data`, to a POST of it as JSON.

    Raises HTTPException; OSError; or Rejected with what the server said if it refuses, unless that
    is its own fault or a matter of time."""
    # They take longer to import than most calls of harbor take.
    from urllib import error, request

    body = json.dumps(data).encode() if data else None
    try:
        question = request.Request(url, body, dict(headers))  # noqa: S310 - it is http or https
        with request.urlopen(question, timeout=timeout_s) as answer:  # noqa: S310
            return bytes(answer.read(HTTP_ANSWER_LIMIT))
    except error.HTTPError as refusal:
        with refusal:
            said = refusal.read(HTTP_ERROR_LIMIT).decode(errors="replace")
        is_final = refusal.code < SERVER_ERROR and refusal.code not in MATTERS_OF_TIME
        raise (Rejected if is_final else OSError)(f"{refusal.code} {said}") from None

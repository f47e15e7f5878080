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


class Timing:
    """How often a job tries, and how many seconds it gives to what."""

    def __init__(
        self,
        *,
        attempts: int = 3,
        retry_pause_s: float = 30,
        news_poll_s: float = 5,
        notify_command_s: float = 60,
        push_s: float = 300,
        http_s: float = 60,
    ) -> None:
        self.attempts = attempts
        self.retry_pause_s = retry_pause_s
        self.news_poll_s = news_poll_s
        self.notify_command_s = notify_command_s
        self.push_s = push_s
        self.http_s = http_s


USUAL_TIMING = Timing()


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

    Raises HTTPException, or OSError with what the server said if it refuses."""
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
        raise OSError(f"{refusal.code} {said}") from None

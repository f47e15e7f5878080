"""Sends telemetry to whatever takes OTLP over HTTP."""

import asyncio
import json
import os
from http.client import HTTPException
from threading import Thread
from urllib.error import HTTPError
from urllib.parse import unquote
from urllib.request import Request, urlopen

from ocaptain.errors import Failure, progress
from ocaptain.onboard.protocol import Json
from ocaptain.onboard.telemetry import SIGNALS
from ocaptain.ssh import clean

POST_S = 30
NOT_TAKEN = (404, 405, 415, 501)
"""What an endpoint answers that does not take a kind of telemetry."""
BUSY = (429, 502, 503, 504)
"""What it answers, by OTLP, if it is to be asked again later."""
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
"""How long to wait, in seconds, until an endpoint is tried again that was away."""
LOOK_S = 0.05
"""Seconds between looks whether it has answered."""


class Away(Failure):
    """An endpoint does not answer, or has no time now."""


class Collector:
    """An endpoint that takes OTLP over HTTP in JSON."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self.left_out: set[str] = set()
        """Kinds of telemetry that it does not take."""
        self._has_answered = False

    async def deliver(self, request: Json) -> None:
        """Send a request, and again for as long as the endpoint is away that was there before.

        Raises Failure if it is not accepted."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                await self._take_aside(request)
                return
            except Away as fault:
                if not self._has_answered:
                    raise
                if pause_s == FIRST_PAUSE_S:
                    progress(f"{fault}\nIt is tried again until it answers. Ctrl-C ends that.")
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _take_aside(self, request: Json) -> None:
        """Send a request in a thread, for which nobody waits who is interrupted."""
        faults: list[Failure] = []

        def send() -> None:
            try:
                self.take(request)
            except Failure as fault:
                faults.append(fault)

        thread = Thread(target=send, daemon=True)
        thread.start()
        while thread.is_alive():  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)
        for fault in faults:
            raise fault

    def take(self, request: Json) -> None:
        """Send a request. Raises Failure if it is not accepted."""
        [signal] = [name for name, key in SIGNALS.items() if key in request]
        if signal in self.left_out:
            return
        place = f"{self._url}/v1/{signal}"
        headers = {"Content-Type": "application/json", **_captains_headers()}
        body = json.dumps(request).encode()
        try:
            with urlopen(Request(place, body, headers), timeout=POST_S) as answer:  # noqa: S310
                answer.read()
        except HTTPError as refusal:
            if refusal.code not in NOT_TAKEN or signal == "traces":
                text = clean(refusal.read(500)).strip()
                kind = Away if refusal.code in BUSY else Failure
                raise kind(f"{place} answers {refusal.code}: {text}") from None
            self.left_out.add(signal)
        except (OSError, ValueError, HTTPException) as fault:
            raise Away(f"{place} cannot be reached: {_why(fault)}") from None
        self._has_answered = True


def _why(fault: Exception) -> str:
    """Return what happened, without the numbers and wrappers that urllib has around it."""
    reason = getattr(fault, "reason", fault)
    return getattr(reason, "strerror", None) or str(reason)


def _captains_headers() -> dict[str, str]:
    """Return the headers that the captain's environment has for collectors."""
    headers = {}
    for part in os.environ.get("OTEL_EXPORTER_OTLP_HEADERS", "").split(","):
        name, equals, value = part.partition("=")
        if equals:
            headers[name.strip()] = unquote(value.strip())
    return headers

"""Sends telemetry to whatever takes OTLP over HTTP."""

import json
import os
from urllib.error import HTTPError
from urllib.parse import unquote
from urllib.request import Request, urlopen

from ocaptain.errors import Failure
from ocaptain.onboard.protocol import Json
from ocaptain.onboard.telemetry import SIGNALS
from ocaptain.ssh import clean

POST_S = 30
NOT_TAKEN = (404, 405, 415, 501)
"""What an endpoint answers that does not take a kind of telemetry."""


class Collector:
    """An endpoint that takes OTLP over HTTP in JSON."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self.left_out: set[str] = set()
        """Kinds of telemetry that it does not take."""

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
                raise Failure(f"{place} answers {refusal.code}: {text}") from None
            self.left_out.add(signal)
        except (OSError, ValueError) as fault:
            raise Failure(f"{place} cannot be reached: {fault}") from None


def _captains_headers() -> dict[str, str]:
    """Return the headers that the captain's environment has for collectors."""
    headers = {}
    for part in os.environ.get("OTEL_EXPORTER_OTLP_HEADERS", "").split(","):
        name, equals, value = part.partition("=")
        if equals:
            headers[name.strip()] = unquote(value.strip())
    return headers

"""Takes in the telemetry of a claim's agent: an OTLP/HTTP receiver on loopback.

It takes JSON, which is kept in a file on the ship, a request a line, as OpenTelemetry's collector
writes files. From there it goes to storage. Whatever is wrong with any of this, work goes on."""

import json
import threading
from collections.abc import Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

from .. import telemetry
from ..redaction import redacted

BODY_LIMIT = 4_000_000
"""Bytes of a request."""
REQUEST_S = 10
"""For how long a request may take to come."""


class Receiver:
    """Keeps what is sent to `endpoint`, until it is closed.

    This is a context manager. `endpoint` is empty if nothing can be received here."""

    def __init__(self, path: Path, secrets: Sequence[str], limit: int = telemetry.LIMIT) -> None:
        """`path` is the file that keeps it. None of `secrets` gets there, nor more than `limit`
        bytes in all."""
        self.endpoint = ""
        self._server: _Server | None = None
        self._keeper = _Keeper(path, secrets, limit)

    def __enter__(self) -> "Receiver":
        with suppress(OSError):
            self._server = _Server(self._keeper)
            self.endpoint = f"http://127.0.0.1:{self._server.server_port}{self._keeper.place}"
            threading.Thread(target=self._serve, name="telemetry", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()

    def _serve(self) -> None:
        if self._server:
            self._server.serve_forever(poll_interval=0.2)


class _Keeper:
    """Keeps requests in a file.

    `place` is a secret part of the URL: others may have logins on this machine."""

    def __init__(self, path: Path, secrets: Sequence[str], limit: int) -> None:
        self.place = f"/{token_urlsafe(16)}"
        self._path = path
        self._secrets = secrets
        self._limit = limit
        self._lock = threading.Lock()

    def is_wanted(self, url: str) -> bool:
        """Whether a URL is one that telemetry is sent to."""
        return url in [f"{self.place}/v1/{signal}" for signal in telemetry.SIGNALS]

    def take(self, body: bytes) -> bool:
        """Keep a request, as far as there is room. Returns whether it is one."""
        request = telemetry.request_of(body)
        if request is None:
            return False
        line = redacted(json.dumps(request, separators=(",", ":")), self._secrets) + "\n"
        with suppress(OSError), self._lock, self._path.open("ab") as file:
            if file.tell() + len(line) <= self._limit:
                file.write(line.encode())
        return True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, keeper: _Keeper) -> None:
        self.keeper = keeper
        super().__init__(("127.0.0.1", 0), _Handler)

    def server_bind(self) -> None:
        """Bind without asking a name server what this machine is called."""
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name = "127.0.0.1"
        self.server_port = self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: whoever sent it has gone, and work goes on."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = REQUEST_S

    def do_POST(self) -> None:
        """Keep what is sent, and say so."""
        size = self.headers.get("Content-Length", "")
        encoding = self.headers.get("Content-Encoding", "identity")
        if not self.server.keeper.is_wanted(self.path):
            self._refuse(404)
        elif not size.isdecimal() or encoding != "identity":
            self._refuse(415)
        elif int(size) > BODY_LIMIT:
            self._refuse(413)
        elif self.server.keeper.take(self.rfile.read(int(size))):
            self._answer(200)
        else:
            self._refuse(400)

    def _refuse(self, status: int) -> None:
        self.close_connection = True
        self._answer(status)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: what is received is in its file."""

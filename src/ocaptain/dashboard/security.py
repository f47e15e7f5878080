"""Who may ask the server anything: whoever has the address, from the page that it leads to.

It is on this machine only. But every program and every user here reaches it, and every site that is
open in a browser can send it something. So each request needs the secret of the address; its Host
has to be this server, or a name that was bound anew could read what it answers (DNS rebinding); and
what has another Origin is refused, or another site could give orders."""

from collections.abc import Mapping
from secrets import compare_digest

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
METHODS = ("GET", "HEAD", "POST")
NOTHING_HERE = "There is nothing here. Open the address that `ocaptain dashboard` has printed."


class Guard:
    """Lets through what may be asked, without the secret in its path."""

    def __init__(self, app: ASGIApp, port: int, secret: str) -> None:
        self._app = app
        self._secret = secret.encode()
        self._hosts = (f"127.0.0.1:{port}", f"localhost:{port}")
        self._origins = tuple(f"http://{host}" for host in self._hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as ASGI has it."""
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        fault = self._fault(scope["method"], Headers(scope=scope))
        secret, _, path = scope["path"].lstrip("/").partition("/")
        if fault:
            refusal = JSONResponse({"error": fault}, 403)
            await refusal(scope, receive, send_with_headers)
        elif not compare_digest(secret.encode(), self._secret) or scope["path"].count("/") < 2:
            refusal = JSONResponse({"error": NOTHING_HERE}, 404)
            await refusal(scope, receive, send_with_headers)
        else:
            inner = {**scope, "path": f"/{path}", "raw_path": None}
            await self._app(inner, receive, send_with_headers)

    def _fault(self, method: str, headers: Headers) -> str:
        """Return why a request is refused, whatever it asks for; nothing if it is not."""
        if headers.get("host") not in self._hosts:
            return "This is not the host that the page is on."
        if method not in METHODS:
            return "There is nothing that could be asked in this way."
        origin = headers.get("origin")
        if origin not in (None, *self._origins) or (method == "POST" and origin is None):
            return "Only the page itself may ask for this."
        is_order = method == "POST"
        if is_order and headers.get("content-type", "").partition(";")[0] != "application/json":
            return "An order has to be sent as application/json."
        return ""

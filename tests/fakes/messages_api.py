"""A scripted Messages API on loopback, so that tests run the real Claude Code without a network.

It speaks what the client asks for: `POST /v1/messages` streamed as server-sent events,
`count_tokens`, and `HEAD /`. A script belongs to a marker in the session's first user message:

    model.on("marker", [bash("make"), write("a.txt", "a"), say("Done.")])

A session's place in its script is the number of assistant turns that it sends back, so a retried
request gets the same step again. An `Error` is served once, before the step that follows it. A
marker that is scripted several times gives each new session the next script, and the last one to
all the rest. A session without a marker is told that there is nothing to do.
"""

import json
import sys
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any

Block = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """One `POST /v1/messages` as the client sent it; header names are in lower case."""

    body: dict[str, Any]
    headers: dict[str, str]

    @property
    def messages(self) -> list[dict[str, Any]]:
        return self.body.get("messages", [])

    @property
    def text(self) -> str:
        """The whole conversation, system prompt included, as JSON text: for `in`."""
        return json.dumps([self.body.get("system"), self.messages], ensure_ascii=False)

    @property
    def opening(self) -> str:
        """The text of the first user message, by which a session finds its script."""
        return next(self._said(), "")

    @property
    def last(self) -> str:
        """The text of the last user message, tool results included."""
        return ["", *self._said()][-1]

    def _said(self) -> Iterator[str]:
        return (_text(m["content"]) for m in self.messages if m["role"] == "user")

    @property
    def turns(self) -> int:
        """How many assistant turns have been taken; neighbouring messages are one turn."""
        roles = [message["role"] for message in self.messages]
        return sum(now == "assistant" != before for before, now in pairwise(["", *roles]))

    @property
    def session(self) -> str:
        return self.headers.get("x-claude-code-session-id") or self.opening


@dataclass(frozen=True)
class Reply:
    """What the model says, after `delay` seconds; without a tool call in it the turn ends."""

    blocks: Sequence[Block]
    delay: float = 0.0


@dataclass(frozen=True)
class Error:
    """An HTTP error in the API's form."""

    status: int
    kind: str
    message: str
    headers: dict[str, str] = field(default_factory=dict)


Step = Block | Reply | Error | Sequence[Block] | Callable[[Request], "Block | Reply | Error"]


def say(text: str) -> Block:
    return {"type": "text", "text": text}


def call(tool: str, **arguments: Any) -> Block:
    return {"type": "tool_use", "name": tool, "input": arguments}


def bash(command: str, background: bool = False) -> Block:
    arguments: dict[str, Any] = {"command": command, "description": f"Run {command[:40]}"}
    return call("Bash", **arguments, **({"run_in_background": True} if background else {}))


def write(path: str, content: str) -> Block:
    return call("Write", file_path=path, content=content)


def task_create(subject: str, description: str, **more: Any) -> Block:
    return call("TaskCreate", subject=subject, description=description, **more)


def task_update(task: str, **fields: Any) -> Block:
    return call("TaskUpdate", taskId=task, **fields)


def overloaded() -> Error:
    return Error(529, "overloaded_error", "Overloaded")


def unauthorized() -> Error:
    return Error(401, "authentication_error", "invalid x-api-key")


def limited(reset: float) -> Error:
    """A usage limit of a subscription that ends at `reset`, in epoch seconds."""
    prefix = "anthropic-ratelimit-unified"
    claim = {f"{prefix}-representative-claim": "five_hour", f"{prefix}-5h-reset": f"{reset:.0f}"}
    state = {f"{prefix}-status": "rejected", f"{prefix}-reset": f"{reset:.0f}"}
    return Error(429, "rate_limit_error", "Usage limit reached", {**state, **claim})


class Server(ThreadingHTTPServer):
    """One on loopback, which minds no client that was stopped."""

    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client that was stopped
            super().handle_error(request, client_address)


class ScriptedModel:
    """The server. Use it as a context manager; `url` is the client's ANTHROPIC_BASE_URL."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        self._scripts: dict[str, list[list[Step]]] = defaultdict(list)
        self._chosen: dict[str, list[Step]] = {}
        self._errors: dict[tuple[str, int], int] = defaultdict(int)
        handler = type("Handler", (_Handler,), {"model": self})
        self._server = Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "ScriptedModel":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def on(self, marker: str, steps: Sequence[Step]) -> None:
        """Scripts the next new session whose first user message contains `marker`."""
        with self._lock:
            self._scripts[marker].append(list(steps))

    @property
    def requests(self) -> list[Request]:
        """The requests of agents so far (those with tools), oldest first."""
        with self._lock:
            return list(self._requests)

    def about(self, marker: str) -> list[Request]:
        """The requests of sessions whose first user message contains `marker`."""
        return [request for request in self.requests if marker in request.opening]

    def answer(self, request: Request) -> Reply | Error:
        """What to say to a request: the step of its script that it has come to."""
        if not request.body.get("tools"):
            return Reply([say("ok")])
        with self._lock:
            self._requests.append(request)
            step = self._step(request)
        return _reply(step(request) if callable(step) else step)

    def _step(self, request: Request) -> Step:
        errors, step = _at(self._script(request), request.turns)
        served = self._errors[request.session, request.turns]
        if served == len(errors):
            return step
        self._errors[request.session, request.turns] += 1
        return errors[served]

    def _script(self, request: Request) -> list[Step]:
        if request.session not in self._chosen:
            marker = next((m for m in self._scripts if m in request.opening), None)
            scripts = self._scripts[marker] if marker else [[]]
            self._chosen[request.session] = scripts.pop(0) if len(scripts) > 1 else scripts[0]
        return self._chosen[request.session]


def _at(script: Sequence[Step], turn: int) -> tuple[list[Error], Step]:
    """The step of an assistant turn, and the errors that come before it."""
    errors: list[Error] = []
    for step in script:
        if isinstance(step, Error):
            errors.append(step)
        elif turn == 0:
            return errors, step
        else:
            turn, errors = turn - 1, []
    return errors, say("Nothing more to do.")


def _reply(step: Any) -> Reply | Error:
    if isinstance(step, (Reply, Error)):
        return step
    return Reply([step] if isinstance(step, dict) else step)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = [block.get("text") or _text(block.get("content") or "") for block in content]
    return "\n".join(parts)


class _Handler(BaseHTTPRequestHandler):
    model: ScriptedModel
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self._json(200, {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        path = self.path.partition("?")[0]
        if path == "/v1/messages/count_tokens":
            self._json(200, {"input_tokens": 10})
        elif path == "/v1/messages":
            headers = {name.lower(): value for name, value in self.headers.items()}
            self._messages(self.model.answer(Request(body, headers)), body)
        else:
            self._json(404, {})

    def _messages(self, reply: Reply | Error, body: dict[str, Any]) -> None:
        if isinstance(reply, Error):
            error = {"type": reply.kind, "message": reply.message}
            self._json(reply.status, {"type": "error", "error": error}, reply.headers)
            return
        time.sleep(reply.delay)
        if body.get("stream"):
            self._stream(events(reply.blocks, body.get("model", "scripted")))
        else:
            self._json(200, message(reply.blocks, body.get("model", "scripted")))

    def _json(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, events: Iterator[dict[str, Any]]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for event in events:
            self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Tests read `model.requests` instead."""


def message(blocks: Sequence[Block], model: str) -> dict[str, Any]:
    """Return a message of the model's, as it is sent if nobody asks for a stream."""
    tools = any(block["type"] == "tool_use" for block in blocks)
    return {
        "id": f"msg_{uuid.uuid4().hex}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [_identified(block) for block in blocks],
        "stop_reason": "tool_use" if tools else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 1000, "output_tokens": 100},
    }


def _identified(block: Block) -> Block:
    return {**block, "id": f"toolu_{uuid.uuid4().hex}"} if block["type"] == "tool_use" else block


def events(blocks: Sequence[Block], model: str) -> Iterator[dict[str, Any]]:
    """Return the server-sent events that a streamed message is."""
    whole = message(blocks, model)
    ending = {key: whole[key] for key in ("stop_reason", "stop_sequence")}
    yield {"type": "message_start", "message": {**whole, "content": [], "stop_reason": None}}
    for index, block in enumerate(whole["content"]):
        empty, delta = _delta(block)
        yield {"type": "content_block_start", "index": index, "content_block": empty}
        yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {"type": "message_delta", "delta": ending, "usage": whole["usage"]}
    yield {"type": "message_stop"}


def _delta(block: Block) -> tuple[Block, Block]:
    if block["type"] == "text":
        return {**block, "text": ""}, {"type": "text_delta", "text": block["text"]}
    arguments = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
    return {**block, "input": {}}, arguments

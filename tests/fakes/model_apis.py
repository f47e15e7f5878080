"""A model on loopback that speaks four APIs: OpenAI's Responses and Chat Completions, Gemini's, and
Anthropic's Messages, so that tests run real agents without a network.

A script is a list of shell commands that belongs to a marker:

    apis.on("marker", ["make", "make install"])

A conversation's commands are those of all markers in what its user has said so far, in the order in
which that was said. They are run one each request, and then the model says LAST_WORDS. How many
were run it sees by the results that a request sends back.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple

from tests.fakes import messages_api

LAST_WORDS = "All is done."
COUNT = {"input": 1000, "output": 100}
WORDS = {401: "Incorrect API key provided: sk-of-t…1234"}
"""What an API says with a status."""
Json = dict[str, Any]

Command = str | Callable[[], str]
"""A shell command, or what returns it once the model may answer."""


class Conversation(NamedTuple):
    """What a request sends of it."""

    said: list[str]
    """What the user has said."""
    results: int
    """How many commands have been run."""


class ModelApis:
    """The server; a context manager. `url` is its address."""

    def __init__(self, status: int = 200, until: int = 0) -> None:
        """A `status` that is not 200 is all that anybody gets; `until` is when that ends."""
        self.status = status
        self.until = until
        self.bodies: list[str] = []
        """What requests said, oldest first."""
        self._scripts: dict[str, Sequence[Command]] = {}
        handler = type("Handler", (_Handler,), {"apis": self})
        self._server = messages_api.Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "ModelApis":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def on(self, marker: str, commands: Sequence[Command]) -> None:
        """Have these commands run by whoever's user says something with this marker in it."""
        self._scripts[marker] = commands

    def command(self, conversation: Conversation) -> str | None:
        """Return the command that it has come to; None if all are run."""
        commands: list[Command] = []
        for text in conversation.said:
            for marker, script in self._scripts.items():
                commands += script if marker in text else []
        if conversation.results >= len(commands):
            return None
        command = commands[conversation.results]
        return command if isinstance(command, str) else command()

    def heard(self, text: str) -> bool:
        """Whether a request has had this in it."""
        return any(text in body for body in self.bodies)


class _Handler(BaseHTTPRequestHandler):
    apis: ModelApis
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._send(200, "application/json", b"")

    def do_GET(self) -> None:
        self._send(200, "application/json", b'{"data": [], "models": []}')

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.partition("?")[0]
        if self.apis.status != 200:
            self._fail()
            return
        if path.endswith("/count_tokens"):
            self._send(200, "application/json", b'{"input_tokens": 10}')
            return
        self.apis.bodies.append(data.decode())
        body = json.loads(data or b"{}")
        events = _answer(self.apis, path, body)
        if _is_whole(path, body):
            self._send(200, "application/json", json.dumps(next(events)).encode())
            return
        lines = "".join(_event(event) for event in events)
        self._send(200, "text/event-stream", lines.encode())

    def _fail(self) -> None:
        """Answer with the status, and in the ways of OpenAI and Anthropic with its end."""
        until = self.apis.until
        words = WORDS.get(self.apis.status, "Not now")
        error: Json = {"code": self.apis.status, "message": words, "type": "error"}
        headers = {}
        if until:
            error = {"type": "usage_limit_reached", "message": words, "resets_at": until}
            headers = messages_api.limited(until).headers
        data = json.dumps({"error": error}).encode()
        self._send(self.apis.status, "application/json", data, headers)

    def _send(
        self, status: int, kind: str, data: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Tests read `bodies` instead."""


def _answer(apis: ModelApis, path: str, body: Json) -> Iterator[Json]:
    if path.endswith("/responses"):
        return _responses(apis, body)
    if path.endswith("/chat/completions"):
        return _completions(apis, body)
    if path.endswith("/messages"):
        return _messages(apis, body)
    return _gemini(apis, body)


def _is_whole(path: str, body: Json) -> bool:
    """Whether an answer is wanted in one piece, and not as a stream."""
    if path.endswith("/messages"):
        return not body.get("stream")
    return path.endswith(":generateContent")


def _event(event: Json) -> str:
    name = f"event: {event['type']}\n" if "type" in event else ""
    return f"{name}data: {json.dumps(event)}\n\n"


def _text(content: Any) -> str:
    """Return the text of a message, be it one text or a list of parts.

    Claude Code has what it is told during a turn in the result of a tool."""
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text") or _text(part.get("content")) for part in content or [])


def _responses(apis: ModelApis, body: Json) -> Iterator[Json]:
    given = body.get("input", [])
    results = [item for item in given if item.get("type") == "function_call_output"]
    said = [_text(item.get("content")) for item in given if item.get("role") == "user"]
    tools = [str(tool.get("name")) for tool in body.get("tools", [])]
    name = next((tool for tool in tools if "exec" in tool or "shell" in tool), "")
    item: Json = {
        "type": "message",
        "role": "assistant",
        "id": f"m{len(results)}",
        "content": [{"type": "output_text", "text": LAST_WORDS}],
    }
    command = apis.command(Conversation(said, len(results))) if name else None
    if command:
        arguments: Json = {"cmd": command}
        if name == "shell":
            arguments = {"command": ["bash", "-c", command]}
        elif name == "shell_command":
            arguments = {"command": command}
        item = {
            "type": "function_call",
            "call_id": f"c{len(results)}",
            "name": name,
            "arguments": json.dumps(arguments),
        }
    usage = {
        "input_tokens": COUNT["input"],
        "input_tokens_details": None,
        "output_tokens": COUNT["output"],
        "output_tokens_details": None,
        "total_tokens": sum(COUNT.values()),
    }
    yield {"type": "response.created", "response": {"id": "r"}}
    yield {"type": "response.output_item.done", "item": item}
    yield {"type": "response.completed", "response": {"id": "r", "usage": usage}}


def _completions(apis: ModelApis, body: Json) -> Iterator[Json]:
    messages = body.get("messages", [])
    results = [message for message in messages if message.get("role") == "tool"]
    said = [_text(message["content"]) for message in messages if message.get("role") == "user"]
    tools = [str(tool["function"]["name"]) for tool in body.get("tools", [])]
    delta: Json = {"role": "assistant", "content": LAST_WORDS}
    reason = "stop"
    command = None
    if "bash" in tools:
        command = apis.command(Conversation(said, len(results)))
    if command:
        arguments = json.dumps({"command": command, "description": "a command"})
        function = {"name": "bash", "arguments": arguments}
        call = {"index": 0, "id": f"c{len(results)}", "type": "function", "function": function}
        delta = {"role": "assistant", "tool_calls": [call]}
        reason = "tool_calls"
    usage = {
        "prompt_tokens": COUNT["input"],
        "completion_tokens": COUNT["output"],
        "total_tokens": sum(COUNT.values()),
    }
    same = {"id": "r", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    yield {**same, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    choice = {"index": 0, "delta": {}, "finish_reason": reason}
    yield {**same, "choices": [choice], "usage": usage}


def _gemini(apis: ModelApis, body: Json) -> Iterator[Json]:
    contents = [said for said in body.get("contents", []) if said.get("role") == "user"]
    parts = [part for said in contents for part in said.get("parts", [])]
    results = [part for part in parts if "functionResponse" in part]
    said = [_text(content.get("parts")) for content in contents]
    part: Json = {"text": LAST_WORDS}
    command = None
    if body.get("tools"):
        command = apis.command(Conversation(said, len(results)))
    if command:
        arguments = {"command": command, "description": "a command"}
        part = {"functionCall": {"name": "run_shell_command", "args": arguments}}
    content = {"role": "model", "parts": [part]}
    usage = {
        "promptTokenCount": COUNT["input"],
        "candidatesTokenCount": COUNT["output"],
        "totalTokenCount": sum(COUNT.values()),
    }
    candidate = {"content": content, "finishReason": "STOP", "index": 0}
    yield {"candidates": [candidate], "usageMetadata": usage}


def _messages(apis: ModelApis, body: Json) -> Iterator[Json]:
    contents = [said["content"] for said in body.get("messages", []) if said["role"] == "user"]
    parts = [part for content in contents if isinstance(content, list) for part in content]
    results = [part for part in parts if part["type"] == "tool_result"]
    said = [_text(content) for content in contents]
    tools = [str(tool.get("name")) for tool in body.get("tools", [])]
    block = messages_api.say(LAST_WORDS)
    command = None
    if "Bash" in tools:
        command = apis.command(Conversation(said, len(results)))
    if command:
        block = messages_api.bash(command)
    model = body.get("model", "m")
    if not body.get("stream"):
        yield messages_api.message([block], model)
    yield from messages_api.events([block], model)

"""A model on loopback that speaks three APIs: OpenAI's Responses and Chat Completions, Gemini's.

It says the same to everybody: the shell commands that it was given, one each request, and then a
sentence. How many were run it sees by the results that a request sends back."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LAST_WORDS = "All is done."
COUNT = {"input": 1000, "output": 100}
Json = dict[str, Any]


class ModelApis:
    """The server; a context manager. `url` is its address."""

    def __init__(self, commands: Sequence[str], delay_s: float = 0.0, status: int = 200) -> None:
        """Each answer takes `delay_s`. A `status` that is not 200 is all that anybody gets."""
        self.commands = commands
        self.delay_s = delay_s
        self.status = status
        self.bodies: list[str] = []
        """What requests said, oldest first."""
        handler = type("Handler", (_Handler,), {"apis": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "ModelApis":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def command(self, results: int) -> str | None:
        """The command that follows so many results; None if all are run."""
        return self.commands[results] if results < len(self.commands) else None

    def heard(self, text: str) -> bool:
        """Whether a request has had this in it."""
        return any(text in body for body in self.bodies)


class _Handler(BaseHTTPRequestHandler):
    apis: ModelApis
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._send(200, "application/json", b'{"data": [], "models": []}')

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.apis.status != 200:
            error = {"error": {"code": self.apis.status, "message": "Not now", "type": "error"}}
            self._send(self.apis.status, "application/json", json.dumps(error).encode())
            return
        self.apis.bodies.append(data.decode())
        time.sleep(self.apis.delay_s)
        body = json.loads(data or b"{}")
        if self.path.endswith("/responses"):
            events = _responses(self.apis, body)
        elif self.path.endswith("/chat/completions"):
            events = _completions(self.apis, body)
        else:
            events = _gemini(self.apis, body)
        if "generateContent" in self.path:
            self._send(200, "application/json", json.dumps(next(events)).encode())
            return
        lines = "".join(_event(event) for event in events)
        self._send(200, "text/event-stream", lines.encode())

    def _send(self, status: int, kind: str, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Tests read `bodies` instead."""


def _event(event: Json) -> str:
    name = f"event: {event['type']}\n" if "type" in event else ""
    return f"{name}data: {json.dumps(event)}\n\n"


def _responses(apis: ModelApis, body: Json) -> Iterator[Json]:
    given = body.get("input", [])
    results = [item for item in given if item.get("type") == "function_call_output"]
    command = apis.command(len(results))
    tools = [str(tool.get("name")) for tool in body.get("tools", [])]
    name = next((tool for tool in tools if "exec" in tool or "shell" in tool), "")
    item: Json = {
        "type": "message",
        "role": "assistant",
        "id": f"m{len(results)}",
        "content": [{"type": "output_text", "text": LAST_WORDS}],
    }
    if command and name:
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
    results = [said for said in body.get("messages", []) if said.get("role") == "tool"]
    names = [tool["function"]["name"] for tool in body.get("tools", [])]
    command = apis.command(len(results))
    delta: Json = {"role": "assistant", "content": LAST_WORDS}
    reason = "stop"
    if command and "bash" in names:
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
    parts = [part for said in body.get("contents", []) for part in said.get("parts", [])]
    results = [part for part in parts if "functionResponse" in part]
    command = apis.command(len(results))
    part: Json = {"text": LAST_WORDS}
    if command and body.get("tools"):
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

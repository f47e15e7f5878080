"""HTTP, as background jobs speak it; what becomes of their steps is in test_background.py."""

import http.server
import json
import threading
from collections.abc import Iterator
from http.client import HTTPException
from typing import NamedTuple

import pytest

from ocaptain.onboard.storage.job import HTTP_ANSWER_LIMIT, HTTP_ERROR_LIMIT, http_request

SOUND = b"HTTP/1.0 200 OK\r\n\r\n"


class Request(NamedTuple):
    """What a server was asked."""

    method: str
    accept: str | None
    body: bytes


class Server(http.server.HTTPServer):
    """A server that answers each request with the same bytes, or if there are none keeps silent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.answer = SOUND
        self.requests: list[Request] = []
        self.is_over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/x"


class Answering(http.server.BaseHTTPRequestHandler):
    """Keeps a request, and writes the server's answer."""

    server: Server

    def do_GET(self) -> None:
        self.answer_request()

    def do_POST(self) -> None:
        self.answer_request()

    def answer_request(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(size)
        self.server.requests.append(Request(self.command, self.headers["Accept"], body))
        if not self.server.answer:
            self.server.is_over.wait(20)
        self.wfile.write(self.server.answer)


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that is up."""
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=[0.02])
        thread.start()
        yield running
        running.is_over.set()
        running.shutdown()
        thread.join()


def test_without_data_it_gets_and_with_data_it_posts_json(server: Server):
    """The headers go along with either, and what is returned is the answer's body."""
    server.answer = SOUND + b"fine"
    headers = {"Accept": "text/x"}
    assert http_request(server.url, None, headers, 10) == b"fine"
    assert http_request(server.url, {"title": "é"}, headers, 10) == b"fine"
    get, post = server.requests
    assert get == Request("GET", "text/x", b"")
    assert (post.method, post.accept) == ("POST", "text/x")
    assert json.loads(post.body) == {"title": "é"}


def test_a_refusal_is_an_error_with_what_the_server_said(server: Server):
    """The status and the reason that the body gives are shown, whatever bytes are in it."""
    server.answer = b"HTTP/1.0 403 Forbidden\r\n\r\nno such \xff token"
    with pytest.raises(OSError, match="403 no such \ufffd token"):
        http_request(server.url, None, {}, 10)


def test_an_answer_without_end_does_not_fill_the_memory(server: Server):
    """Neither an answer nor a refusal is read any further than its limit."""
    server.answer = SOUND + b"a" * (HTTP_ANSWER_LIMIT + 5)
    assert len(http_request(server.url, None, {}, 10)) == HTTP_ANSWER_LIMIT
    server.answer = b"HTTP/1.0 500 Oh\r\n\r\n" + b"a" * (HTTP_ERROR_LIMIT + 5)
    with pytest.raises(OSError, match="500 a") as caught:
        http_request(server.url, None, {}, 10)
    assert len(str(caught.value)) == len("500 ") + HTTP_ERROR_LIMIT


def test_what_is_no_answer_is_an_error_that_a_job_expects(server: Server):
    """A server that speaks something else, and one that is silent for too long, are no bugs."""
    server.answer = b"SSH-2.0-OpenSSH\r\n"
    with pytest.raises(HTTPException):
        http_request(server.url, None, {}, 10)
    server.answer = b""
    with pytest.raises(OSError, match="timed out"):
        http_request(server.url, None, {}, 0.2)

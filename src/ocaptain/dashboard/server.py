"""The server on this machine that the page is read from, and asks."""

import asyncio
import contextlib
import re
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ocaptain import transcript
from ocaptain.errors import Failure
from ocaptain.fleet.logs import query_of, read_logs
from ocaptain.fleet.tasks import ask_task
from ocaptain.fleet.transcripts import ask_transcript
from ocaptain.fleet.voyage import Voyage
from ocaptain.loglines import LogEntry, parsed
from ocaptain.onboard.picture import Diff
from ocaptain.onboard.protocol import LogQuery
from ocaptain.ssh import clean

from .feed import Audience, end, event
from .fleet import Fleet
from .orders import Desk, Order
from .page import live_page, scripts, styles
from .security import Guard

ADDRESS = "127.0.0.1"
RETRY = b"retry: 1000\n\n"
"""Has a browser come back after a second if the stream has ended."""
WAITING = 2_000
"""How many events may wait for a tab; one that takes none for so long has to come anew."""
ALIVE_S = 15.0
"""Seconds after which a stream without news says that it is there."""
LOG_LINES = 200
"""How many lines of the log are shown of a task."""
MOST_LOG_LINES = 20_000
BATCH_S = 0.1
"""Seconds for which lines are gathered before they are sent."""
LONGEST_TRANSCRIPT = 2_000_000
"""Characters of a transcript that are shown."""
BODY_BYTES = 200_000
NUMBER = re.compile(r"\d{1,6}")


class Pages:
    """What is answered to each address below the secret."""

    def __init__(self, fleet: Fleet, find: Callable[[str], Awaitable[Voyage]]) -> None:
        """`find` returns a voyage as it is now, by its id."""
        self.fleet = fleet
        self.desk = Desk(find, self._tell_order)
        self._orders = Audience()

    def app(self) -> Starlette:
        """Return the application."""
        one = "/api/voyages/{voyage}"
        return Starlette(
            routes=[
                Route("/", self.page),
                Route("/api/stream", self.stream),
                Route(f"{one}/tasks/{{task}}", self.task),
                Route(f"{one}/tasks/{{task}}/diff", self.diff),
                Route(f"{one}/transcript", self.transcript),
                Route(f"{one}/logs", self.logs),
                Route(f"{one}/orders/{{verb}}", self.order, methods=["POST"]),
                Route("/static/all.css", of_page("text/css", styles())),
                Route("/static/all.js", of_page("text/javascript", scripts())),
            ],
            exception_handlers={Failure: failed, HTTPException: refused},
        )

    async def page(self, _: Request) -> Response:
        """The page itself."""
        return HTMLResponse(live_page())

    # The stream

    async def stream(self, request: Request) -> Response:
        """What is to be seen, and what changes in it, for as long as somebody looks."""
        name = request.query_params.get("voyage")
        if name and name not in self.fleet.feeds:
            raise HTTPException(404, f"There is no voyage {name}.")
        return events(self._events(name))

    async def _events(self, name: str | None) -> AsyncIterator[bytes]:
        waiting: asyncio.Queue[bytes] = asyncio.Queue()
        audiences = [self.fleet.audience, self._orders]
        yield RETRY
        yield event("fleet", self.fleet.rows())
        if name:
            audiences.append(self.fleet.feeds[name].audience)
            for first in self.fleet.feeds[name].first_events():
                yield first
        for audience in audiences:
            audience.join(waiting.put_nowait)
        try:
            while waiting.qsize() < WAITING:
                yield await next_event(waiting)
        finally:
            for audience in audiences:
                audience.leave(waiting.put_nowait)

    def _tell_order(self, order: Order) -> None:
        self._orders.tell("order", order)

    # One task

    async def task(self, request: Request) -> Response:
        """All that is known of a task."""
        return answer(await ask_task(self._voyage(request), word(request, "task"), LOG_LINES))

    async def diff(self, request: Request) -> Response:
        """What a task has changed."""
        voyage = self._voyage(request)
        return answer(await voyage.ask("diff", Diff, {"task": word(request, "task")}))

    async def transcript(self, request: Request) -> Response:
        """What the agent's program has written down of an attempt."""
        asked = request.query_params
        claim = asked.get("claim", "")
        if claim and not NUMBER.fullmatch(claim):
            raise HTTPException(422, "claim has to be a number")
        voyage = self._voyage(request)
        found = await ask_transcript(voyage, asked.get("task", ""), int(claim) if claim else None)
        text = transcript.as_text(found.packed)
        return answer(
            {
                "task": found.task,
                "claim": found.claim,
                "others": found.others,
                "text": text[:LONGEST_TRANSCRIPT],
                "cut": len(text) > LONGEST_TRANSCRIPT,
            }
        )

    # Logs

    async def logs(self, request: Request) -> Response:
        """Lines of the log; or with `follow`, those that come."""
        voyage = self._voyage(request)
        query = log_query(request.query_params)
        if query["follow"]:
            return events(new_lines(voyage, query))
        found: list[LogEntry] = []
        await read_logs(voyage, query, lambda line: found.append(parsed(line).entry()))
        return answer({"lines": found})

    # Orders

    async def order(self, request: Request) -> Response:
        """Give an order."""
        voyage = self._voyage(request)
        sent = b""
        async for piece in request.stream():
            sent += piece
            if len(sent) > BODY_BYTES:
                raise HTTPException(413, "That is too long.")
        verb = word(request, "verb")
        try:
            given = await self.desk.give(voyage.id, verb, sent)
        except KeyError:
            raise HTTPException(404, f"There is no order {verb:.40}.") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
            return answer(input_fault(str(fault)), 422)
        return answer(given, 202 if given["state"] == "running" else 200)

    def _voyage(self, request: Request) -> Voyage:
        name = word(request, "voyage")
        if name not in self.fleet.feeds:
            raise HTTPException(404, f"There is no voyage {name:.60}.")
        return self.fleet.feeds[name].voyage


def of_page(kind: str, text: str) -> Callable[[Request], Response]:
    """Return what answers a request for a file of the page's."""
    return lambda _: Response(text, media_type=kind)


async def next_event(waiting: "asyncio.Queue[bytes]") -> bytes:
    """Return what is told next; after a while without news, a comment."""
    try:
        return await asyncio.wait_for(waiting.get(), ALIVE_S)
    except TimeoutError:
        return b": still here\n\n"


def events(told: AsyncIterator[bytes]) -> Response:
    """Return a stream of server-sent events."""
    return StreamingResponse(told, media_type="text/event-stream")


def answer(data: object, status: int = 200) -> Response:
    """Return an answer in JSON."""
    return Response(msgspec.json.encode(data), status, media_type="application/json")


async def failed(_: Request, fault: Exception) -> Response:
    """Say what storage refused, or that it is away."""
    return answer({"error": clean(str(fault))}, 404)


async def refused(_: Request, fault: Exception) -> Response:
    """Say what is wrong with a request."""
    status = fault.status_code if isinstance(fault, HTTPException) else 400
    detail = fault.detail if isinstance(fault, HTTPException) else ""
    return JSONResponse({"error": detail}, status)


def word(request: Request, name: str) -> str:
    """Return a word of the address."""
    return str(request.path_params[name])


def input_fault(fault: str) -> Mapping[str, str]:
    """Return what is wrong with what was sent, and in which field."""
    sentence, _, place = fault.partition(" - at `$.")
    found = {"error": sentence}
    if place:
        found["field"] = place.rstrip("`")
    return found


def log_query(sent: Mapping[str, str]) -> LogQuery:
    """Return the query that an address has. Raises HTTPException if it makes no sense."""
    tail = sent.get("tail", str(LOG_LINES))
    pattern = sent.get("pattern", "")
    try:
        re.compile(pattern)
    except re.error as fault:
        raise HTTPException(422, f"That is no regular expression: {fault}") from None
    if not NUMBER.fullmatch(tail):
        raise HTTPException(422, "tail has to be a number")
    return query_of(
        ship=sent.get("ship", ""),
        task=sent.get("task", ""),
        since=sent.get("since", ""),
        pattern=pattern,
        tail=min(int(tail) or MOST_LOG_LINES, MOST_LOG_LINES),
        follow=sent.get("follow") == "1",
    )


async def new_lines(voyage: Voyage, query: LogQuery) -> AsyncIterator[bytes]:
    """Yield lines of a log as they come, some at once, and why there are no more."""
    lines: asyncio.Queue[LogEntry] = asyncio.Queue()

    def use(line: str) -> None:
        lines.put_nowait(parsed(line).entry())

    reading = asyncio.create_task(read_logs(voyage, query, use))
    try:
        yield RETRY
        while not reading.done() or not lines.empty():
            await asyncio.wait([reading], timeout=BATCH_S)
            found = [lines.get_nowait() for _ in range(lines.qsize())]
            if found:
                yield event("line", {"lines": found})
        fault = "The log has ended."
        try:
            reading.result()
        except Failure as failure:
            fault = str(failure)
        yield event("fault", {"error": clean(fault)})
    finally:
        await end([reading])


class Server(uvicorn.Server):
    """uvicorn, which leaves Ctrl-C to whoever runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def listen(port: int) -> socket.socket:
    """Return a socket that listens on this machine only. Raises Failure if the port is taken."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((ADDRESS, port))
    except OSError as fault:
        listening.close()
        raise Failure(
            f"Port {port} cannot be had: {fault.strerror}.", hint="ocaptain dashboard --port 0"
        ) from None
    listening.listen()
    return listening


async def serve(
    fleet: Fleet,
    find: Callable[[str], Awaitable[Voyage]],
    port: int,
    started: Callable[[str], None],
) -> None:
    """Serve the page until this is cancelled; `started` is called with its address."""
    secret = secrets.token_urlsafe(24)
    with contextlib.closing(listen(port)) as listening:
        port = listening.getsockname()[1]
        pages = Pages(fleet, find)
        settings = uvicorn.Config(
            Guard(pages.app(), port, secret),
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        server = Server(settings)
        following = asyncio.create_task(fleet.run())
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            started(f"http://{ADDRESS}:{port}/{secret}/")
            await asyncio.wait([following, serving], return_when=asyncio.FIRST_COMPLETED)
        finally:
            server.should_exit = True
            server.force_exit = True
            await end([following, serving, *pages.desk.tasks])
            await hang_up(server)


async def hang_up(server: uvicorn.Server) -> None:
    """Close what browsers still have open: their streams would not end by themselves."""
    for connection in [*server.server_state.connections]:
        connection.transport.close()
    await end(server.server_state.tasks)


__all__ = ["Pages", "serve"]

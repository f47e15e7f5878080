"""Whose child each span of a voyage is: a trace is whole if each has its parent in it, once."""

from collections.abc import Iterable

from ocaptain.onboard.protocol import Json
from ocaptain.onboard.telemetry import span_id, trace_id

from .otlp import nanoseconds, spans_in, texts
from .spans import Span

DEEPEST = 100
"""How many spans lie in one another. What lies deeper, or in itself, is put below its attempt."""


class Lineage:
    """The spans of a voyage that have come, and the parent of each.

    Spans of other traces, which a program may have begun on its own, stay as they are."""

    def __init__(self, voyage: str) -> None:
        self._voyage = voyage
        self._trace = trace_id(voyage)
        self._seen: set[tuple[str, str]] = set()
        self._parents: dict[str, str] = {}
        self._awaited: set[str] = set()

    def add(self, spans: Iterable[Span]) -> None:
        """Take in spans of the voyage's own."""
        for span in spans:
            self._seen.add((self._trace, span.id))
            self._parents[span.id] = span.parent

    def await_all(self, request: Json) -> None:
        """Take in which spans will come with a request."""
        self._awaited.update(span["spanId"] for _, span in spans_in(request))

    def put(self, request: Json) -> None:
        """Have each span in a request come once, end after it began, and lie below another.

        If its parent never comes, as its ship died, that is the attempt that has sent it."""
        for group in request.get("resourceSpans", ()):
            attempt = self._attempt(group.get("resource", {}))
            for scope in group.get("scopeSpans", ()):
                new = [span for span in scope.get("spans", ()) if self._is_new(span)]
                scope["spans"] = new
                for span in new:
                    self._put(span, attempt)

    def _is_new(self, span: Json) -> bool:
        key = (span["traceId"], span["spanId"])
        is_new = key not in self._seen
        self._seen.add(key)
        return is_new

    def _put(self, span: Json, attempt: str) -> None:
        begin, end = nanoseconds(span)
        span["endTimeUnixNano"] = str(max(begin, end))
        if span["traceId"] != self._trace:
            return
        this, parent = span["spanId"], span.get("parentSpanId", "")
        is_there = parent in self._parents or parent in self._awaited
        if not is_there or self._lies_in_itself(this, parent):
            parent = attempt
        span["parentSpanId"] = self._parents[this] = parent

    def _lies_in_itself(self, this: str, parent: str) -> bool:
        """Whether a span would lie in itself below that parent, or too deep."""
        for _ in range(DEEPEST):
            if parent == this:
                return True
            parent = self._parents.get(parent, "")
            if not parent:
                return False
        return True

    def _attempt(self, resource: Json) -> str:
        """Return the id of the attempt that a resource says it is of; of the voyage, if none."""
        named = texts(resource)
        task, claim = named.get("task.id", ""), named.get("ocaptain.claim", "")
        attempt = span_id(self._voyage, task, claim)
        return attempt if attempt in self._parents else span_id(self._voyage)

"""Whose child each span of a voyage is: a trace is whole if each has its parent in it, once."""

from collections.abc import Iterable

from ocaptain.onboard.protocol import Json
from ocaptain.onboard.telemetry import span_id, trace_id

from .otlp import nanoseconds, spans_in, texts
from .spans import ERROR, Span

DEEPEST = 100
"""How many spans lie in one another. What lies deeper, or in itself, is put below its attempt."""

NOT_SENT = "not sent"
"""The name of a span that stands for one that never came."""


class Lineage:
    """The spans of a voyage that have come, and the parent of each.

    Spans of other traces, which a program may have begun on its own, stay as they are."""

    def __init__(self, voyage: str, *, goes_on: bool = False) -> None:
        """If it `goes_on`, nobody knows which parents will come yet: see `stand_ins`."""
        self._voyage = voyage
        self._goes_on = goes_on
        self._trace = trace_id(voyage)
        self._seen: set[tuple[str, str]] = set()
        self._parents: dict[str, str] = {}
        self._awaited: set[str] = set()
        self._missing: dict[str, Span] = {}

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
        if not self._may_be(parent) or self._lies_in_itself(this, parent):
            parent = attempt
        span["parentSpanId"] = self._parents[this] = parent
        if self._goes_on and parent not in self._parents:
            self._miss(parent, attempt, begin / 1e9, max(begin, end) / 1e9)

    def _may_be(self, parent: str) -> bool:
        """Whether there is such a parent, or it may come."""
        is_known = parent in self._parents or parent in self._awaited
        return is_known or (self._goes_on and parent != "")

    def _miss(self, this: str, attempt: str, begin: float, end: float) -> None:
        """Note that a span is the parent of one of that time, and did not come yet."""
        known = self._missing.get(this, Span(this, attempt, NOT_SENT, begin, end, {}))
        self._missing[this] = known._replace(
            begin=min(known.begin, begin),
            end=max(known.end or 0.0, end),
            status=ERROR,
            message="Its ship has not sent it.",
        )

    def stand_ins(self) -> list[Span]:
        """Return spans that stand for parents which never came, as their ships died."""
        return [span for this, span in self._missing.items() if this not in self._parents]

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

"""A trace in Chrome's format, which Perfetto and speedscope read."""

from ocaptain.onboard.protocol import Json

from .otlp import nanoseconds, spans_in, texts


class Chrome:
    """Gathers spans as events of Chrome's trace format: a process for each ship."""

    def __init__(self) -> None:
        self.events: list[Json] = []
        self._processes: dict[str, int] = {}
        self._lanes: dict[int, list[list[float]]] = {}

    def take(self, request: Json) -> None:
        """Take in the spans of a request."""
        for resource, span in sorted(spans_in(request), key=lambda pair: _times(pair[1])):
            named = texts(resource)
            process = self._process(named.get("ship.id", "voyage"))
            begin, length = _times(span)
            self.events.append(
                {
                    "name": span.get("name", ""),
                    "cat": named.get("service.name", ""),
                    "ph": "X",
                    "ts": begin / 1000,
                    "dur": -length / 1000,
                    "pid": process,
                    "tid": self._lane(process, begin, begin - length),
                    "args": {"spanId": span.get("spanId"), **texts(span)},
                }
            )

    def _process(self, name: str) -> int:
        if name not in self._processes:
            number = len(self._processes) + 1
            self._processes[name] = number
            about = {"name": "process_name", "ph": "M", "pid": number, "args": {"name": name}}
            self.events.append(about)
        return self._processes[name]

    def _lane(self, process: int, begin: float, end: float) -> int:
        """Return a lane in which a span lies beside or within others, and not across them."""
        lanes = self._lanes.setdefault(process, [])
        for number, lane in enumerate(lanes):
            while lane and lane[-1] <= begin:
                lane.pop()
            if not lane or end <= lane[-1]:
                lane.append(end)
                return number
        lanes.append([end])
        return len(lanes) - 1


def _times(span: Json) -> tuple[int, int]:
    """Return when a span begins, and how long it takes as a negative number, in nanoseconds."""
    begin, end = nanoseconds(span)
    return begin, begin - end

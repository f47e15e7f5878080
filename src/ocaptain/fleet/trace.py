"""A voyage as one trace: its own spans, and what its agents have sent of telemetry."""

import json
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from itertools import chain
from typing import IO

from ocaptain.onboard.picture import News
from ocaptain.onboard.protocol import Json

from .kept import KeptLines
from .lineage import Lineage
from .otlp import Broken, read_request
from .picture import Gathered, follow_picture
from .spans import requests, spans_of
from .voyage import Voyage

Use = Callable[[Json], Awaitable[None]]
"""What is done with a request."""


async def trace(voyage: Voyage, use: Use) -> int:
    """Call `use` with each request that a voyage's trace is made of: first its own spans.

    What goes on ends now. Returns how many lines of ships' telemetry were left out, as they are
    none."""
    gathered = Gathered(voyage)
    lineage = Lineage(voyage.id)
    with KeptLines() as kept, tempfile.TemporaryFile() as sound:

        def take(news: News) -> None:
            gathered.take(news)
            if "telemetry" in news:
                kept.take(news["telemetry"])

        await follow_picture(voyage, take, follow=False, telemetry={})
        picture = gathered.picture()
        spans = list(spans_of(picture))
        lineage.add(spans)
        for request in requests(voyage.id, spans, picture["now"]):
            await use(request)
        left_out = _keep_sound(kept, sound, lineage)
        for request in _requests_in(sound):
            lineage.put(request)
            await use(request)
    return left_out


def _keep_sound(kept: KeptLines, sound: IO[bytes], lineage: Lineage) -> int:
    """Write those lines that are requests to another file. Returns how many are not."""
    left_out = 0
    for line in chain(kept.lines(), kept.unfinished()):
        try:
            request = read_request(line)
        except Broken:
            left_out += 1
            continue
        lineage.await_all(request)
        sound.write(json.dumps(request).encode() + b"\n")
    return left_out


def _requests_in(file: IO[bytes]) -> Iterator[Json]:
    file.seek(0)
    for line in file:
        yield json.loads(line)

"""A voyage as one trace: its own spans, and what its agents have sent of telemetry."""

import json
import tempfile
from collections.abc import Callable, Iterator
from typing import IO

from ocaptain.onboard.protocol import Json

from .lineage import Lineage
from .otlp import Broken, read_request
from .picture import read_picture
from .spans import requests, spans_of
from .voyage import Voyage

SILENCE_S = 120
READ = "cd ~/voyage/telemetry 2>/dev/null && cat ship-*.jsonl 2>/dev/null; true"

Use = Callable[[Json], None]


async def trace(voyage: Voyage, use: Use) -> int:
    """Call `use` with each request that a voyage's trace is made of: first its own spans.

    What goes on ends now. Returns how many lines of ships' telemetry were left out, as they are
    none."""
    picture = (await read_picture(voyage)).picture()
    spans = list(spans_of(picture))
    for request in requests(voyage.id, spans, picture["now"]):
        use(request)
    lineage = Lineage(voyage.id)
    lineage.add(spans)
    with tempfile.TemporaryFile() as kept, tempfile.TemporaryFile() as sound:
        command = voyage.as_harbor("sh", "-c", READ)
        await voyage.ssh.stream(voyage.storage, command, kept.write, silence=SILENCE_S)
        left_out = _keep_sound(kept, sound, lineage)
        for request in _requests_in(sound):
            lineage.put(request)
            use(request)
    return left_out


def _keep_sound(kept: IO[bytes], sound: IO[bytes], lineage: Lineage) -> int:
    """Write those lines that are requests to another file. Returns how many are not."""
    left_out = 0
    kept.seek(0)
    for line in kept:
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

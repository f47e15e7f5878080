"""Ships' telemetry, as storage tells it."""

import json
from pathlib import Path
from typing import Any

from ocaptain.onboard.storage import kept
from ocaptain.onboard.storage.kept import KeptTelemetry
from ocaptain.onboard.storage.picture import Picture, look_on
from tests.support.storage import Sail, task


def told(telemetry: KeptTelemetry) -> dict[str, bytes]:
    """What is new, by ship."""
    found: dict[str, bytes] = {}
    for piece in telemetry.news():
        assert len(piece["text"]) <= kept.PIECE
        found[piece["ship"]] = found.get(piece["ship"], b"") + piece["text"].encode("latin-1")
    return found


def test_each_byte_is_told_once(tmp_path: Path):
    """Whatever bytes they are; in pieces, and from where the asker knows it on."""
    folder = tmp_path / "telemetry"
    assert told(KeptTelemetry(folder, {})) == {}
    folder.mkdir()
    many = bytes(range(256)) * (2 * kept.PIECE // 256) + b"\n"
    (folder / "ship-0.jsonl").write_bytes(many)
    (folder / "ship-1.jsonl").write_bytes(b"known, new")
    telemetry = KeptTelemetry(folder, {"ship-1": 7, "ship-2": 9})
    assert told(telemetry) == {"ship-0": many, "ship-1": b"new"}
    assert told(telemetry) == {}
    with (folder / "ship-1.jsonl").open("ab") as file:
        file.write(b"er")
    assert told(telemetry) == {"ship-1": b"er"}


def test_it_comes_with_the_picture_if_it_is_wanted(sail: Sail):
    """After all rows, as whoever reads it has to know the claims."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    storage.ask("ship-0", "telemetry", offset=0, text="{}\n")
    seen = Picture(storage.journal(), storage.voyage)
    query: Any = {"follow": False, "details": False, "telemetry": {}}
    news = list(look_on(seen, query, KeptTelemetry(storage.folder / "telemetry", {})))
    assert {*news[-1]} == {"now", "is_whole"}
    assert news[-2]["telemetry"] == {"ship": "ship-0", "text": "{}\n"}
    again = Picture(storage.journal(), storage.voyage)
    assert "telemetry" not in json.dumps(list(look_on(again, query, None)))

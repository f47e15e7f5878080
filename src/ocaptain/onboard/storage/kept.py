"""What ships have kept of telemetry, as it comes: for a trace of the voyage."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ..picture import Kept

PIECE = 1_000_000
"""Bytes that are told at once."""


class KeptTelemetry:
    """The files of telemetry, each byte of which is told once."""

    def __init__(self, folder: Path, known: Mapping[str, int]) -> None:
        """`known` is how many bytes of each ship's have been told before."""
        self._folder = folder
        self._told = dict(known)

    def news(self) -> Iterator[Kept]:
        """Yield what has come since."""
        for path in sorted(self._folder.glob("ship-*.jsonl")):
            ship = path.stem
            told = self._told.get(ship, 0)
            if path.stat().st_size > told:
                yield from self._rest(path, ship, told)

    def _rest(self, path: Path, ship: str, told: int) -> Iterator[Kept]:
        with path.open("rb") as file:
            file.seek(told)
            for data in iter(lambda: file.read(PIECE), b""):
                self._told[ship] = file.tell()
                yield {"ship": ship, "text": data.decode("latin-1")}

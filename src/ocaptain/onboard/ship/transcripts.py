"""Brings to storage what agents' programs keep of their conversations, once a claim is over.

What there is to bring is noted in files, so that a helm that is started anew brings it too. Nothing
waits for it."""

import gzip
import json
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from queue import SimpleQueue
from typing import IO, NoReturn

from ..protocol import TRANSCRIPT_LIMIT
from ..redaction import redacted
from .client import Client, Refused

PART_BYTES = 900_000
"""How much of a transcript is sent at once."""
LINE_LIMIT = 1_000_000
"""Bytes of a line. A longer one, which has a picture in it or the like, is left out."""


class Transcripts:
    """A ship's transcripts on their way to storage."""

    def __init__(
        self,
        folder: Path,
        storage: Client,
        secrets: Sequence[str],
        say: Callable[[str], None],
        part_bytes: int = PART_BYTES,
    ) -> None:
        """`folder` is for notes: a file for each claim, which has the patterns of its files.

        No value in `secrets` is ever sent; the list may grow meanwhile."""
        self._folder = folder
        self._storage = storage
        self._secrets = secrets
        self._say = say
        self._part_bytes = part_bytes
        self._over = SimpleQueue[int]()

    def note(self, claim: int, pattern: str) -> None:
        """Note that files of this pattern are of a claim's conversation."""
        with suppress(OSError):
            self._folder.mkdir(exist_ok=True)
            note = self._note_of(claim)
            known = note.read_text().splitlines() if note.exists() else []
            if pattern not in known:
                note.write_text("\n".join([*known, pattern]))

    def end(self, claim: int) -> None:
        """Have what there is of a claim sent: nothing is added to it any more."""
        self._over.put(claim)

    def end_all(self) -> None:
        """Do that for all claims, as they were an earlier helm's."""
        for note in self._folder.glob("[0-9]*"):
            self.end(int(note.name))

    def keep_sending(self) -> NoReturn:
        """Send what is to be sent, as it comes."""
        while True:
            claim = self._over.get()
            with suppress(OSError):
                self.send(claim)

    def send(self, claim: int) -> None:
        """Send what there is of a claim. Raises OSError if it cannot be read."""
        note = self._note_of(claim)
        if not note.exists():
            return
        found = [newest(pattern) for pattern in note.read_text().splitlines()]
        paths = [path for path in found if path]
        if paths:
            try:
                self._send(claim, pack(paths, self._secrets))
            except Refused as refusal:
                self._say(f"the transcript of claim {claim} is not kept: {refusal.error}")
        note.unlink()

    def _send(self, claim: int, packed: bytes) -> None:
        sent = 0
        is_kept = False
        while not is_kept:
            part = packed[sent : sent + self._part_bytes]
            is_last = sent + len(part) == len(packed)
            answer = self._storage.keep_transcript(claim, sent, part, is_last=is_last)
            sent = answer["size"]
            is_kept = answer["kept"]

    def _note_of(self, claim: int) -> Path:
        return self._folder / str(claim)


def newest(pattern: str) -> Path | None:
    """Return the file of a pattern that was changed last; None if there is none."""
    found = Path("/").glob(pattern.lstrip("/"))
    paths = [path for path in found if path.is_file()]
    return max(paths, key=lambda path: path.stat().st_mtime, default=None)


def pack(paths: Sequence[Path], secrets: Sequence[str], limit: int = TRANSCRIPT_LIMIT) -> bytes:
    """Return the end of some files, compressed, as if they were one: whole lines without secrets.

    A line of JSON says in the place of others how many bytes they had."""
    room = limit
    parts: list[tuple[Path, int]] = []
    for path in reversed(paths):
        size = path.stat().st_size
        kept = min(size, room)
        room -= kept
        parts.insert(0, (path, size - kept))
    packed = BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as out:
        for path, start in parts:
            for line in lines_from(path, start):
                text = line.decode(errors="surrogateescape")
                out.write(redacted(text, secrets).encode(errors="surrogateescape"))
    return packed.getvalue()


def lines_from(path: Path, start: int, line_limit: int = LINE_LIMIT) -> Iterator[bytes]:
    """Yield the whole lines of a file from a place on, each with its end, up to where it ends now.

    In the place of a line beyond the limit stands another, which says how long it was.

    Raises OSError if it is no file of its own: what an agent has linked to is left alone."""
    no_links = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    with open(path, "rb", opener=lambda name, _: os.open(name, no_links)) as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise OSError(f"{path} is no file")
        if start:
            file.seek(start - 1)
            yield cut(start - 1 + skip_line(file))
        while file.tell() < about.st_size:
            line = file.readline(line_limit)
            if line.endswith(b"\n"):
                yield line
            elif len(line) == line_limit:
                yield cut(len(line) + skip_line(file))


def skip_line(file: IO[bytes]) -> int:
    """Read on to the end of a line. Returns how many bytes that took."""
    skipped = 0
    while piece := file.readline(LINE_LIMIT):
        skipped += len(piece)
        if piece.endswith(b"\n"):
            break
    return skipped


def cut(count: int) -> bytes:
    """Return the line that stands for so many bytes that were left out."""
    return json.dumps({"type": "ocaptain", "cut_bytes": count}).encode() + b"\n"

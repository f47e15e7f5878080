"""Asks storage for what an agent's program has written down of an attempt at a task."""

import binascii
from typing import NamedTuple

from ocaptain.errors import Failure
from ocaptain.onboard.protocol import TRANSCRIPT_LIMIT, TranscriptAnswer

from .voyage import Voyage


class Transcript(NamedTuple):
    """The transcript of a claim."""

    task: str
    subject: str
    claim: int
    ship: str
    state: str
    """The claim's."""
    others: list[int]
    """Claims of the task that have one, too."""
    packed: bytes
    """Lines of JSON, compressed (gzip)."""


async def ask_transcript(voyage: Voyage, task: str, claim: int | None = None) -> Transcript:
    """Return the transcript of a task's claim or, if none is named, of the last that has one.

    Raises Failure if storage has none."""
    packed = bytearray()
    while True:
        fields = {"task": task, "claim": claim, "offset": len(packed)}
        answer = await voyage.ask("transcript", TranscriptAnswer, fields)
        claim = answer["claim"]
        part = binascii.a2b_base64(answer["data"])
        packed += part
        if len(packed) > TRANSCRIPT_LIMIT:
            raise Failure(f"{voyage.storage} sends more than a transcript can have.")
        if not part or len(packed) >= answer["size"]:
            break
    return Transcript(
        answer["task"],
        answer["subject"],
        claim,
        answer["ship"],
        answer["state"],
        answer["others"],
        bytes(packed),
    )

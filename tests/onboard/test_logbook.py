"""A ship's log, and how it is brought to storage."""

import itertools
import tempfile
from pathlib import Path
from typing import Any

from ocaptain.onboard.ship import client
from ocaptain.onboard.ship import ship as ships
from tests.support.rules import rule
from tests.support.ship import a_ship
from tests.support.storage import Sail, task


@rule("R20")
def test_a_ships_log_is_brought_to_storage(sail: Sail, tmp_path: Path, monkeypatch):
    """Line by line, the same on both sides: over lost answers, a helm that starts anew, a line
    half-written by a crash, and whatever an agent prints."""
    storage = sail(task("1"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    class Faltering:
        """A storage whose third answer to a helm is lost."""

        def __init__(self) -> None:
            self.answers = itertools.count(1)

        def ask(self, op: str, **fields: Any) -> dict[str, Any]:
            answer = storage.ask("ship-0", op, **fields)
            if next(self.answers) == 3:
                raise client.Unreachable("the answer is lost")
            return answer

    there = storage.folder / "logs" / "ship-0.log"
    for text in ("one é", "\x1b[2J\ud800\t\u2028x", "y" * 9_000, "z\n\n" * 20_000):
        helm = a_ship(tmp_path, Faltering())
        helm.say(text, "7")
        with helm.log.open("a") as log:
            log.write("torn")
        for _ in range(3):
            helm.send_log(0)
        whole = helm.log.read_bytes()
        assert there.read_bytes() == whole.removesuffix(b"torn")
    assert b"[7] one \xc3\xa9\ntorn" in whole


@rule("R20")
def test_a_full_disk_does_not_stop_a_ship(tmp_path: Path, monkeypatch):
    """What cannot be written to its log is not; a log at its limit grows no more."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    helm = a_ship(tmp_path, None)
    helm.say("one")
    size = helm.log.stat().st_size
    monkeypatch.setattr(ships, "LOG_LIMIT", size)
    helm.say("two")
    assert helm.log.stat().st_size == size
    helm.log = Path("/dev/full")
    helm.say("three")

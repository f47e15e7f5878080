"""The report of a voyage."""

import asyncio
import json
import re
from pathlib import Path

from ocaptain.dashboard.report import write_report
from tests.support.sailing import Sailing


def test_a_report_has_all_that_there_is_to_see(sailing: Sailing, tmp_path: Path):
    """Tasks, attempts, diffs and logs; of a voyage that is under way."""
    sailing.land("made")
    log = sailing.home() / "voyage" / "logs" / "ship-8.log"
    log.write_text("2001-01-01T00:00:01Z </script><b>\n")
    path = tmp_path / "report.html"
    asyncio.run(write_report(sailing.voyage, path))
    [block] = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', path.read_text())
    data = json.loads(block)
    assert data["picture"]["status"]["tasks"]["total"] == 2
    assert data["picture"]["is_whole"]
    assert data["details"]["1"]["landed"]["changed"] == 1
    assert "+made" in data["diffs"]["1"]["text"]
    assert "</script><b>" in [line["text"] for line in data["logs"]]
    assert data["cut"] == []

"""The picture of a voyage, as it comes from storage."""

import asyncio
from typing import Any

import pytest

from ocaptain.fleet.picture import Gathered, follow_picture, read_picture
from ocaptain.onboard.picture import News
from ocaptain.ssh import Unreachable
from tests.support.sailing import Sailing


def test_a_picture_is_read_once_or_followed(sailing: Sailing):
    """A change on storage comes by itself, on the connection that is open."""
    picture = asyncio.run(read_picture(sailing.voyage)).picture()
    assert picture["is_whole"]
    assert [task["id"] for task in picture["tasks"]] == ["1", "2"]
    assert picture["chain"] == ["1", "2"]
    assert picture["status"]["provider"] == "local"
    claims = asyncio.run(claims_after(sailing, lambda: sailing.land("new")))
    assert "landed" in [claim["state"] for claim in claims.values()]


async def claims_after(sailing: Sailing, act: Any) -> Any:
    """Follow a voyage, do something to it, and return its claims once one has landed."""
    gathered = Gathered(sailing.voyage)
    has_landed = asyncio.Event()

    def use(news: News) -> None:
        gathered.take(news)
        if "is_whole" in news:
            act()
        if any(claim["state"] == "landed" for claim in gathered.claims.values()):
            has_landed.set()

    following = asyncio.create_task(follow_picture(sailing.voyage, use))
    await asyncio.wait_for(has_landed.wait(), 60)
    following.cancel()
    await asyncio.wait([following])
    assert gathered.picture()["landings"][0]["subject"]
    return gathered.claims


def test_details_come_with_diffs(sailing: Sailing):
    """For a report, which can ask for nothing later."""
    gathered = asyncio.run(read_picture(sailing.voyage, details=True))
    assert gathered.details.keys() == gathered.tasks.keys()
    assert "+new" in gathered.diffs["1"]["text"]


@pytest.mark.parametrize("said", ["welcome", '{"ok": true}\\n{"now": "soon"}'])
def test_what_is_no_picture_is_not_taken_for_one(sailing: Sailing, said: str):
    """Storage may be anybody's by then."""
    main = sailing.home() / "voyage" / "lib" / "__main__.py"
    before = main.read_text()
    main.write_text(f"print('{said}')")
    try:
        with pytest.raises(Unreachable, match="gave no picture"):
            asyncio.run(read_picture(sailing.voyage))
    finally:
        main.write_text(before)

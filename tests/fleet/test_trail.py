"""A trace while its voyage goes on."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ocaptain.config import Config
from ocaptain.errors import Failure, listener
from ocaptain.fleet.kept import KeptLines
from ocaptain.fleet.picture import Gathered
from ocaptain.fleet.trail import Trail, follow_trace
from ocaptain.fleet.voyage import Voyage
from ocaptain.onboard.telemetry import span_id
from ocaptain.providers.local import Local
from tests.support.machine import hang_up
from tests.support.otlp import a_span, attributes, sent, spans_of, whole_trace
from tests.support.pictures import VOYAGE, Drawn
from tests.support.rules import rule
from tests.support.sailing import Sailing
from tests.support.storage import Json

# What was seen, and what is told of it


class Seen:
    """A voyage that never sailed, and what is told of its trace as it goes on."""

    def __init__(self, config: Config, kept: KeptLines) -> None:
        self.drawn = Drawn(tasks=3, ships=1, done=1)
        self.trail = Trail(Voyage(config, Local(config), VOYAGE), kept)
        self._take = self.trail.taking(Gathered(Voyage(config, Local(config), VOYAGE)))
        self.told: list[Json] = []
        for claim in self.drawn.claims:
            claim["usage"] = {}

    def sees(self, **status: Any) -> list[str]:
        """Have storage tell how it stands. Returns the ids of what is told of the trace then."""
        picture = self.drawn.picture(**status)
        rows = {name: picture[name] for name in ("now", "record", "status", "tasks", "claims")}
        news: Any = {**json.loads(json.dumps(rows)), "is_there": True, "is_whole": True}
        self._take(news)
        return self.hears(self.trail.news())

    def sends(self, *requests: Json) -> list[str]:
        """Have an agent send something. Returns the ids of what is told."""
        text = "".join(f"{json.dumps(request)}\n" for request in requests)
        self._take({"now": self.drawn.now, "telemetry": {"ship": "ship-0", "text": text}})
        return self.hears(self.trail.news())

    def hears(self, requests: Iterator[Json]) -> list[str]:
        """Take in what is told. Returns the ids."""
        new = list(requests)
        self.told += new
        return [span.span_id.hex() for span in spans_of(new)]


@pytest.fixture
def seen(config: Config) -> Iterator[Seen]:
    """A voyage of three tasks: 1 has landed, 2 is under way, and 3 waits for it."""
    with KeptLines() as kept:
        yield Seen(config, kept)


def ids(*names: tuple[object, ...]) -> set[str]:
    """The ids of spans."""
    return {span_id(VOYAGE, *name) for name in names}


@rule("R159")
def test_a_span_is_told_when_it_has_ended_and_once(seen: Seen):
    """The rest at the end, and then it is one whole trace."""
    first = seen.sees()
    assert ids(("1",), ("1", 1), ("1", 1, "landed"), ("2", 2, "unclaimed")) < {*first}
    assert not ids((), ("2",), ("2", 2)) & {*first}
    assert seen.sees() == []
    claim, row = seen.drawn.claims[1], seen.drawn.tasks[1]
    claim.update(state="landed", ended_at=seen.drawn.now)
    claim["phases"][0]["until"] = seen.drawn.now
    row.update(status="completed", commit=claim["commit"])
    assert {*seen.sees()} == ids(("2",), ("2", 2), ("2", 2, "landed"), ("2", 2, 0, "working"))
    rest = seen.hears(seen.trail.rest())
    assert {*rest} == ids((), ("3",))
    spans = whole_trace(seen.told, VOYAGE)
    under_way = [this for this, span in spans.items() if "ocaptain.under_way" in attributes(span)]
    assert {*under_way} == {*rest}


def test_a_task_that_has_failed_is_told_of_at_the_end(seen: Seen):
    """It may be tried again; its attempt is over."""
    seen.drawn.fail("2", "no luck")
    told = seen.sees(state="failed")
    assert ids(("2", 2)) < {*told}
    assert not ids(("2",)) & {*told}
    assert ids(("2",), ()) == {*seen.hears(seen.trail.rest())}


def test_it_is_over_some_time_after_the_voyage(seen: Seen):
    """By storage's clock; agents' last spans may come until then."""
    assert not seen.trail.is_over()
    seen.sees()
    assert not seen.trail.is_over()
    ended = max(claim["ended_at"] or 0.0 for claim in seen.drawn.claims)
    seen.drawn.now = ended + 5
    seen.sees(state="complete")
    assert seen.trail.is_over()
    assert seen.trail.is_over(4.9)
    assert not seen.trail.is_over(5.1)


@rule("R159")
def test_what_agents_send_is_told_at_once(seen: Seen):
    """Its parent may come later. One that never comes has a stand-in at the end."""
    seen.sees()
    attempt = span_id(VOYAGE, "2", 2)
    first = sent(VOYAGE, a_span(VOYAGE, "aa", "bb"), a_span(VOYAGE, "cc", "dd"), task="2", claim=2)
    assert seen.sends(first) == ["00000000000000aa", "00000000000000cc"]
    assert seen.sends(sent(VOYAGE, a_span(VOYAGE, "bb", attempt), a_span(VOYAGE, "aa", "bb"))) == [
        "00000000000000bb"
    ]
    seen.hears(seen.trail.rest())
    spans = whole_trace(seen.told, VOYAGE)
    assert spans["00000000000000aa"].parent_span_id.hex() == "00000000000000bb"
    stand_in = spans["00000000000000dd"]
    assert (stand_in.name, stand_in.parent_span_id.hex()) == ("not sent", attempt)
    assert stand_in.status.code == stand_in.status.STATUS_CODE_ERROR


def test_what_is_no_telemetry_is_counted(seen: Seen):
    """Also what a ship had begun to send when it died."""
    seen.sees()
    seen.sends({"resourceSpans": ["no"], "resourceLogs": []}, {})
    assert seen.trail.left_out == 2
    seen._take({"now": 0.0, "telemetry": {"ship": "ship-0", "text": '{"resourceSp'}})
    assert seen.hears(seen.trail.news()) == []
    seen.hears(seen.trail.rest())
    assert seen.trail.left_out == 3


# A real voyage


class AtSea:
    """A ship that goes on while storage is away; and the captain, who is told of its trace."""

    def __init__(self, sailing: Sailing) -> None:
        self.told: list[Json] = []
        self.said: list[str] = []
        self._sailing = sailing
        self._machine = sailing.home().parent
        request = sent(sailing.voyage.id, a_span(sailing.voyage.id, "aa", "bb"))
        self._line = f"{json.dumps(request)}\n"

    async def use(self, request: Json) -> None:
        """Storage goes away at the first request. At the agent's, the ship does the rest."""
        self.told.append(request)
        if len(self.told) == 1:
            self._sends(0, 40)
            (self._machine / "host_key").rename(self._machine / "no_host_key")
            hang_up(self._machine)
            self._sailing.land("one")
        elif "claude_code.tool" in json.dumps(request):
            self._sailing.land("two")
            last = self._sailing.ask_as("ship-0", "claim", run_id="test")
            self._sailing.ask_as("ship-0", "land", claim=last["claim"], commit=last["head"])

    def hear(self, text: str) -> None:
        """Storage comes back once it is said that it is away."""
        self.said.append(text)
        self._sends(40, len(self._line))
        (self._machine / "no_host_key").rename(self._machine / "host_key")

    def _sends(self, begin: int, end: int) -> None:
        text = self._line[begin:end]
        assert self._sailing.ask_as("ship-0", "telemetry", offset=begin, text=text)["ok"]


@rule("R159")
def test_it_goes_on_though_storage_was_away(sailing: Sailing):
    """What happened meanwhile comes too, and nothing comes twice. It ends with the voyage."""
    at_sea = AtSea(sailing)
    hearing = listener.set(at_sea.hear)
    assert asyncio.run(follow_trace(sailing.voyage, at_sea.use, grace_s=0.0)) == 0
    listener.reset(hearing)
    [said] = at_sea.said
    assert "cannot be reached" in said
    spans = whole_trace(at_sea.told, sailing.voyage.id)
    names = [span.name for span in spans.values()]
    assert names.count("landed") == 3
    assert not [span for span in spans.values() if "ocaptain.under_way" in attributes(span)]
    assert spans["00000000000000bb"].name == "not sent"


def test_it_ends_if_storage_is_gone(config: Config, tmp_path: Path):
    """There is nothing to wait for."""
    voyage = Voyage(config, Local(config), VOYAGE)

    async def use(_: Json) -> None:
        """Nothing comes."""

    with pytest.raises(Failure):
        asyncio.run(follow_trace(voyage, use))

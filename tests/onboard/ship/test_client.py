"""Asking storage: what counts as an answer, and how long to wait for one."""

import json
from collections.abc import Sequence

import pytest

from ocaptain.onboard.protocol import PROTOCOL, Json
from ocaptain.onboard.ship.channels import Unreachable
from ocaptain.onboard.ship.client import Client, Exchange, Refused
from tests.support.rules import rule


@rule("R91")
def test_who_is_patient_says_what_keeps_it_waiting(tmp_path, capsys):
    """Why storage does not answer stands on stderr, where only the ship's own owner looks."""
    gate = tmp_path / "gate"
    ssh = f"read line; [ -e {gate} ] && echo '{{\"ok\": true}}' || echo no route; echo >>{gate}"
    client = Client(["sh", "-c", ssh], [])
    assert client.ask({"op": "beat"}) == {"ok": True}
    assert capsys.readouterr().err == "storage cannot be reached: no route\n"
    gate.unlink()
    with pytest.raises(Unreachable):
        client.ask({"op": "beat"}, patience_s=0)
    assert capsys.readouterr().err == ""


def answering(answer: Json, requests: list[Json]) -> Exchange:
    """A way to storage that keeps what is asked there, and always answers the same."""

    def exchange(_command: Sequence[str], line: str) -> Json:
        requests.append(json.loads(line))
        return answer

    return exchange


def test_a_refusal_is_raised_with_its_code_and_its_sentence():
    """Nobody takes it for an answer who did not think of it."""
    refusal = {"ok": False, "code": "stale", "error": "the branch has moved on"}
    client = Client([], [], answering(refusal, []))
    with pytest.raises(Refused, match="the branch has moved on") as refused:
        client.land(3, {}, commit="c0ffee", base_commit="ba5e")
    assert refused.value.code == "stale"


def test_a_request_has_what_the_ship_says_of_itself_and_an_id_of_its_own():
    """The id tells storage a question that is asked again from a new one."""
    requests: list[Json] = []
    client = Client([], [], answering({"ok": True, "lost": None, "hails": {}}, requests))
    for _ in range(2):
        client.beat(3, {"state": "limited", "cost_usd": 0.5})
    ids = {request.pop("id") for request in requests}
    beat = {"op": "beat", "protocol": PROTOCOL, "claim": 3, "state": "limited", "cost_usd": 0.5}
    assert (requests, len(ids)) == ([beat, beat], 2)


def test_no_secret_is_sent_even_one_that_came_later():
    """Whatever a request quotes, and whenever the captain sent the token."""
    requests: list[Json] = []
    secrets: list[str] = []
    client = Client([], secrets, answering({"ok": True}, requests))
    secrets.append("sk-secret")
    client.release(3, {}, "it printed sk-secret", "agent")
    assert requests[0]["why"] == "it printed ***"

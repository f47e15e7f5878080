"""The dashboard: what it tells, whom, and which orders it takes."""

import http.client
from urllib.parse import urlsplit

import pytest

from tests.dashboard.conftest import Served


def test_the_page_and_its_files_come_with_a_policy(served: Served):
    """No script but its own can run, and nobody keeps, frames or guesses what it sends."""
    with served.ask(served.path("")) as page:
        text = page.read().decode()
        headers = page.headers
    assert "ocaptain" in text
    assert "ocaptain:data" not in text
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"


def test_nothing_is_told_without_the_secret(served: Served):
    """Whatever is asked for, and whatever is said in its place."""
    secret = urlsplit(served.address).path.strip("/")
    for path in ("/", "/api/stream", f"/{secret}", f"/{secret}x/", f"/x{secret}/", "/static/"):
        with served.ask(path) as answer:
            assert answer.status == 404
            assert secret.encode() not in answer.read()
    with served.ask(served.path("static/..%2f..%2fserver.py")) as answer:
        assert answer.status == 404


def test_another_host_is_refused(served: Served):
    """A name that was bound to this machine anew reads nothing (DNS rebinding)."""
    port = urlsplit(served.address).port
    assert served.status(served.path(""), Host="evil.example") == 403
    assert served.status(served.path(""), Host=f"127.0.0.1:{(port or 0) + 1}") == 403
    assert served.status(served.path(""), Host=f"localhost:{port}") == 200


def test_another_sites_orders_are_refused(served: Served):
    """Nor is one taken that does not say where it comes from, or is a form's."""
    before = len(served.sailing.journal())
    assert served.order("pause", {}, Origin="http://evil.example")[0] == 403
    assert served.order("pause", {}, Origin="null")[0] == 403
    assert served.order("pause", {}, Content_Type="text/plain")[0] == 403
    path = served.path(f"api/voyages/{served.sailing.voyage.id}/orders/pause")
    with served.ask(path, "POST", {}, Content_Type="application/json") as answer:
        assert answer.status == 403
    assert served.status(path) == 405
    assert len(served.sailing.journal()) == before


def test_who_looks_on_sees_all_and_then_what_changes(served: Served):
    """The list, the picture, and what an order brought about, by itself."""
    stream = served.events(f"api/stream?voyage={served.sailing.voyage.id}")
    kind, fleet = next(stream)
    assert (kind, fleet["named"]) == ("fleet", served.sailing.voyage.id)
    picture = next(data for kind, data in stream if kind == "picture")
    assert [task["id"] for task in picture["tasks"]] == ["1", "2"]
    assert picture["fault"] == ""
    status, order = served.order("add_task", {"subject": "<b>New</b>", "run": "true"})
    assert (status, order["state"], order["outcome"]["id"]) == (200, "done", "3")
    told = {}
    for kind, data in stream:
        told[kind] = data
        if kind == "change" and "tasks" in data:
            break
    assert [task["subject"] for task in told["change"]["tasks"]] == ["<b>New</b>"]
    assert told["order"]["verb"] == "add_task"
    stream.close()


@pytest.mark.parametrize(
    ("verb", "body", "field"),
    [
        ("hail", {}, None),
        ("hail", {"message": " "}, "message"),
        ("hail", {"message": "x", "ship": "ship-0; rm"}, "ship"),
        ("retry", {"task": 7}, "task"),
        ("reinforce", {"ships": -1}, "ships"),
        ("reinforce", {"ships": 100}, "ships"),
        ("add_task", {"subject": "x", "after": "1"}, "after"),
        ("pause", {"force": True}, None),
        ("pause", [], None),
    ],
)
def test_input_of_the_wrong_kind_is_refused(
    served: Served, verb: str, body: object, field: str | None
):
    """It says which field is wrong, and nothing reaches storage."""
    before = len(served.sailing.journal())
    status, refusal = served.order(verb, body)
    assert status == 422
    assert refusal.get("field") == field
    assert len(served.sailing.journal()) == before


def test_what_storage_refuses_is_told(served: Served):
    """With its own sentence."""
    status, order = served.order("retry", {"task": "99"})
    assert (status, order["state"]) == (200, "failed")
    assert "there is no task '99'" in order["message"]
    assert served.order("sink", {})[0] == 404


def test_one_task_and_its_log_are_there_on_demand(served: Served):
    """All that is known of it, what it changed, and what was said of it."""
    served.sailing.land("new<i>")
    one = f"api/voyages/{served.sailing.voyage.id}"
    status, task = served.get(f"{one}/tasks/1")
    assert (status, task["status"]) == (200, "completed")
    assert "+new<i>" in served.get(f"{one}/tasks/1/diff")[1]["text"]
    assert served.get(f"{one}/tasks/99")[0] == 404
    assert served.get(f"{one}/transcript?task=1")[0] == 404
    log = served.sailing.home() / "voyage" / "logs" / "ship-8.log"
    log.write_text("2001-01-01T00:00:01Z [1] <script>\n")
    _, lines = served.get(f"{one}/logs?ship=ship-8")
    assert lines["lines"] == [
        {
            "time": "2001-01-01T00:00:01Z",
            "ship": "ship-8",
            "task": "1",
            "text": "[1] <script>",
        }
    ]
    assert served.get(f"{one}/logs?pattern=(")[0] == 422
    following = served.events(f"{one}/logs?ship=ship-8&follow=1")
    assert next(following)[1]["lines"][0]["text"] == "[1] <script>"
    with log.open("a") as file:
        file.write("2001-01-01T00:00:02Z more\n")
    assert next(following)[1]["lines"][0]["text"] == "more"
    following.close()


def test_it_listens_on_this_machine_only(served: Served):
    """No other address of it answers."""
    port = urlsplit(served.address).port
    with pytest.raises(OSError, match="refused"):
        http.client.HTTPConnection("127.0.0.2", port, timeout=5).connect()

"""What agents do, and what becomes of it: the real Claude Code (and the shell) in real voyages."""

import json
import shlex
import shutil
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

import ocaptain
from ocaptain.onboard.protocol import PROTOCOL
from ocaptain.onboard.telemetry import trace_id
from tests.fakes import messages_api as api
from tests.support.browser import opened
from tests.support.captain import task
from tests.support.dashboard import typed
from tests.support.fixtures import TOKEN
from tests.support.machine import until
from tests.support.otlp import strictly_read, whole_trace
from tests.support.rules import LONG, rule


def sail(captain, descriptions: dict[str, str], ships: int = 1, **settings: Any):
    """Sail a plan whose tasks have these descriptions, for Claude."""
    tasks = {key: task(f"Task {key}", description=text) for key, text in descriptions.items()}
    plan = captain.plan(captain.repository(), tasks, **{"agent": "claude", **settings})
    return captain.sail(plan, ships)


def sessions(model, marker: str) -> int:
    return len({request.session for request in model.about(marker)})


@LONG
@rule("R48", "R49")
def test_what_agents_leave_behind_is_seen_to(claude_captain, model):
    """No change with a reason, a dirty tree, and commits with more beside them all end well."""
    model.on("MARK-none", [api.say("I looked.\nNO CHANGE: it was there already.")])
    model.on("MARK-dirty", [api.write("new/dirty.txt", "dirt\n"), api.say("Done.")])
    commit = "echo a >a.txt && git add a.txt && git commit -qm 'Its own words' && echo b >b.txt"
    model.on("MARK-both", [api.bash(commit), api.say("Done.")])
    wanted = {"1": "MARK-none", "2": "MARK-dirty", "3": "MARK-both"}
    voyage = sail(claude_captain, wanted, ships=2)
    voyage.wait()

    none = voyage.task("1")
    assert (none["status"], none["commit"]) == ("completed", None)
    assert none["reason"] == "it was there already."
    dirty = voyage.task("2")["commit"]
    assert voyage.git("show", "-s", "--format=%an <%ae>%n%s", dirty) == (
        "Ada Captain <ada@example.com>\nTask 2"
    )
    trailers = voyage.git("show", "-s", "--format=%(trailers)", dirty).splitlines()
    assert trailers[0] == f"Voyage: {voyage.id}"
    assert trailers[1].startswith("Ship: ship-")
    assert trailers[2:] == ["Task: 2"]
    assert voyage.show("new/dirty.txt") == "dirt"
    assert (voyage.show("a.txt"), voyage.show("b.txt")) == ("a", "b")
    assert sorted(voyage.landed()) == ["Its own words", "Task 2", "Task 3"]


@LONG
@rule("R37", "R48", "R85", "R152")
def test_agents_that_fail_use_up_attempts(claude_captain, model):
    """Silence is asked about once, a dead or stalled agent is stopped, and each task says why."""
    model.on("MARK-silent", [api.say("All is well."), api.say("As I said.")])
    model.on("MARK-dies", [api.bash("kill -9 $PPID; sleep 30")])
    model.on("MARK-stalls", [api.Reply([api.say("Never heard.")], delay=60)])
    wanted = {"1": "MARK-silent", "2": "MARK-dies", "3": "MARK-stalls"}
    voyage = sail(claude_captain, wanted, ships=3, max_attempts=1, stall_minutes=0.15)
    seen = voyage.wait(status=4)

    assert (seen["state"], seen["tasks"]["failed"]) == ("failed", 3)
    reasons = {key: voyage.task(key)["reason"] for key in wanted}
    assert "it changed nothing, and did not say why" in reasons["1"]
    assert "the agent exited with status" in reasons["2"]
    assert "it said and did nothing for 0.15 minutes" in reasons["3"]
    assert sessions(model, "MARK-silent") == 1
    assert [r.turns for r in model.about("MARK-silent")] == [0, 1]
    assert "NO CHANGE:" in model.about("MARK-silent")[1].last
    assert all(f"task {key} after 1 attempt," in seen["reason"] for key in wanted)
    assert until(lambda: len([*(voyage.storage / "transcripts").glob("*.gz")]) == 3, 20)
    assert "kill -9 $PPID" in claude_captain.run("transcript", voyage.id, "2").out


@LONG
@rule("R173", "R174")
def test_what_another_session_rejects_is_mended_before_it_lands(claude_captain, model):
    """Claude reviews Claude: `tasks show` has the verdicts, and nothing of the reviewer lands."""

    def verdict(word: str) -> Any:
        def say(request: api.Request) -> api.Block:
            number = request.opening.rpartition("`VERDICT ")[2].partition(":")[0]
            return api.say(f"I have read it.\nVERDICT {number}: {word}")

        return lambda request: api.Reply([say(request)])

    rubbish = api.bash("echo x >rubbish; git add -A; git commit -qm Mine")
    model.on("Another agent has done this task", [rubbish, verdict("reject")])
    model.on("Another agent has done this task", [verdict("approve")])
    mends = [api.write("b.txt", "b\n"), api.say("Mended.")]
    model.on("MARK-author", [api.write("a.txt", "a\n"), api.say("Done."), *mends])
    voyage = sail(claude_captain, {"1": "MARK-author"}, review={"agent": "claude"})
    voyage.wait()

    shown = claude_captain.run("tasks", "show", voyage.id, "1").out
    assert "review: claude rejects" in shown
    assert "review: claude approves" in shown
    landed = voyage.git("ls-tree", "--name-only", voyage.id).split()
    assert {"a.txt", "b.txt"} <= {*landed}
    assert "rubbish" not in landed
    [attempt] = claude_captain.json("tasks", "show", voyage.id, "1")["claims"]
    assert [review["verdict"] for review in attempt["reviews"]] == ["reject", "approve"]
    assert attempt["cost_usd"] > sum(review["cost_usd"] for review in attempt["reviews"]) > 0


@rule("R37", "R40")
def test_a_command_that_exits_1_is_tried_again_until_it_is_set_aside(captain):
    """Each attempt is one of `max_attempts`; what does not wait for the task is done meanwhile."""
    count = captain.root / "attempts"
    flaky = f"echo x >>{count}.flaky; test $(wc -l <{count}.flaky) = 2 && touch flaky"
    tasks = {
        "1": task("Fail", f"echo x >>{count}; echo no luck; exit 1"),
        "2": task("Fail once", flaky),
        "3": task("Wait for it", "touch never", after=["1"]),
    }
    plan = captain.plan(captain.repository(), tasks, max_attempts=2)
    voyage = captain.sail(plan)
    seen = voyage.wait(status=4)
    assert count.read_text() == "x\nx\n"
    assert seen["reason"].startswith("task 1 after 2 attempts, the last: error: ")
    assert [voyage.task(key)["status"] for key in "123"] == ["failed", "completed", "pending"]
    assert voyage.task("2")["attempts"] == 1
    assert voyage.task_file("1")["status"] == "pending"
    assert "after 2 attempts" in voyage.task_file("1")["metadata"]["failed"]
    voyage.until_log("no luck")


@pytest.fixture
def impatient(claude_captain) -> Any:
    """A captain whose ocaptain waits 4 s, not 2 minutes, for what agents leave running."""
    package = claude_captain.root / "lib" / "ocaptain"
    shutil.copytree(Path(ocaptain.__file__).parent, package)
    session = package / "onboard" / "ship" / "session.py"
    code = session.read_text()
    assert "background_s: float = 120.0" in code
    session.write_text(code.replace("background_s: float = 120.0", "background_s: float = 4.0"))
    claude_captain.env["PYTHONPATH"] = str(package.parent)
    return claude_captain


@rule("R84")
def test_a_turn_is_over_when_nothing_runs_any_more(impatient, model):
    """A background command is waited for, and what the agent does after it lands too; one that
    does not end is stopped."""
    late = [api.bash("sleep 2; echo late >late.txt", background=True), api.say("It is running.")]
    model.on("MARK-late", [*late, api.bash("cat late.txt >seen.txt"), api.say("Now it is done.")])
    forever = api.bash("echo x >forever.txt; exec sleep 4321", background=True)
    model.on("MARK-forever", [forever, api.say("Leave it on."), api.say("Oh, it ended.")])
    voyage = sail(impatient, {"1": "MARK-late", "2": "MARK-forever"}, ships=2)
    voyage.wait()

    assert (voyage.show("seen.txt"), voyage.show("forever.txt")) == ("late", "x")
    assert sessions(model, "MARK-late") == 1
    voyage.until_log("[2] stopping what the agent left running")
    assert "[1] stopping" not in voyage.log()


@LONG
@rule("R86")
def test_what_the_api_makes_wait_goes_on_in_the_same_session(claude_captain, model):
    """Overload and a usage limit are waits with an end that status shows, and no attempts."""
    reset: list[float] = []

    def limit(_request: api.Request) -> api.Error:
        reset.append(int(time.time()) + 8)
        return api.limited(reset[-1])

    def after(_request: api.Request) -> api.Block:
        return api.write("two", "2\n")

    model.on("MARK-busy", [api.overloaded(), api.write("one", "1\n"), api.say("Done.")])
    once = iter([limit])
    steps = [lambda r: next(once, after)(r), api.say("Done.")]
    model.on("MARK-limit", steps)
    wanted = {"1": "MARK-busy", "2": "MARK-limit"}
    voyage = sail(claude_captain, wanted, ships=2, stall_minutes=0.05)

    def limited(seen: dict[str, Any]) -> list[dict[str, Any]]:
        return [s for s in seen["ships"] if s["state"] == "limited" and s["task"] == "2"]

    ship = limited(voyage.until(limited))[0]
    assert ship["until"] == reset[0]
    assert "limit" in ship["reason"]
    table = claude_captain.run("status", voyage.id).out
    assert f"until {time.strftime('%H:%M', time.localtime(reset[0]))}" in table
    voyage.wait()
    assert time.time() >= reset[0]
    assert sessions(model, "MARK-limit") == 1
    assert sorted(voyage.landed()) == ["Task 1", "Task 2"]
    assert [voyage.task(key)["attempts"] for key in "12"] == [0, 0]
    voyage.until_log("the API is overloaded (529), asking again in")


@LONG
@rule("R67")
def test_a_revoked_token_pauses_the_voyage(claude_captain, model):
    """No attempt is used up and no other task is tried; status says what is wrong."""
    model.on("MARK", [api.unauthorized()] * 20)
    voyage = sail(claude_captain, {"1": "MARK", "2": "MARK"})
    seen = voyage.wait(status=4)
    assert seen["state"] == "paused"
    assert "refused" in seen["reason"]
    assert voyage.task("1")["attempts"] == 0
    assert sessions(model, "MARK") == 1
    assert TOKEN not in json.dumps(seen) + voyage.log()


def objects(voyage) -> str:
    """All that storage's repository holds, of whatever ref or none."""
    return str(voyage.git("cat-file", "--batch-all-objects", "--batch", "--unordered"))


@rule("R52", "R100")
def test_a_token_in_a_file_goes_back_to_the_agent(claude_captain, model):
    """Neither the tree nor a commit that the agent made itself brings the token to storage."""
    wrote = [api.write(".env", f"key={TOKEN}\n"), api.write("good.txt", "good\n")]
    model.on("MARK-tree", [wrote, api.say("Done."), api.bash("rm .env"), api.say("Removed.")])
    commit = api.bash(f"echo '{TOKEN}' >k; git add k; git commit -qm K; echo x >x")
    model.on("MARK-commit", [commit, api.say("Done."), api.bash("rm k"), api.say("Removed.")])
    voyage = sail(claude_captain, {"1": "MARK-tree", "2": "MARK-commit"}, ships=2)
    voyage.wait()

    for marker in ("MARK-tree", "MARK-commit"):
        assert sessions(model, marker) == 1
        assert any("contain the value of a token" in r.last for r in model.about(marker))
    assert (voyage.show("good.txt"), voyage.show("x")) == ("good", "x")
    assert "good" in objects(voyage)
    assert TOKEN not in objects(voyage)
    assert TOKEN not in voyage.log()


@rule("R32", "R93")
def test_native_task_tools_reach_the_fleet(claude_captain, model):
    """TaskCreate adds a task that is then worked; TaskUpdate for another's is refused with why."""
    create = api.task_create("Caulk the seams", "MARK-seams")
    steps = [create, api.task_update("2", status="completed"), api.call("TaskList")]
    model.on("MARK-one", [*steps, api.write("one", "1\n"), api.say("Done.")])
    gate = claude_captain.root / "gate"
    wait = api.bash(f"while [ ! -e {gate} ]; do sleep 0.1; done; echo 2 >two")
    model.on("MARK-two", [wait, api.say("Done.")])
    model.on("MARK-seams", [api.write("seams", "tight\n"), api.say("Done.")])
    voyage = sail(claude_captain, {"1": "MARK-one", "2": "MARK-two"}, ships=2)
    voyage.until(lambda seen: seen["tasks"]["completed"] == 2)
    gate.touch()
    voyage.wait()

    told = [request.last for request in model.about("MARK-one")]
    assert "ocaptain did this in the tool's place. Task 3 is in the fleet's list now." in told[1]
    assert "Refused, nothing was changed: ocaptain hands tasks out" in told[2]
    assert "Caulk the seams" in told[3]
    assert sessions(model, "MARK-seams") == 1
    assert voyage.show("seams") == "tight"
    added = voyage.task_file("3")
    assert (added["subject"], added["status"]) == ("Caulk the seams", "completed")
    assert added["metadata"]["addedBy"] in ("ship-0", "ship-1")


def order(voyage, op: str, **fields: Any) -> dict[str, Any]:
    """Ask storage as the captain's half does."""
    request = json.dumps({"protocol": PROTOCOL, "op": op, "by": "ada@laptop", **fields})
    serve = "python3 -IS ~/voyage/lib harbor captain"
    answer: dict[str, Any] = json.loads(
        voyage.ssh("storage", f"echo {shlex.quote(request)} | {serve}").out
    )
    assert answer["ok"], answer
    return answer


def unheard(seen: dict[str, Any]) -> int:
    """How many messages storage has for the voyage's ships."""
    return sum(ship["hails"] for ship in seen["ships"])


@LONG
@rule("R110")
def test_the_captains_word_reaches_the_agent_at_work(claude_captain, model):
    """In the middle of its turn, or with its next task; and storage learns that it was heard."""
    gate = claude_captain.root / "gate"
    wait = api.bash(f"touch {gate}.waits; while [ ! -e {gate} ]; do sleep 0.1; done")
    model.on("MARK-one", [wait, api.bash("echo 1 >one"), api.say("Done.")])
    model.on("MARK-two", [api.bash("echo 2 >two"), api.say("Done.")])
    voyage = sail(claude_captain, {"1": "MARK-one", "2": "MARK-two"}, lease_seconds=60)
    until((claude_captain.root / "gate.waits").exists, 30)
    order(voyage, "hail", ship="ship-0", text="Mind the rocks.")
    assert unheard(voyage.status()) == 1
    voyage.ssh("ship0", "touch ~/voyage/knock")
    until(lambda: not (voyage.home("ship0") / "voyage" / "knock").exists())
    time.sleep(2)
    gate.touch()
    voyage.until(lambda seen: not unheard(seen))
    voyage.wait()
    first, *_, last = model.about("MARK-one")
    assert "Mind the rocks." not in first.text
    assert "Mind the rocks." in last.text
    assert "Mind the rocks." not in model.about("MARK-two")[0].text


@LONG
@rule("R110")
def test_the_captains_word_waits_for_the_next_task(claude_captain, model):
    """What comes while no agent runs is in the first message of the one that does next."""
    model.on("MARK", [api.bash("echo 1 >one"), api.say("Done.")])
    voyage = sail(claude_captain, {"1": "MARK"}, verify="sleep 4; [ -e two ]", lease_seconds=60)
    voyage.until(lambda seen: seen["state"] == "verifying")
    order(voyage, "hail", ship="", text="Mind the rocks.")
    mend = [api.bash("echo 2 >two"), api.say("Done.")]
    model.on("repair 1 of 3", mend)
    assert unheard(voyage.wait()) == 0
    assert "Mind the rocks." in model.about("repair 1 of 3")[0].opening
    assert len({request.session for request in model.about("repair 1 of 3")}) == 1


class Collector(ThreadingHTTPServer):
    """Takes OTLP in JSON, and keeps what was posted."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, str, str]] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.posted.append((self.path, self.headers.get("x-tenant", ""), body))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: Any) -> None:
        """Tests read `posted` instead."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_telemetry_of_agents_says_what_it_is_about(claude_captain, model, collector):
    """The captain's OTEL_* reach the agent, with voyage, ship and task as resource attributes."""
    claude_captain.env |= {
        "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}",
        "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=the-tenant",
        "OTEL_METRIC_EXPORT_INTERVAL": "500",
        "OTEL_LOGS_EXPORT_INTERVAL": "500",
        "OTEL_RESOURCE_ATTRIBUTES": "team=sea",
    }
    model.on("MARK", [api.write("one", "1\n"), api.bash("sleep 2"), api.say("Done.")])
    voyage = sail(claude_captain, {"7": "MARK"})
    voyage.wait()
    paths, tenants, bodies = zip(*collector.posted, strict=True)
    assert {"/v1/metrics", "/v1/logs"} <= set(paths)
    assert set(tenants) == {"the-tenant"}
    metrics = json.loads(bodies[paths.index("/v1/metrics")])
    attributes = metrics["resourceMetrics"][0]["resource"]["attributes"]
    found = {each["key"]: each["value"].get("stringValue") for each in attributes}
    wanted = {"team": "sea", "voyage.id": voyage.id, "ship.id": "ship-0", "task.id": "7"}
    assert wanted.items() <= found.items()
    assert f'"traceId":"{trace_id(voyage.id)}"' in "".join(bodies)


@rule("R165", "R167")
def test_one_voyage_has_several_agents(claude_captain, model):
    """A task may name another agent than the plan, and another model."""
    model.on("MARK-one", [api.write("one", "1\n"), api.say("Done.")])
    model.on("MARK-two", [api.write("two", "2\n"), api.say("Done.")])
    tasks = {
        "1": task("One", description="MARK-one"),
        "2": task("Two", description="MARK-two", metadata={"model": "claude-haiku-4-5"}),
        "3": task("Three", metadata={"agent": "shell", "run": "env >three"}),
    }
    plan = claude_captain.plan(claude_captain.repository(), tasks, agent="claude")
    voyage = claude_captain.sail(plan, 2)
    seen = voyage.wait()
    assert (seen["agent"], seen["agents"]) == ("claude", ["claude", "shell"])
    rows = [voyage.task(key) for key in tasks]
    assert [(row["agent"], row["model"]) for row in rows] == [
        ("claude", None),
        ("claude", "claude-haiku-4-5"),
        ("shell", None),
    ]
    asked = {request.body["model"] for request in model.about("MARK-two")}
    assert asked == {"claude-haiku-4-5"}
    assert TOKEN not in voyage.show("three")


@rule("R158", "R159")
def test_a_voyage_of_claudes_is_seen_in_all_there_is(claude_captain, model):
    """The client's spans lie below its task's in the one trace; and usage, transcript, report and
    dashboard tell of the same attempt."""
    model.on("MARK", [api.write("one", "1\n"), api.say("Done.")])
    voyage = sail(claude_captain, {"7": "MARK"})
    voyage.wait()
    kept = voyage.storage / "telemetry" / "ship-0.jsonl"
    until(lambda: kept.exists() and '"claude_code.interaction"' in kept.read_text())
    done = claude_captain.run("trace", voyage.id)
    requests = [json.loads(line) for line in done.out.splitlines()]
    for request in requests:
        strictly_read(request)
    assert {"resourceSpans", "resourceMetrics"} <= {key for request in requests for key in request}
    spans = whole_trace(requests, voyage.id)
    span = next(s for s in spans.values() if s.name == "claude_code.interaction")
    names = []
    while span.parent_span_id:
        span = spans[span.parent_span_id.hex()]
        names.append(span.name)
    assert names == ["invoke_agent claude", "task", "voyage"]
    assert "Left out" not in done.err
    look_at_all(voyage, claude_captain.home / "report.html")


def look_at_all(voyage, file: Path) -> None:
    """See that all that shows a voyage has the attempt at its task."""
    captain = voyage.captain
    rows = captain.json("usage", voyage.id)["rows"]
    assert sum(row["cost_usd"] for row in rows) == voyage.look()["cost_usd"] > 0
    until(lambda: [*(voyage.storage / "transcripts").glob("*.gz")])
    assert "Done." in captain.run("transcript", voyage.id, "7").out
    captain.run("report", voyage.id, "-o", str(file))
    with opened() as browser:
        with browser.tab(f"file://{file}") as tab:
            look_at_the_page(tab, voyage)
        with typed(captain, voyage.id) as address, browser.tab(address) as tab:
            look_at_the_page(tab, voyage)


def look_at_the_page(tab, voyage) -> None:
    """See that the page has a voyage that is complete, and of its task all that there is."""
    expect(tab.page.locator("#head .badge")).to_contain_text("complete")
    expect(tab.page.locator(".figures")).to_contain_text("passed")
    expect(tab.page.locator(".lanes rect.phase.verifying")).to_have_count(1)
    tab.go("tasks/7", voyage.id)
    attempt = tab.page.locator(".attempt")
    expect(attempt).to_contain_text("tokens")
    attempt.get_by_text("Transcript").click()
    expect(attempt.locator(".transcript")).to_contain_text("Done.")
    tab.page.get_by_text("Diff", exact=True).click()
    expect(tab.page.locator(".diff .added").last).to_have_text("+1")

"""What the voyage's `notify` is told, and how often."""

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ocaptain.onboard.process import marked
from ocaptain.onboard.storage import background
from ocaptain.onboard.storage.job import Timing
from tests.support.machine import until
from tests.support.rules import rule
from tests.support.storage import VOYAGE, Json, Sail, Storage, assert_sound, task

APPEND = 'echo "$OCAPTAIN_VOYAGE|$OCAPTAIN_EVENT|$OCAPTAIN_TEXT" >>{}'
HASTY = Timing(news_poll_s=0.02, retry_pause_s=0.02)
IMPATIENT = Timing(news_poll_s=0.02, retry_pause_s=0.02, notify_command_s=1)


def run_job(storage: Storage, timing: Timing = HASTY) -> None:
    """Run the job to its end; between looks and attempts it waits for next to nothing."""
    background.main(storage.home, "notify", timing, clock=storage.time, awake=storage.awake)


@pytest.fixture
def told(tmp_path: Path) -> Callable[[], list[str]]:
    """What was told so far, by whom APPEND appends to a file `told`."""
    path = tmp_path / "told"
    path.touch()
    return lambda: path.read_text().splitlines()


@contextmanager
def telling(storage: Storage) -> Iterator[threading.Thread]:
    """The job, in a thread; it has to end by itself."""
    thread = threading.Thread(target=run_job, args=(storage,))
    thread.start()
    yield thread
    thread.join(20)
    assert not thread.is_alive()


def fail(storage: Storage, ship: str = "ship-0", times: int = 2) -> None:
    """Have a ship's agent fail at whatever it gets."""
    for _ in range(times):
        claim = storage.claim(ship)["claim"]
        storage.ask(ship, "release", claim=claim, why="no luck", fault="agent")


# What is told


@rule("R108")
def test_a_command_is_told_each_news_once(sail: Sail, told, tmp_path: Path):
    """It has voyage, event and text in its environment, and the job ends with the voyage."""
    storage = sail(task("1"), task("2"), notify=APPEND.format(tmp_path / "told"))
    with telling(storage) as thread:
        fail(storage)
        wanted = f"{VOYAGE}|task 1|task 1 after 2 attempts, the last: no luck"
        assert until(lambda: told() == [wanted]), told()
        time.sleep(0.3)
        assert len(told()) == 1
        assert thread.is_alive()
        storage.finish("ship-0")
    events = [line.split("|")[1] for line in told()]
    assert events == ["task 1", "failed"]
    assert storage.sections()["meta"]["notified"].keys() == {"task 1", "failed"}
    before = storage.journal_file.read_bytes()
    run_job(storage)
    assert storage.journal_file.read_bytes() == before
    assert len(told()) == 2
    assert_sound(storage)


@rule("R108")
def test_what_went_away_and_came_back_is_told_again(sail: Sail, told, tmp_path: Path):
    """Ships that are silent for too long are a stall each time."""
    storage = sail(task("1"), notify=APPEND.format(tmp_path / "told"))
    with telling(storage):
        for times in (1, 2):
            storage.claim("ship-0")
            assert until(lambda: "stalled" not in storage.sections()["meta"].get("notified", {}))
            storage.now += 31
            assert until(lambda: len(told()) == times, 60), told()  # noqa: B023
        storage.finish("ship-0")
        storage.verify()
    assert [line.split("|")[1] for line in told()] == ["stalled", "stalled", "complete"]
    assert told()[-1] == f"{VOYAGE}|complete|try it"


@rule("R108")
def test_an_api_that_makes_ships_wait_for_long_is_news(sail: Sail, told, tmp_path: Path):
    """After ten minutes, once, whatever the ship says of it with each beat."""
    storage = sail(task("1"), notify=APPEND.format(tmp_path / "told"), lease_seconds=600)
    claim = storage.claim("ship-0")["claim"]
    limit = {"state": "limited", "reason": "the API answers 429"}
    with telling(storage):
        for minutes in range(13):
            storage.ask("ship-0", "beat", claim=claim, until=storage.now + 1, **limit)
            notified = storage.sections()["meta"].get("notified", {})
            assert ("limited" in notified) <= (minutes > 10)
            if minutes == 11:
                assert until(lambda: len(told()) == 1), told()
            storage.now += 60
        storage.finish("ship-0")
        storage.verify()
    assert [line.split("|")[1] for line in told()] == ["limited", "complete"]
    assert "these wait: ship-0, the first of them for: the API answers 429;" in told()[0]


@rule("R108")
def test_text_of_agents_is_data(sail: Sail, told, tmp_path: Path):
    """Nothing that it holds is run."""
    storage = sail(task("1"), notify=APPEND.format(tmp_path / "told"), max_attempts=1)
    claim, odd = storage.claim("ship-0")["claim"], f"$(touch {tmp_path}/OWNED) `id` \"'; id; \\"
    storage.ask("ship-0", "release", claim=claim, why=odd, fault="agent")
    run_job(storage)
    assert any(line.endswith(odd) for line in told())
    assert not (tmp_path / "OWNED").exists()


class Listener(http.server.BaseHTTPRequestHandler):
    """Keeps what it is told, and answers with the statuses that the server has."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if "Authorization" in self.headers:
            self.server.logins.append(self.headers["Authorization"])  # type: ignore[attr-defined]
        self.server.heard.append((self.headers["Content-Type"], json.loads(body)))  # type: ignore[attr-defined]
        status = self.server.answers.pop(0) if self.server.answers else 200  # type: ignore[attr-defined]
        if isinstance(status, bytes):
            self.wfile.write(status)
            return
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b"because")

    def log_message(self, *_: Any) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    """A server of somebody's who wants to be told."""

    heard: list[tuple[str, Json]]
    logins: list[str]
    answers: list[int | bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that is up."""
    with Server(("127.0.0.1", 0), Listener) as running:
        running.heard, running.answers, running.logins = [], [], []
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@rule("R108")
def test_a_url_is_posted_to(sail: Sail, server: Server):
    """As JSON: voyage, event and text, each news once."""
    storage = sail(task("1"), notify=server.url)
    storage.finish("ship-0")
    storage.verify()
    for _ in range(2):
        run_job(storage)
    event = {"voyage": VOYAGE, "event": "complete", "text": "try it"}
    assert server.heard == [("application/json", event)]
    assert storage.order("status")["notify_fault"] is None


# What goes wrong


def complete(sail: Sail, notify: str) -> Storage:
    """A voyage that is complete, which nobody was told."""
    storage = sail(task("1"), notify=notify)
    storage.finish("ship-0")
    storage.verify()
    return storage


@rule("R108")
@pytest.mark.parametrize("answer", [500, 404, b"", b"what?\r\n\r\n", b"HTTP/1.1 200 OK\r\nx\r\n"])
def test_a_failure_is_tried_again(sail: Sail, server: Server, answer: int | bytes):
    """Whatever the answer was, until it went well; then nothing is wrong any more."""
    storage = complete(sail, server.url)
    server.answers = [answer]
    run_job(storage)
    tries = 1 if answer == b"HTTP/1.1 200 OK\r\nx\r\n" else 2
    assert len(server.heard) == tries
    assert storage.order("status")["notify_fault"] is None
    assert storage.sections()["meta"]["notified"] == {"complete": "try it"}


FAULTS = {
    "echo told >>{}; echo no such user >&2; exit 7": "exit status 7: no such user",
    "echo told >>{}; echo; sleep 30": "exit status 124",
    "echo told >>{}; \0": "embedded null byte",
    "http://127.0.0.1:1/": "<urlopen error [Errno 111] Connection refused>",
    "http://": "no host given",
    "https://a b/": "control characters",
}


@rule("R108")
@pytest.mark.parametrize("notify", FAULTS)
def test_what_fails_each_time_is_given_up_and_noted(sail: Sail, told, tmp_path: Path, notify: str):
    """Status says why the last attempt failed; the same is not tried for ever."""
    storage = complete(sail, notify.replace("{}", str(tmp_path / "told")))
    run_job(storage, IMPATIENT)
    assert FAULTS[notify] in storage.order("status")["notify_fault"]
    run_job(storage, IMPATIENT)
    assert len(told()) == (3 if "exit" in notify or "sleep" in notify else 0)
    assert storage.sections()["meta"]["notified"] == {"complete": "try it"}
    notes = [line["set"]["meta"] for line in storage.lines() if line["op"] == "notify"]
    assert [sorted(note) for note in notes] == [["notify_fault"], ["notified", "untold"]]
    assert_sound(storage)


@rule("R108")
def test_a_fault_stays_until_its_news_is_told(sail: Sail, told, tmp_path: Path):
    """Other news does not take it away, but has what was not told tried again."""
    there = tmp_path / "there"
    command = f'[ -e {there} ] || [ "$OCAPTAIN_EVENT" != "task 1" ] || exit 7; '
    storage = sail(task("1"), task("2"), notify=command + APPEND.format(tmp_path / "told"))

    def fault() -> str | None:
        return storage.order("status")["notify_fault"]

    fail(storage)
    run_job(storage)
    storage.order("pause")
    run_job(storage)
    assert len(told()) == 1
    assert fault() == "task 1: not told: exit status 7:"
    there.touch()
    storage.order("resume")
    fail(storage)
    run_job(storage)
    assert fault() is None
    events = [line.split("|")[1] for line in told()]
    assert events == ["paused", "task 2", "task 1", "failed"]
    assert "untold" not in storage.sections()["meta"]
    assert_sound(storage)


@rule("R108")
def test_of_long_texts_the_beginning_is_told(sail: Sail, told, tmp_path: Path):
    """No environment takes what twenty tasks say."""
    tasks = [task(str(number)) for number in range(1, 21)]
    notify = 'echo "$OCAPTAIN_EVENT ${#OCAPTAIN_TEXT}" >>' + str(tmp_path / "told")
    storage = sail(*tasks, notify=notify, max_attempts=1)
    for _ in tasks:
        claim = storage.claim("ship-0")["claim"]
        storage.ask("ship-0", "release", claim=claim, why="é" * 16_000, fault="agent")
    run_job(storage)
    assert len(told()) == 21
    assert all(int(line.rpartition(" ")[2]) < 1000 for line in told())
    assert storage.order("status")["notify_fault"] is None
    assert storage.sections()["meta"]["notified"]["failed"].endswith("; and 17 more")


@rule("R98")
def test_a_password_in_the_url_is_used_and_not_told(sail: Sail, server: Server):
    """It goes into a header; status does not have it when that fails."""
    login = server.url.replace("http://", "http://ada:pa55%21@")
    storage = complete(sail, login)
    server.answers = [403, 403, 403]
    run_job(storage)
    assert server.logins == ["Basic YWRhOnBhNTUh"] * 3
    assert storage.order("status")["notify_fault"] == "complete: not told: 403 because"
    storage = complete(sail, login.replace(f":{server.server_port}", ":x"))
    run_job(storage)
    assert "pa55" not in str(storage.order("status")["notify_fault"])


def test_a_url_that_refuses_is_quoted(sail: Sail, server: Server):
    """Status has what the server said."""
    storage = complete(sail, server.url)
    server.answers = [403, 403, 403]
    run_job(storage)
    assert storage.order("status")["notify_fault"] == "complete: not told: 403 because"


# While nobody calls


@rule("R108")
def test_a_stall_is_told_although_nobody_calls(sail: Sail, told, tmp_path: Path, mark: str):
    """One process, which any call starts and that sleeps, stays for that while the voyage is under
    way, and ends with it."""
    storage = sail(task("1"), notify=APPEND.format(tmp_path / "told"), lease_seconds=4)
    assert marked(mark) == set()
    held = storage.ask_process("ship-0", "claim", run_id="r")["claim"]
    for _ in range(3):
        assert storage.ask_process("captain", "status")["ok"]
    assert until(lambda: len(marked(mark)) == 1)
    (child,) = marked(mark)
    before = storage.journal_file.stat().st_size
    assert until(told, 30)
    stalled = f"{VOYAGE}|stalled|no ship that takes tasks is being heard from"
    assert told() == [stalled]
    assert storage.journal_file.stat().st_size < before + 1000
    ticks = Path(f"/proc/{child}/stat").read_text().split()[13:15]
    assert sum(map(int, ticks)) < 50
    assert storage.ask_process("ship-0", "land", claim=held, commit=None, id="a")["ok"]
    claim = storage.ask_process("ship-0", "claim", run_id="r")["claim"]
    assert storage.ask_process("ship-0", "land", claim=claim, commit=storage.head(), id="b")["ok"]
    assert until(lambda: len(told()) == 2, 20)
    assert told()[1].split("|")[1] == "complete"
    assert until(lambda: not marked(mark))
    for who, op in (("captain", "status"), ("ship-0", "claim")):
        storage.ask_process(who, op, run_id="r")
    assert marked(mark) == set()
    assert (storage.folder / "background.out").read_text() == ""

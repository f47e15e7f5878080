"""Sessions with agents that are small programs: how turns end, and what is left afterwards."""

import json
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ocaptain.onboard.ship.agents import AGENTS, Job
from ocaptain.onboard.ship.credentials import digest
from ocaptain.onboard.ship.heartbeat import GiveUp
from ocaptain.onboard.ship.session import Session, Timing
from ocaptain.onboard.ship.workgroup import OutOfMemory
from tests.support.machine import until
from tests.support.memory import forget_peak, memory
from tests.support.rules import rule
from tests.support.sessions import QUICK, Start, Talking, grant, logged, others, timed
from tests.support.ship import AGENT_SECRET, Harbor

MB = 1_000_000


def cost(of: Session, harbor: Harbor) -> Any:
    """What storage is told that the session has cost."""
    of.heartbeat.beat()
    return harbor.asked[-1]["cost_usd"]


@rule("R84")
def test_a_turn_ends_with_its_result(start: Start, harbor: Harbor):
    """What the agent said last is kept, all of it is logged, and its cost is known."""
    running = start("hear(); begin(); say('One.'); say('Two.'); result(); sys.stdin.read()")
    end, seconds = timed(lambda: running.turn("go"))
    assert (end.kind, end.outcome, end.text) == ("end", "done", "Done.")
    assert running.last_words == "Two."
    assert cost(running, harbor) == 0.25
    assert logged(running) == ["[7] One.", "[7] Two."]
    assert seconds < 2


def test_the_next_turn_is_in_the_same_process(start: Start, harbor: Harbor):
    """What is said after a turn reaches the agent that had it; what it said before is not kept."""
    running = start(
        "say('I am %d; %s' % (os.getpid(), hear())); result(total_cost_usd=0.5)\n"
        "say('I am %d' % os.getpid() if hear() == 'again' else '?'); result(total_cost_usd=0.75)"
    )
    running.turn("once")
    first, words = running.last_words.split("; ")
    running.turn("again")
    assert (running.last_words, words) == (first, "once")
    assert cost(running, harbor) == 0.75


@rule("R84")
def test_a_turn_lasts_until_the_background_is_done(start: Start):
    """A result is no end as long as a background task of the agent goes on."""
    running = start(
        "hear(); begin(); background(1); result(); time.sleep(0.8); background(0); hear()",
        timing=QUICK,
    )
    end, seconds = timed(lambda: running.turn("go"))
    assert end.outcome == "done"
    assert 0.8 < seconds < 4
    assert "stopping" not in "".join(logged(running))


def test_a_turn_that_the_agent_begins_by_itself_belongs_to_the_one_before(
    start: Start, harbor: Harbor
):
    """When the background is done the agent goes on, and only its last result is the end."""
    running = start(
        "hear(); begin(); background(1); result('One.'); background(0); time.sleep(0.2)\n"
        "begin(); time.sleep(1.5); say('Seen.'); result('Two.', total_cost_usd=1); hear()",
        timing=QUICK,
    )
    end = running.turn("go")
    assert (end.text, running.last_words, cost(running, harbor)) == ("Two.", "Seen.", 1)


@rule("R84")
def test_what_is_left_running_too_long_is_stopped_and_the_agent_is_not(start: Start):
    """The agent learns that its task has ended, goes on, and can be told more."""
    running = start(
        "hear(); begin(); child = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        "background(1); result('One.'); child.wait(); background(0)\n"
        "begin(); say('It was killed.'); result('Two.')\n"
        "hear(); say('Here.'); result()",
        timing=QUICK,
    )
    end, seconds = timed(lambda: running.turn("go"))
    assert (end.text, running.last_words) == ("Two.", "It was killed.")
    assert 1 < seconds < 5
    assert "[7] stopping what the agent left running" in logged(running)
    running.turn("still there?")
    assert running.last_words == "Here."


def test_an_agent_that_never_hears_of_the_end_of_its_background_ends_all_the_same(start: Start):
    """What it thinks is still running has been stopped: its turn is over when all is quiet."""
    running = start("hear(); begin(); background(2); result('One.'); hear()", timing=QUICK)
    end, seconds = timed(lambda: running.turn("go"))
    assert (end.outcome, end.text) == ("done", "One.")
    assert 1 < seconds < 5


@rule("R155")
def test_a_session_ends_with_its_tokens(start: Start):
    """In a turn as soon as its messages have used them, and before another turn begins."""
    used = "id='m', model='claude-x', usage={'input_tokens': 60, 'cache_read_input_tokens': 60}"
    running = start(f"hear(); begin(); say('Here.', {used}); sys.stdin.read()")
    running.grant["budget_tokens"] = 120
    for _ in range(2):
        end = running.turn("go")
        assert (end.outcome, end.text) == ("spent", "its budget of 120 tokens is used up: 120")


@rule("R85")
def test_an_agent_that_says_and_does_nothing_has_stalled(start: Start):
    """No output, nothing that computes, no wait announced: that is no work."""
    running = start("hear(); begin(); subprocess.run(['sleep', '600'])", stall_s=1.2)
    end, seconds = timed(lambda: running.turn("go"))
    assert (end.kind, end.outcome) == ("end", "stalled")
    assert 1.2 < seconds < 5


@rule("R85")
def test_an_agent_whose_child_computes_has_not_stalled(start: Start):
    """A long compilation prints nothing."""
    running = start("hear(); begin(); burn(2.5).wait(); result()", stall_s=1.2)
    assert running.turn("go").outcome == "done"


def test_a_child_that_computes_less_than_one_before_it_is_busy_too(start: Start):
    """What an earlier command used does not count against a later one."""
    running = start(
        "hear(); begin(); burn(2.5).wait(); say('Built.'); burn(1.5).wait(); result()", stall_s=1.2
    )
    assert running.turn("go").outcome == "done"


@rule("R85")
def test_an_announced_wait_is_no_stall(start: Start, harbor: Harbor):
    """The API's own retry may take longer than an agent may be silent; storage is told of it."""
    running = start(
        "hear(); begin()\n"
        "emit('system', subtype='api_retry', error_status=529, retry_delay_ms=2500)\n"
        "time.sleep(2.5); say('Back.'); result()",
        stall_s=1.2,
    )
    threading.Timer(1.5, running.heartbeat.beat).start()
    assert running.turn("go").outcome == "done"
    [beat] = harbor.asked
    assert beat["state"] == "limited"
    assert "529" in beat["reason"]
    assert beat["until"] == pytest.approx(time.time(), abs=3)
    running.heartbeat.beat()
    assert (harbor.asked[-1]["state"], harbor.asked[-1]["reason"]) == ("working", "")


@pytest.mark.parametrize("status", [0, 3])
def test_an_agent_that_exits_in_the_middle_has_failed(start: Start, status: int):
    """Whatever its status, a interactive agent that is gone has not done its task."""
    running = start(f"hear(); begin(); say('Oh.'); sys.exit({status})")
    end, seconds = timed(lambda: running.turn("go"))
    assert (end.outcome, end.text) == ("error", f"the agent exited with status {status}")
    assert seconds < 3


def test_an_agent_that_is_killed_has_failed(start: Start):
    """The signal is named as Python has it."""
    end = start("hear(); os.kill(os.getpid(), 9)").turn("go")
    assert (end.outcome, end.text) == ("error", "the agent exited with status -9")


@rule("R118")
def test_an_agent_that_is_killed_for_memory_has_not_failed(start: Start, vmstat: Path):
    """The kernel says that it has killed somebody. That is the ship's trouble: an OSError."""
    vmstat.write_text("oom_kill 0\n")
    running = start(
        f"hear(); open({str(vmstat)!r}, 'w').write('oom_kill 1')\nos.kill(os.getpid(), 9)"
    )
    with pytest.raises(OutOfMemory, match="the agent was killed, probably for memory"):
        running.turn("go")


def test_an_agent_that_dies_after_its_turn_fails_the_next(start: Start):
    """What is said to a dead agent ends the turn at once."""
    running = start("hear(); begin(); result()")
    assert running.turn("go").outcome == "done"
    time.sleep(0.5)
    end, seconds = timed(lambda: running.turn("the check is red" * 100_000))
    assert (end.outcome, seconds < 3) == ("error", True)


def test_a_program_that_is_not_there_cannot_be_started(start: Start):
    """That breaks the ship, as a refused credential does: the reason names the program."""

    class Missing(Talking):
        def command(self, job: Job) -> list[str]:
            return ["/nowhere/claude"]

    with pytest.raises(GiveUp, match="/nowhere/claude is not installed") as raised:
        start("", Missing())
    assert raised.value.fault == "refused"


@pytest.mark.parametrize(("status", "outcome"), [(0, "done"), (1, "error")])
def test_a_command_is_done_when_it_succeeds(start: Start, status: int, outcome: str):
    """For the shell agent the exit status decides, and what it prints is logged."""
    running = start(f"echo out; echo err >&2; exit {status}", AGENTS["shell"])
    assert running.turn("go").outcome == outcome
    assert logged(running) == ["[7] out", "[7] err"]


def test_a_command_reads_nothing(start: Start):
    """It has no stdin that it could wait for."""
    running = start("cat; echo done", AGENTS["shell"])
    assert running.turn("go").outcome == "done"


@pytest.mark.parametrize("leaves", ["sleep 600 &", "setsid sleep 600 &", "(sleep 600 &) &"])
def test_a_command_that_leaves_something_running_is_done_when_it_ends(start: Start, leaves: str):
    """What it left has its output still open; that holds nobody up, and is killed at the end."""
    running = start(f"{leaves} echo done", AGENTS["shell"], stall_s=8)
    end, seconds = timed(lambda: running.turn("go"))
    assert (end.outcome, logged(running)) == ("done", ["[7] done"])
    assert seconds < 4
    running.close()
    assert not others(running)


@rule("R85")
@pytest.mark.parametrize("loop", ["while :; do echo on; sleep 0.1; done", "yes | tr -d y; :"])
def test_a_turn_that_goes_on_and_on_is_stopped(start: Start, loop: str):
    """One that loops says, or does, something all the time; it has ten time limits."""
    running = start(f"echo Begun; {loop}", AGENTS["shell"], stall_s=1, limit_s=0.2)
    end, seconds = timed(lambda: running.turn("go"))
    assert (end.outcome, 2 <= seconds < 4) == ("stalled", True)
    assert end.text == f"its turn took {10 * 0.2 / 60:g} minutes"


def test_a_refused_credential_ends_the_turn_while_the_agent_still_tries(start: Start):
    """Claude Code itself would go on for minutes."""
    running = start(
        "hear(); begin()\n"
        "for attempt in (1, 2, 3): emit('system', subtype='api_retry', attempt=attempt,"
        " error='authentication_failed', error_status=401)\n"
        "time.sleep(600)"
    )
    end, seconds = timed(lambda: running.turn("go"))
    assert (end.outcome, seconds < 3) == ("refused", True)
    assert end.text == "the API does not accept the credential"


LIMIT = "result('Limit.', is_error=True, api_error_status=429)"
FREE_LIMIT = "result('Limit.', is_error=True, api_error_status=429, total_cost_usd=0)"


@rule("R86")
def test_a_limit_with_a_reset_is_waited_out(start: Start, harbor: Harbor):
    """Storage knows until when; the same session goes on after it, and its turn ends then."""
    reset = int(time.time()) + 3
    running = start(f"hear(); begin(); limit({reset}); {LIMIT}\nsay(hear()); result('Over.')")
    threading.Timer(1, running.heartbeat.beat).start()
    end = running.turn("go")
    assert (end.outcome, end.text) == ("done", "Over.")
    assert time.time() >= reset
    [told] = harbor.asked
    assert (told["state"], told["reason"], told["until"]) == ("limited", "Limit.", reset)
    assert running.last_words == "Go on where you left off."


@rule("R170")
@pytest.mark.parametrize(
    ("waits", "is_told"),
    [
        (f"limit(time.time() + 600); {FREE_LIMIT}; sys.stdin.read()", True),
        (f"limit(time.time() + 600, 'seven_day_opus'); {FREE_LIMIT}; sys.stdin.read()", False),
        (f"{FREE_LIMIT}; sys.stdin.read()", True),
        (f"{FREE_LIMIT.replace('429', '529')}; sys.stdin.read()", False),
    ],
    ids=["usage limit", "of a model", "too many requests", "overload"],
)
def test_a_limit_of_the_credential_is_told_with_its_digest(
    start: Start, harbor: Harbor, waits: str, is_told: bool
):
    """Other ships with the same wait, too. What one session has is of no credential."""
    running = start(f"hear(); begin(); {waits}")
    credential = {"ANTHROPIC_API_KEY": AGENT_SECRET}
    (running.ship.folder / "agent_env.json").write_text(json.dumps(credential))
    running = Session(running.ship, running.grant, running.agent, running.heartbeat, lambda: None)

    def go() -> None:
        with suppress(GiveUp):
            running.turn("go")

    turn = threading.Thread(target=go)
    with running.heartbeat:
        turn.start()
        assert until(lambda: any(told["until"] > time.time() for told in harbor.asked))
    turn.join()
    told = harbor.asked[-1]
    known = digest(running.ship.voyage["voyage"], "claude", credential)
    assert (told["state"], told["credential"]) == ("limited", known if is_told else "")


@rule("R86")
def test_limits_without_a_reset_are_waited_out_longer_and_longer(start: Start, harbor: Harbor):
    """So nobody hammers an API that is overloaded. A retry that is over announces nothing. Until
    the agent works again it is limited, whatever its program says."""
    retry = "emit('system', subtype='api_retry', error_status=529, retry_delay_ms=0)"
    running = start(
        f"hear(); begin(); {retry}; {LIMIT}\nhear(); begin(); {LIMIT}\n"
        "hear(); begin(); emit('assistant', error='x', message={'content': []})\n"
        "open('asks', 'w')\nwhile not os.path.exists('told'): time.sleep(0.05)\n"
        "say('On.'); result(); hear()",
        timing=Timing(limited_s=1.0),
    )

    def tell() -> None:
        assert until((running.ship.workspace / "asks").exists)
        running.heartbeat.beat()
        (running.ship.workspace / "told").touch()

    threading.Thread(target=tell).start()
    end, seconds = timed(lambda: running.turn("go"))
    assert (end.outcome, seconds > 3) == ("done", True)
    [told] = harbor.asked
    assert (told["state"], told["reason"], told["until"]) == ("limited", "Limit.", 0)
    running.heartbeat.beat()
    assert harbor.asked[-1]["state"] == "working"


@rule("R86")
def test_an_api_that_only_ever_limits_is_given_up(start: Start):
    """As trouble of this ship: another one may do better, and somebody has to be told."""
    running = start(f"while hear(): begin(); {LIMIT}", timing=Timing(limited_s=0.01))
    with pytest.raises(
        GiveUp, match=r"^the API made it wait 10 times in a row, at last: Limit.$"
    ) as raised:
        running.turn("go")
    assert raised.value.fault == "infrastructure"


@rule("R111")
@pytest.mark.parametrize(
    "waits",
    [
        f"limit(time.time() + 600); {FREE_LIMIT}; sys.stdin.read()",
        "emit('system', subtype='api_retry', error_status=429, retry_delay_ms=600_000)\nhear()",
    ],
    ids=["between turns", "by itself"],
)
@pytest.mark.parametrize("works", [True, False], ids=["in the middle", "at the beginning"])
def test_who_waits_goes_on_with_new_credentials(
    start: Start, harbor: Harbor, waits: str, works: bool
):
    """The process is another one, as the variables of one cannot be changed. It goes on with the
    conversation, if there is one; what it has cost and what nobody heard is not forgotten."""
    running = start(
        "begin(); token = os.environ['TOKEN']\n"
        "if token == 'new':\n"
        "    say(' '.join([*sys.argv[1:], hear()])); result(); sys.exit()\n"
        "usage = {'input_tokens': 1000}; hear()\n"
        f"if {works}: say('Working.', id='1', model='opus', usage=usage)\n"
        f"{waits}"
    )
    put = running.ship.folder / "agent_env.json"
    put.write_text('{"TOKEN": "old"}')
    running = Session(running.ship, running.grant, running.agent, running.heartbeat, lambda: None)
    with running.heartbeat:
        threading.Timer(1.5, put.write_text, ['{"TOKEN": "new"}']).start()
        assert running.turn("go").outcome == "done"
    assert running.last_words == ("talk-1 Go on where you left off." if works else "go")
    assert cost(running, harbor) == pytest.approx(0.254 if works else 0.25)
    assert "[7] goes on with the credentials that came" in logged(running)


def test_a_turn_that_is_cut_short_has_cost_something(start: Start, harbor: Harbor):
    """What its messages cost at least counts until the total comes, and each of them once."""
    usage = "id='%s', model='claude-opus-5', usage={'input_tokens': %s}"
    running = start(
        f"hear(); begin(); say('a', {usage % (1, 1000)}); say('b', {usage % (1, 2000)})\n"
        f"result(total_cost_usd=0.5); hear(); begin(); say('c', {usage % (2, 3000)})\n"
        f"say('d', {usage % (3, 1000)}); sys.exit()"
    )
    assert running.turn("go").outcome == "done"
    assert cost(running, harbor) == 0.5
    assert running.turn("go on").outcome == "error"
    assert cost(running, harbor) == pytest.approx(0.516)


@rule("R154")
def test_what_a_turn_used_is_told_by_model_also_if_it_is_cut_short(start: Start, harbor: Harbor):
    """A result's numbers take the place of those of the messages before it, and what comes after
    it is added; dollars of which nobody says where they went count, and are of no model."""
    large = "model='opus', usage={'input_tokens': 1000, 'output_tokens': 100}"
    used = "{'opus': {'inputTokens': 4000, 'outputTokens': 300, 'costUSD': 0.5}}"
    running = start(
        f"hear(); begin(); say('a', id='1', {large})\n"
        f"result(total_cost_usd=0.75, modelUsage={used}, duration_api_ms=2000)\n"
        f"hear(); begin(); say('b', id='2', {large}); sys.exit()"
    )
    running.turn("go")
    running.turn("go on")
    assert cost(running, harbor) == pytest.approx(0.756)
    told = harbor.asked[-1]["usage"]
    opus = told["opus"]
    assert (opus["input_tokens"], opus["output_tokens"], opus["api_s"]) == (5000, 400, 2.0)
    assert opus["cost_usd"] == pytest.approx(0.506)
    assert list(told) == ["opus"]


@rule("R88")
@pytest.mark.parametrize(
    "flood",
    [
        f"os.write(1, b'x' * {100 * MB} + b'\\n')",
        f"for _ in range({100 * MB // 10_000}): os.write(1, b'x' * 9_999 + b'\\n')",
        "for _ in range(40): emit('user', message='x' * 2_500_000)",
    ],
    ids=["in one line", "in many lines", "in the longest lines"],
)
def test_a_flood_of_output_takes_no_memory_and_ends(start: Start, flood: str):
    """100 MB are read as they come: neither kept, nor waited for."""
    running = start(f"hear(); begin()\n{flood}\nsay('Over.'); result(); hear()")
    forget_peak()
    before = memory("VmRSS")
    assert running.turn("go").outcome == "done"
    assert running.last_words == "Over."
    assert memory("VmHWM") - before < 60 * MB
    assert all(len(line) < 600 for line in logged(running))


def test_close_lets_the_agent_end_by_itself(start: Start):
    """Its stdin ends, and it has the time to write down what it has to."""
    running = start("hear(); result(); sys.stdin.read(); time.sleep(0.3); open('saved', 'w')")
    running.turn("go")
    running.close()
    assert (running.ship.workspace / "saved").exists()
    assert not others(running)


@rule("R87")
def test_close_kills_what_does_not_end_and_what_was_left(start: Start):
    """Neither a process group, nor a session of its own, nor a lost parent hides a daemon."""
    running = start(
        "import signal\n"
        "for number in (signal.SIGTERM, signal.SIGHUP): signal.signal(number, signal.SIG_IGN)\n"
        "hear(); subprocess.run('setsid -f sleep 600; (setsid sleep 600 &); nohup sleep 600 &',"
        " shell=True)\n"
        "time.sleep(0.5); result(); time.sleep(600)",
        timing=QUICK,
    )
    running.turn("go")
    assert len(running.ship.processes.pids()) == 4
    began = time.monotonic()
    running.close()
    assert not others(running)
    assert time.monotonic() - began < 6


def took(harbor: Harbor) -> list[int]:
    """What storage was last told that the agent has taken in."""
    told: list[int] = harbor.asked[-1].get("delivered", [])
    return told


@rule("R110")
def test_what_the_captain_says_reaches_the_running_agent(start: Start, harbor: Harbor):
    """A beat brings it, the agent hears it in the middle of its turn, and the next beat says so."""
    running = start("hear(); begin(); say(hear()); result(); hear()")
    harbor.hails = {"3": "Steer left."}
    threading.Timer(0.5, running.heartbeat.beat).start()
    assert running.turn("go").outcome == "done"
    assert "Steer left." in running.last_words
    assert harbor.asked[0]["delivered"] == []
    running.heartbeat.beat()
    assert took(harbor) == [3]


@rule("R110")
def test_what_the_captain_said_before_the_turn_is_in_its_first_message(
    start: Start, harbor: Harbor
):
    """One message has it all; none of it is said twice, though storage still has it."""
    running = start("say(hear()); result(); say(hear()); result(); hear()")
    harbor.hails = {"3": "Steer left.", "4": "No, right."}
    running.heartbeat.beat()
    running.turn("go")
    assert running.last_words.startswith("go\n")
    assert running.last_words.index("Steer left.") < running.last_words.index("No, right.")
    running.heartbeat.beat()
    assert took(harbor) == [3, 4]
    running.turn("go on")
    assert running.last_words == "go on"


@rule("R110")
def test_what_is_said_while_the_turn_ends_is_heard_in_one_more(start: Start, harbor: Harbor):
    """A result that comes before the agent has heard all is not the end of the work."""
    running = start(
        "hear(); begin(); say('Ready.'); time.sleep(1); result('One.'); time.sleep(0.5)\n"
        "begin(); say(hear()); time.sleep(0.5); result('Two.'); hear()"
    )
    harbor.hails = {"3": "Steer left."}
    threading.Timer(0.3, running.heartbeat.beat).start()
    assert running.turn("go").text == "Two."
    assert "Steer left." in running.last_words


@rule("R110")
def test_what_the_agent_never_heard_is_not_taken(start: Start, harbor: Harbor):
    """It holds the turn up for a while only, and storage keeps it."""
    running = start(
        "hear(); begin(); say('Ready.'); time.sleep(1); result(); time.sleep(600)", timing=QUICK
    )
    harbor.hails = {"3": "Steer left."}
    threading.Timer(0.3, running.heartbeat.beat).start()
    end, seconds = timed(lambda: running.turn("go"))
    assert (end.outcome, 2 < seconds < 6) == ("done", True)
    running.heartbeat.beat()
    assert took(harbor) == []


def test_an_agent_that_cannot_be_told_is_not(start: Start, harbor: Harbor):
    """A command works on, and nothing counts as taken."""
    running = start("sleep 1; echo done", AGENTS["shell"])
    harbor.hails = {"3": "Steer left."}
    running.heartbeat.beat()
    assert running.turn("go").outcome == "done"
    running.heartbeat.beat()
    assert took(harbor) == []


@rule("R36")
def test_a_lost_claim_ends_the_turn_at_once(start: Start, harbor: Harbor):
    """Somebody else may be at the task by now: nothing of it goes on here."""
    running = start("hear(); begin(); subprocess.run(['setsid', 'sleep', '600'])")
    harbor.lost = "ship-0 was not heard from in time"
    threading.Timer(0.5, running.heartbeat.beat).start()
    began = time.monotonic()
    with pytest.raises(GiveUp, match="the claim is lost"):
        running.turn("go")
    assert time.monotonic() - began < 3
    assert not others(running)
    assert "[7] the claim is lost: ship-0 was not heard from in time" in logged(running)


@rule("R36")
def test_a_claim_that_is_lost_already_lets_no_turn_begin(start: Start, harbor: Harbor):
    """It was lost while the work was being landed, say."""
    running = start("say(hear()); result(); hear()")
    harbor.lost = "it expired"
    running.heartbeat.beat()
    with pytest.raises(GiveUp, match="the claim is lost"):
        running.turn("go")


def test_the_next_agent_has_the_captains_new_variables(start: Start, harbor: Harbor):
    """They come as a file while helm runs. Of all that was ever there nothing secret is logged,
    be it said by an agent that runs already."""
    hold = "say('old-7Kq9zR4t new-3Xw8pB6m'); result(); hear()"
    first = start(f"hear(); {hold}")
    put = first.ship.folder / "agent_env.json"
    put.write_text(json.dumps({"API_KEY": "old-7Kq9zR4t"}))
    first.ship.reload_credentials()
    with first.heartbeat:
        put.write_text(json.dumps({"API_KEY": "new-3Xw8pB6m"}))
        time.sleep(1)
        first.turn("go")
    assert logged(first) == ["[7] *** ***"]
    agent = Talking()
    Session(first.ship, grant(""), agent, first.heartbeat, lambda: None)
    assert agent.job.agent_env == {"API_KEY": "new-3Xw8pB6m"}
    assert {"old-7Kq9zR4t", "new-3Xw8pB6m"} <= set(first.ship.secrets)

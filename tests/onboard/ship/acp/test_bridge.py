"""The bridge with agents that are small programs: all that an agent may do, right and wrong."""

import json
from pathlib import Path

import pytest

from ocaptain.onboard.ship.acp.orders import Orders
from tests.support.acp import QUICK, Bridged, bridged
from tests.support.rules import rule


def kinds(events: list[dict]) -> list[str]:
    return [event["kind"] for event in events]


def test_a_turn_is_told_as_it_goes(tmp_path: Path):
    """What the agent says and does is told in order, and the message counts as heard by then."""
    program = """
opened(loadSession=True)
prompt = expect("session/prompt")
update("available_commands_update", availableCommands=[])
say("One ")
say("thing.")
update("tool_call", toolCallId="t", title="bash")
update("tool_call_update", toolCallId="t", rawInput={"command": "make"})
update("tool_call_update", toolCallId="t", status="failed")
say("Other.", "n")
done(prompt)
get()
"""
    with bridged(program, tmp_path) as bridge:
        events = bridge.turn()
    assert events == [
        {"kind": "begin", "text": "s"},
        {"kind": "heard", "text": "first"},
        {"kind": "text", "words": "One thing."},
        {"kind": "tool", "text": "bash: make"},
        {"kind": "tool", "text": "failed: bash: make"},
        {"kind": "text", "words": "Other."},
        {"kind": "end", "text": "", "outcome": "done"},
    ]


def test_the_next_message_is_a_prompt_of_the_same_session(tmp_path: Path):
    """Turn follows turn in one process."""
    program = """
opened()
for _ in range(2):
    prompt = expect("session/prompt")
    say(prompt["params"]["prompt"][0]["text"] + prompt["params"]["sessionId"], str(time.time()))
    done(prompt)
get()
"""
    with bridged(program, tmp_path) as bridge:
        first = bridge.turn("once", "a")
        second = bridge.turn("again", "b")
    assert first[2] == {"kind": "text", "words": "onces"}
    assert second[1:3] == [{"kind": "heard", "text": "b"}, {"kind": "text", "words": "agains"}]


@rule("R160")
def test_what_was_injected_is_heard_during_the_turn(tmp_path: Path):
    """An agent that can be steered takes a message in before its turn is over."""
    program = """
opened(steers=True)
prompt = expect("session/prompt")
say("Begun.")
update("tool_call", toolCallId="t", title="sleep")
steering = expect("_session/steering")
reply(steering, outcome="injected")
time.sleep(0.1)
done(prompt)
get()
"""
    with bridged(program, tmp_path) as bridge:
        bridge.say("go")
        bridge.until("text")
        events = bridge.turn("steer", "hail")
    assert kinds(events) == ["heard", "tool", "end"]
    assert events[0]["text"] == "hail"


@rule("R160")
@pytest.mark.parametrize("steers", [True, False])
def test_what_cannot_be_injected_is_the_next_prompt(tmp_path: Path, steers: bool):
    """Without steering, or if it came too late, a message waits for the end of the turn."""
    program = f"""
opened(steers={steers})
prompt = expect("session/prompt")
say("Begun.")
update("tool_call", toolCallId="t", title="sleep")
if {steers}:
    reply(expect("_session/steering"), outcome="promptRequired")
else:
    time.sleep(0.3)
done(prompt)
prompt = expect("session/prompt")
say(prompt["params"]["prompt"][0]["text"], "n")
done(prompt)
get()
"""
    with bridged(program, tmp_path) as bridge:
        bridge.say("go")
        bridge.until("text")
        first = bridge.turn("later", "hail")
        second = bridge.until("end")
    assert "heard" not in kinds(first)
    assert second[:3] == [
        {"kind": "begin", "text": ""},
        {"kind": "heard", "text": "hail"},
        {"kind": "text", "words": "later"},
    ]


def test_steering_that_is_never_answered_is_said_again(tmp_path: Path):
    """A message that the agent gave no word on by the end of its turn is the next prompt."""
    program = """
opened(steers=True)
prompt = expect("session/prompt")
say("Begun.")
update("tool_call", toolCallId="t", title="sleep")
expect("_session/steering")
done(prompt)
done(expect("session/prompt"))
get()
"""
    with bridged(program, tmp_path) as bridge:
        bridge.say("go")
        bridge.until("text")
        bridge.turn("steer", "hail")
        assert {"kind": "heard", "text": "hail"} in bridge.until("end")


def test_noise_is_for_the_log_and_half_lines_are_whole_in_the_end(tmp_path: Path):
    """What is no message is a notice; unknown notifications and answers are passed over."""
    program = """
print("npm warn")
print("complaint", file=sys.stderr, flush=True)
opened()
prompt = expect("session/prompt")
print("[1, 2]")
print('"text"')
send(method="_vendor/news", params=[1])
send(method="session/update", params={"update": "no object"})
send(id=999, result={})
update("tool_call", toolCallId=7)
update("agent_message_chunk", content="no object")
line = json.dumps({"id": prompt["id"], "result": {"stopReason": "end_turn"}})
sys.stdout.write(line[:20])
sys.stdout.flush()
time.sleep(0.2)
print(line[20:], flush=True)
get()
"""
    with bridged(program, tmp_path) as bridge:
        events = bridge.turn()
    notices = {event["text"] for event in events if event["kind"] == "notice"}
    assert notices == {"npm warn", "complaint", "[1, 2]", '"text"'}
    assert events[-1]["outcome"] == "done"


@rule("R161")
def test_each_permission_is_granted_and_files_are_refused(tmp_path: Path):
    """However many are asked for; what an agent asks of an editor is no method here."""
    program = """
opened()
prompt = expect("session/prompt")
options = [{"optionId": "no", "kind": "reject_once"}, {"optionId": "once", "kind": "allow_once"}]
answers = [ask("session/request_permission", options=options) for _ in range(100)]
options.append({"optionId": "always", "kind": "allow_always"})
answers.append(ask("session/request_permission", options=options))
say(" ".join(answer["result"]["outcome"]["optionId"] for answer in answers), "a")
refused = [ask(method, path="x") for method in ("fs/read_text_file", "terminal/create", "odd")]
say(" ".join(str(answer["error"]["code"]) for answer in refused), "b")
done(prompt)
get()
"""
    with bridged(program, tmp_path) as bridge:
        events = bridge.turn()
    words = [event["words"] for event in events if event["kind"] == "text"]
    assert words == ["once " * 100 + "always", "-32601 -32601 -32601"]


def test_an_agent_that_exits_in_its_turn_ends_the_bridge(tmp_path: Path):
    """Its status is the bridge's, and what it said is told."""
    program = 'opened(); expect("session/prompt"); say("Wait"); sys.exit(3)'
    with bridged(program, tmp_path) as bridge:
        bridge.say("go")
        assert bridge.until("text")[-1]["words"] == "Wait"
        assert bridge.exited() == 3


def test_an_agent_that_exits_between_turns_is_started_again(tmp_path: Path):
    """Its session goes on in another process, if it can."""
    seen = tmp_path / "seen"
    program = f"""
import os
initialize(sessionCapabilities={{"resume": {{}}}})
opening = get()
again = os.path.exists({str(seen)!r})
assert opening["method"] == ("session/resume" if again else "session/new")
open({str(seen)!r}, "w").close()
reply(opening, sessionId="s")
prompt = expect("session/prompt")
say("again" if again else "first")
done(prompt)
if again:
    get()
"""
    with bridged(program, tmp_path) as bridge:
        first = bridge.turn()
        second = bridge.turn("more", "b")
    assert {"kind": "text", "words": "first"} in first
    assert {"kind": "text", "words": "again"} in second


@rule("R162")
def test_a_halt_cancels_the_turn_and_closes_the_session(tmp_path: Path):
    """The agent is told first, and may end by itself; what it still asks for is not granted."""
    noted = tmp_path / "noted"
    program = f"""
opened(sessionCapabilities={{"close": {{}}}})
prompt = expect("session/prompt")
say("Begun.")
update("tool_call", toolCallId="t", title="sleep")
expect("session/cancel")
outcome = ask("session/request_permission", options=[{{"optionId": "a", "kind": "allow_once"}}])
reply(prompt, stopReason="cancelled")
reply(expect("session/close"))
assert not sys.stdin.readline()
open({str(noted)!r}, "w").write(outcome["result"]["outcome"]["outcome"])
"""
    with bridged(program, tmp_path) as bridge:
        bridge.say("go")
        bridge.until("text")
        assert bridge.close() == 0
    assert noted.read_text() == "cancelled"


@rule("R162")
def test_an_agent_that_does_not_end_is_killed(tmp_path: Path):
    """One that neither cancels nor sees its stdin closed is not waited for."""
    program = """
opened(sessionCapabilities={"close": {}})
expect("session/prompt")
say("Begun.")
update("tool_call", toolCallId="t", title="sleep")
time.sleep(600)
"""
    with bridged(program, tmp_path, QUICK) as bridge:
        bridge.say("go")
        bridge.until("text")
        assert bridge.close() == 0


def test_a_reply_that_never_comes_ends_the_turn(tmp_path: Path):
    """An agent that does not even answer the first question has failed."""
    with bridged("time.sleep(600)", tmp_path, QUICK) as bridge:
        end = bridge.turn()[-1]
    assert end["outcome"] == "error"
    assert end["text"] == "the agent did not answer initialize in 1 s"


def test_an_agent_that_is_not_installed_says_what_installs_it(tmp_path: Path):
    """That pauses the voyage, as no task would go better."""
    bridge = Bridged(
        Orders(command=["no-such-agent"], install="npm install -g it"), tmp_path, QUICK
    )
    end = bridge.turn()[-1]
    assert end["outcome"] == "refused"
    words = "no-such-agent is not installed here: npm install -g it, then: ocaptain resume"
    assert end["text"] == words
    assert bridge.close() == 0


def test_an_agent_of_another_version_is_refused(tmp_path: Path):
    """What it would mean by its messages, nobody knows."""
    program = 'reply(expect("initialize"), protocolVersion=2); get()'
    with bridged(program, tmp_path) as bridge:
        end = bridge.turn()[-1]
    assert (end["outcome"], end["text"]) == (
        "refused",
        "the agent speaks version 2 of its protocol, and not 1",
    )


SAYS_HOW_IT_WAS_LET_IN = """
fail(expect("session/new"), -32000, "Authentication required")
method = expect("authenticate")
reply(method)
reply(expect("session/new"), sessionId="s")
prompt = expect("session/prompt")
say(method["params"]["methodId"])
done(prompt)
get()
"""


def test_it_authenticates_once_it_has_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With the method of the credential that there is, and then it has a session."""
    program = f"initialize()\n{SAYS_HOW_IT_WAS_LET_IN}"
    monkeypatch.setenv("SOME_KEY", "k")
    with bridged(program, tmp_path, login={"OTHER_KEY": "o", "SOME_KEY": "api-key"}) as bridge:
        assert {"kind": "text", "words": "api-key"} in bridge.turn()


def test_it_authenticates_as_the_agent_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With a method that takes variables, if all of them are set that it needs."""
    program = """
optional = {"name": "X", "optional": True}
methods = [
    {"id": "browser", "name": "Browser"},
    {"id": "pair", "type": "env_var", "vars": [{"name": "SOME_KEY"}, {"name": "OTHER_KEY"}]},
    {"id": "key", "type": "env_var", "vars": [{"name": "SOME_KEY"}, optional]},
]
reply(expect("initialize"), protocolVersion=1, authMethods=methods)
"""
    monkeypatch.setenv("SOME_KEY", "k")
    with bridged(program + SAYS_HOW_IT_WAS_LET_IN, tmp_path) as bridge:
        assert {"kind": "text", "words": "key"} in bridge.turn()


def test_without_a_credential_it_is_refused(tmp_path: Path):
    """The agent's own words say why."""
    program = 'initialize(); fail(expect("session/new"), -32000, "Authentication required"); get()'
    with bridged(program, tmp_path) as bridge:
        end = bridge.turn()[-1]
    assert (end["outcome"], end["text"]) == ("refused", "Authentication required")


def test_mode_and_model_are_set_where_the_session_has_them(tmp_path: Path):
    """Each agent has its own way to be told them."""
    program = """
initialize()
reply(
    expect("session/new"),
    sessionId="s",
    modes={"availableModes": [{"id": "ask"}, {"id": "yolo"}]},
    configOptions=[{"id": "model"}],
)
mode = expect("session/set_mode")
reply(mode)
model = expect("session/set_config_option")
reply(model)
prompt = expect("session/prompt")
say(json.dumps([mode["params"], model["params"]]))
done(prompt)
get()
"""
    with bridged(program, tmp_path, mode="yolo", model="m-1", set_model=True) as bridge:
        events = bridge.turn()
    words = next(event["words"] for event in events if event["kind"] == "text")
    assert json.loads(words) == [
        {"sessionId": "s", "modeId": "yolo"},
        {"sessionId": "s", "configId": "model", "value": "m-1"},
    ]


@rule("R168")
@pytest.mark.parametrize(
    ("offered", "asked"),
    [
        (
            {"configOptions": [{"id": "llm", "category": "model"}]},
            ["session/set_config_option", {"sessionId": "s", "configId": "llm", "value": "m-1"}],
        ),
        (
            {"models": {"availableModels": [{"modelId": "m-1"}]}},
            ["session/set_model", {"sessionId": "s", "modelId": "m-1"}],
        ),
    ],
    ids=["option", "models"],
)
def test_any_agent_can_be_told_its_model(tmp_path: Path, offered: dict, asked: list):
    """An option of that category has a name of the agent's own; before there were options, agents
    listed their models."""
    program = f"""
initialize()
reply(expect("session/new"), sessionId="s", **{offered!r})
model = get()
reply(model)
prompt = expect("session/prompt")
say(json.dumps([model["method"], model["params"]]))
done(prompt)
get()
"""
    with bridged(program, tmp_path, model="m-1", set_model=True) as bridge:
        events = bridge.turn()
    words = next(event["words"] for event in events if event["kind"] == "text")
    assert json.loads(words) == asked


@rule("R168")
def test_a_model_that_the_agent_does_not_take_is_refused(tmp_path: Path):
    """That is for the captain to mend: no other ship would do better."""
    program = """
initialize()
reply(expect("session/new"), sessionId="s", configOptions=[{"id": "model"}])
fail(expect("session/set_config_option"), -32602, "Invalid params")
get()
"""
    with bridged(program, tmp_path, model="m-1", set_model=True) as bridge:
        end = bridge.turn()[-1]
    assert (end["outcome"], end["text"]) == (
        "refused",
        "the agent does not take the model m-1: Invalid params",
    )
    with bridged("opened(); get()", tmp_path, model="m-1", set_model=True) as bridge:
        end = bridge.turn()[-1]
    assert (end["outcome"], end["text"]) == (
        "refused",
        "the agent lets nobody choose a model: take m-1 out of the plan",
    )


@rule("R163")
def test_what_a_failed_prompt_said_is_said_again(tmp_path: Path):
    """After a limit the agent hears all that it has not heard."""
    program = """
opened()
fail(expect("session/prompt"), 429, "Too many requests: try again in 30 s")
prompt = expect("session/prompt")
say(prompt["params"]["prompt"][0]["text"])
done(prompt)
get()
"""
    with bridged(program, tmp_path) as bridge:
        first = bridge.turn("the task", "a")
        second = bridge.turn("go on", "b")
    assert kinds(first) == ["begin", "wait", "end"]
    assert first[-1]["outcome"] == "limited"
    assert [event["is_shared"] for event in first[1:]] == [True, True]
    assert kinds(second) == ["begin", "heard", "heard", "text", "end"]
    assert second[3]["words"] == "the task\n\ngo on"


@rule("R163")
def test_a_dead_api_that_codex_tells_as_success_is_a_limit(tmp_path: Path):
    """It ends such a turn as if all were well; what it said before of its API counts."""
    program = """
opened()
prompt = expect("session/prompt")
error = {"message": "Reconnecting... 1/5", "codexErrorInfo": "responseStreamDisconnected"}
update("session_info_update", _meta={"codex": {"error": error}})
update("session_info_update", _meta={"codex": {"threadStatus": {"type": "systemError"}}})
say("stream disconnected before completion")
reply(prompt, stopReason="end_turn", usage=None)
get()
"""
    with bridged(program, tmp_path) as bridge:
        events = bridge.turn()
    assert kinds(events)[1] == "wait"
    assert (events[-1]["outcome"], events[-1]["text"]) == ("limited", "Reconnecting... 1/5")


@rule("R163")
def test_what_codex_says_after_its_failure_tells_what_it_is(tmp_path: Path):
    """It ends its turn as if all were well, and has said why only in words."""
    program = """
opened()
prompt = expect("session/prompt")
update("session_info_update", _meta={"codex": {"threadStatus": {"type": "systemError"}}})
say("exceeded retry limit, last status: 429 Too Many Requests")
done(prompt)
get()
"""
    with bridged(program, tmp_path) as bridge:
        end = bridge.turn()[-1]
    assert end["outcome"] == "limited"
    assert "429 Too Many Requests" in end["text"]


@rule("R164")
def test_a_budget_is_kept_where_dollars_are_told(tmp_path: Path):
    """The turn is cancelled as soon as the agent tells that it has cost more."""
    program = """
opened()
prompt = expect("session/prompt")
update("usage_update", used=1, size=2, cost={"amount": 0.5, "currency": "EUR"})
update("usage_update", used=1, size=2, cost={"amount": 0.3, "currency": "USD"})
expect("session/cancel")
reply(prompt, stopReason="cancelled")
get()
"""
    with bridged(program, tmp_path, budget_usd=0.25) as bridge:
        events = bridge.turn()
    assert {"kind": "cost", "text": "session", "cost_usd": 0.3} in events
    assert events[-1]["outcome"] == "spent"


@rule("R164")
def test_dollars_are_told_as_they_are_spent_and_with_the_end(tmp_path: Path):
    """An agent tells what its session has cost; of that, a turn is told what is new in it."""
    program = """
opened()
for usd in (0.25, 0.75):
    prompt = expect("session/prompt")
    update("usage_update", used=1, size=2, cost={"amount": usd, "currency": "USD"})
    done(prompt)
get()
"""
    with bridged(program, tmp_path) as bridge:
        turns = [bridge.turn(), bridge.turn()]
    costs = [event["cost_usd"] for events in turns for event in events if event["kind"] == "cost"]
    assert costs == [0.25, 0.5]
    assert [events[-1]["cost_usd"] for events in turns] == [0.25, 0.75]


@rule("R164")
def test_tokens_are_told_with_the_end(tmp_path: Path):
    """As the protocol has them; what is no number of tokens counts as none."""
    program = """
opened()
used = {"inputTokens": 1000, "outputTokens": 100, "cachedReadTokens": 7, "cachedWriteTokens": -1}
done(expect("session/prompt"), usage=used)
get()
"""
    with bridged(program, tmp_path, model="m-1") as bridge:
        end = bridge.turn()[-1]
    assert end["usage"] == [
        {
            "model": "m-1",
            "input_tokens": 1000,
            "output_tokens": 100,
            "cache_read_tokens": 7,
            "cache_write_tokens": 0,
        }
    ]

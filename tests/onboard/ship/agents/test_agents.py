"""What holds for each agent."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocaptain.onboard.ship.agents import AGENTS, lacking, named, own_variables
from ocaptain.settings import AGENT_VARIABLES
from tests.support.events import JSON, check
from tests.support.rules import rule
from tests.support.ship import AGENT_SECRET, JOB


@rule("R98")
@pytest.mark.parametrize("name", AGENTS)
def test_no_secret_stands_in_a_command_line(name):
    """Tokens reach an agent through its environment only."""
    assert AGENT_SECRET not in " ".join(AGENTS[name].command(JOB))


@rule("R94")
@pytest.mark.parametrize("name", AGENTS)
@given(line=st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_line_whatever_breaks_an_agents_reader(name, line):
    """Hostile output yields events or nothing, never an exception."""
    check(list(AGENTS[name].events(line.replace(b"\n", b""))))


@pytest.mark.parametrize("name", [name for name in AGENTS if name != "shell"])
def test_an_agent_is_told_the_model_of_its_job(name):
    """In its command line or its environment; without one it chooses for itself."""
    told = []
    for model in (None, "m-7"):
        job = JOB._replace(model=model, agent_env={})
        agent = AGENTS[name]
        told.append("m-7" in f"{agent.command(job)} {agent.environment(job)}")
    assert told == [False, True]


@rule("R167")
def test_an_agent_has_its_own_credentials_only():
    """What is nobody's credential is for all: that is telemetry's only."""
    given = dict.fromkeys([*AGENT_VARIABLES, "OTEL_LOGS_EXPORTER"], AGENT_SECRET)
    claude = {name: value for name, value in given.items() if name.startswith(("CLAUDE", "ANTH"))}
    telemetry = {"OTEL_LOGS_EXPORTER": AGENT_SECRET}
    assert own_variables(given, ["claude", "shell"]) == claude | telemetry
    assert own_variables(given, ["shell"]) == telemetry
    assert own_variables(given, AGENTS) == given


@rule("R167")
def test_any_other_agent_is_given_what_its_captain_names():
    """Variables with the prefix are for nobody else; it sees them without that."""
    given = {"OCAPTAIN_AGENT_MY_KEY": AGENT_SECRET}
    assert own_variables(given, ["claude", "opencode"]) == {}
    mine = own_variables(given, ["acp"])
    agent = named("acp", ["my-agent", "--acp"])
    job = JOB._replace(agent_env=mine, model="m-1")
    assert agent.environment(job)["MY_KEY"] == AGENT_SECRET
    *_, orders = agent.command(job)
    assert json.loads(orders)["command"] == ["my-agent", "--acp"]
    assert json.loads(orders)["model"] == "m-1"
    assert agent.missing({}) is None


@rule("R165")
def test_a_ship_says_what_it_lacks_for_agents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A program, with the command that installs it; then a credential, with its name."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    credential = {"ANTHROPIC_API_KEY": AGENT_SECRET}
    lacks = lacking(credential, "ship-1")
    assert lacks.keys() == AGENTS.keys() - {"shell"}
    assert lacks["gemini"] == "gemini is not installed on ship-1: npm install -g @google/gemini-cli"
    (tmp_path / "claude").write_text("")
    (tmp_path / "claude").chmod(0o755)
    assert "ship-1 has no credential for it: set CLAUDE_" in lacking({}, "ship-1")["claude"]
    assert "claude" not in lacking(credential, "ship-1")
    assert lacks["acp"] == "the voyage has no agent_command"
    lacks = lacking({}, "ship-1", ["my-agent", "--acp"])
    assert lacks["acp"] == "my-agent is not installed on ship-1: install my-agent there"
    lacks = lacking({}, "ship-1", ["my-agent", "--acp"], "make agent")
    assert lacks["acp"] == "my-agent is not installed on ship-1: make agent"
    assert "acp" not in lacking({}, "ship-1", ["/bin/sh"])

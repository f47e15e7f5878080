"""What holds for each agent."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocaptain.onboard.ship.agents import AGENTS
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

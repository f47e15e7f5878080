"""What storage is told of credentials: which are the same, and nothing else."""

import pytest

from ocaptain.onboard.ship.credentials import DIGEST_BYTES, digest, digests
from tests.support.rules import rule
from tests.support.secrets import TOKENS

VOYAGE = "voyage-0123456789ab"
SECRET, OTHER = TOKENS["ANTHROPIC_API_KEY"], TOKENS["CLAUDE_CODE_OAUTH_TOKEN"]


def told(agent: str, **environ: str) -> str:
    """The digest of what an agent is given."""
    return digest(VOYAGE, agent, environ)


@rule("R172")
def test_one_credential_has_one_digest_whoever_uses_it():
    """By another agent, or under another name; what else there is in the environment is nothing."""
    one = told("claude", ANTHROPIC_API_KEY=SECRET, PATH="/bin", OPENAI_API_KEY=OTHER)
    assert one == told("claude-acp", ANTHROPIC_API_KEY=SECRET)
    assert one == told("claude", CLAUDE_CODE_OAUTH_TOKEN=SECRET)
    assert one == told("opencode", ANTHROPIC_API_KEY=SECRET)
    assert one == told("acp", OCAPTAIN_AGENT_KEY=SECRET)
    assert one != told("claude", ANTHROPIC_API_KEY=OTHER)
    assert digests(VOYAGE, ["claude", "shell"], {"ANTHROPIC_API_KEY": SECRET}) == {"claude": one}


@rule("R172")
def test_a_digest_tells_nothing_of_a_credential():
    """It is short, so that many have the same, and means something in its own voyage only."""
    one = told("claude", ANTHROPIC_API_KEY=SECRET)
    assert len(one) == 2 * DIGEST_BYTES
    assert one != digest("voyage-of-another", "claude", {"ANTHROPIC_API_KEY": SECRET})
    assert one not in SECRET


@pytest.mark.parametrize(
    ("agent", "environ"),
    [
        ("shell", {"ANTHROPIC_API_KEY": SECRET}),
        ("claude", {"OPENAI_API_KEY": SECRET}),
        ("claude", {"ANTHROPIC_BASE_URL": "http://localhost"}),
        ("claude", {"ANTHROPIC_API_KEY": ""}),
        ("opencode", {"ANTHROPIC_API_KEY": SECRET, "OPENAI_API_KEY": OTHER}),
    ],
)
def test_what_cannot_be_known_has_no_digest(agent: str, environ: dict[str, str]):
    """An agent without a credential has none, nor one whose model decides which it takes."""
    assert told(agent, **environ) == ""


def test_what_gateways_are_given_for_a_key_is_no_account():
    """The same placeholder at two places has two digests."""
    here = {"ANTHROPIC_AUTH_TOKEN": "sk-1234", "ANTHROPIC_BASE_URL": "http://here"}
    there = {**here, "ANTHROPIC_BASE_URL": "http://there"}
    elsewhere = told("codex", OPENAI_API_KEY="sk-1234")
    assert len({told("claude", **here), told("claude", **there), elsewhere, ""}) == 4

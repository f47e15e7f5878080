"""The real agents of script/agent-versions: how they ask a test's model."""

import json

from tests.support.fixtures import TOKEN

KEY = "sk-of-this-test-1234"

MODELS = {
    "claude": "claude-sonnet-4-5",
    "codex": "gpt-5",
    "opencode": "loop/m",
    "gemini": "gemini-2.5-flash",
    "claude-acp": "claude-sonnet-4-5",
}
"""What a plan says for each agent. No model is asked but the one on loopback."""

STEERED = ("codex", "claude-acp")
"""Those behind the bridge that take something in during a turn, even while the model answers."""


def settings(name: str, url: str) -> dict[str, str]:
    """Return what the captain sets so that an agent asks the model at `url`."""
    given = {
        "claude": _claude(url),
        "codex": _codex(url),
        "opencode": _opencode(url),
        "gemini": {"GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": url},
        "claude-acp": _claude(url),
    }
    return given[name]


def _claude(url: str) -> dict[str, str]:
    return {"CLAUDE_CODE_OAUTH_TOKEN": TOKEN, "ANTHROPIC_BASE_URL": url}


def _codex(url: str) -> dict[str, str]:
    provider = {
        "name": "loop",
        "base_url": f"{url}/v1",
        "wire_api": "responses",
        "env_key": "OPENAI_API_KEY",
    }
    config = {"model_provider": "loop", "model_providers": {"loop": provider}}
    return {
        "OPENAI_API_KEY": KEY,
        "MODEL_PROVIDER": "loop",
        "CODEX_CONFIG": json.dumps(config),
    }


def _opencode(url: str) -> dict[str, str]:
    options = {"baseURL": f"{url}/v1", "apiKey": KEY}
    models = {"m": {"cost": {"input": 3, "output": 15}}}
    provider = {"npm": "@ai-sdk/openai-compatible", "options": options, "models": models}
    return {"OPENCODE_CONFIG_CONTENT": json.dumps({"provider": {"loop": provider}})}

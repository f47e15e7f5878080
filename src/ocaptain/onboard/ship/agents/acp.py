"""Agents that speak the Agent Client Protocol, through the bridge of `ship/acp`: a row for each.

The bridge's lines are our events already. docs/agents.md says what each agent can do.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from ...protocol import Json
from ...text import whole
from ..acp.orders import Orders
from ..acp.usage import number
from . import claude
from .agent import Dollars, Event, Job, Kind, Outcome, Usage

Environment = Callable[[str | None, Mapping[str, str]], dict[str, str]]
"""What makes an agent unattended and gives it a model; takes the model and what is given so far."""
PREFIX = "OCAPTAIN_AGENT_"
"""What stands before the names of variables that are for the voyage's `agent_command` alone."""


def _codex(model: str | None, given: Mapping[str, str]) -> dict[str, str]:
    """Codex asks nobody; its model is a part of its settings, which are JSON."""
    unattended = {"INITIAL_AGENT_MODE": "agent-full-access", "NO_BROWSER": "1"}
    if not model:
        return unattended
    config = {**_object(given.get("CODEX_CONFIG", "")), "model": model}
    return {**unattended, "CODEX_CONFIG": json.dumps(config)}


def _opencode(model: str | None, given: Mapping[str, str]) -> dict[str, str]:
    """OpenCode asks nobody, fetches nothing, and does not read the settings of a repository."""
    config = {
        **_object(given.get("OPENCODE_CONFIG_CONTENT", "")),
        "permission": "allow",
        "autoupdate": False,
        "share": "disabled",
    }
    if model:
        config["model"] = model
        config.setdefault("small_model", model)
    return {
        "OPENCODE_CONFIG_CONTENT": json.dumps(config),
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "OPENCODE_DISABLE_PROJECT_CONFIG": "1",
    }


def _gemini(_model: str | None, _given: Mapping[str, str]) -> dict[str, str]:
    """Gemini CLI takes its model in the command line."""
    return {"GEMINI_CLI_TRUST_WORKSPACE": "true"}


def _claude(model: str | None, _given: Mapping[str, str]) -> dict[str, str]:
    """Claude Code refuses to be root unless it is in a sandbox."""
    unattended = {"IS_SANDBOX": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
    return {**unattended, "ANTHROPIC_MODEL": model} if model else unattended


def _other(_model: str | None, given: Mapping[str, str]) -> dict[str, str]:
    """Of another agent only its captain knows what it needs."""
    own = [name for name in given if name.startswith(PREFIX)]
    return {name.removeprefix(PREFIX): given[name] for name in own}


@dataclass(kw_only=True)
class Acp:
    """A row of the table: an agent behind the bridge."""

    program: str
    install: str
    arguments: list[str] = field(default_factory=list)
    """What follows the program in its command line."""
    credentials: tuple[str, ...]
    """The captain's variables that it is given."""
    needs: tuple[str, ...]
    """Those of which it has to have one; none: it may do without."""
    unattended: Environment
    private: list[str] = field(default_factory=list)
    """Variables with the path of a folder of its own."""
    goes_on: bool = True
    """Whether a process can go on with another's session, if the agent says so."""
    login: dict[str, str] = field(default_factory=dict)
    """How it authenticates, by the variable with the credential."""
    mode: str = ""
    """The session's mode in which it asks nobody."""
    model_option: str = ""
    """The option of its command line that names the model."""
    sets_model: bool = False
    """Whether the session is told the model."""
    picks_by_model: bool = False
    interactive: bool = True
    has_telemetry: bool = False
    dollars: Dollars = "perhaps"

    def missing(self, environ: Mapping[str, str]) -> str | None:
        """Say which credentials would do, if there is none."""
        if not self.needs or any(environ.get(name) for name in self.needs):
            return None
        return f"set {' or '.join(self.needs)}"

    def command(self, job: Job) -> list[str]:
        """The bridge, with orders that hold nothing secret."""
        model = job.model
        command = [self.program, *self.arguments]
        if model and self.model_option:
            command += [self.model_option, model]
        orders = Orders(
            command=command,
            install=self.install,
            private=self.private,
            login=self.login,
            mode=self.mode,
            model=model or "",
            set_model=self.sets_model,
            conversation=job.conversation,
            budget_usd=job.grant["budget_usd"],
            goes_on=self.goes_on,
        )
        return [*job.bridge, orders.write()]

    def environment(self, job: Job) -> dict[str, str]:
        """The captain's variables, and what makes the agent ask nobody."""
        return {**job.agent_env, **self.unattended(job.model, job.agent_env)}

    def message(self, text: str, mark: str) -> bytes | None:
        """What the bridge takes: a prompt, or during a turn something to be steered by."""
        return json.dumps({"say": text, "mark": mark}).encode() + b"\n"

    def transcript(self, _environ: Mapping[str, str], _conversation: str) -> str | None:
        """None is kept: each of these agents writes down what is said in a way of its own."""
        return None

    def events(self, line: bytes) -> Iterator[Event]:
        """The event that a line of the bridge is."""
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = {"kind": "notice", "text": line.decode(errors="replace")}
        if isinstance(record, dict) and record.get("kind") in get_args(Kind):
            event = _event(record)
            if event.text or event.kind not in ("text", "tool", "notice"):
                yield event


def _event(record: Json) -> Event:
    """Return the event; what is of another type than it should be counts as not said."""
    words = _text(record.get("words"))
    text = _text(record.get("text")) or words
    outcome = record.get("outcome")
    known: Outcome | None = outcome if outcome in get_args(Outcome) else None
    return Event(
        record["kind"],
        " ".join(text.split()),
        words=words,
        until=number(record.get("until")),
        is_shared=record.get("is_shared") is True,
        outcome=known,
        cost_usd=number(record.get("cost_usd")),
        usage=_usage(record.get("usage")),
    )


def _usage(rows: Any) -> tuple[Usage, ...]:
    known = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return tuple(_usage_of_model(row) for row in known)


def _usage_of_model(row: Json) -> Usage:
    return Usage(
        _text(row.get("model")),
        int(number(row.get("input_tokens"))),
        int(number(row.get("output_tokens"))),
        int(number(row.get("cache_read_tokens"))),
        int(number(row.get("cache_write_tokens"))),
    )


def _text(value: Any) -> str:
    """Return it if it is a text, without what stands around it."""
    return whole(value).strip() if isinstance(value, str) else ""


def _object(text: str) -> Json:
    """Return what JSON says, if it is an object."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


CODEX = Acp(
    program="codex-acp",
    install="npm install -g @agentclientprotocol/codex-acp",
    credentials=("CODEX_API_KEY", "OPENAI_API_KEY", "CODEX_CONFIG", "MODEL_PROVIDER"),
    needs=("CODEX_API_KEY", "OPENAI_API_KEY"),
    unattended=_codex,
    private=["CODEX_HOME"],
    login={"CODEX_API_KEY": "api-key", "OPENAI_API_KEY": "api-key"},
    dollars="never",
)

OPENCODE_KEYS = (
    "OPENCODE_CONFIG_CONTENT",
    "OPENCODE_API_KEY",
    "OPENROUTER_API_KEY",
    "ANTHROPIC_API_KEY",
    "OPENAI_API_KEY",
    "GEMINI_API_KEY",
)

OPENCODE = Acp(
    program="opencode",
    arguments=["acp"],
    install="npm install -g opencode-ai",
    credentials=OPENCODE_KEYS,
    needs=OPENCODE_KEYS,
    unattended=_opencode,
    picks_by_model=True,
    private=["XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"],
)

GEMINI = Acp(
    program="gemini",
    arguments=["--acp", "--skip-trust"],
    install="npm install -g @google/gemini-cli",
    credentials=("GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL"),
    needs=("GEMINI_API_KEY",),
    unattended=_gemini,
    private=["GEMINI_CLI_HOME"],
    goes_on=False,  # 0.61.0 says so, and then finds no session of another process's
    login={"GEMINI_API_KEY": "gemini-api-key"},
    mode="yolo",
    model_option="-m",
    dollars="never",
)

CLAUDE_ACP = Acp(
    program="claude-agent-acp",
    install="npm install -g @agentclientprotocol/claude-agent-acp",
    credentials=(*claude.CREDENTIALS, "ANTHROPIC_BASE_URL"),
    needs=claude.CREDENTIALS,
    unattended=_claude,
    private=["CLAUDE_CONFIG_DIR"],
    mode="bypassPermissions",
    dollars="told",
)

OTHER = Acp(
    program="",
    install="",
    credentials=("ANTHROPIC_API_KEY", "GEMINI_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY"),
    needs=(),
    picks_by_model=True,
    unattended=_other,
    sets_model=True,
)
"""Any other; the voyage's `agent_command` starts it."""


def other(command: Sequence[str]) -> Acp:
    """Return the agent that this command line starts."""
    program, *arguments = command
    return replace(OTHER, program=program, arguments=arguments)

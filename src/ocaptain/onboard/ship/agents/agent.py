"""What helm knows of a coding agent: the job it gives one, what it hears back, and the Protocol."""

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple, Protocol

from ...protocol import TaskGrant, VoyageRecord

Kind = Literal["text", "tool", "notice", "begin", "end", "background", "heard", "wait", "cost"]
"""What an event is of.

`text` (what the agent says), `tool` (what it does, or its program prints) and `notice` (what its
program says of a failure: no sign of work) are for the log.
`begin` and `end` enclose a turn. When something in the `background` is done, the agent begins a
turn by itself, even right after an `end`.
`heard`: a message that it was sent is before the model now.
`wait`: the agent cannot go on for a while.
`cost`: a message of the model's has cost something.
"""

Outcome = Literal["done", "error", "limited", "spent", "refused", "stalled"]
"""How a turn ended.

- `done`
- `error`: the agent failed at it
- `limited`: usage limit, overload or no connection; the same session can go on once the wait
  announced before it is over, or after a while if there was none
- `spent`: the job's budget is used up
- `refused`: credential or model are not accepted, and will not be before the captain acts; the
  process may still be trying
- `stalled`: helm stopped waiting for it; no agent says so itself
"""

Dollars = Literal["told", "perhaps", "never"]
"""Whether an agent tells what it costs. One that costs nothing has nothing to tell."""


class Job(NamedTuple):
    """One claim of one task, as an agent is started for it."""

    voyage: VoyageRecord
    ship: str
    """The ship's name."""
    grant: TaskGrant
    hook: tuple[str, ...]
    """Command line of `taskhook` for this claim."""
    agent_env: Mapping[str, str]
    """The captain's environment variables for this agent, tokens among them."""
    bridge: tuple[str, ...]
    """Command line of the bridge to agents that speak ACP; its orders follow."""
    conversation: str = ""
    """What an earlier process for this claim called its conversation, which is to go on."""
    telemetry: str = ""
    """The URL of a receiver (OTLP in JSON) that the agent may send telemetry to; empty: nowhere."""
    model: str | None = None
    """By the agent's own name for it; None: its usual one."""
    reads_only: bool = False
    """Whether it is to change nothing: tools that do are kept from it, as far as possible."""


class Usage(NamedTuple):
    """What was used of one model."""

    model: str
    input_tokens: int = 0
    """Neither read from the cache nor written to it."""
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float | None = None
    """None if the agent tells no dollars."""
    api_s: float = 0
    """For how long the API was at it, in seconds."""


class Event(NamedTuple):
    """Something that an agent let be known."""

    kind: Kind
    text: str = ""
    """One line to log or, of an `end`, the reason; of `heard`, the message's mark; of `begin`, the
    agent's name for the conversation, if another process can go on with it; of `cost`, the model's
    message, of which there may be several events: the last one counts."""
    words: str = ""
    """Of a `text`: all of it, line by line. Of a `wait`: what `status` is to say of it, if that is
    not the line to log."""
    until: float = 0
    """Of a `wait`: when it ends, in UNIX time; 0 if nobody knows."""
    is_shared: bool = False
    """Of a `wait`, or an `end` by a limit: whether all that use this credential have to wait."""
    left: int = 0
    """Of `background`: how many of the agent's tasks go on by themselves."""
    outcome: Outcome | None = None
    """Of an `end`."""
    cost_usd: float = 0
    """Of an `end`: spent by the process so far. Of `cost`: at least so much of it is new."""
    usage: tuple[Usage, ...] = ()
    """Of an `end`: what the process has used so far, by model; empty if it does not say. Of `cost`:
    what the message has used at least."""


class Agent(Protocol):
    """A coding agent: a module that has these functions, all of them pure."""

    program: str
    """What `command` begins with; a ship has to have it."""

    install: str
    """The command that installs it; empty if it is not known."""

    credentials: tuple[str, ...]
    """The captain's variables that this agent is given, and no agent that does not name them."""

    picks_by_model: bool
    """Whether the model decides which of several credentials it uses."""

    interactive: bool
    """Whether the process outlives its turns and ends when its stdin is closed.

    One that is not interactive ends with its turn, and its exit status is the outcome."""

    has_telemetry: bool
    """Whether it sends telemetry to where a job says."""

    dollars: Dollars
    """Whether it tells them."""

    def missing(self, environ: Mapping[str, str], /) -> str | None:
        """A sentence on the credential that is not in `environ`, if the agent needs one."""

    def command(self, job: Job, /) -> list[str]:
        """The command line, without anything secret."""

    def environment(self, job: Job, /) -> dict[str, str]:
        """What the agent needs in its environment besides helm's own."""

    def message(self, text: str, mark: str, /) -> bytes | None:
        """What to write to the running agent's stdin to say `text`; None if it cannot be told.

        `mark` is a UUID, which comes back in the event `heard`."""

    def events(self, line: bytes, /) -> Iterator[Event]:
        """What a line of the agent's stdout says. Never raises, whatever the line."""

    def transcript(self, environ: Mapping[str, str], conversation: str, /) -> str | None:
        """A pattern (glob(7)) of the file that the agent's program keeps of a conversation.

        `environ` is its process's environment, and `conversation` what `begin` called it, be that a
        name or not. None: it keeps none."""

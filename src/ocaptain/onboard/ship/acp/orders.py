"""What the bridge is told when it is started. None of it is secret: it is in a command line."""

import json
from typing import NamedTuple


class Said(NamedTuple):
    """A message for the agent."""

    text: str
    mark: str
    """What helm knows it by."""


class Patience(NamedTuple):
    """How long the bridge waits for what, in seconds."""

    answer_s: float = 120.0
    """For an agent that starts to answer."""
    cancel_s: float = 4.0
    """For a turn that is cancelled to end."""
    close_s: float = 1.0
    """For a session that is closed."""
    exit_s: float = 2.0
    """For an agent to end by itself; all three are less than helm waits for us."""


class Orders(NamedTuple):
    """What agent to start, and how."""

    command: list[str]
    install: str = ""
    """The command that installs it, for people."""
    private: list[str] = []  # noqa: RUF012 - nobody changes it
    """Environment variables, each for the path of a folder of its own."""
    login: dict[str, str] = {}  # noqa: RUF012
    """The method with which to authenticate, by the variable with its credential."""
    mode: str = ""
    """The session's mode in which nobody is asked for permission."""
    model: str = ""
    set_model: bool = False
    """Whether the session has to be told the model; otherwise command or environment say it."""
    conversation: str = ""
    """The session to go on with."""
    budget_usd: float | None = None
    goes_on: bool = True
    """Whether a process can go on with another's session, if the agent says so."""

    def write(self) -> str:
        """Return it as a word of a command line."""
        return json.dumps(self._asdict())

    @classmethod
    def read(cls, word: str) -> "Orders":
        """Return what `write` has written."""
        return cls(**json.loads(word))

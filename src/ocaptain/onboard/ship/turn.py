"""What a session knows of the agent's process and of its turn; each begins anew now and then."""

import threading
import time
from collections.abc import Mapping
from subprocess import Popen

from .agents import Event


class Run:
    """A process of the agent, with what it was started with and has let be known."""

    def __init__(
        self,
        child: Popen[bytes],
        agent_env: Mapping[str, str],
        conversation: str,
        credential: str = "",
    ) -> None:
        self.child = child
        self.agent_env = agent_env
        self.credential = credential
        """The digest of what it is let in with; empty if that is not known."""
        self.conversation = conversation
        """By which another process can go on; empty if there is nothing yet to go on with."""
        self.begun = conversation
        """What the agent called it when a turn began."""
        self.exit: Event | None = None
        """How it ended, once all that it has said was heard."""
        # What it has to do even if its turn has ended:
        self.background_tasks = 0
        self.quiet_s = 0.0
        self.ticks_used = 0


class Turn:
    """A turn as far as it has gone."""

    def __init__(self) -> None:
        self.began_at = time.monotonic()
        self.heard_at = self.began_at
        self.wait_ends = 0.0
        """When a wait that was announced ends, in UNIX time."""
        self.wait_is_shared = False
        """Whether all that use the credential have that wait."""
        self.end: Event | None = None
        self.news = threading.Event()
        """Set by what the agent lets be known."""

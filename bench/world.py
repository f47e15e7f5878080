"""What measurements share: a captain of whom nothing is left, and voyages for them."""

import itertools
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from tests.support.captain import Captain, Json, Voyage, captain_of
from tests.support.machine import until

T = TypeVar("T")

COUNTING_SSH = '#!/bin/sh\necho "$*" >> "{log}"\nexec "{ssh}" "$@"\n'
ENDS_S = 900.0


@dataclass(frozen=True)
class Sailed:
    """A voyage under way, and when `ocaptain sail` was started and had ended (UNIX time, in s)."""

    voyage: Voyage
    began: float
    returned: float


@dataclass
class Skipper(Captain):
    """A captain who sails the same repository again and again."""

    numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def ssh_log(self) -> Path:
        """Where ssh commands are noted, a line each."""
        return self.root / "ssh.log"

    def count_ssh(self) -> None:
        """From here on, note every ssh command that is started."""
        self.path_first("ssh", COUNTING_SSH.format(log=self.ssh_log, ssh=self.real("ssh")))

    def ssh_commands(self, vm: str) -> int:
        """How many commands were sent to a VM since `count_ssh`."""
        return self.ssh_log.read_text().count(f" {vm} -- ")

    def plan_of(
        self, tasks: Sequence[Json], *, lease_seconds: float = 300, **settings: Any
    ) -> Path:
        """Write a plan of the shell agent's."""
        repo = self.home / "repo"
        if not repo.exists():
            self.repository()
        return self.plan(
            repo,
            {task["id"]: task for task in tasks},
            name=f"plan-{next(self.numbers)}",
            lease_seconds=lease_seconds,
            time_limit_minutes=60,
            **settings,
        )

    def sail_timed(self, tasks: Sequence[Json], ships: int) -> Sailed:
        """Set sail for these tasks."""
        plan = self.plan_of(tasks)
        began = time.time()
        voyage = self.sail(plan, ships)
        return Sailed(voyage, began, time.time())

    def sink_all(self) -> None:
        """Destroy all voyages."""
        self.run("sink", "--all", "--force")


def until_complete(voyage: Voyage) -> None:
    """Wait for the end of a voyage. Raises Trouble if it does not come."""
    until(voyage.is_complete, ENDS_S, "the end of the voyage")


def new_skipper() -> AbstractContextManager[Skipper]:
    """A captain to measure with, of whom nothing is left afterwards, whatever is typed."""
    return ended_in_peace(captain_of(Skipper, {}))


@contextmanager
def ended_in_peace(manager: AbstractContextManager[T]) -> Iterator[T]:
    """The same context, whose end no Ctrl-C cuts short."""
    stack = ExitStack()
    value = stack.enter_context(manager)
    try:
        yield value
    finally:
        with undisturbed():
            stack.close()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Finish this, whatever is typed meanwhile."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    handlers = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def stop_on_signals() -> None:
    """Be stopped as by Ctrl-C, also if a script had us started with Ctrl-C ignored."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)


def stop(_number: int, _frame: FrameType | None) -> None:
    """A signal handler."""
    raise KeyboardInterrupt

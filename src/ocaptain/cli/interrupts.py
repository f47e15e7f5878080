"""Ctrl-C, a kill and a closed terminal, while a verb runs."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

POLITE = (signal.SIGTERM, signal.SIGHUP)


class PoliteEnd:
    """What a kill or a closed terminal does: the same as Ctrl-C, so that all that has to be undone
    is undone.

    A second Ctrl-C means that somebody will not wait for that. A second SIGHUP does not: the shell
    in a terminal that is closed passes its own on. Nor does SIGTERM, of which `timeout` sends two.
    """

    has_come = False

    def __call__(self, *_: object) -> None:
        if not self.has_come:
            self.has_come = True
            signal.raise_signal(signal.SIGINT)


@contextmanager
def cancelling() -> Iterator[None]:
    """Have Ctrl-C and every polite end cancel what asyncio runs meanwhile.

    What is to be ignored stays so, as SIGHUP is under nohup. But not SIGINT: a shell has that
    ignored by whatever runs behind a `&`."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *POLITE)}
    end = PoliteEnd()
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for polite in POLITE:
            if before[polite] == signal.SIG_DFL:
                signal.signal(polite, end)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

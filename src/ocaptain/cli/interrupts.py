"""Ctrl-C, a kill and a closed terminal, while a verb runs."""

import errno
import signal
from collections.abc import Collection, Iterator
from contextlib import contextmanager

POLITE = (signal.SIGTERM, signal.SIGHUP)
STDOUT_AND_STDERR = (1, 2)


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
def cancelling(outputs: Collection[int] = STDOUT_AND_STDERR) -> Iterator[None]:
    """Have Ctrl-C and every polite end cancel what asyncio runs meanwhile.

    What is to be ignored stays so, as SIGHUP is under nohup. But not SIGINT: a shell has that
    ignored by whatever runs behind a `&`. It raises KeyboardInterrupt, also if what is written
    last, when the screen is tidied, meets a terminal that was closed; `outputs` are where to."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *POLITE)}
    end = PoliteEnd()
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for polite in POLITE:
            if before[polite] == signal.SIG_DFL:
                signal.signal(polite, end)
        yield
    except OSError as fault:
        if fault.errno == errno.EIO and any(map(_is_closed_terminal, outputs)):
            raise KeyboardInterrupt from None
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_closed_terminal(output: int) -> bool:
    """Whether a file descriptor was a terminal once."""
    import termios  # rarely needed

    try:
        termios.tcgetattr(output)
    except termios.error as fault:
        return bool(fault.args[0] == errno.EIO)  # it is ENOTTY if it never was one
    return False

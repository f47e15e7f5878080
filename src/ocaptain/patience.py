"""Says on the terminal what is waited for, if it takes longer than people expect."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from .errors import begin_word, end_word

SLOW_S = 1.0


@asynccontextmanager
async def told_if_slow(what: str, after_s: float = SLOW_S) -> AsyncIterator[None]:
    """Show a word while something goes on, if it takes longer than `after_s` seconds.

    It vanishes again. Only a terminal is shown it: a file is to have what was asked."""
    if not sys.stderr.isatty():
        yield
        return
    loop = asyncio.get_running_loop()
    telling = loop.call_later(after_s, begin_word, what)
    try:
        yield
    finally:
        telling.cancel()
        end_word()

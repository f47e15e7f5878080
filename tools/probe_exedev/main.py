"""Holds exe.dev to what ocaptain assumes of it: the table in docs/exedev.md, number by number.

    script/probe-exedev [--yes] [--pause=SECONDS]

It makes two VMs and two keys on the account that `ssh exe.dev` logs in to, tries them for some
minutes, and removes them, also on Ctrl-C. --yes does not ask first. Between two checks it pauses,
2 seconds unless told otherwise, for exe.dev does not answer whoever connects too often.
OCAPTAIN_SSH_CONFIG names an ssh_config to use instead of ~/.ssh/config.

For each assumption it prints what is expected, what was seen, and `ok`, `DIFFERS` or `unknown`.
Exit status 0 where nothing differs and nothing is left behind, else 1. It needs Python 3.10 and
OpenSSH, and prints neither keys nor the account's e-mail address.
"""

import os
import re
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from .access import LOBBY
from .process import ENDING_SIGNALS
from .report import DIFFERS, carry_out, summary
from .world import World

PAUSE_S = 2.0
INTERRUPTED = 130


class Options(NamedTuple):
    """What was typed."""

    yes: bool
    pause_s: float


def main() -> int:
    """Probe. Returns the exit status."""
    words = sys.argv[1:]
    options = read_options(words)
    if options is None:
        print(__doc__)
        return 0 if "-h" in words or "--help" in words else 1
    for number in ENDING_SIGNALS:
        signal.signal(number, signal.default_int_handler)
    # A folder that is short enough for a socket's path.
    folder = Path(tempfile.mkdtemp(prefix="probe-", dir="/tmp"))
    try:
        return probe(folder, options)
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def read_options(words: list[str]) -> Options | None:
    """Return what was typed, or None if it is not understood."""
    yes = False
    pause_s = PAUSE_S
    for word in words:
        pause = re.fullmatch(r"--pause=(\d+(\.\d+)?)", word)
        if word == "--yes":
            yes = True
        elif pause:
            pause_s = float(pause[1])
        else:
            return None
    return Options(yes, pause_s)


def probe(folder: Path, options: Options) -> int:
    """Do the whole of it, with `folder` for its files. Returns the exit status."""
    user_config = os.environ.get("OCAPTAIN_SSH_CONFIG") or "~/.ssh/config"
    world = World(folder, Path(user_config).expanduser().absolute())
    print_intent(world)
    if not (options.yes or agrees()):
        return 1
    verdicts = [DIFFERS]
    left = []
    try:
        verdicts = carry_out(world, options.pause_s)
        print(f"\n{summary(verdicts)}")
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
        if world.made:
            print("\nremoving what was made", flush=True)
            left = world.clean_up()
        for thing in left:
            print(f"LEFT: {thing}")
        world.access.close_connections()
    return 1 if left or DIFFERS in verdicts else 0


def print_intent(world: World) -> None:
    """Say what is going to happen, and what to type should it be killed."""
    print(
        f"This makes 2 VMs ({world.storage}, {world.ship}) and 2 keys\n"
        f"on the account that `ssh {LOBBY}` logs in to, tries them for some minutes, and removes\n"
        "them. It also tries to make what should be refused, and would remove that too. Should\n"
        f"this be killed:\n  {world.how_to_clean_up()}"
    )


def agrees() -> bool:
    """Ask whether to go on."""
    try:
        answer = input("Go on? [y/N] ")
    except EOFError:
        return False
    return answer.strip().lower() in ("y", "yes")

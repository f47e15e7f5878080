"""Looks at a voyage from within: the fleet in tmux, or a shell on one of its VMs."""

import json
import os
import sys
import time

from ocaptain.errors import Failure
from ocaptain.process import attach
from ocaptain.ssh import Remote

from .voyage import Voyage

ENTER = (
    "cd ~/voyage/workspace 2>/dev/null || cd ~/voyage 2>/dev/null || cd; "
    'echo "$1"; exec env PROMPT_COMMAND="$2" bash -l'
)
"""Has a shell say where one is, and go on as one whose prompt says so, where the work is."""
COLOUR = r"\[\e[1;36m\]"
PLAIN = r"\[\e[0m\]"


async def shell(voyage: Voyage, ship: str | None, *, raw: bool) -> int:
    """Attach to tmux on storage, or with `raw` to a shell on a VM. Returns the exit status."""
    vm = voyage.vm(ship or "storage")
    if vm not in voyage.vms:
        raise Failure(
            f"{voyage.id} has no {ship or 'storage'}.",
            hint=f"It has: {', '.join(sorted(map(voyage.ship, voyage.vms)))}",
        )
    if not raw and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Failure(
            f"Ships of {voyage.id} are shown on a terminal, and there is none here.",
            hint=f"ocaptain logs --follow {voyage.id}",
        )
    if raw:
        command = voyage.ssh.command(vm, on_vm(voyage, ship), tty=True)
    else:
        ships = [ship] if ship else []
        panes = voyage.program("panes", view(), *ships)
        command = voyage.ssh.command(voyage.storage, panes, tty=True)
    return await attach(command)


def view() -> str:
    """How this captain wants to see the fleet: panes.View, in JSON."""
    return json.dumps(
        {"utc_offset_s": time.localtime().tm_gmtoff, "coloured": "NO_COLOR" not in os.environ}
    )


def on_vm(voyage: Voyage, ship: str | None) -> Remote:
    """Return the command that is a shell on a VM: in a ship's workspace, or in storage's voyage."""
    where = f"{ship or 'storage'} of {voyage.id}"
    place = "a directory of this machine" if voyage.config.provider == "local" else "a VM"
    greeting = f"{where}, {place}. Its agent works in ~/voyage/workspace; `exit` leaves."
    if ship is None:
        greeting = f"{where}, {place}; `exit` leaves."
    return Remote("sh", "-c", ENTER, "sh", greeting, set_prompt(where))


def set_prompt(where: str) -> str:
    """Return a PROMPT_COMMAND of bash's that has its prompts say where one is, and ends itself.

    The VM's own ~/.bashrc, which comes before that, may set another prompt."""
    colour, plain = ("", "") if "NO_COLOR" in os.environ else (COLOUR, PLAIN)
    return rf"PS1='{colour}{where}{plain} \w \$ '; unset PROMPT_COMMAND"

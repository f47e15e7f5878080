"""A machine as the captain's own ssh reaches it, and the host keys that this trusts."""

import re
import shlex

from ocaptain.config import Config
from ocaptain.errors import Failure
from ocaptain.process import run, wait_for_all
from ocaptain.ssh import VM, clean, quoted

TOLD = ("hostname", "port", "user", "userknownhostsfile", "globalknownhostsfile")
WAYS = re.compile("identit.+|certificatefile|addressfamily|proxy(jump|command)")


async def trusted(config: Config, destination: str) -> VM:
    """The machine of `[user@]host` or an ssh:// URL as the captain's own ssh reaches it, with the
    host keys that this trusts; Failure where it trusts none. The first three options are where the
    machine is."""
    theirs = ["-F", str(config.ssh_config)] if config.ssh_config else []
    said = await run(asked := ["ssh", *theirs, "-G", destination])
    pairs = [line.partition(" ")[::2] for line in said.out.decode(errors="replace").splitlines()]
    told = dict(pairs)
    host, port, user, *files = (told.get(key, "") for key in TOLD)
    if not (host and port and user):
        lost = f"Your ssh does not say where {destination} is. {clean(said.err).strip()}"
        raise Failure(lost, hint=f"Mend what this complains of: {shlex.join(asked)}")
    name = told.get("hostkeyalias", host if port == "22" else f"[{host}]:{port}")
    asking = (run(["ssh-keygen", "-F", name, "-f", file]) for file in " ".join(files).split())
    known = b"".join(found.out for found in await wait_for_all(*asking)).decode().splitlines()
    keys = "\n".join(line.partition(" ")[2] for line in known if line[:1] not in "#@")
    if not keys:
        there = f"Your ssh does not know the host key of {destination}; ocaptain trusts no other."
        raise Failure(
            there, hint=f"Type `ssh {destination}` once, and compare the fingerprint shown."
        )
    options = [("HostName", host), ("Port", port), ("User", user)]
    options += [(k, v if k[:5] == "proxy" else quoted(v)) for k, v in pairs if WAYS.fullmatch(k)]
    return VM(re.split("[/@]", destination)[-1], tuple(options), keys)

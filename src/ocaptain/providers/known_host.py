"""What the captain's own ssh says of a machine: where it is, and which host keys it trusts."""

import re
import shlex

from ocaptain.config import Config
from ocaptain.errors import Failure
from ocaptain.process import run, wait_for_all
from ocaptain.ssh import VM, Options, clean, quoted

PROXY_OPTIONS = ("proxyjump", "proxycommand")
"""Options of the captain's that are kept as they are: ssh takes all that follows as their value."""
QUOTED_OPTIONS = (
    "identityfile",
    "identityagent",
    "identitiesonly",
    "certificatefile",
    "addressfamily",
)
"""Options of the captain's that are kept, and quoted."""


async def resolve_known_host(config: Config, destination: str) -> VM:
    """Have the captain's ssh resolve `[user@]host` or an ssh:// URL.

    The first three options of the returned VM are HostName, Port and User. Raises Failure if ssh
    knows no host key of the machine: no other is trusted.
    """
    settings = await _ssh_settings(config, destination)
    value_of = dict(settings)
    host_keys = await _known_keys(value_of)
    if not host_keys:
        raise Failure(
            f"Your ssh does not know the host key of {destination}; ocaptain trusts no other.",
            hint=f"Type `ssh {destination}` once, and compare the fingerprint shown.",
        )
    options = [
        ("HostName", value_of["hostname"]),
        ("Port", value_of["port"]),
        ("User", value_of["user"]),
    ]
    for keyword, value in settings:
        if keyword in PROXY_OPTIONS:
            options.append((keyword, value))
        elif keyword in QUOTED_OPTIONS:
            options.append((keyword, quoted(value)))
    name = re.split("[/@]", destination)[-1]
    return VM(name, tuple(options), "\n".join(host_keys))


async def _ssh_settings(config: Config, destination: str) -> Options:
    """Return what `ssh -G` prints: each keyword in lower case with its value; some come twice."""
    argv = ["ssh", "-G", destination]
    if config.ssh_config:
        argv = ["ssh", "-F", str(config.ssh_config), "-G", destination]
    result = await run(argv)
    settings = []
    for line in result.out.decode(errors="replace").splitlines():
        keyword, _, value = line.partition(" ")
        settings.append((keyword, value))
    value_of = dict(settings)
    if not all(value_of.get(keyword) for keyword in ("hostname", "port", "user")):
        complaint = clean(result.err).strip()
        raise Failure(
            f"Your ssh does not say where {destination} is. {complaint}",
            hint=f"Mend what this complains of: {shlex.join(argv)}",
        )
    return tuple(settings)


async def _known_keys(value_of: dict[str, str]) -> list[str]:
    """Return the machine's host keys in the captain's known_hosts files, but for revoked ones."""
    host = value_of["hostname"]
    if value_of["port"] != "22":
        host = f"[{host}]:{value_of['port']}"
    name = value_of.get("hostkeyalias", host)
    files = value_of.get("userknownhostsfile", "").split()
    files += value_of.get("globalknownhostsfile", "").split()
    lookups = [run(["ssh-keygen", "-F", name, "-f", file]) for file in files]
    results = await wait_for_all(*lookups)
    lines = b"".join(result.out for result in results).decode().splitlines()
    # `#` begins a remark of ssh-keygen's, `@` what is @revoked or a @cert-authority.
    return [line.partition(" ")[2] for line in lines if line and line[0] not in "#@"]

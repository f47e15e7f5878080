"""What the captain's own ssh says of a machine: the way there, and which host keys it trusts."""

import re
import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from ocaptain.config import Config
from ocaptain.errors import Failure
from ocaptain.process import run, wait_for_all
from ocaptain.ssh import VM, Options, clean, escape_percents, quoted

USUAL_FILES = (
    "~/.ssh/known_hosts",
    "~/.ssh/known_hosts2",
    "/etc/ssh/ssh_known_hosts",
    "/etc/ssh/ssh_known_hosts2",
)
"""Where ssh looks for host keys, unless it is told otherwise (ssh_config(5))."""
PLAIN_OPTIONS = ("proxycommand", "ipqos")
"""Options of the captain's that are kept as they are: ssh takes all that follows as their value."""
QUOTED_OPTIONS = (
    "identityfile",
    "identityagent",
    "identitiesonly",
    "certificatefile",
    "pkcs11provider",
    "securitykeyprovider",
    "pubkeyauthentication",
    "pubkeyacceptedalgorithms",
    "preferredauthentications",
    "gssapiauthentication",
    "addressfamily",
    "bindaddress",
    "bindinterface",
    "connectionattempts",
    "compression",
    "tcpkeepalive",
    "proxyusefdpass",
    "ciphers",
    "macs",
    "kexalgorithms",
    "hostkeyalgorithms",
    "casignaturealgorithms",
    "requiredrsasize",
    "revokedhostkeys",
)
"""Options of the captain's that are kept, and quoted.

All of them are about the way to a machine, and how to prove who one is. What is to be done there is
ocaptain's business."""

JUMP = re.compile(r"(?:(?P<user>.+)@)?(?P<host>\[.+\]|[^:]+)(?::(?P<port>\d+))?")
JUMP_OPTIONS = (
    "RemoteCommand=none",
    "PermitLocalCommand=no",
    "BatchMode=yes",
    "ConnectTimeout=20",
)
"""How ssh is to behave at a jump host, whatever it does there for people."""
NEW_JUMP_OPTIONS = ("StdinNull=no", "ForkAfterAuthentication=no")
"""The same, for an ssh that knows them (8.7 and later)."""

SHIPS_OPTIONS = ("HostName", "Port", "HostKeyAlias")
ASK_S = 60


@dataclass(frozen=True)
class Known:
    """What the captain's known_hosts files have of a machine, without the pattern for its name."""

    keys: list[str]
    authorities: list[str]
    revoked: list[str]

    def lines(self) -> list[str]:
        """Return what is trusted, and what is never to be, as `VM.host_key` has it."""
        authorities = [f"@cert-authority {key}" for key in self.authorities]
        return [*self.keys, *authorities, *(f"@revoked {key}" for key in self.revoked)]


class UnknownHost(Failure):
    """The captain's ssh has no host key of a machine."""

    def __init__(self, destination: str, address: str, port: str) -> None:
        self.address = address
        self.port = port
        super().__init__(
            f"Your ssh does not know the host key of {destination}; ocaptain trusts no other.",
            hint=f"Type `ssh {destination}` once, and compare the fingerprint shown.",
        )


async def resolve_known_host(config: Config, destination: str) -> VM:
    """Have the captain's ssh resolve `[user@]host` or an ssh:// URL.

    The first three options of the returned VM are HostName, Port and User. Raises UnknownHost if
    ssh knows no host key of the machine: no other is trusted.
    """
    theirs, by_itself = await wait_for_all(
        _ssh_settings(_ssh(config), destination),
        _ssh_settings(["ssh", "-F", "none"], destination),
    )
    value_of = dict(theirs)
    known = await _known_keys(value_of)
    _check(known, destination, value_of)
    place = re.split("[/@]", destination)[-1]
    options = [
        ("HostName", value_of["hostname"]),
        ("Port", value_of["port"]),
        ("User", value_of["user"]),
    ]
    if known.authorities:
        options.append(("HostKeyAlias", value_of.get("hostkeyalias", value_of["hostname"])))
    changed = [setting for setting in theirs if _is_changed(setting[0], theirs, by_itself)]
    for keyword, value in changed:
        value = _with_name(value, value_of.get("host", place))
        if keyword == "proxyjump":
            options.append(("ProxyCommand", jump_command(config, value, value_of)))
        elif keyword in PLAIN_OPTIONS:
            options.append((keyword, value))
        elif keyword in QUOTED_OPTIONS:
            options.append((keyword, quoted(value)))
    return VM(place, tuple(options), "\n".join(known.lines()))


def address_for_ships(vm: VM) -> Options:
    """Return how a ship finds a machine, and by which name to know it; its way is its own."""
    return tuple(option for option in vm.options if option[0] in SHIPS_OPTIONS)


def _is_changed(keyword: str, theirs: Options, by_itself: Options) -> bool:
    """Whether the captain has set an option; what ssh does by itself, it does for us as well."""
    return _values(keyword, theirs) != _values(keyword, by_itself)


def _values(keyword: str, settings: Options) -> list[str]:
    return [value for key, value in settings if key == keyword]


def _ssh(config: Config) -> list[str]:
    if config.ssh_config:
        return ["ssh", "-F", str(config.ssh_config)]
    return ["ssh"]


def jump_command(config: Config, jumps: str, known: Collection[str]) -> str:
    """Return the ProxyCommand that does what ssh does for a ProxyJump, with the captain's ssh.

    `jumps` is what `ssh -G` prints: the last is nearest to the machine. `known` are the keywords
    that this ssh knows."""
    earlier, _, last = jumps.rpartition(",")
    jump = JUMP.fullmatch(last)
    if not jump:
        raise Failure(f"Your ssh has a ProxyJump that ocaptain does not understand: {jumps}")
    words = [*_ssh(config), *(f"-o{option}" for option in JUMP_OPTIONS)]
    if "stdinnull" in known:
        words += [f"-o{option}" for option in NEW_JUMP_OPTIONS]
    if jump["user"]:
        words += ["-l", jump["user"]]
    if jump["port"]:
        words += ["-p", jump["port"]]
    if earlier:
        words += ["-J", earlier]
    literal = [escape_percents(word) for word in words]
    return shlex.join([*literal, "-W", "[%h]:%p", jump["host"].strip("[]")])


def _with_name(value: str, name: str) -> str:
    """Put in the name that was typed for %n: to our own ssh it is another, that of a VM."""
    return re.sub("%(.)", lambda token: name if token[1] == "n" else token[0], value)


async def _ssh_settings(ssh: Sequence[str], destination: str) -> Options:
    """Return what `ssh -G` prints: each keyword in lower case with its value; some come twice."""
    argv = [*ssh, "-G", destination]
    result = await run(argv, timeout=ASK_S)
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


def _check(known: Known, destination: str, value_of: dict[str, str]) -> None:
    """Raise Failure unless there is something to tell the machine by."""
    if known.keys or known.authorities:
        return
    if known.revoked:
        raise Failure(
            f"Your known_hosts has every host key of {destination} marked @revoked;"
            " ocaptain trusts no other.",
            hint=f"Type `ssh {destination}`, and see what it says.",
        )
    raise UnknownHost(destination, value_of["hostname"], value_of["port"])


async def _known_keys(value_of: dict[str, str]) -> Known:
    """Return what the captain's known_hosts files have of a machine.

    As ssh does, this takes a key without a port if there is none with the machine's."""
    host = value_of["hostname"]
    names = [value_of.get("hostkeyalias", host)]
    if value_of["port"] != "22" and "hostkeyalias" not in value_of:
        names.insert(0, f"[{host}]:{value_of['port']}")
    files = [*_paths(value_of, "userknownhostsfile"), *_paths(value_of, "globalknownhostsfile")]
    revoked: list[str] = []
    for name in names:
        found = await wait_for_all(*(_lines_for(name, file) for file in files))
        lines = [line for lines in found for line in lines]
        revoked += [key for marker, key in lines if marker == "@revoked"]
        keys = [key for marker, key in lines if not marker and key not in revoked]
        authorities = [key for marker, key in lines if marker == "@cert-authority"]
        authorities = [key for key in authorities if key not in revoked]
        if keys or authorities:
            return Known(keys, authorities, [*dict.fromkeys(revoked)])
    return Known([], [], revoked)


async def is_usually_known(host: str) -> bool:
    """Whether the files in which ssh usually looks have a key of a host.

    The captain's ssh is not asked: it may run programs of theirs (Match exec, ssh_config(5))."""
    files = [Path(file).expanduser() for file in USUAL_FILES]
    found = await wait_for_all(*(_lines_for(host, str(file)) for file in files if file.exists()))
    return any(found)


def _paths(value_of: dict[str, str], keyword: str) -> list[str]:
    """Return the paths in an option. ssh prints them without quotes, but each is absolute."""
    return re.split(r" (?=[/~])", value_of.get(keyword, ""))


async def _lines_for(name: str, file: str) -> list[tuple[str, str]]:
    """Return the lines of a known_hosts file for a name: the marker, if any, and the key."""
    found = await run(["ssh-keygen", "-F", name, "-f", file], timeout=ASK_S)
    lines = []
    for line in found.out.decode(errors="replace").splitlines():
        if line.startswith("@"):
            marker, _, line = line.partition(" ")
        else:
            marker = ""
        if line and not line.startswith("#"):
            key = " ".join(line.split()[1:3])  # without its comment, to be compared
            lines.append((marker, key))
    return lines

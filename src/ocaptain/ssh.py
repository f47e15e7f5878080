"""The system's OpenSSH, as the captain reaches VMs with it."""

import os
import re
import shlex
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, NamedTuple, Self

from .errors import Failure
from .onboard.text import clean as harmless
from .process import Result, run

PASSING = re.compile(rb"(?i)failed to (connect(?!.* port)|dial|create session|run command on VM)")
"""What a gateway says, as the command itself, when a VM of its own does not answer (exe.dev's); not
what curl says, and so git, of a host that a VM cannot reach."""


async def new_key(path: Path, name: str) -> str:
    """Make a key pair at `path`, whose comment is `name`; its public half."""
    await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)])
    return path.with_suffix(".pub").read_text().strip()


class Home(str):
    """A path below the home directory on the VM: `Home("voyage/lib")` is `~/voyage/lib` there."""


class Remote(str):
    """A command for a VM, from words: only here do they become a line of shell, each one quoted."""

    def __new__(cls, *words: str) -> Self:
        parts = ("~/" * isinstance(word, Home) + shlex.quote(word) for word in words)
        return super().__new__(cls, " ".join(parts))


def quoted(value: str | Path) -> str:
    """`value` as one argument in an ssh_config(5) or sshd_config(5)."""
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def clean(text: bytes | str) -> str:
    """Output of a VM made safe for a terminal: no control, escape or direction characters."""
    said = text if isinstance(text, str) else text.decode(errors="replace")
    return harmless(said.replace("\r\n", "\n"), keep="\n\t")


Options = tuple[tuple[str, str], ...]


class VM(NamedTuple):
    """A machine, and how the captain's SSH reaches it.

    `options` are keywords and values as they stand in an ssh_config(5), quoted where need be;
    `host_key` has lines of known_hosts without their pattern.
    """

    name: str
    options: Options
    host_key: str


COMMON = {"BatchMode": "yes", "StrictHostKeyChecking": "yes", "LogLevel": "ERROR"}
COMMON |= {"ConnectTimeout": "20", "ServerAliveInterval": "15"}
COMMON |= {"ControlMaster": "auto", "ControlPersist": "60"}
COMMON |= {"ForwardAgent": "no", "ForwardX11": "no", "ClearAllForwardings": "yes"}


def render(folder: Path, vms: Iterable[VM], user_config: Path | None) -> str:
    """The ssh_config for `vms`. The first value wins in OpenSSH, so ours precede the user's."""
    place = str(folder).replace("%", "%%")
    own = {"UserKnownHostsFile": f"{place}/known_hosts", "ControlPath": f"{Path(place).parent}/%C"}
    own["Include"] = str((user_config or Path("~/.ssh/config")).expanduser().absolute())
    ways = {vm.name: (("HostKeyAlias", vm.name), *vm.options) for vm in vms}
    ways["*"] = (*COMMON.items(), *((key, quoted(value)) for key, value in own.items()))
    hosts = ([f"Host {host}", *map(" ".join, options)] for host, options in ways.items())
    return "".join("\n  ".join(host) + "\n" for host in hosts)


def prepare(folder: Path, vms: Collection[VM], user_config: Path | None) -> "Ssh":
    """Write an ssh_config for `vms`, and their host keys, into `folder`; sockets go beside it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys = "".join(f"{vm.name} {key}\n" for vm in vms for key in vm.host_key.splitlines())
    for name, text in (("known_hosts", keys), ("ssh_config", render(folder, vms, user_config))):
        # At once, for an ssh of some other command of ours may be about to read it.
        draft = folder / f"{name}.{os.getpid()}"
        draft.write_text(text)
        draft.replace(folder / name)
    return Ssh(folder / "ssh_config")


class Unreachable(Failure):
    """A VM did not answer: ssh itself failed (its exit status 255), not the command for it."""


class Ssh(NamedTuple):
    """OpenSSH with the ssh_config at `path`; a VM is named as it is there."""

    path: Path

    def command(self, vm: str, remote: Remote, *, tty: bool = False) -> list[str]:
        """The argv that runs `remote` on `vm`."""
        return ["ssh", "-F", str(self.path), "-t" if tty else "-T", vm, "--", remote]

    async def run(self, vm: str, remote: Remote, *, retries: float = 0.0, **how: Any) -> Result:
        """Run `remote` on `vm`, as `run` does, within 60 s; Unreachable where ssh fails (255).

        For `retries` seconds that is tried again, which only what is idempotent may ask for.
        """
        if retries:
            import stamina  # takes longer than most commands, which do without

            stamina.instrumentation.set_on_retry_hooks([])  # it would log to the terminal
            again = stamina.AsyncRetryingCaller(attempts=None, timeout=retries)
            return await again.on(Unreachable)(self.run, vm, remote, **how)
        result = await run(self.command(vm, remote), **{"timeout": 60, **how})
        passing = result.status and PASSING.search(result.err + result.out)
        if result.status == 255 or passing:  # then what ssh says is on stderr, the rest a command's
            said = clean(result.err or result.out * bool(passing)).strip().rpartition("\n")[2]
            look_closer = shlex.join(["ssh", "-v", "-F", str(self.path), vm])
            raise Unreachable(f"{vm} cannot be reached: {said or 'no answer'}", hint=look_closer)
        return result

    def git_env(self) -> dict[str, Any]:
        """What `git` is to have in its environment to reach VMs by this configuration."""
        return {"GIT_SSH_COMMAND": shlex.join(["ssh", "-F", str(self.path)])}

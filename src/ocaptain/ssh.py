"""Processes on the captain's machine: the system's OpenSSH, and git.

`run` and `attach` are the only places in the captain's half that start a process.
"""

import asyncio
import os
import re
import shlex
import shutil
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from math import inf
from pathlib import Path
from subprocess import PIPE, call
from typing import Any, NamedTuple, Self, cast

from .errors import Failure, scrub
from .onboard.text import clean as harmless

DAEMONS = "/usr/sbin:/usr/lib/openssh:/usr/libexec:/usr/libexec/openssh:/usr/lib/ssh"
"""Where systems keep sshd and sftp-server, which are in few people's PATH."""

PASSING = re.compile(rb"(?i)failed to (connect(?!.* port)|dial|create session|run command on VM)")
"""What a gateway says, as the command itself, when a VM of its own does not answer (exe.dev's); not
what curl says, and so git, of a host that a VM cannot reach."""

PRIVATE = " (if it is private: export GH_TOKEN=… for GitHub, or name a checkout of it here)"


class Result(NamedTuple):
    """How a process ended, and what it wrote."""

    status: int
    out: bytes
    err: bytes


def where(name: str) -> str | None:
    """The path of a program, also of one that is in no PATH, as sshd; None if it is missing."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{DAEMONS}")


def program(name: str) -> str:
    """As `where`; Failure if it is missing."""
    if found := where(name):
        return found
    raise Failure(f"{name} is not on this machine.", "Run `ocaptain doctor`.")


@asynccontextmanager
async def _started(argv: Sequence[str], **how: Any) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process without a terminal, so that Ctrl-C reaches us only, and no shared ControlMaster.

    Whoever leaves, or is cancelled, ends it."""
    how |= {"stdin": PIPE, "stdout": PIPE, "start_new_session": True}
    child = await asyncio.create_subprocess_exec(program(argv[0]), *argv[1:], **how)
    try:
        yield child
    finally:
        with suppress(ProcessLookupError):
            child.terminate()
        # wait() waits for all who hold the pipes, as a ControlMaster does for as long as a session.
        await asyncio.wait([asyncio.create_task(child.wait())], timeout=1)
        child._transport.close()  # type: ignore[attr-defined]


async def run(
    argv: Sequence[str], *, stdin: bytes = b"", timeout: float = inf, env: Mapping[str, str] = {}
) -> Result:
    """Feed `stdin` to `argv` and run it to its end; a status other than 0 is no error here.

    `env` is added to ours; `timeout` is in seconds. Raises Failure if the program is missing or
    the time is up.
    """
    try:
        how = {"stderr": PIPE, "env": {**os.environ, **env}}
        async with asyncio.timeout(timeout), _started(argv, **how) as process:
            out, err = await process.communicate(stdin)
            return Result(await process.wait(), out, err)
    except TimeoutError:
        raise Failure(f"{argv[0]} did not end within {timeout:g} s: {argv[-1]}") from None


async def git(*words: str, strict: bool = True, timeout: float = 30, **env: str) -> str:
    """What git prints, in English; it asks nobody for anything. `env` is added to ours.

    If it fails: nothing, or if `strict` a Failure."""
    ssh = f"{os.environ.get('GIT_SSH_COMMAND', 'ssh')} -o BatchMode=yes"
    mute = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": ssh}
    result = await run(["git", *words], env={**mute, **env}, timeout=timeout)
    if result.status and strict:
        said = scrub(" ".join(os.fsdecode(result.err).split()))
        raise Failure(said + PRIVATE * ("'http" in said))
    return "" if result.status else os.fsdecode(result.out).strip()


async def lines(argv: Sequence[str]) -> AsyncIterator[bytes]:
    """The lines that a program writes, as they come; it is ended with the loop over them."""
    async with _started(argv, limit=1 << 20) as process:
        async for line in cast(asyncio.StreamReader, process.stdout):
            yield line


async def new_key(path: Path, name: str) -> str:
    """Make a key pair at `path`, whose comment is `name`; its public half."""
    await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)])
    return path.with_suffix(".pub").read_text().strip()


def attach(argv: Sequence[str]) -> int:
    """Run `argv` on our own terminal, to its end; returns its exit status."""
    return call([program(argv[0]), *argv[1:]])


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
            raise Unreachable(f"{vm} cannot be reached: {said or 'no answer'}", look_closer)
        return result

    def git_env(self) -> dict[str, Any]:
        """What `git` is to have in its environment to reach VMs by this configuration."""
        return {"GIT_SSH_COMMAND": shlex.join(["ssh", "-F", str(self.path)])}

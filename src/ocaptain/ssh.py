"""Processes on the captain's machine, and the system's OpenSSH.

`run` and `attach` are the only places in the captain's half that start a process.
"""

import asyncio
import os
import shlex
import shutil
import subprocess
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from .errors import Failure

DAEMONS = (
    "/usr/sbin:/usr/local/sbin:/usr/lib/openssh:/usr/libexec:/usr/libexec/openssh:/usr/lib/ssh"
)
"""Where systems keep sshd and sftp-server, which are in few people's PATH."""


LINE_LIMIT = 1 << 20


@dataclass(frozen=True)
class Result:
    """How a process ended, and what it wrote."""

    status: int
    out: bytes
    err: bytes


def program(name: str) -> str:
    """The path of a program, also of one that is in no PATH, as sshd. Failure if it is missing."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{DAEMONS}")
    if not found:
        raise Failure(f"{name} is not on this machine.", "Run `ocaptain doctor`.")
    return found


async def run(
    argv: Sequence[str],
    *,
    stdin: bytes | BinaryIO = b"",
    timeout: float | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Result:
    """Run `argv` to its end, without a terminal; a status other than 0 is no error here.

    `stdin` is what to feed it: bytes, or a file it reads itself. `env` is added to ours;
    `timeout` is in seconds. Raises Failure if the program is missing or the time is up. A caller
    that is cancelled ends the process.
    """
    process = await asyncio.create_subprocess_exec(
        program(argv[0]),
        *argv[1:],
        stdin=PIPE if isinstance(stdin, bytes) else stdin,
        stdout=PIPE,
        stderr=PIPE,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        start_new_session=True,  # so that Ctrl-C reaches us only, and no shared ControlMaster
    )
    try:
        async with asyncio.timeout(timeout):
            out, err = await process.communicate(stdin if isinstance(stdin, bytes) else None)
    except TimeoutError:
        raise Failure(f"{argv[0]} did not end within {timeout:g} s: {argv[-1]}") from None
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    return Result(await process.wait(), out, err)


async def lines(argv: Sequence[str]) -> AsyncIterator[bytes]:
    """The lines that a program writes, as they come; it is ended with the loop over them."""
    process = await asyncio.create_subprocess_exec(
        program(argv[0]), *argv[1:], stdin=DEVNULL, stdout=PIPE, limit=LINE_LIMIT
    )
    try:
        async for line in cast(asyncio.StreamReader, process.stdout):
            yield line
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def attach(argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> int:
    """Run `argv` on our own terminal, to its end; returns its exit status."""
    return subprocess.call([program(argv[0]), *argv[1:]], env={**os.environ, **(env or {})})


@dataclass(frozen=True)
class Home:
    """A path below the home directory on the VM: `Home("voyage/lib")` is `~/voyage/lib` there."""

    path: str

    def __str__(self) -> str:
        return f"~/{shlex.quote(self.path)}" if self.path else "~"


class Remote:
    """A command for a VM, as words: only here do they become a line of shell, each one quoted."""

    def __init__(self, *words: str | Home) -> None:
        self.words = words

    def __str__(self) -> str:
        return " ".join(str(w) if isinstance(w, Home) else shlex.quote(w) for w in self.words)


def quoted(value: str | Path) -> str:
    """`value` as one argument in an ssh_config(5) or sshd_config(5)."""
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def clean(text: bytes | str) -> str:
    """Output of a VM made safe for a terminal: no control, escape or direction characters."""
    text = text if isinstance(text, str) else text.decode(errors="replace")
    text = text.replace("\r\n", "\n")
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)


@dataclass(frozen=True)
class VM:
    """A machine, and how the captain's SSH reaches it.

    `options` are keywords and values as they stand in an ssh_config(5), quoted where need be;
    `host_key` is a line of known_hosts without its pattern; `created` is seconds since 1970.
    """

    name: str
    options: tuple[tuple[str, str], ...]
    host_key: str
    created: float | None = None


COMMON = """\
Host voyage-*
  BatchMode yes
  ConnectTimeout 20
  ServerAliveInterval 15
  ServerAliveCountMax 3
  StrictHostKeyChecking yes
  UpdateHostKeys no
  UserKnownHostsFile {known_hosts}
  GlobalKnownHostsFile /dev/null
  ControlMaster auto
  ControlPath {sockets}
  ControlPersist 60
  ForwardAgent no
  ForwardX11 no
  ClearAllForwardings yes
  PermitLocalCommand no
  LogLevel ERROR
Match all
  Include {theirs}
"""


def render(vms: Sequence[VM], *, user_config: Path | None, sockets: Path, known_hosts: Path) -> str:
    """The ssh_config for `vms`. The first value wins in OpenSSH, so ours precede the user's."""
    lines = []
    for vm in vms:
        lines += [f"Host {vm.name}", f"  HostKeyAlias {vm.name}"]
        lines += [f"  {keyword} {value}" for keyword, value in vm.options]
    common = COMMON.format(
        known_hosts=quoted(known_hosts).replace("%", "%%"),
        sockets=quoted(f"{sockets}/".replace("%", "%%") + "%C"),
        theirs=quoted((user_config or Path("~/.ssh/config")).expanduser().absolute()),
    )
    return "\n".join([*lines, common])


def prepare(folder: Path, vms: Sequence[VM], *, user_config: Path | None, sockets: Path) -> "Ssh":
    """Write an ssh_config for `vms`, and their host keys, into `folder`."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path, known_hosts = folder / "ssh_config", folder / "known_hosts"
    _write(known_hosts, "".join(f"{vm.name} {vm.host_key}\n" for vm in vms))
    _write(path, render(vms, user_config=user_config, sockets=sockets, known_hosts=known_hosts))
    return Ssh(path)


def _write(path: Path, text: str) -> None:
    """Replace `path` at once: an ssh of some other command of ours may be about to read it."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(text)
    draft.replace(path)


class Unreachable(Failure):
    """ssh itself failed (its exit status 255), not the command it was to run."""


@dataclass(frozen=True)
class Ssh:
    """OpenSSH with the ssh_config at `path`; a VM is named as it is there."""

    path: Path

    def command(self, vm: str, remote: Remote, *, tty: bool = False) -> list[str]:
        """The argv that runs `remote` on `vm`."""
        return ["ssh", "-F", str(self.path), "-t" if tty else "-T", vm, "--", str(remote)]

    async def run(
        self, vm: str, remote: Remote, *, stdin: bytes = b"", timeout: float = 60, retries: int = 0
    ) -> Result:
        """Run `remote` on `vm`, for at most `timeout` seconds; Unreachable where ssh fails (255).

        For `retries` seconds that is tried again, which only what is idempotent may ask for.
        """
        argv = self.command(vm, remote)
        if not retries:
            return await _reach(vm, argv, stdin, timeout)
        import stamina  # takes longer than most commands, which do without

        stamina.instrumentation.set_on_retry_hooks([])  # it would log to the terminal
        again = stamina.AsyncRetryingCaller(attempts=None, timeout=retries).on(Unreachable)
        return await again(_reach, vm, argv, stdin, timeout)

    def git_env(self) -> dict[str, str]:
        """What makes git reach VMs by this configuration."""
        return {"GIT_SSH_COMMAND": shlex.join(["ssh", "-F", str(self.path)])}

    async def close(self, *vms: str) -> None:
        """End the shared connections to `vms`, where there are any."""
        exits = [run(["ssh", "-F", str(self.path), "-O", "exit", vm]) for vm in vms]
        await asyncio.gather(*exits)


async def _reach(vm: str, argv: Sequence[str], stdin: bytes, timeout: float) -> Result:
    result = await run(argv, stdin=stdin, timeout=timeout)
    if result.status == 255:
        why = clean(result.err).strip().rpartition("\n")[2] or "the connection was lost"
        raise Unreachable(f"{vm} cannot be reached: {why}", shlex.join(["ssh", "-v", *argv[1:]]))
    return result

"""How the captain reaches VMs: with the system's OpenSSH and an ssh_config of our own."""

import os
import re
import shlex
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple, Self

from .errors import Failure
from .onboard import text
from .process import Result, run

GATEWAY_FAILURE = re.compile(
    rb"(?i)failed to (connect(?!.* port)|dial|create session|run command on VM)"
)
"""What exe.dev's gateway prints in a command's place if the VM behind it does not answer. curl, and
so git, words it otherwise (`failed to connect to … port …`) if a VM cannot reach some host."""


async def new_key(path: Path, name: str) -> str:
    """Make a key pair at `path` with `name` as its comment. Returns the public half."""
    await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)])
    return path.with_suffix(".pub").read_text().strip()


class Home(str):
    """A path below the home directory on the VM: `Home("voyage/lib")` is `~/voyage/lib` there."""


class Remote(str):
    """A command for a VM, made of words. Nothing else turns words into a line of shell."""

    def __new__(cls, *words: str) -> Self:
        return super().__new__(cls, " ".join(_shell_word(word) for word in words))


def _shell_word(word: str) -> str:
    if isinstance(word, Home):
        return f"~/{shlex.quote(word)}"
    return shlex.quote(word)


def quoted(value: str | Path) -> str:
    """Quote `value` as one argument for an ssh_config(5) or sshd_config(5)."""
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def escape_percents(value: str | Path) -> str:
    """Escape what ssh or sshd would expand: `%h` and the like."""
    return str(value).replace("%", "%%")


def clean(output: bytes | str) -> str:
    """Make a VM's output safe for a terminal: no control, escape or direction characters."""
    if isinstance(output, bytes):
        output = output.decode(errors="replace")
    return text.clean(output.replace("\r\n", "\n"), keep="\n\t")


Options = tuple[tuple[str, str], ...]
"""Keywords of an ssh_config(5) and their values as they stand there, quoted where need be."""


class VM(NamedTuple):
    """A machine, and how the captain's SSH reaches it.

    `host_key` has lines of known_hosts without their pattern.
    """

    name: str
    options: Options
    host_key: str


FOR_ALL_HOSTS: Options = (
    ("BatchMode", "yes"),
    ("StrictHostKeyChecking", "yes"),
    ("LogLevel", "ERROR"),
    ("ConnectTimeout", "20"),
    ("ServerAliveInterval", "15"),
    ("ControlMaster", "auto"),
    ("ControlPersist", "60"),
    ("ForwardAgent", "no"),
    ("ForwardX11", "no"),
    ("ClearAllForwardings", "yes"),
)


def render(folder: Path, vms: Iterable[VM], user_config: Path | None) -> str:
    """Return the text of the ssh_config that is to be in `folder`.

    OpenSSH takes the first value that it reads, so the user's own file comes last.
    """
    theirs = (user_config or Path("~/.ssh/config")).expanduser().absolute()
    sections = [_section(vm.name, (("HostKeyAlias", vm.name), *vm.options)) for vm in vms]
    for_all = (
        *FOR_ALL_HOSTS,
        ("UserKnownHostsFile", quoted(escape_percents(folder / "known_hosts"))),
        ("ControlPath", quoted(f"{escape_percents(folder.parent)}/%C")),
        ("Include", quoted(theirs)),
    )
    return "".join([*sections, _section("*", for_all)])


def _section(host: str, options: Options) -> str:
    lines = [f"Host {host}"]
    lines += [f"  {keyword} {value}" for keyword, value in options]
    return "\n".join(lines) + "\n"


def write_config(folder: Path, vms: Collection[VM], user_config: Path | None) -> "Ssh":
    """Write an ssh_config for `vms`, and their host keys, into `folder`; sockets go beside it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _replace(folder / "known_hosts", "".join(_known_hosts(vm) for vm in vms))
    _replace(folder / "ssh_config", render(folder, vms, user_config))
    return Ssh(folder / "ssh_config")


def _known_hosts(vm: VM) -> str:
    return "".join(f"{vm.name} {key}\n" for key in vm.host_key.splitlines())


def _replace(path: Path, content: str) -> None:
    """Write a file at once: the ssh of another command of ours may be about to read it."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(content)
    draft.replace(path)


class Unreachable(Failure):
    """A VM did not answer: ssh itself failed, not the command that was to run there."""


class Ssh(NamedTuple):
    """OpenSSH with the ssh_config at `path`; a VM is named as it is there."""

    path: Path

    def command(self, vm: str, remote: Remote, *, tty: bool = False) -> list[str]:
        """The argv that runs `remote` on `vm`."""
        terminal = "-t" if tty else "-T"
        return ["ssh", "-F", str(self.path), terminal, vm, "--", remote]

    async def run(
        self,
        vm: str,
        remote: Remote,
        *,
        stdin: bytes = b"",
        timeout: float = 60.0,
        retries: float = 0.0,
    ) -> Result:
        """Run `remote` on `vm`. Raises Unreachable if ssh fails, and Failure after `timeout`.

        With `retries` a VM that is unreachable is tried again for so many seconds; only for
        commands that may run twice.
        """
        if not retries:
            return await self._run_once(vm, remote, stdin, timeout)
        import stamina  # takes longer than most commands, which do without

        stamina.instrumentation.set_on_retry_hooks([])  # it would log to the terminal
        caller = stamina.AsyncRetryingCaller(attempts=None, timeout=retries)
        return await caller.on(Unreachable)(self._run_once, vm, remote, stdin, timeout)

    async def _run_once(self, vm: str, remote: Remote, stdin: bytes, timeout: float) -> Result:
        result = await run(self.command(vm, remote), stdin=stdin, timeout=timeout)
        is_gateways = bool(result.status and GATEWAY_FAILURE.search(result.err + result.out))
        if result.status != 255 and not is_gateways:
            return result
        reason = result.err
        if not reason and is_gateways:
            reason = result.out  # from ssh itself nothing comes there: it would be the command's
        last_line = clean(reason).strip().rpartition("\n")[2]
        look_closer = shlex.join(["ssh", "-v", "-F", str(self.path), vm])
        raise Unreachable(f"{vm} cannot be reached: {last_line or 'no answer'}", hint=look_closer)

    def git_env(self) -> dict[str, str]:
        """The environment that has git reach VMs by this configuration."""
        return {"GIT_SSH_COMMAND": shlex.join(["ssh", "-F", str(self.path)])}

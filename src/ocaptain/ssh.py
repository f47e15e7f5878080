"""How the captain reaches VMs: with the system's OpenSSH and an ssh_config of our own."""

import os
import re
import shlex
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import NamedTuple, Self

from .errors import Failure
from .onboard import text
from .process import Result, TooLong, read_lines, run, stream

GATEWAY_FAILURE = re.compile(
    rb"(?i)failed to (connect(?!.* port)|dial|create session|run command on VM)"
)
"""What exe.dev's lobby says if it does not get to what it is to ask. curl, and so git, words it
otherwise (`failed to connect to … port …`) if a VM cannot reach some host."""


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
        return f"~/{_quote(word)}"
    return _quote(word)


def _quote(word: str) -> str:
    """Quote a word for any shell: fish, unlike sh, takes a backslash between quotes for its own."""
    return shlex.quote(word).replace("\\", """'"\\\\"'""")


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

    `host_key` has lines of known_hosts without their pattern, @cert-authority and @revoked ones
    too. A certificate is for a name: then `options` have it, as HostKeyAlias.
    """

    name: str
    options: Options
    host_key: str


FOR_ALL_HOSTS: Options = (
    ("BatchMode", "yes"),
    ("StrictHostKeyChecking", "yes"),
    ("UpdateHostKeys", "no"),
    ("GlobalKnownHostsFile", "none"),
    ("LogLevel", "ERROR"),
    ("ConnectTimeout", "20"),
    ("ServerAliveInterval", "15"),
    ("ControlMaster", "auto"),
    ("ControlPersist", "60"),
    ("ForwardAgent", "no"),
    ("ForwardX11", "no"),
    ("ClearAllForwardings", "yes"),
)


def render(folder: Path, vms: Iterable[VM]) -> str:
    """Return the text of the ssh_config that is to be in `folder`.

    It is the whole of it. The captain's own, and the system's, are meant for people who type
    `ssh`: a command to run there, keys to remember, a line to print. What they say of the way to a
    machine is among the options of its VM (providers/known_host.py)."""
    sections = [_section(vm.name, (*vm.options, ("HostKeyAlias", vm.name))) for vm in vms]
    for_all = (
        *FOR_ALL_HOSTS,
        ("UserKnownHostsFile", quoted(escape_percents(folder / "known_hosts"))),
        ("ControlPath", quoted(f"{escape_percents(folder.parent)}/%C")),
    )
    return "".join([*sections, _section("*", for_all)])


def _section(host: str, options: Options) -> str:
    lines = [f"Host {host}"]
    lines += [f"  {keyword} {value}" for keyword, value in options]
    return "\n".join(lines) + "\n"


def write_config(folder: Path, vms: Collection[VM]) -> "Ssh":
    """Write an ssh_config for `vms`, and their host keys, into `folder`; sockets go beside it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace(folder / "known_hosts", "".join(_known_hosts(vm) for vm in vms))
    replace(folder / "ssh_config", render(folder, vms))
    return Ssh(folder / "ssh_config")


def _known_hosts(vm: VM) -> str:
    alias = dict(vm.options).get("HostKeyAlias", vm.name)
    return "".join(text.known_host(alias, key) for key in vm.host_key.splitlines())


def replace(path: Path, content: str) -> None:
    """Write a file at once: the ssh of another command of ours may be about to read it."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(content)
    draft.replace(path)


UNRESOLVED = re.compile(r"Could not resolve hostname (?P<name>[^\s:]+): (?P<why>.+)")


class Unreachable(Failure):
    """A VM did not answer: ssh itself failed, not the command that was to run there."""


class Unresolved(Unreachable):
    """There is no address for a machine's name, or nobody here to ask for it."""


BEGIN = "ocaptain begins"
"""What a command on a VM prints first, for its user's shell may print something before."""

SKIP_TO_BEGIN = f'while IFS= read -r line; do case $line in *"{BEGIN}") exec cat;; esac; done'
"""Shell that passes on what comes after that line."""


def announced(remote: Remote) -> Remote:
    """Return a command that prints BEGIN first, in whatever shell."""
    return str.__new__(Remote, f"echo {shlex.quote(BEGIN)}; {remote}")


def _is_unreachable(error: Exception) -> bool:
    return isinstance(error, Unreachable)


def _may_be_back_soon(error: Exception) -> bool:
    return isinstance(error, Unreachable) and not isinstance(error, Unresolved)


class Answer:
    """What a VM prints: first its shell's own words, and after BEGIN what `use` is to get."""

    def __init__(self, use: Callable[[bytes], object]) -> None:
        self.use = use
        self.shells_words = b""
        self.has_begun = False

    def take(self, data: bytes) -> None:
        """Take the next of it, of any size."""
        if not self.has_begun:
            mark = f"{BEGIN}\n".encode()
            self.shells_words, found, data = (self.shells_words + data).partition(mark)
            self.has_begun = bool(found)
        if data:
            self.use(data)


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
        in_shell: bool = True,
        is_new: bool = False,
    ) -> Result:
        """Run `remote` on `vm`. Raises Unreachable if ssh fails, or does not end in `timeout`.

        With `retries` a VM that is unreachable is tried again for so many seconds; only for
        commands that may run twice. If its name does not resolve, that is for one that `is_new`:
        other names do not come to be. What takes commands, but is no shell, is not `in_shell`.
        """
        once = self._run_once if in_shell else self._ask_once
        if not retries:
            return await once(vm, remote, stdin, timeout)
        import stamina  # takes longer than most commands, which do without

        stamina.instrumentation.set_on_retry_hooks([])  # it would log to the terminal
        caller = stamina.AsyncRetryingCaller(attempts=None, timeout=retries)
        passing = _is_unreachable if is_new else _may_be_back_soon
        return await caller.on(passing)(once, vm, remote, stdin, timeout)

    async def _run_once(self, vm: str, remote: Remote, stdin: bytes, timeout: float) -> Result:
        stdout = bytearray()
        answer = Answer(stdout.extend)
        try:
            result = await run(self.command(vm, announced(remote)), stdin=stdin, timeout=timeout)
        except TooLong as fault:
            raise self._unreachable(vm, str(fault)) from None
        answer.take(result.out)
        self._check(vm, result, answer)
        return result._replace(out=bytes(stdout))

    async def _ask_once(self, vm: str, remote: Remote, stdin: bytes, timeout: float) -> Result:
        try:
            result = await run(self.command(vm, remote), stdin=stdin, timeout=timeout)
        except TooLong as fault:
            raise self._unreachable(vm, str(fault)) from None
        output = result.err + result.out
        if result.status == 255 or (result.status and GATEWAY_FAILURE.search(output)):
            raise self._unreachable(vm, result.err or result.out)
        return result

    async def stream(
        self,
        vm: str,
        remote: Remote,
        use: Callable[[bytes], object],
        *,
        silence: float,
        stdin: bytes | None = b"",
    ) -> Result:
        """Run `remote` on `vm`, and call `use` with what it prints, as it comes.

        That may take any time, but for `silence` seconds without a word. Raises Unreachable. If
        `stdin` is None, its stdin ends when we do."""
        answer = Answer(use)
        command = self.command(vm, announced(remote))
        try:
            result = await stream(command, answer.take, stdin=stdin, silence=silence)
        except TooLong:
            raise self._unreachable(vm, f"nothing came for {silence:g} s") from None
        self._check(vm, result, answer)
        return result

    async def read_lines(self, vm: str, remote: Remote, use: Callable[[bytes], None]) -> None:
        """Run `remote` on `vm`, and call `use` with each line that it prints, as it comes.

        What it says on stderr is for the terminal. Raises Unreachable if it did not begin."""
        answer = Answer(use)
        await read_lines(self.command(vm, announced(remote)), answer.take)
        if not answer.has_begun:
            raise self._unreachable(vm, answer.shells_words)

    def _check(self, vm: str, result: Result, answer: Answer) -> None:
        """Raise Unreachable if ssh failed, or somebody else answered in the command's place."""
        if result.status == 255 or not answer.has_begun:
            reason = result.err
            if not answer.has_begun:
                reason = reason or answer.shells_words
            raise self._unreachable(vm, reason)

    def _unreachable(self, vm: str, reason: bytes | str) -> Unreachable:
        last_line = clean(reason).strip().rpartition("\n")[2]
        look_closer = shlex.join(["ssh", "-v", "-F", str(self.path), vm])
        unresolved = UNRESOLVED.search(last_line)
        if unresolved:
            return Unresolved(
                f"{vm} cannot be reached: the name {unresolved['name']} does not resolve:"
                f" {unresolved['why']}",
                hint=f"Is this machine online? To look closer: {look_closer}",
            )
        return Unreachable(f"{vm} cannot be reached: {last_line or 'no answer'}", hint=look_closer)

    def git_env(self) -> dict[str, str]:
        """The environment that has git reach VMs by this configuration.

        The command for the other end has to be `announced`."""
        ssh = shlex.join(["ssh", "-F", str(self.path)])
        return {
            "GIT_SSH_COMMAND": f'reach() {{ {ssh} "$@" | {{ {SKIP_TO_BEGIN}; }}; }}; reach',
            "GIT_SSH_VARIANT": "ssh",
        }

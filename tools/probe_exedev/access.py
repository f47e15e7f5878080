"""How ssh reaches the lobby and the VMs, with the captain's key or with one of the probe's."""

import os
from pathlib import Path

from .process import run
from .results import Result, Unknown

LOBBY = "exe.dev"
CAPTAIN = "captain"
KEY_NAMES = ("ship0", "ship1", "minted", "stranger")
"""The key for one VM, the one for a tag, one that the first tries to add, and an unknown one."""
PROXY = {"proxyjump", "proxycommand", "addressfamily"}
IDENTITY = {"identityfile", "identityagent", "identitiesonly", "certificatefile"}
ADDRESS = {"hostname", "port", "user"}
NEW_CONNECTION = ("-o", "ControlPath=none")
FOR_ALL_HOSTS = (
    "  BatchMode yes",
    "  ConnectTimeout 20",
    "  ServerAliveInterval 15",
    "  StrictHostKeyChecking yes",
    "  LogLevel ERROR",
    "  ForwardAgent no",
    "  ControlMaster auto",
    "  ControlPersist 60",
)


class Access:
    """Keys of the probe's, and an ssh_config for each of them and for the captain.

    `user_config` is the captain's own ssh_config; all files are in `folder`.
    """

    def __init__(self, folder: Path, user_config: Path, voyage: str) -> None:
        self.folder = folder
        self.user_config = user_config
        self.addresses: dict[str, list[str]] = {}
        """Lines of ssh_config that say where a VM is, by the VM's name."""
        self.keys = {name: self._make_key(name, f"{voyage}-{name}") for name in KEY_NAMES}
        """Public keys, by their names."""
        self.settings = self._read_settings()
        """What the captain's ssh has for the lobby: keywords and values, some of them twice."""
        self.host_keys = self._find_host_keys()
        """Those of the lobby that the captain's ssh knows."""

    def ssh(
        self,
        who: str,
        host: str,
        command: str,
        *options: str,
        stdin: bytes = b"",
        timeout: float = 60,
    ) -> Result:
        """Run a command as the captain, or with a key. Raises Unknown if there is no such VM."""
        if host != LOBBY and host not in self.addresses:
            raise Unknown("this VM was not made")
        words = ["ssh", "-F", self.config(who), "-T", *options, host, "--", command]
        return run(words, stdin, timeout)

    def config(self, who: str) -> str:
        """The path of the ssh_config of the captain, or of a key."""
        return str(self.folder / f"ssh-{who}")

    def private_key(self, name: str) -> Path:
        """The path of a key."""
        return self.folder / name

    def write_configs(self) -> None:
        """Write the ssh_configs, and the file of host keys that they all use."""
        known = "".join(f"{LOBBY} {key}\n" for key in self.host_keys)
        (self.folder / "known_hosts").write_text(known)
        Path(self.config(CAPTAIN)).write_text("\n".join(self._captain_config()) + "\n")
        for name in self.keys:
            Path(self.config(name)).write_text("\n".join(self._key_config(name)) + "\n")

    def close_connections(self) -> None:
        """End the connections that commands share."""
        for socket in self.folder.iterdir():
            if socket.is_socket():
                run(["ssh", "-F", "none", "-o", f"ControlPath={socket}", "-O", "exit", "any"])

    def _make_key(self, name: str, comment: str) -> str:
        path = self.private_key(name)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)])
        return path.with_suffix(".pub").read_text().strip()

    def _read_settings(self) -> list[tuple[str, str]]:
        words = ["ssh", "-G", LOBBY]
        if os.environ.get("OCAPTAIN_SSH_CONFIG"):
            words = ["ssh", "-F", str(self.user_config), "-G", LOBBY]
        settings = []
        for line in run(words).out.decode().splitlines():
            keyword, _, value = line.partition(" ")
            settings.append((keyword, value))
        return settings

    def _find_host_keys(self) -> list[str]:
        value_of = dict(self.settings)
        name = value_of.get("hostkeyalias", LOBBY)
        files = value_of["userknownhostsfile"].split() + value_of["globalknownhostsfile"].split()
        keys = []
        for file in files:
            for line in run(["ssh-keygen", "-F", name, "-f", file]).out.decode().splitlines():
                if not line.startswith(("#", "@")):
                    keys.append(line.partition(" ")[2])
        return keys

    def _captain_config(self) -> list[str]:
        lines = []
        for vm, address in self.addresses.items():
            lines += [f"Host {vm}", f"  HostKeyAlias {LOBBY}", *address]
            lines += self._options(PROXY | IDENTITY)
        lines += [f"Host {LOBBY}", f"  HostKeyAlias {LOBBY}"]
        lines += self._for_all_hosts(CAPTAIN)
        lines += ["Match all", f'  Include "{self.user_config}"']
        return lines

    def _key_config(self, name: str) -> list[str]:
        lines = []
        for vm, address in self.addresses.items():
            lines += [f"Host {vm}", f"  HostKeyAlias {LOBBY}", *address]
            lines += self._options(PROXY)
        lines += [f"Host {LOBBY}", f"  HostKeyAlias {LOBBY}"]
        lines += self._options(PROXY | ADDRESS)
        lines += self._for_all_hosts(name)
        lines += [f"  IdentityFile {self.private_key(name)}", "  IdentitiesOnly yes"]
        lines += ["  IdentityAgent none"]
        return lines

    def _for_all_hosts(self, who: str) -> list[str]:
        return [
            "Host *",
            *FOR_ALL_HOSTS,
            f"  ControlPath {self.folder}/{who}%C",
            f"  UserKnownHostsFile {self.folder}/known_hosts",
        ]

    def _options(self, wanted: set[str]) -> list[str]:
        """Return what the captain's ssh has for the lobby, as far as it is wanted."""
        lines = []
        for keyword, value in self.settings:
            if keyword in wanted and keyword in PROXY:
                lines.append(f"  {keyword} {value}")
            elif keyword in wanted:
                lines.append(f'  {keyword} "{value}"')
        return lines

"""What one exe.dev account holds, and what tests may make go wrong."""

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass
class Faults:
    """What goes wrong, or is as no source has settled; tests set these at any time. Seconds."""

    rtt_s: float = 0.0  # every connection's round trip
    boot_s: float = 0.2  # till a VM answers; half of it "starting" and closing connections,
    # half of it "running" and saying "failed to connect to VM"
    cap: int = 50  # VMs on this plan
    taken: set[str] = field(default_factory=set)  # VM names that others hold
    rm_fails: set[str] = field(default_factory=set)  # VMs that `rm` cannot delete

    new_s: float = 0.0  # `new` takes so long,
    new_errors: int = 0  # the next n answer with an `error` besides the VM's name,
    new_lost: int = 0  # the next n make the VM, and the connection drops before the answer,
    ls_lag_s: float = 0.0  # and `ls` knows nothing of a VM for so long
    lobby_failures: int = 0  # the next n lobby commands fail to connect
    vm_failures: int = 0  # the next n sessions on VMs fail to connect

    silent: set[str] = field(default_factory=set)  # VMs that accept connections, never answer
    silent_next: int = 0  # the next n VMs made do so too
    stuck: set[str] = field(default_factory=set)  # VMs that are "starting" for ever
    stuck_next: int = 0  # the next n VMs made are so too

    burst: int | None = None  # more new connections than this in a second, from one source,
    silence_s: float = 60.0  # and its next ones get no answer for so long

    errors_to: Literal["stdout", "stderr"] = "stdout"  # where JSON errors of the lobby go
    old_lobby: bool = False  # the lobby knows no `ssh-key add --vm`
    vm_key_in_lobby: bool = False  # a --vm key may use the lobby, for its VM
    ssh_user: str | None = None  # `new` and `ls` name it, and have it in ssh_dest (vm+exe)
    forwarding: bool = True  # sshd forwards ports of VMs
    sftp: Literal["internal", "shell"] = "internal"  # is SFTP served without the login shell?

    apt_s: float = 0.0  # apt-get install takes so long on VMs that boot from now on,
    apt_fails: bool = False  # or fails,
    apt_stale: bool = False  # or knows no package before apt-get update

    def next(self, name: str) -> bool:
        """Use up one of a count of failures; whether there was one."""
        left = getattr(self, name)
        setattr(self, name, max(0, left - 1))
        return bool(left)


@dataclass
class Key:
    """A registered SSH key. Its scope is {}, {"tag": …} or {"vm": …, "ssh_user"?: …}."""

    name: str
    public: str  # type and base64, without the comment
    fingerprint: str
    scope: dict[str, str] = field(default_factory=dict)

    def sees(self, name: str, tags: list[str]) -> bool:
        """Whether a VM is within the scope."""
        if "vm" in self.scope:
            return name == self.scope["vm"]
        return "tag" not in self.scope or self.scope["tag"] in tags


@dataclass
class Account:
    """Keys and settings; VMs are in the service's `machines`."""

    faults: Faults
    keys: list[Key] = field(default_factory=list)
    email: str = "captain@example.com"

    def key(self, public: str) -> Key | None:
        """The registered key with this type and base64."""
        return next((key for key in self.keys if key.public == public), None)


Json = dict[str, Any]

"""What is assumed of VMs: their users, programs and services."""

import hashlib
import os
import re
import time

from .lobby import count_sessions
from .results import Differs, Unknown
from .world import World

UNIT = """\
[Unit]
Description=A trial of ocaptain's
[Service]
User={user}
ExecStart=/bin/bash -lc "exec sleep 600"
Restart=always
RestartSec=2
[Install]
WantedBy=multi-user.target
"""
START_UNIT = """\
test -d /run/systemd/system
cat >/etc/systemd/system/probe.service <<'.'
{unit}.
systemctl enable --now probe.service
"""
LIST_PROGRAMS = (
    "python3 --version; git --version; for p in tar bash tmux claude sshfs useradd sudo; "
    "do PATH=$PATH:/usr/sbin command -v $p >/dev/null && echo $p; done"
)
NEEDED_PROGRAMS = {"Python", "git", "tar", "bash", "tmux", "claude", "useradd"}
ADD_HARBOR = """\
useradd --system --create-home --user-group --shell /bin/bash --password '*' harbor
echo 'Defaults>harbor !use_pty' >/etc/sudoers.d/probe
sudo -n -l | grep -o use_pty | head -n 1
"""
TRY_TMPFILES = """\
command -v systemd-tmpfiles >/dev/null || exit 0
install -d -m 755 /var/tmp/probe /etc/tmpfiles.d
echo 'z /var/tmp/probe 1707 root root' >/etc/tmpfiles.d/probe.conf
systemd-tmpfiles --create /etc/tmpfiles.d/probe.conf
stat -c %a /var/tmp/probe
"""
INSTALL_SSHFS = "sudo -n apt-get install -y -qq sshfs"
INSTALL_S = 240


def passes_stdin_and_status(world: World) -> str:
    """2 MB get there unchanged, and an exit status comes back."""
    sent = os.urandom(2_000_000)
    began = time.monotonic()
    result = world.run_on(world.storage, "sha256sum && exit 7", sent)
    digest = hashlib.sha256(sent).hexdigest().encode()
    if result.out.split()[:1] != [digest] or result.status != 7:
        raise Differs(result.summary)
    return f"2 MB in {time.monotonic() - began:.1f} s"


def has_sudo_and_its_name(world: World) -> str:
    """The login user becomes root; the host is named as the VM."""
    login, host = world.run_on(world.storage, "id -un; hostname").out.decode().split()
    world.login = login
    user = world.run_as_root(world.storage, "id -un")
    if user != "root" or host != world.storage:
        raise Differs(f"{login} becomes {user}, host name {host}")
    return f"{login} becomes root"


def has_programs(world: World) -> str:
    """What ocaptain runs on a VM is there."""
    words = world.run_on(world.storage, LIST_PROGRAMS).out.decode().split()
    lacking = NEEDED_PROGRAMS - set(words)
    version = re.search(r"\b3\.(\d+)", " ".join(words))
    is_old = version is None or int(version[1]) < 10
    if lacking or is_old:
        raise Differs(f"lacking: {' '.join(sorted(lacking))}; there is: {' '.join(words)}")
    return " ".join(words)


def starts_units(world: World) -> str:
    """systemd starts a unit as helm's."""
    unit = UNIT.format(user=world.login)
    world.run_as_root(world.storage, START_UNIT.format(unit=unit))
    time.sleep(1)
    is_up = f"pgrep -u {world.login} -x sleep && systemctl is-enabled probe"
    result = world.run_on(world.storage, is_up)
    if result.status:
        raise Differs(result.summary)
    return "it does"


def makes_users(world: World) -> str:
    """harbor's user can be made, and what it is sent arrives."""
    pty = world.run_as_root(world.storage, ADD_HARBOR)
    command = "sudo -nHu harbor sh -c 'id -un; wc -c'"
    result = world.run_on(world.storage, command, stdin=bytes(100_000))
    if result.out.split() != [b"harbor", b"100000"]:
        raise Differs(result.summary)
    return f"it does; {pty or 'no use_pty'} by default"


def installs_sshfs(world: World) -> str:
    """A ship can install sshfs."""
    was_there = world.run_on(world.ship, "command -v sshfs").status == 0
    began = time.monotonic()
    result = world.run_on(world.ship, INSTALL_SSHFS, timeout=INSTALL_S)
    when = "at once"
    if result.status:
        when = "after `apt-get update`"
        update = f"sudo -n apt-get update -qq && {INSTALL_SSHFS}"
        result = world.run_on(world.ship, update, timeout=INSTALL_S)
    works = world.run_on(world.ship, "command -v sshfs && test -c /dev/fuse")
    if result.status or works.status:
        raise Differs(result.summary)
    before = "it was there" if was_there else "it was not there"
    return f"{before}; {when}, in {time.monotonic() - began:.0f} s"


def follows_tmpfiles(world: World) -> str:
    """Rules for folders that anybody may write to hold."""
    mode = world.run_as_root(world.storage, TRY_TMPFILES)
    if not mode:
        raise Unknown("there is no systemd-tmpfiles")
    if mode != "1707":
        raise Differs(f"mode {mode}")
    return "it is"


def runs_sessions_at_once(world: World) -> str:
    """Twelve sessions share a connection, or at least eight."""
    return count_sessions(world, 12, world.storage, "sleep 3")


def ignores_authorized_keys(world: World) -> str:
    """A key that the account does not know is not let in by a VM's own file."""
    add = "mkdir -p -m 700 ~/.ssh; cat >>~/.ssh/authorized_keys; chmod 600 ~/.ssh/authorized_keys"
    world.run_on(world.storage, add, f"{world.access.keys['stranger']}\n".encode())
    nonce = os.urandom(8).hex()
    user = f"User={world.login or 'x'}"
    result = world.access.ssh("stranger", world.storage, f"echo {nonce}", "-o", user)
    if nonce.encode() in result.out.split():
        raise Differs("it let in a key that the account does not know")
    return result.summary

"""What is assumed of keys that are for one VM, or for a tag: what they open, and what not."""

import secrets
import shlex
import time

from .access import CAPTAIN, NEW_CONNECTION
from .lobby import check_refused, names_unknown_option
from .process import read_line, run, start
from .results import Differs
from .world import World

SHIP = "ship-0"
"""The user on storage whom the key `ship0` is for."""
OURS = "/usr/local/lib/ocaptain"
LOGIN_SHELL = """\
#!/bin/sh
PATH="$PATH:/usr/lib/openssh:/usr/libexec/openssh:/usr/libexec:/usr/lib/ssh"
case "$2" in *sftp-server) touch /tmp/through-the-shell; exec sftp-server -R ;; esac
echo "shell $# $1 $(id -un) $(hostname)"
exec sh -c "$2"
"""
ADD_SHIP = f"""\
install -d {OURS}
cat >{OURS}/login <<'.'
{LOGIN_SHELL}.
chmod 755 {OURS}/login
echo served >{OURS}/probe.txt
install -d /var/lib/ocaptain/{SHIP}
useradd --system --home-dir /var/lib/ocaptain/{SHIP} --shell {OURS}/login \
    --password '*' --user-group {SHIP}
"""
SSH_CONFIG = """\
Host storage
  HostKeyAlias storage
  UserKnownHostsFile ~/probe/known_hosts
  StrictHostKeyChecking yes
  IdentityFile ~/probe/key
  IdentitiesOnly yes
  BatchMode yes
  ConnectTimeout 15
"""
LISTENER = """\
import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    server.settimeout(60)
    server.accept()[0].sendall(b"listener")
"""


def can_be_for_one_vm(world: World) -> str:
    """A key is added for one user of one VM, and the answer says so."""
    result = world.add_key("ship0", f"--vm={world.storage}", f"--ssh-user={SHIP}")
    if result.is_refused:
        remedy = "use --tag" if names_unknown_option(result, "vm") else "give up"
        raise Differs(f"{result.summary}; ocaptain would {remedy}")
    permissions = result.answer.get("permissions")
    if world.storage not in dict(permissions or {}).values():
        raise Differs(f"permissions {permissions!r}")
    return f"permissions {permissions!r}"


def are_named_by_their_comment(world: World) -> str:
    """A key is found again by its name."""
    names = world.list_keys()
    if f"{world.voyage}-ship0" not in names:
        raise Differs(f"the names are {' '.join(names)}")
    return "it is"


def log_in_as_their_user(world: World) -> str:
    """Whatever the login name, the key's user it is."""
    world.run_as_root(world.storage, ADD_SHIP)
    for name in (SHIP, "harbor"):
        user = ("-o", f"User={name}")
        result = world.access.ssh("ship0", world.storage, "id -un; hostname", *user)
        if result.out.decode().split()[-2:] != [SHIP, world.storage]:
            raise Differs(f"as {name}: {result.summary}")
    return f"as {SHIP} and as harbor"


def go_through_the_login_shell(world: World) -> str:
    """The ship's login shell is what runs commands."""
    result = world.access.ssh("ship0", world.storage, "true")
    if result.out.decode().split()[:4] != ["shell", "2", "-c", SHIP]:
        raise Differs(result.summary)
    return "they do"


def give_no_sudo(world: World) -> str:
    """The ship's user becomes nobody else."""
    return check_refused(world.access.ssh("ship0", world.storage, "sudo -n true"))


def run_nothing_elsewhere(world: World) -> str:
    """The other VM does not answer; the lobby may."""
    nonce = secrets.token_hex(8)
    result = world.access.ssh("ship0", world.ship, f"echo {nonce}; hostname")
    lines = [line.strip() for line in result.out.decode().splitlines()]
    if nonce in lines or world.ship in lines:
        raise Differs(result.summary)
    if world.access.ssh("ship0", world.ship, "true").status == 0:
        return f"{result.summary}; `true` has exit status 0 there"
    return result.summary


def do_nothing_in_the_lobby(world: World) -> str:
    """What would tell of the account, or change it, is refused."""
    results = {
        "whoami": world.lobby("whoami", who="ship0"),
        "ls": world.lobby("ls", who="ship0"),
        "ssh-key list": world.lobby("ssh-key list", who="ship0"),
        "ssh-key add": world.add_key("minted", who="ship0"),
        "new": world.new(f"{world.voyage}-ship9", who="ship0"),
    }
    done = [verb for verb, result in results.items() if not result.is_refused]
    if done:
        raise Differs(f"it does: {', '.join(done)}")
    return results["ls"].summary


def read_by_sftp(world: World) -> str:
    """SFTP reads a file of root's, and writes none."""
    sftp = ["sftp", "-F", world.access.config("ship0"), "-b", "-", world.storage]
    copy = world.access.folder / "got"
    result = run(sftp, f"get {OURS}/probe.txt {copy}\n".encode())
    if result.status or copy.read_text() != "served\n":
        raise Differs(result.summary)
    if not run(sftp, f"put {copy} /var/lib/ocaptain/{SHIP}/x\n".encode()).status:
        raise Differs("it wrote into a directory of root's")
    through = world.run_on(world.storage, "test -e /tmp/through-the-shell").status == 0
    return "through the login shell" if through else "past the login shell"


def forward_ports_or_not(world: World) -> str:
    """Either will do; what listens on storage is shown, for it may be in reach."""
    there = "-L forwarded" if forwards_there(world) else "-L refused"
    back = "-R forwarded" if forwards_back(world) else "-R refused"
    list_ports = "ss -Hltn | awk '{print $4}' | sort -u"
    ports = world.run_on(world.storage, list_ports).out.decode().split()
    return f"{there}, {back}; storage listens on {' '.join(ports) or 'nothing that ss knows'}"


def forwards_there(world: World) -> bool:
    """Whether the key gets through to a port of storage's."""
    listen = shlex.join(["python3", "-c", LISTENER])
    with start(["ssh", "-F", world.access.config(CAPTAIN), world.storage, listen]) as listener:
        port = read_line(listener) or "9"
        to_port = f"127.0.0.1:{port}"
        words = ["ssh", "-F", world.access.config("ship0"), "-W", to_port, world.storage]
        result = run(words, timeout=20)
        listener.terminate()
    return result.out == b"listener"


def forwards_back(world: World) -> bool:
    """Whether the key makes storage listen for us."""
    forward = ("-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:9", *NEW_CONNECTION)
    return world.access.ssh("ship0", world.storage, "true", *forward, timeout=20).status == 0


def lead_from_ship_to_storage(world: World) -> str:
    """A ship reaches storage as `sail` has it do that."""
    address = world.access.addresses[world.storage]
    if not any("User " in line for line in address):
        address = [*address, f"  User {SHIP}"]
    files = {
        "key": world.access.private_key("ship0").read_text(),
        "known_hosts": "".join(f"storage {key}\n" for key in world.access.host_keys),
        "config": SSH_CONFIG + "\n".join(address) + "\n",
    }
    for name, text in files.items():
        write = f"umask 077; mkdir -p ~/probe; cat >~/probe/{name}"
        world.run_on(world.ship, write, text.encode())
    began = time.monotonic()
    result = world.run_on(world.ship, "ssh -F ~/probe/config storage 'id -un; hostname'")
    if result.out.decode().split()[-2:] != [SHIP, world.storage]:
        raise Differs(result.summary)
    return f"in {time.monotonic() - began:.1f} s"


def mount_storage(world: World) -> str:
    """SSHFS works with the same configuration."""
    mount = f"sshfs -F ~/probe/config storage:{OURS} ~/probe/mnt && cat ~/probe/mnt/probe.txt"
    result = world.run_on(world.ship, f"mkdir -p ~/probe/mnt; {mount}; fusermount -u ~/probe/mnt")
    if result.out.strip() != b"served":
        raise Differs(result.summary)
    return "it does"


def can_be_for_a_tag(world: World) -> str:
    """A key is added for a tag, and opens VMs with that alone."""
    permissions = world.add_key("ship1", f"--tag={world.voyage}").answer.get("permissions")
    if world.voyage not in dict(permissions or {}).values():
        raise Differs(f"permissions {permissions!r}")
    result = world.access.ssh("ship1", world.storage, "id -un; hostname")
    if result.out.decode().split() != [world.login, world.storage]:
        raise Differs(result.summary)
    nonce = secrets.token_hex(8)
    elsewhere = world.access.ssh("ship1", world.ship, f"echo {nonce}")
    if nonce.encode() in elsewhere.out.split():
        raise Differs("it runs commands on a VM without the tag")
    return f"permissions {permissions!r}"


def see_their_tag_alone(world: World) -> str:
    """In the lobby the tag's key sees storage, or nothing."""
    result = world.lobby("ls", who="ship1")
    if result.is_refused:
        return result.summary
    names = [row["vm_name"] for row in result.answer["vms"]]
    if names != [world.storage]:
        raise Differs(f"it shows {len(names)} VMs")
    return "it shows storage alone"


def remove_nothing(world: World) -> str:
    """In the lobby the VM's key removes no VM."""
    for name in (world.ship, world.storage):
        world.lobby("rm", name, who="ship0")
    removed = {world.ship, world.storage} - world.list_vms().keys()
    if removed:
        raise Differs(f"it removed {' and '.join(sorted(removed))}")
    return "it does not"


def open_nothing_once_removed(world: World) -> str:
    """A removed key opens no new session; whether an open one goes on is shown."""
    hold = ["ssh", "-F", world.access.config("ship0"), *NEW_CONNECTION]
    with start([*hold, world.storage, "echo here; sleep 8"]) as session:
        read_line(session)
        removal = world.lobby("ssh-key remove", f"{world.voyage}-ship0")
        result = world.access.ssh("ship0", world.storage, "true", *NEW_CONNECTION)
        goes_on = session.poll() is None
        session.terminate()
    if removal.is_refused or result.out.startswith(b"shell"):
        raise Differs(f"{removal.summary}; afterwards {result.summary}")
    return f"{result.summary}; an open session {'goes on' if goes_on else 'ends'}"

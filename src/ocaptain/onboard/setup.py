"""Makes a VM into storage or a ship, from what `sail` sent along, in one command."""

import getpass
import json
import os
import pwd
import shlex
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from subprocess import DEVNULL, STDOUT
from typing import Any

from .journal import Journal, write
from .orders import STARTING
from .process import do, program, run, start

Json = dict[str, Any]

KEEPS_ALL = {"core.logAllRefUpdates": "always", "gc.auto": "0", "receive.autogc": "false"}
KEEPS_ALL |= {"core.fsync": "committed,reference", "receive.maxInputSize": "1g"}
TO_STORAGE = {"HostKeyAlias": "storage", "StrictHostKeyChecking": "yes", "IdentitiesOnly": "yes"}
TO_STORAGE |= {"BatchMode": "yes", "ControlPersist": "60", "ConnectTimeout": "15"}
TO_STORAGE |= {"ServerAliveInterval": "15"}
# So that it is always started again, starts are further apart than systemd's limit (5 in 10 s).
UNIT = """\
[Service]
User={user}
ExecStart=/bin/bash -lc "exec {command}"
Restart=always
RestartSec=3
[Install]
WantedBy=multi-user.target
"""
HARBOR = Path("/home/harbor")
HOMES = Path("/var/lib/ocaptain")
LOGIN = Path("/usr/local/lib/ocaptain/login")
GROUP = "ocaptain-ships"
ANYBODYS = ("/tmp", "/var/tmp", "/var/crash", "/dev/shm", "/run/lock")  # noqa: S108 - closed to ships
# Units of exe.dev's agent, which does what any local user says; a file of theirs bars a mask.
MASK = "cd /etc/systemd/system && systemctl stop {0}; rm -f {0}; systemctl mask {0}"
SUDO = "{ship} ALL=(harbor) NOPASSWD: /bin/sh {door} {ship} *\n"


def main(home: Path, _argv: list[str]) -> None:
    """Set up what ~/voyage/boot.json says, and remove that file, which may hold tokens.

    Where storage has accounts, root makes them, and then this begins anew as harbor."""
    path = home / "voyage" / "boot.json"
    boot = json.loads(path.read_text())
    if "keys" in boot and boot["accounts"] and home != HARBOR:
        make_accounts(home / "voyage", boot["keys"])
        do("sudo", "-nHu", "harbor", *program(HARBOR, "setup.main"), cwd=HARBOR)
        return
    path.unlink()
    (ship if "ship" in boot else storage)(home, boot)


def storage(home: Path, boot: Json) -> None:
    """The ships' way in, folders, repository, and the journal's first line."""
    folder, voyage = home / "voyage", boot["voyage"]
    journal = Journal(home, voyage["voyage"])
    for path in (folder / "artifacts", folder / "ships", folder / "logs", journal.tasks_folder):
        path.mkdir(parents=True, exist_ok=True)
    for name, body in boot["artifacts"].items():
        (folder / "artifacts" / name).write_text(body)
    do("ln", "-sfT", sys.executable, folder / "python")
    if not boot["accounts"]:
        admit(home, boot["keys"])
    head = repository(folder, journal.repo, voyage["voyage"], boot["source"])
    write(folder / "voyage.json", voyage)
    with journal.locked():
        if not journal.sections["meta"]:
            tasks = {task["id"]: task for task in boot["tasks"]}
            meta = {"start": head, "head": head}
            ships = {name: STARTING | {"id": name} for name in voyage["ships"]}
            change = {"tasks": tasks, "meta": meta, "ships": ships}
            journal.commit("captain", {"op": "sail"}, change)


def admit(home: Path, keys: Mapping[str, str]) -> None:
    """Let ships in by their keys, each to its own dispatcher and nothing else."""
    door = str(home / "voyage" / "lib" / "onboard" / "door.sh")
    lines = ""
    for ship, key in keys.items():
        command = shlex.join(["sh", door, ship]).replace('"', '\\"')
        lines += f'restrict,command="{command}" {key}\n'
    (home / ".ssh").mkdir(mode=0o700, exist_ok=True)
    (home / ".ssh" / "authorized_keys").write_text(lines)


def repository(folder: Path, repo: Path, branch: str, source: Json) -> str:
    """Make the bare repository from `source`: `url` (null: the bundle sent along), `ref`, `shallow`
    (where its history ends), and the git host's `token`, if any. Returns the branch's commit."""
    do("git", "init", "--quiet", "--bare", repo)
    git = partial(do, "git", cwd=repo)
    for key, value in KEEPS_ALL.items():
        git("config", key, value)
    head, bundle = f"refs/heads/{branch}", folder / "source.bundle"
    hook = folder / "lib" / "onboard" / "pre-receive.sh"
    do("install", "-m", "755", hook, repo / "hooks" / "pre-receive")
    if source["token"]:
        secret = folder / "credentials"  # as git-credential-store(1) has it
        secret.touch(mode=0o600)
        secret.write_text(f"https://x-access-token:{source['token']}@github.com\n")
        # Whatever git asks it to do, it only gets: one bad answer of the host's is not to erase it.
        helper = f"!git credential-store --file {shlex.quote(str(secret))} get; :"
        git("config", "credential.https://github.com.helper", helper)
    if source["shallow"]:
        (repo / "shallow").write_text(source["shallow"])
    if not git("for-each-ref", head):
        git("fetch", "--quiet", "--no-tags", source["url"] or bundle, f"{source['ref']}:{head}")
    git("symbolic-ref", "HEAD", head)
    bundle.unlink(missing_ok=True)
    return git("rev-parse", head)


# Unix accounts on a storage machine of our own: harbor's, and one per ship that leads only there.
#
# A ship's account owns nothing and can write nowhere: its home is root's, and its login shell
# (login.sh) serves SFTP as the ship, which may read what harbor lets anybody read, and hands all
# else to harbor's door. sudo lets it become harbor for that door alone, and only in its own name.


def make_accounts(sent: Path, keys: Mapping[str, str]) -> None:
    """Make the accounts, and move the voyage's folder from `sent` to harbor's home.

    `keys` are the ships' public ones, which count where a common sshd serves."""
    os.umask(0o022)
    folder, door = HARBOR / "voyage", HARBOR / "voyage" / "lib" / "onboard" / "door.sh"
    do("groupadd", "--force", GROUP)
    account("harbor", HARBOR, "/bin/bash", "--create-home", "--user-group")
    do("cp", "-rT", sent, folder)
    do("chmod", "755", HARBOR, folder)
    do("chown", "-R", "harbor:harbor", folder)
    do("rm", "-r", sent)
    do("install", "-D", "-m", "755", folder / "lib" / "onboard" / "login.sh", LOGIN)
    for ship, key in keys.items():
        make_ship(ship, key)
    rules = "".join(SUDO.format(ship=ship, door=door) for ship in keys)
    Path("/etc/sudoers.d/ocaptain").write_text(f"Defaults>harbor !use_pty\n{rules}")
    close_to_ships()
    run(["sh", "-c", MASK.format("shelley.socket shelley.service")])  # as far as there are any


def account(name: str, home: Path, shell: "str | Path", *options: str) -> None:
    """Make a system account that nobody can log in to with a password, unless there is one."""
    if name not in [user.pw_name for user in pwd.getpwall()]:
        where = ("--home-dir", home, "--shell", shell, "--password", "*")
        do("useradd", "--system", *where, *options, name)


def make_ship(ship: str, key: str) -> None:
    """Make a ship's account, with a home that it cannot write to."""
    keys = HOMES / ship / ".ssh" / "authorized_keys"
    account(ship, HOMES / ship, LOGIN, "--gid", GROUP)
    keys.parent.mkdir(parents=True, exist_ok=True)
    keys.write_text(f"restrict {key}\n")


def close_to_ships() -> None:
    """Take from ships what everybody may write to, now and at each boot (tmpfiles.d(5))."""
    do("install", "-d", "-g", GROUP, "-m", "1707", *ANYBODYS)
    lines = "".join(f"z {place} 1707 root {GROUP}\n" for place in ANYBODYS)
    Path("/etc/tmpfiles.d").mkdir(exist_ok=True)
    Path("/etc/tmpfiles.d/ocaptain.conf").write_text(lines)


# Ships


def ship(home: Path, boot: Json) -> None:
    """Key, configuration, tokens, the plan's scripts and links into what will be mounted; helm."""
    folder = home / "voyage"
    ours = {"UserKnownHostsFile": f'"{folder}/known_hosts"', "IdentityFile": f'"{folder}/key"'}
    options = TO_STORAGE | ours | dict(boot["reach"])
    files = {
        "key": boot["key"],
        "known_hosts": "".join(f"storage {key}\n" for key in boot["host_key"].splitlines()),
        "ssh_config": "Host storage\n" + "".join(f"  {key} {options[key]}\n" for key in options),
        "captain.json": json.dumps(boot["captain"]),
        "ship.json": json.dumps({key: boot[key] for key in ("ship", "voyage", "via", "accounts")}),
        **boot["artifacts"],
    }
    os.umask(0o077)
    for name, body in files.items():
        (folder / name).write_text(body)
    (folder / "storage").mkdir(exist_ok=True)
    tasks = f".claude/tasks/{boot['voyage']['voyage']}-tasks"
    for path in ("voyage/artifacts", "voyage/logs", tasks):
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        do("ln", "-sfT", folder / "storage" / path, home / path)
    start_helm(home, boot)


def start_helm(home: Path, boot: Json) -> None:
    """Start helm: as a system unit where systemd runs a machine of our own (sd_booted(3))."""
    command, unit = program(home, "helm.main"), home / "voyage" / "ocaptain-helm.service"
    if boot["accounts"] and Path("/run/systemd/system").is_dir():
        unit.write_text(UNIT.format(user=getpass.getuser(), command=shlex.join(command)))
        do("sudo", "-n", "install", "-m", "644", unit, "/etc/systemd/system")
        do("sudo", "-n", "systemctl", "enable", "--now", unit.name)
        return
    with (home / "voyage" / "helm.out").open("ab") as out:
        start(command, cwd=home, stdin=DEVNULL, stdout=out, stderr=STDOUT)

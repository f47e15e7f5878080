"""Makes a VM into storage or a ship, from what `sail` sent along, in one command; lets ships in."""

import json
import os
import shlex
import sys
from compileall import compile_dir
from functools import partial
from pathlib import Path
from typing import Any

from .journal import Journal, put, write
from .orders import STARTING
from .process import do, leave, program, run

Json = dict[str, Any]

KEEPS_ALL = {"core.logAllRefUpdates": "always", "gc.auto": "0", "receive.autogc": "false"}
KEEPS_ALL |= {"core.fsync": "committed,reference", "receive.denyDeletes": "true"}
KEEPS_ALL |= {"receive.maxInputSize": "1g"}
TO_STORAGE = {"HostKeyAlias": "storage", "StrictHostKeyChecking": "yes", "IdentitiesOnly": "yes"}
TO_STORAGE |= {"BatchMode": "yes", "ControlPersist": "60", "ConnectTimeout": "15"}
TO_STORAGE |= {"ServerAliveInterval": "15"}
# So that it is always started again, starts are further apart than systemd's limit (5 in 10 s).
UNIT = '[Service]\nUser={user}\nExecStart=/bin/bash -lc "exec {command}"\nRestart=always\n'
UNIT += "RestartSec=3\n[Install]\nWantedBy=multi-user.target\n"
HARBOR = Path("/home/harbor")
HOMES = Path("/var/lib/ocaptain")
LOGIN = Path("/usr/local/lib/ocaptain/login")
GROUP = "ocaptain-ships"
ANYBODYS = ("/tmp", "/var/tmp", "/var/crash", "/dev/shm", "/run/lock")  # noqa: S108 - closed to ships
RULE = f"%{GROUP} ALL=(harbor) NOPASSWD: /bin/sh {HARBOR}/voyage/lib/onboard/door.sh *\n"
# Units of exe.dev's agent, which does what any local user says; a file of theirs bars a mask.
MASK = "cd /etc/systemd/system && systemctl stop {0}; rm -f {0}; systemctl mask {0}"


def main(home: Path, _argv: list[str]) -> None:
    """Do what ~/voyage/boot.json says, and remove that file, which may hold tokens: make this a
    `ship`, make it storage from a `source`, let ships into it (`enlist`).

    Where storage has accounts, root sees to those, and the rest begins anew as harbor."""
    # Python itself may leave half of one behind where the disk is full, which bars all calls then.
    compile_dir(home / "voyage" / "lib", quiet=2)
    path = home / "voyage" / "boot.json"
    boot = json.loads(path.read_text())
    as_root = boot["accounts"] and "ship" not in boot and home != HARBOR
    if not as_root:
        path.unlink()
    (ship if "ship" in boot else accounts if as_root else storage)(home, boot)
    os.sync()  # the captain counts on all of it from here on


def storage(home: Path, boot: Json) -> None:
    """The ships' way in, and for a new voyage folders, repository, and the journal's first line."""
    if not boot["accounts"]:
        admit(home, boot)
    if "source" not in boot:
        return
    folder, voyage = home / "voyage", boot["voyage"]
    journal = Journal(home, voyage["voyage"])
    (folder / "logs").mkdir(exist_ok=True)
    for name, body in boot["artifacts"].items():
        put(folder / "artifacts" / name, body)
    do("ln", "-sfT", sys.executable, folder / "python")
    head = repository(folder, journal.repo, voyage["voyage"], boot["source"])
    write(folder / "voyage.json", voyage)
    with journal.locked():
        if not journal.sections["meta"]:
            tasks = {task["id"]: task for task in boot["tasks"]}
            meta = {"start": head, "head": head, "enlisted": len(voyage["ships"])}
            ships = {name: {**STARTING, "id": name} for name in voyage["ships"]}
            first = {"tasks": tasks, "meta": meta, "ships": ships}
            journal.commit("captain", {"op": "sail"}, first)


def repository(folder: Path, repo: Path, branch: str, source: Json) -> str:
    """Make the bare repository from `source`: `url` (null: the bundle sent along), `ref`, `shallow`
    (where its history ends), and the git host's `token`, if any. Returns the branch's commit."""
    do("git", "init", "--quiet", "--bare", "--initial-branch", branch, repo)
    git = partial(do, "git", cwd=repo)
    for key, value in KEEPS_ALL.items():
        git("config", key, value)
    head, bundle = f"refs/heads/{branch}", folder / "source.bundle"
    do("install", "-m", "755", folder / "lib/onboard/pre-receive.sh", repo / "hooks/pre-receive")
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
    bundle.unlink(missing_ok=True)
    return git("rev-parse", head)


def admit(home: Path, boot: Json) -> None:
    """Let ships in by their keys, each to its own door and nothing else."""
    path = home / ".ssh" / "authorized_keys"
    known = path.read_text() if path.exists() else ""
    door = 'restrict,command="sh ~/voyage/lib/onboard/door.sh {}" {}\n'
    ways = [door.format(*named) for named in boot["enlist"].items()]
    put(path, known + "".join(way for way in ways if way not in known))


# Unix accounts on a storage machine of our own: harbor's, and one per ship that leads only there.
#
# A ship's account owns nothing and can write nowhere: its home is root's, and its login shell
# (login.sh) serves SFTP as the ship, which may read what harbor lets anybody read, and hands all
# else to harbor's door. sudo lets it become harbor for that door alone, which asks sudo who it is.


def accounts(home: Path, boot: Json) -> None:
    """Make the ships' accounts, with their keys, which count where a common sshd serves; for a new
    voyage go on as harbor."""
    os.umask(0o022)
    do("groupadd", "--force", GROUP)
    for ship, key in boot["enlist"].items():
        account(ship, "--home-dir", HOMES / ship, "--shell", LOGIN, "--gid", GROUP)
        put(HOMES / ship / ".ssh" / "authorized_keys", f"restrict {key}\n")
    if "source" in boot:
        harbors(home / "voyage")
    do("rm", "-f", home / "voyage" / "boot.json", home / "voyage" / "source.bundle")
    if "source" in boot:
        do("sudo", "-nHu", "harbor", *program(HARBOR, "setup.main"), cwd=HARBOR)


def account(name: str, *options: "str | Path") -> None:
    """Make a system account that nobody can log in to with a password, unless there is one."""
    if run(["id", name]).status:
        do("useradd", "--system", "--password", "*", *options, name)


def harbors(sent: Path) -> None:
    """Make harbor's account, with a copy of what was `sent`, and close to ships what everybody may
    write to, now and at each boot (tmpfiles.d(5))."""
    folder = HARBOR / "voyage"
    account("harbor", "--create-home", "--home-dir", HARBOR, "--shell", "/bin/bash", "--user-group")
    do("cp", "-rT", sent, folder)
    do("chmod", "755", HARBOR, folder)
    do("chown", "-R", "harbor:harbor", folder)
    do("install", "-D", "-m", "755", sent / "lib" / "onboard" / "login.sh", LOGIN)
    put(Path("/etc/sudoers.d/ocaptain"), f"Defaults>harbor !use_pty\n{RULE}")
    do("install", "-d", "-g", GROUP, "-m", "1707", *ANYBODYS)
    lines = "".join(f"z {place} 1707 root {GROUP}\n" for place in ANYBODYS)
    put(Path("/etc/tmpfiles.d/ocaptain.conf"), lines)
    run(["sh", "-c", MASK.format("shelley.socket shelley.service")])  # as far as there are any


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
    restart(home, [])


def restart(home: Path, _argv: list[str]) -> None:
    """Start helm, unless it runs: as a system unit where systemd runs a machine of our own
    (sd_booted(3)), else as a process, of which only one stays."""
    told = json.loads((home / "voyage" / "ship.json").read_text())
    if told["accounts"] and Path("/run/systemd/system").is_dir():
        unit, helm = home / "voyage" / "ocaptain-helm.service", program(home, "helm.main")
        unit.write_text(UNIT.format(user=home.owner(), command=shlex.join(helm)))
        do("sudo", "-n", "install", "-m", "644", unit, "/etc/systemd/system")
        do("sudo", "-n", "systemctl", "enable", "--now", unit.name)
    else:
        leave(home, "helm.out", "helm.main")

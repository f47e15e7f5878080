"""Makes a VM into storage or a ship, from what `sail` sent along, in one command."""

import getpass
import json
import os
import shlex
import sys
from functools import partial
from pathlib import Path
from subprocess import DEVNULL, STDOUT
from typing import Any

from . import accounts, process
from .journal import Journal, write
from .process import do, program

Json = dict[str, Any]

KEEPS_ALL = {"core.logAllRefUpdates": "always", "gc.auto": "0", "receive.autogc": "false"}
KEEPS_ALL |= {"core.fsync": "committed,reference", "receive.maxInputSize": "1g"}
SSH_CONFIG = """\
Host storage
  HostKeyAlias storage
  UserKnownHostsFile "{folder}/known_hosts"
  StrictHostKeyChecking yes
  IdentityFile "{folder}/key"
  IdentitiesOnly yes
  BatchMode yes
  ControlPersist 60
  ConnectTimeout 15
  ServerAliveInterval 15
"""
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


def main(home: Path, _argv: list[str]) -> None:
    """Set up what ~/voyage/boot.json says, and remove that file, which may hold tokens.

    Where storage has accounts, root makes them, and then this begins anew as harbor."""
    path = home / "voyage" / "boot.json"
    boot = json.loads(path.read_text())
    if "keys" in boot and boot["accounts"] and home != accounts.HOME:
        accounts.make(home / "voyage", boot["keys"])
        do("sudo", "-nHu", "harbor", *program(accounts.HOME, "setup.main"), cwd=accounts.HOME)
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
    (folder / "python").unlink(missing_ok=True)
    (folder / "python").symlink_to(sys.executable)
    if not boot["accounts"]:
        admit(home, boot["keys"])
    head = repository(folder, journal.repo, voyage["voyage"], boot["source"])
    write(folder / "voyage.json", voyage)
    with journal.locked():
        if not journal.sections["meta"]:
            tasks = {task["id"]: task for task in boot["tasks"]}
            meta = {"start": head, "head": head}
            journal.commit("captain", {"op": "sail"}, {"tasks": tasks, "meta": meta})


def admit(home: Path, keys: dict[str, str]) -> None:
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
    head, bundle, hook = (
        f"refs/heads/{branch}",
        folder / "source.bundle",
        repo / "hooks/pre-receive",
    )
    hook.unlink(missing_ok=True)
    hook.symlink_to(folder / "lib" / "onboard" / "pre-receive.sh")
    hook.chmod(0o755)
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


def ship(home: Path, boot: Json) -> None:
    """Key, configuration, tokens, the plan's scripts and links into what will be mounted; helm."""
    folder = home / "voyage"
    reach = "".join(f"  {key} {value}\n" for key, value in boot["reach"])
    told = {key: boot[key] for key in ("ship", "voyage", "via", "accounts")}
    files = {
        "key": boot["key"],
        "known_hosts": "".join(f"storage {key}\n" for key in boot["host_key"].splitlines()),
        "ssh_config": SSH_CONFIG.format(folder=folder) + reach,
        "captain.json": json.dumps(boot["captain"]),
        "ship.json": json.dumps(told),
        **boot["artifacts"],
    }
    os.umask(0o077)
    for name, body in files.items():
        (folder / name).write_text(body)
    (folder / "storage").mkdir(exist_ok=True)
    tasks = f".claude/tasks/{boot['voyage']['voyage']}-tasks"
    for path in ("voyage/artifacts", "voyage/logs", tasks):
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        if not (home / path).is_symlink():
            (home / path).symlink_to(folder / "storage" / path)
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
        process.start(command, cwd=home, stdin=DEVNULL, stdout=out, stderr=STDOUT)

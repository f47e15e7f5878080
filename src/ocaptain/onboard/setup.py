"""Makes a VM into storage or a ship, from what `sail` sent along, in one command."""

import getpass
import json
import os
import shlex
import sys
from pathlib import Path
from subprocess import DEVNULL, STDOUT
from typing import Any

from . import accounts, process
from .journal import Journal, write

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
UNIT = """\
[Unit]
Description=ocaptain's helm, of {ship}
StartLimitIntervalSec=0
[Service]
User={user}
WorkingDirectory={home}
ExecStart=/bin/bash -lc "exec {command}"
Restart=always
RestartSec=2
[Install]
WantedBy=multi-user.target
"""


def main(home: Path, _argv: list[str]) -> None:
    """Set up what ~/voyage/boot.json says, and remove that file, which may hold tokens."""
    path = home / "voyage" / "boot.json"
    boot = json.loads(path.read_text())
    path.unlink()
    if "ship" in boot:
        ship(home, boot)
    elif boot["accounts"]:
        storage(accounts.make(home / "voyage", boot["keys"]), boot)
    else:
        admit(home, boot["keys"])
        storage(home, boot)


def program(home: Path, *words: str) -> list[str]:
    """The command that runs a program of this package."""
    return [sys.executable, "-IS", str(home / "voyage" / "lib"), *words]


def storage(home: Path, boot: Json) -> None:
    """Folders, repository, and the journal's first line."""
    folder, voyage = home / "voyage", boot["voyage"]
    journal = Journal(home, voyage["voyage"])
    for path in (folder / "artifacts", folder / "ships", folder / "logs", journal.tasks_folder):
        path.mkdir(parents=True, exist_ok=True)
    for name, body in boot["artifacts"].items():
        (folder / "artifacts" / name).write_text(body)
    (folder / "python").unlink(missing_ok=True)
    (folder / "python").symlink_to(sys.executable)
    head = repository(home, journal.repo, voyage["voyage"], boot["source"])
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


def repository(home: Path, repo: Path, branch: str, source: Json) -> str:
    """Make the bare repository from `source`: `url` (null: the bundle sent along), `ref`, `shallow`
    (where its history ends), and the git host's `token`, if any. Returns the branch's commit."""
    git(home, "init", "--quiet", "--bare", str(repo))
    for key, value in KEEPS_ALL.items():
        git(repo, "config", key, value)
    hook, bundle = repo / "hooks" / "pre-receive", home / "voyage" / "source.bundle"
    head = f"refs/heads/{branch}"
    hook.unlink(missing_ok=True)
    hook.symlink_to(home / "voyage" / "lib" / "onboard" / "pre-receive.sh")
    hook.chmod(0o755)
    if source["token"]:
        secret = home / "voyage" / "credentials"  # as git-credential-store(1) has it
        secret.touch(mode=0o600)
        secret.write_text(f"https://x-access-token:{source['token']}@github.com\n")
        # Whatever git asks it to do, it only gets: one bad answer of the host's is not to erase it.
        helper = f"!git credential-store --file {shlex.quote(str(secret))} get; :"
        git(repo, "config", "credential.https://github.com.helper", helper)
    if source["shallow"]:
        (repo / "shallow").write_text(source["shallow"])
    if not git(repo, "for-each-ref", head):
        origin = source["url"] or str(bundle)
        git(repo, "fetch", "--quiet", "--no-tags", origin, f"{source['ref']}:{head}")
    git(repo, "symbolic-ref", "HEAD", head)
    bundle.unlink(missing_ok=True)
    return git(repo, "rev-parse", head)


def git(folder: Path, *words: str) -> str:
    """What git prints in `folder`; where it fails, the end of this program."""
    done = process.run(["git", "-C", folder, *words], env={"GIT_TERMINAL_PROMPT": "0"})
    if done.status:
        raise SystemExit(f"git {words[0]} failed on storage: {done.err.strip()}")
    return done.out.strip()


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
        user = getpass.getuser()
        unit.write_text(
            UNIT.format(ship=boot["ship"], user=user, home=home, command=shlex.join(command))
        )
        become_root("install", "-m", "644", str(unit), "/etc/systemd/system")
        become_root("systemctl", "enable", "--now", unit.name)
        return
    with (home / "voyage" / "helm.out").open("ab") as out:
        process.start(command, cwd=home, stdin=DEVNULL, stdout=out, stderr=STDOUT)


def become_root(*words: str) -> None:
    """Run a command as root; where it fails, the end of this program."""
    done = process.run(["sudo", "-n", *words])
    if done.status:
        raise SystemExit(f"sudo {words[0]} failed: {done.err.strip()}")

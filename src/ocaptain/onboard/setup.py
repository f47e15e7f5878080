"""Makes a VM into storage or a ship, from what `sail` sent along, in one command."""

import json
import os
import shlex
import shutil
import sys
from pathlib import Path
from subprocess import DEVNULL, STDOUT
from typing import Any

from . import process
from .journal import Journal, write

Json = dict[str, Any]

KEEPS_ALL = {"core.logAllRefUpdates": "always", "gc.auto": "0", "receive.autogc": "false"}
KEEPS_ALL["core.fsync"] = "committed,reference"
LIBEXEC = "/usr/lib/openssh:/usr/libexec/openssh:/usr/libexec:/usr/lib/ssh"
DOOR = """\
# What a ship's SSH login runs, whatever it asks for: harbor, git, read-only SFTP, or nothing.
export OCAPTAIN_SHIP="$1"
case "$SSH_ORIGINAL_COMMAND" in
  harbor) exec {python} serve.serve "$1" ;;
  git-upload-pack*) exec git upload-pack {repo} ;;
  git-receive-pack*) exec git receive-pack {repo} ;;
  internal-sftp | *sftp-server) exec {sftp} -R -d {home} ;;
esac
echo "ocaptain: $1 may run harbor, git and sftp on storage, nothing else" >&2
exit 1
"""
HOOK = """\
#!/bin/sh
# A ship may write the work refs of its own claims, nothing else, and while there is room.
refuse() {{ echo "ocaptain: $1" >&2; exit 1; }}
room=$(df -Pk . | awk 'NR == 2 {{ print $4 }}')
[ "$room" -gt 500000 ] || refuse "storage has no room for pushes"
while read -r _ new ref; do
  case $new in *[!0]*) ;; *) refuse "$OCAPTAIN_SHIP may not remove $ref" ;; esac
  [ -f {allowed}"/${{OCAPTAIN_SHIP:-nobody}}/$ref" ] || refuse "$OCAPTAIN_SHIP may not write $ref"
done
"""
SSH_CONFIG = """\
Host storage
  HostKeyAlias storage
  UserKnownHostsFile "{folder}/known_hosts"
  StrictHostKeyChecking yes
  IdentityFile "{folder}/key"
  IdentitiesOnly yes
  BatchMode yes
  LogLevel ERROR
  ControlPersist 60
  ConnectTimeout 15
  ServerAliveInterval 15
"""


def main(home: Path, _argv: list[str]) -> None:
    """Set up what ~/voyage/boot.json says, and remove that file, which may hold tokens."""
    path = home / "voyage" / "boot.json"
    boot = json.loads(path.read_text())
    path.unlink()
    storage(home, boot) if boot["role"] == "storage" else ship(home, boot)


def program(home: Path, *words: str) -> list[str]:
    """The command that runs a program of this package."""
    return [sys.executable, "-IS", str(home / "voyage" / "lib"), *words]


def storage(home: Path, boot: Json) -> None:
    """Folders, repository, the ships' logins, and the journal's first line."""
    folder, voyage = home / "voyage", boot["voyage"]
    journal = Journal(home, voyage["voyage"])
    for path in (folder / "artifacts", folder / "ships", folder / "logs", journal.tasks_folder):
        path.mkdir(parents=True, exist_ok=True)
    for name, body in boot["artifacts"].items():
        (folder / "artifacts" / name).write_text(body)
    admit(home, boot["ships"])
    head = repository(home, journal.repo, voyage["voyage"], boot["source"])
    write(folder / "voyage.json", voyage)
    with journal.locked():
        if not journal.sections["meta"]:
            tasks = {task["id"]: task for task in boot["tasks"]}
            meta = {"start": head, "head": head}
            journal.commit("captain", {"op": "sail"}, {"tasks": tasks, "meta": meta})


def admit(home: Path, keys: dict[str, str]) -> None:
    """Let ships in by their keys, each to its own dispatcher and nothing else."""
    sftp = shutil.which("sftp-server", path=LIBEXEC) or "sftp-server"
    paths = {"python": program(home), "repo": [str(home / "voyage" / "repo.git")]}
    paths |= {"sftp": [sftp], "home": [str(home)]}
    quoted = {name: shlex.join(words) for name, words in paths.items()}
    (home / "voyage" / "door").write_text(DOOR.format(**quoted))
    lines = ""
    for ship, key in keys.items():
        command = shlex.join(["sh", str(home / "voyage" / "door"), ship]).replace('"', '\\"')
        lines += f'restrict,command="{command}" {key}\n'
    (home / ".ssh").mkdir(mode=0o700, exist_ok=True)
    (home / ".ssh" / "authorized_keys").write_text(lines)


def repository(home: Path, repo: Path, branch: str, source: Json) -> str:
    """Make the bare repository from `source`: `url` (null: the bundle sent along), `ref`, and
    `shallow`, where its history ends. Returns the branch's commit."""
    git(home, "init", "--quiet", "--bare", str(repo))
    for key, value in KEEPS_ALL.items():
        git(repo, "config", key, value)
    hook, bundle = repo / "hooks" / "pre-receive", home / "voyage" / "source.bundle"
    head = f"refs/heads/{branch}"
    hook.write_text(HOOK.format(allowed=shlex.quote(str(home / "voyage" / "allowed"))))
    hook.chmod(0o755)
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
    files = {
        "key": boot["key"],
        "known_hosts": f"storage {boot['host_key']}\n",
        "ssh_config": SSH_CONFIG.format(folder=folder) + reach,
        "captain.json": json.dumps(boot["captain"]),
        "ship.json": json.dumps({"ship": boot["ship"], "voyage": boot["voyage"]}),
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
    with (folder / "helm.out").open("ab") as out:
        process.start(
            program(home, "helm.main"), cwd=home, stdin=DEVNULL, stdout=out, stderr=STDOUT
        )

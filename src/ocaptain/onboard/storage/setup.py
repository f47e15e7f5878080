"""Makes a VM into storage from what `sail` sent along, and lets ships in.

If storage is to have Unix accounts of its own, root makes those first (accounts.py); the rest runs
again as the user harbor."""

import json
import os
import shlex
import sys
from pathlib import Path

from ..files import compile_half, put, write
from ..process import run_or_exit
from ..protocol import NewVoyage, Source, StorageBoot
from . import accounts
from .github import credential
from .journal import Journal
from .state import starting_ship

REPOSITORY_CONFIG = {
    "core.logAllRefUpdates": "always",
    "core.fsync": "committed,derived-metadata,reference",
    "gc.auto": "0",
    "receive.autogc": "false",
    "receive.denyDeletes": "true",
    "receive.maxInputSize": "1g",
}
"""Git's settings that keep everything that was ever pushed."""

AUTHORIZED_KEY = 'restrict,command="sh ~/voyage/lib/onboard/storage/door.sh {ship}" {key}\n'


def main(home: Path) -> None:
    """Do what ~/voyage/boot.json says, and remove that file, which may hold tokens."""
    compile_half(home, "storage")
    path = home / "voyage" / "boot.json"
    boot: StorageBoot = json.loads(path.read_text())
    if boot["accounts"] and home != accounts.HARBOR:
        accounts.set_up(home, boot)  # which runs this again as harbor
    else:
        path.unlink()
        set_up(home, boot)
    os.sync()  # the captain counts on all of it from here on


def set_up(home: Path, boot: StorageBoot) -> None:
    """Make the ships' way in and, for a new voyage, folders, repository and the journal."""
    if not boot["accounts"]:
        authorize_keys(home, boot["ship_keys"])
    if boot["new"]:
        begin_voyage(home, boot["new"])


def authorize_keys(home: Path, ship_keys: dict[str, str]) -> None:
    """Let ships in by their keys, each to its own door and to nothing else."""
    path = home / ".ssh" / "authorized_keys"
    known = path.read_text() if path.exists() else ""
    lines = [AUTHORIZED_KEY.format(ship=ship, key=key) for ship, key in ship_keys.items()]
    put(path, known + "".join(line for line in lines if line not in known))


def begin_voyage(home: Path, new: NewVoyage) -> None:
    """Make folders, repository and voyage.json, and write the journal's first line."""
    folder = home / "voyage"
    voyage = new["voyage"]
    journal = Journal(home, voyage["voyage"])
    (folder / "logs").mkdir(exist_ok=True)
    for name, body in new["artifacts"].items():
        put(folder / "artifacts" / name, body)
    run_or_exit("ln", "-sfT", sys.executable, folder / "python")
    make_repository(folder, journal.repo, voyage["voyage"], new["source"])
    head = fetch_branch(folder / "source.bundle", journal.repo, voyage["voyage"], new["source"])
    write(folder / "voyage.json", voyage)
    now = journal.moment()
    with journal.locked():
        if not journal.sections["meta"]:
            journal.commit(
                "captain",
                {"op": "sail"},
                {
                    "tasks": {task["id"]: task for task in new["tasks"]},
                    "ships": {name: starting_ship(name, now) for name in voyage["ships"]},
                    "meta": {"start": head, "head": head, "next_ship": len(voyage["ships"])},
                },
            )


def make_repository(folder: Path, repo: Path, branch: str, source: Source) -> None:
    """Make the bare repository with its settings and its hook."""
    run_or_exit("git", "init", "--quiet", "--bare", "--initial-branch", branch, repo)
    for key, value in REPOSITORY_CONFIG.items():
        run_or_exit("git", "config", key, value, cwd=repo)
    hook = folder / "lib/onboard/storage/pre-receive.sh"
    run_or_exit("install", "-m", "755", hook, repo / "hooks/pre-receive")
    if source["token"]:
        secret = folder / "credentials"
        store_token(secret, source["token"])
        # Whatever git asks the helper, it only gets: a bad answer of the host's must not erase it.
        helper = f"!git credential-store --file {shlex.quote(str(secret))} get; :"
        run_or_exit("git", "config", "credential.https://github.com.helper", helper, cwd=repo)
    if source["shallow"]:
        (repo / "shallow").write_text(source["shallow"])


def store_token(path: Path, token: str) -> None:
    """Write the git host's token for git's credential helper."""
    path.touch(mode=0o600)
    path.write_text(credential(token))


def fetch_branch(bundle: Path, repo: Path, branch: str, source: Source) -> str:
    """Fetch the voyage's branch from its source, unless it is there. Returns its commit."""
    ref = f"refs/heads/{branch}"
    if not run_or_exit("git", "for-each-ref", ref, cwd=repo):
        origin = source["url"] or bundle
        refspec = f"{source['ref']}:{ref}"
        run_or_exit("git", "fetch", "--quiet", "--no-tags", origin, refspec, cwd=repo)
    bundle.unlink(missing_ok=True)
    return run_or_exit("git", "rev-parse", ref, cwd=repo)

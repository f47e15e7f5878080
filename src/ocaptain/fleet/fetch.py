"""Brings home what a voyage has made, and says what storage alone has."""

import io
import tarfile
from pathlib import Path

from ocaptain.errors import Failure
from ocaptain.git import git
from ocaptain.ssh import Home, clean

from .voyage import Voyage

FETCH_S = 1800
PACK_RECORDS = "cd ~/voyage && tar -cz artifacts journal.jsonl logs ships voyage.json"


async def fetch(voyage: Voyage, into: Path, *, everything: bool) -> str:
    """Bring the branch into the repository at `into`. Returns what was done, in sentences.

    With `everything` also wrecks, under refs/ocaptain/<voyage>, and logs, journal and artifacts,
    into a folder beside the code. Storage is told what it need not keep for the captain."""
    unfetched = await voyage.ask_unfetched()
    fetched = {"head": unfetched["head"]}
    try:
        await _fetch_refs(voyage, into, wrecks=everything)
        if everything:
            await _fetch_records(voyage, into / voyage.id)
            fetched.update(unfetched["wrecks"])
    except (Failure, OSError, tarfile.TarError) as fault:
        raise Failure(
            f"{voyage.id} could not be fetched into {into}: {fault}",
            hint=f"Into another repository: ocaptain fetch {voyage.id} --into REPO",
        ) from None
    await voyage.mark_fetched(fetched)
    head = unfetched["head"][:12]
    commits = f"{unfetched['commits']} commits were on storage alone"
    sentences = [f"{voyage.id} is at {head}; {commits}; see git log {voyage.id} --"]
    if everything:
        sentences.append(f"Logs, journal and artifacts: {into / voyage.id}/")
    elif unfetched["wrecks"]:
        wrecks = ", ".join(unfetched["wrecks"])
        sentences.append(f"Unlanded work is on storage only: {wrecks} (--all)")
    return clean("\n".join(sentences))


async def _fetch_refs(voyage: Voyage, into: Path, *, wrecks: bool) -> None:
    refs = [f"refs/heads/{voyage.id}:refs/heads/{voyage.id}"]
    if wrecks:
        refs.append(f"+refs/heads/work/*:refs/ocaptain/{voyage.id}/*")
    upload_pack = voyage.as_harbor("git-upload-pack", Home("voyage/repo.git"))
    await git(
        "-C",
        str(into),
        "fetch",
        "--quiet",
        f"--upload-pack={upload_pack}",
        f"{voyage.storage}:voyage",
        *refs,
        timeout=FETCH_S,
        env=voyage.ssh.git_env(),
    )


async def _fetch_records(voyage: Voyage, folder: Path) -> None:
    packed = await voyage.ssh.run(voyage.storage, voyage.as_harbor("sh", "-c", PACK_RECORDS))
    with tarfile.open(fileobj=io.BytesIO(packed.out), mode="r|gz") as tar:
        tar.extractall(folder, filter="data")


async def at_risk(voyage: Voyage) -> str | None:
    """What storage alone has, in a sentence; None if that is nothing."""
    try:
        unfetched = await voyage.ask_unfetched()
    except Failure as failure:
        return f"{voyage.id}: what was never fetched of it cannot be seen. {failure}"
    parts = []
    if unfetched["commits"]:
        parts.append(f"{unfetched['commits']} commits on its branch")
    if unfetched["wrecks"]:
        parts.append(f"unlanded work ({', '.join(unfetched['wrecks'])})")
    if not parts:
        return None
    return clean(f"{voyage.id}: never fetched or pushed: {' and '.join(parts)}")

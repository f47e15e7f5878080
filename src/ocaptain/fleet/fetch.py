"""Brings home what a voyage has made, and says what storage alone has."""

import shlex
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import IO, TypedDict

from ocaptain.errors import Failure
from ocaptain.git import git, try_git
from ocaptain.onboard.text import several
from ocaptain.ssh import Home, announced, clean

from .voyage import Voyage

FETCH_S = 1800
SILENCE_S = 120
"""How long storage may send nothing of its records before they are given up, in seconds."""
PACK_RECORDS = """\
cd ~/voyage && exec tar -cz --exclude='.*' artifacts journal*.jsonl* logs ships voyage.json \
  $(ls -d telemetry transcripts 2>/dev/null)
"""
SOME_FILES_CHANGED = 1
"""The status of tar(1) if a file changed while it was read, as logs and the journal do."""


REPORT = "report.html"

WriteReport = Callable[[Voyage, Path], Awaitable[None]]


class FetchOutcome(TypedDict):
    """What came home."""

    message: str
    """Sentences for people."""
    voyage: str
    repo: str
    head: str
    commits: int
    """How many of the branch are new to the captain."""
    records: str | None
    """The folder of logs, journal and artifacts, if they were fetched."""
    report: str | None
    """The page of the voyage as a file, if that was written with the records."""
    wrecks: list[str]
    """Work that did not land, and that storage alone has yet."""


class Unrelated(Failure):
    """A repository is none of the voyage's."""


async def fetch(
    voyage: Voyage,
    into: Path,
    *,
    everything: bool,
    unrelated: bool = False,
    write_report: WriteReport | None = None,
) -> FetchOutcome:
    """Bring the branch into the repository at `into`. Returns what was done.

    With `everything` also wrecks, under refs/ocaptain/<voyage>, and logs, journal and artifacts,
    into a folder beside the code, with the report that `write_report` writes there. Storage is told
    what it need not keep for the captain. Raises Failure, also if all came home and the branch here
    cannot follow; and Unrelated, before anything is brought, if the repository lacks the commit
    that the voyage began at. With `unrelated` it is taken all the same."""
    unfetched = await voyage.ask_unfetched()
    fetched = {"head": unfetched["head"]}
    folder = into / records_folder(voyage.id)
    try:
        repo = await repository(into)
        if not unrelated:
            await _see_that_it_is_related(voyage, repo, unfetched.get("start"))
        await _fetch_refs(voyage, into, wrecks=everything)
        if everything:
            await _bring_records(voyage, into, folder, write_report)
            fetched.update(unfetched["wrecks"])
    except Unrelated:
        raise
    except (Failure, OSError, EOFError, zlib.error, tarfile.TarError) as fault:
        raise Failure(
            f"{voyage.id} could not be fetched into {into}: {fault}",
            hint=f"Into another repository: ocaptain fetch {voyage.id} --into REPO",
        ) from None
    await voyage.mark_fetched(fetched)
    await _move_branch(voyage.id, into)
    outcome: FetchOutcome = {
        "message": "",
        "voyage": voyage.id,
        "repo": str(repo),
        "head": unfetched["head"],
        "commits": unfetched["commits"],
        "records": str(folder) if everything else None,
        "report": str(folder / REPORT) if everything and write_report else None,
        "wrecks": [] if everything else list(unfetched["wrecks"]),
    }
    return {**outcome, "message": _in_sentences(outcome)}


async def _bring_records(
    voyage: Voyage, into: Path, folder: Path, write_report: WriteReport | None
) -> None:
    """Bring logs, journal and artifacts into a folder beside the code, which git ignores."""
    await _have_git_ignore(folder.name, into)
    await _fetch_records(voyage, folder)
    if write_report:
        await write_report(voyage, folder / REPORT)


def _in_sentences(outcome: FetchOutcome) -> str:
    voyage = outcome["voyage"]
    new = "nothing there is new to you"
    if outcome["commits"]:
        new = f"{several(outcome['commits'], 'commit')} new to you"
    head = outcome["head"][:12]
    sentences = [f"{voyage} is at {head} in {outcome['repo']}: {new}. See: git log {voyage}"]
    if outcome["records"]:
        sentences.append(f"Logs, transcripts, journal, artifacts: {outcome['records']}/")
    if outcome["report"]:
        sentences.append(f"All of it to look at, in a browser: {outcome['report']}")
    if outcome["wrecks"]:
        wrecks = ", ".join(outcome["wrecks"])
        sentences.append(f"Work that did not land is on storage only: {wrecks} (--all brings it)")
    return clean("\n".join(sentences))


async def repository(into: Path) -> Path:
    """Return the top of the repository at `into`. Raises Failure if there is none."""
    top = await try_git("-C", str(into), "rev-parse", "--show-toplevel")
    if top:
        return Path(top)
    if not into.is_dir():
        raise Failure("there is no such directory")
    try:
        return Path(await git("-C", str(into), "rev-parse", "--absolute-git-dir"))
    except Failure as failure:
        if "not a git repository" in str(failure):
            raise Failure("that is in no git repository") from None
        raise


async def is_related(repo: Path, start: str | None) -> bool:
    """Whether a repository has the commit that a voyage began at; an empty one will do too.

    An older storage does not say where that was (None). Then any will do."""
    if start is None:
        return True
    here = ("-C", str(repo))
    if await try_git(*here, "rev-parse", "--verify", "--quiet", f"{start}^{{commit}}"):
        return True
    return not await try_git(*here, "rev-list", "-n", "1", "--all")


async def related_repository(voyage: Voyage, into: Path) -> Path | None:
    """Return the repository at `into`, if it is one of the voyage's."""
    try:
        unfetched = await voyage.ask_unfetched()
        repo = await repository(into)
    except Failure:
        return None
    return repo if await is_related(repo, unfetched.get("start")) else None


async def _see_that_it_is_related(voyage: Voyage, repo: Path, start: str | None) -> None:
    if start is not None and not await is_related(repo, start):
        raise Unrelated(
            f"{repo} does not have the commit at which {voyage.id} began ({start[:12]}): "
            "it is another repository, or an old clone.",
            hint=f"cd into the right one, or: ocaptain fetch {voyage.id} --into REPO\n"
            f"To bring it here all the same: ocaptain fetch {voyage.id} --force",
        )


def records_folder(voyage: str) -> str:
    """Return the name of the folder for logs and the like.

    Not the branch's: `git log NAME` would not know which of the two is meant."""
    return f"ocaptain-{voyage.removeprefix('voyage-')}"


async def _have_git_ignore(folder: str, into: Path) -> None:
    """Keep a folder out of what git takes for the captain's work."""
    listed = await git("-C", str(into), "rev-parse", "--git-path", "info/exclude")
    path = into / listed
    known = path.read_text(errors="surrogateescape") if path.exists() else ""
    line = f"{folder}/"
    if line not in known.splitlines():
        path.parent.mkdir(parents=True, exist_ok=True)
        end = "" if known.endswith("\n") or not known else "\n"
        path.write_text(f"{known}{end}{line}\n", errors="surrogateescape")


def _came_home_as(voyage: str) -> str:
    """Return the ref that has the voyage's branch until the branch here has followed it."""
    return f"refs/ocaptain/{voyage}/head"


async def _fetch_refs(voyage: Voyage, into: Path, *, wrecks: bool) -> None:
    refs = [f"+refs/heads/{voyage.id}:{_came_home_as(voyage.id)}"]
    if wrecks:
        refs.append(f"+refs/heads/work/*:refs/ocaptain/{voyage.id}/*")
    upload_pack = announced(voyage.as_harbor("git-upload-pack", Home("voyage/repo.git")))
    url = f"{voyage.storage}:voyage"
    await git(
        "-C",
        str(into),
        "-c",
        f"url.{url}.insteadOf={url}",
        "fetch",
        "--quiet",
        "--no-tags",
        "--no-prune",
        "--no-recurse-submodules",
        f"--upload-pack={upload_pack}",
        url,
        *refs,
        timeout=FETCH_S,
        env=voyage.ssh.git_env(),
    )


async def _move_branch(voyage: str, into: Path) -> None:
    """Move the branch here to what came home. Raises Failure if something of yours is in the way.

    Then nothing is moved, and what came home keeps its ref."""
    here = ("-C", str(into))
    home = _came_home_as(voyage)
    branch = f"refs/heads/{voyage}"
    new = await git(*here, "rev-parse", home)
    old = await try_git(*here, "rev-parse", "--verify", "--quiet", branch)
    if old != new:
        own = "0"
        if old:
            own = await git(*here, "rev-list", "--count", f"{home}..{branch}")
        if own != "0":
            raise Failure(
                f"{voyage} has come home as {home}. The branch {voyage} here was left as it is,"
                f" for it has diverged: {own} of its commits are of your own.",
                hint=f"To join them: git merge {home}  or  git rebase {home}, with it checked out",
            )
        place = await _checked_out_at(branch, into)
        if place:
            raise Failure(
                f"{voyage} has come home as {home}. The branch {voyage} here was left as it is,"
                f" for it is checked out at {place}.",
                hint=f"To follow: {shlex.join(['git', '-C', place, 'merge', '--ff-only', home])}",
            )
        await git(*here, "update-ref", "-m", "ocaptain fetch", branch, new, old)
    await git(*here, "update-ref", "-d", home)


async def _checked_out_at(branch: str, into: Path) -> str:
    """Return the worktree that has a branch checked out; empty if none has."""
    place = ""
    listing = await git("-C", str(into), "worktree", "list", "--porcelain")
    for line in listing.splitlines():
        key, _, value = line.partition(" ")
        if key == "worktree":
            place = value
        elif (key, value) == ("branch", branch):
            return place
    return ""


async def _fetch_records(voyage: Voyage, folder: Path) -> None:
    """Bring logs, journal and artifacts into `folder`, by way of a file beside them."""
    pack = voyage.as_harbor("sh", "-c", PACK_RECORDS)
    with tempfile.TemporaryFile(dir=folder.parent) as packed:
        result = await voyage.ssh.stream(voyage.storage, pack, packed.write, silence=SILENCE_S)
        if result.status not in (0, SOME_FILES_CHANGED):
            raise Failure(f"tar on storage failed: {clean(result.err).strip() or result.status}")
        packed.seek(0)
        unpack(packed, folder)


def unpack(packed: IO[bytes], folder: Path) -> None:
    """Unpack the files of a gzipped tar archive into `folder`; whatever else it has is left out.

    An archive may be anybody's: none of its files gets out of the folder. tarfile's own filters
    for that came after 3.11.2."""
    with tarfile.open(fileobj=packed, mode="r:gz") as tar:
        for entry in tar:
            names = Path(entry.name).parts
            body = tar.extractfile(entry) if entry.isreg() else None
            if body is None or Path(entry.name).is_absolute() or ".." in names:
                continue
            path = folder / entry.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            with path.open("wb") as file:
                shutil.copyfileobj(body, file)


async def at_risk(voyage: Voyage) -> str | None:
    """What storage alone has, in a sentence; None if that is nothing."""
    try:
        unfetched = await voyage.ask_unfetched()
    except Failure as failure:
        return clean(f"{voyage.id}: what was never fetched of it cannot be seen. {failure}")
    parts = []
    if unfetched["commits"]:
        parts.append(f"{several(unfetched['commits'], 'commit')} on its branch")
    if unfetched["wrecks"]:
        parts.append(f"unlanded work ({', '.join(unfetched['wrecks'])})")
    if not parts:
        return None
    return clean(f"{voyage.id}: never fetched or pushed: {' and '.join(parts)}")

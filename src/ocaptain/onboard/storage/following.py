"""What follows from the journal: task and ship files, work refs that may be pushed, the branch."""

from __future__ import annotations

from ..files import write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..protocol import Claim
    from .journal import Journal


class Damaged(SystemExit):
    """The journal does not parse before its last line, or git cannot follow: no crash does that.

    Whoever asks gets no answer, but this on stderr: a ship waits for better times."""


def follow(journal: Journal, section: str, key: str) -> None:
    """Write what follows from an entry."""
    sections: Any = journal.sections
    value = sections[section].get(key)
    if section == "tasks":
        write(journal.tasks_folder / f"{key}.json", value, ns=journal.stamps[key])
    elif section == "ships":
        write(journal.folder / "ships" / f"{key}.json", value)
    elif section == "claims" and value["task"]:
        allow_pushes(journal, key, value)
    elif (section, key) == ("meta", "verified"):
        write(journal.folder / "artifacts" / "voyage-complete.marker", value)
    elif (section, key) == ("meta", "head"):
        move_branch(journal, value)


def allow_pushes(journal: Journal, number: str, claim: Claim) -> None:
    """Write the work ref that a claim's ship may push to, for git's hook."""
    allowed = journal.folder / "allowed" / claim["ship"] / "refs" / "heads" / "work"
    allowed.mkdir(parents=True, exist_ok=True)
    (allowed / f"{claim['task']}-{number}").touch()


def move_branch(journal: Journal, commit: str) -> None:
    """Move the voyage's branch."""
    ref = f"refs/heads/{journal.voyage}"
    for leftover in (f"{ref}.lock", "HEAD.lock"):  # of a crash: only we take these
        (journal.repo / leftover).unlink(missing_ok=True)
    done = journal.git("update-ref", "-m", "landed", ref, commit)
    if done.status:
        raise Damaged(f"the branch cannot follow the journal: {done.stderr.strip()}")

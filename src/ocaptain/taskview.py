"""Tasks as text for a terminal: the list of them, and all that became of one."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from . import money
from .loglines import LogPrinter
from .onboard.protocol import ClaimRow, Landed, LinkedTask, ReviewRow, TaskRow
from .onboard.text import clean, several
from .terminal import line, state_text, table
from .times import clock, duration, since

if TYPE_CHECKING:
    from .fleet.tasks import TaskShown

SHORT = 7
"""Digits of a commit's name, as git shows them."""
DECIDES = {"approve": "approves", "reject": "rejects", "none": "gives no verdict on"}
"""What a reviewer does, by its verdict."""
HEADS = ("id", "status", "time", "owner", "blocked by", "commit", "subject")


# The list


def standing(row: TaskRow) -> str:
    """Return a task's status; of a pending one, whether it could be claimed now."""
    if row["status"] != "pending":
        return row["status"]
    return "blocked" if row["blocked_by"] else "ready"


def tasks(
    rows: Sequence[TaskRow], every: Sequence[TaskRow], voyage: str | None = None
) -> RenderableType:
    """Some of all tasks, how to bring those back that were set aside, and how many there are.

    `voyage` is what the voyage was named by, if it had to be."""
    failed = [row["id"] for row in rows if row["status"] == "failed"]
    retry = f"ocaptain retry {voyage}" if voyage else "ocaptain retry"
    hints = [line(f"→ {retry} {task_id}", "bold") for task_id in failed]
    return Group(table(HEADS, map(_row, rows)), *hints, line(summary(every), "dim"))


def summary(rows: Sequence[TaskRow]) -> str:
    """Return how many tasks there are of each kind, and for how long the longest one has run."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[standing(row)] = counts.get(standing(row), 0) + 1
    running = [row["since"] for row in rows if row["status"] == "in_progress" and row["since"]]
    longest = f" (the longest for {since(min(running))})" if running else ""
    parts = []
    for kind in ("completed", "in_progress", "ready", "blocked", "failed"):
        if kind in counts:
            words = f"running{longest}" if kind == "in_progress" else kind
            parts.append(f"{counts[kind]} {words}")
    return f"{several(len(rows), 'task')}: {', '.join(parts)}" if rows else "no tasks"


def _row(row: TaskRow) -> list[Text]:
    subject = line(row["subject"], cut=True)
    if row["reason"]:
        subject = line(f"{row['subject']} ({row['reason']})")
    return [
        line(row["id"]),
        state_text(standing(row)),
        line(_time(row)),
        line(row["owner"] or ""),
        line(", ".join(row["blocked_by"])),
        line((row["commit"] or "")[:SHORT]),
        subject,
    ]


def _time(row: TaskRow) -> str:
    """How long a task took, or for how long a ship has been at it."""
    if row["took_s"] is not None:
        return duration(row["took_s"])
    return since(row["since"]) if row["status"] == "in_progress" else ""


# One task


def task(shown: "TaskShown", voyage: str | None = None, *, utc: bool = False) -> RenderableType:
    """All that is known of a task; `utc`: with times in UTC.

    `voyage` is what the voyage was named by, if it had to be."""
    named = f" {voyage}" if voyage else ""
    parts: list[RenderableType] = [_title(shown), _facts(shown)]
    if shown["description"]:
        parts += ["", Text(clean(shown["description"], keep="\n\t").strip())]
    if shown["claims"]:
        parts += ["", line("attempts", "bold")]
        parts += [_attempt(claim, utc=utc) for claim in shown["claims"]]
        if any(claim.get("transcript") for claim in shown["claims"]):
            parts.append(line(f"→ ocaptain transcript{named} {shown['id']}", "bold"))
    if shown["landed"]:
        parts += ["", *_landed(shown["landed"])]
    if shown["log"]:
        parts += ["", line("log", "bold"), *_log(shown, utc=utc)]
        parts.append(line(f"→ ocaptain logs{named} --task {shown['id']}", "bold"))
    if shown["status"] == "failed":
        parts.append(line(f"→ ocaptain retry{named} {shown['id']}", "bold"))
    return Group(*parts)


def _title(shown: "TaskShown") -> Text:
    kind = standing(shown)
    age = ""
    if shown["took_s"] is not None:
        age = f"  in {duration(shown['took_s'])}, {since(shown['since'])} ago"
    elif shown["since"]:
        age = f"  for {since(shown['since'])}"
    name = line(f"{shown['id']}  {shown['subject']}", "bold")
    return Text.assemble(name, "  ", state_text(kind), age)


def _facts(shown: "TaskShown") -> Table:
    """What there is to say of it in a line each."""
    facts = {
        "reason": shown["reason"] or "",
        "owner": shown["owner"] or "",
        "agent": " ".join(filter(None, [shown["agent"], shown["model"]])),
        "check": landing(shown),
        "waits for": _linked(shown["blockers"]),
        "then": _linked(shown["dependants"]),
        "files": ", ".join(shown["files"]),
        "run": clean(shown["run"] or "", keep="\n\t").strip(),
        "cost": money.spent(shown["cost_usd"], [shown["usage"]]),
    }
    grid = Table.grid(padding=(0, 2, 0, 0))
    for name, fact in facts.items():
        if fact:
            text = Text(fact) if name == "run" else line(fact)
            grid.add_row(line(name, "dim"), text)
    return grid


def landing(row: TaskRow) -> str:
    """Where a task is on its way through the check."""
    if not row["landing"]:
        return ""
    return f"{row['landing']}, behind {row['behind']}" if row["behind"] else row["landing"]


def _linked(others: Sequence[LinkedTask]) -> str:
    return ", ".join(f"{other['id']} {other['subject']} ({other['status']})" for other in others)


def _attempt(claim: ClaimRow, *, utc: bool) -> Table:
    took = claim["took_s"]
    lasted = since(claim["claimed"]) if took is None else duration(took)
    who = f"{claim['ship']}, {claim['agent']}" if claim["agent"] else claim["ship"]
    head = f"{who} at {clock(claim['claimed'], utc=utc)} for {lasted}"
    words = [head, money.spent(claim["cost_usd"], claim["usage"])]
    if claim["commit"]:
        words.append(claim["commit"][:SHORT])
    state = state_text(claim["state"])
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_row(line(f"{claim['number']}"), Text.assemble(state, "  ", line("  ".join(words))))
    kept = claim.get("transcript")
    paper = f"{kept / 1000:.0f} kB (--claim {claim['number']})" if kept else ""
    facts = {"why": claim["reason"], "said": claim["last_words"], "transcript": paper}
    for name, text in facts.items():
        if text:
            grid.add_row("", Text.assemble((f"{name}: ", "dim"), line(text)))
    for review in claim["reviews"]:
        grid.add_row("", Text.assemble(("review: ", "dim"), line(_review(review))))
    return grid


def _review(review: ReviewRow) -> str:
    """What another agent said of an attempt's work."""
    who = " ".join(filter(None, [review["agent"], review["model"]]))
    does = DECIDES.get(review["verdict"], DECIDES["none"])
    head = f"{who} {does} {review['commit'][:SHORT]}"
    cost = money.spent(review["cost_usd"], review["usage"])
    return f"{head}  {cost}  {review['words']}".rstrip()


def _landed(landed: Landed) -> Iterator[RenderableType]:
    files = several(landed["changed"], "file")
    yield Text.assemble(
        ("landed", "bold"), f"  {files}, +{landed['added']} -{landed['removed']} lines"
    )
    for commit in landed["commits"]:
        yield line(f"  {commit['commit'][:SHORT]}  {commit['subject']}", cut=True)
    grid = Table.grid(padding=(0, 2, 0, 0))
    for file in landed["files"]:
        grid.add_row(
            "",
            line(file["path"]),
            line("binary" if file["added"] is None else f"+{file['added']}", "green"),
            line("" if file["removed"] is None else f"-{file['removed']}", "red"),
        )
    yield grid
    unnamed = landed["changed"] - len(landed["files"])
    if unnamed:
        yield line(f"  and {several(unnamed, 'file')} more", "dim")


def _log(shown: "TaskShown", *, utc: bool) -> Iterator[Text]:
    printer = LogPrinter(utc=utc)
    for entry in shown["log"]:
        text = clean(entry["text"], keep="\t")
        yield printer.rendered({**entry, "text": text})

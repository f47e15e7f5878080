"""What the captain sees: answers of harbor and reports of `check`, as text for a terminal."""

import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from .check import Report
from .doctor import Finding
from .ssh import clean

Answer = dict[str, Any]

COLOURS = {
    "complete": "green",
    "completed": "green",
    "done": "green",
    "failed": "red",
    "lost": "red",
    "stalled": "red",
    "limited": "yellow",
    "paused": "yellow",
    "working": "cyan",
    "in_progress": "cyan",
    "landing": "magenta",
    "verifying": "magenta",
}


def show(*what: RenderableType) -> None:
    """Print to the terminal; long lines of a pipe stay whole."""
    console = Console(highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=max(console.width, 200))
    console.print(*what, sep="\n")


def status(seen: Answer) -> RenderableType:
    """A voyage at a glance, in at most 80 columns."""
    tasks, now = seen["tasks"], time.time()
    head = Text.assemble(
        (clean(seen["voyage"]), "bold"),
        "  ",
        _state(seen["state"]),
        f"  {_age(now - seen['created'])}",
    )
    lines: list[RenderableType] = [
        head,
        Text(_one_line(seen["objective"]), "dim", overflow="ellipsis", no_wrap=True),
    ]
    if seen.get("reason"):
        lines.append(Text(_one_line(seen["reason"])[:300], "yellow"))
    counts = [
        f"{tasks[key]} {key.replace('_', ' ')}"
        for key in ("in_progress", "pending", "failed")
        if tasks[key]
    ]
    done = f"tasks   {tasks['completed']} of {tasks['total']} completed"
    lines.append(Text(", ".join([done, *counts])))
    cost = f"   cost ${seen['cost_usd']:.2f}" if seen["cost_usd"] else ""
    lines.append(Text(f"verify  {seen['verify']}{cost}"))
    return Group(*lines, Text(), _ships(seen["ships"], now))


def _ships(ships: Sequence[Answer], now: float) -> Table:
    table = _table("ship", "state", "for", "task", "done", "seen")
    for ship in ships:
        since = _age(now - ship["since"]) if ship["since"] else "–"
        seen = "never" if ship["seen_s"] is None else f"{_age(ship['seen_s'])} ago"
        what = " ".join(clean(str(ship[key])) for key in ("task", "subject") if ship.get(key))
        why = clean(ship["reason"] or "") + (
            f", until {_clock(ship['until'])}" if ship["until"] else ""
        )
        about = (
            _one_line(why or what)
            if ship["state"] in ("limited", "lost", "paused")
            else _one_line(what)
        )
        table.add_row(ship["id"], _state(ship["state"]), since, about, str(ship["completed"]), seen)
    return table


def tasks(rows: Sequence[Answer]) -> RenderableType:
    """The task list."""
    table = _table("id", "status", "owner", "blocked by", "subject", flexible="subject")
    for row in rows:
        note = f" — {_one_line(row['reason'])[:200]}" if row["reason"] else ""
        commit = f" [{row['commit'][:10]}]" if row["commit"] else ""
        table.add_row(
            clean(row["id"]),
            _state(row["status"]),
            clean(row["owner"] or ""),
            clean(", ".join(row["blocked_by"])),
            Text(clean(row["subject"]) + commit + note),
        )
    return table


def report(found: Report) -> RenderableType:
    """What `check` found."""
    lines = [Text(f"note: {clean(note)}", "yellow") for note in found.notes]
    if found.plan is None:
        return Group(*lines)
    chain = found.longest_chain
    facts = {
        "plan": f"{found.plan.name}: {found.plan.objective}",
        "repository": f"{found.plan.source.url} at {found.plan.source.head[:12]}",
        "tasks": str(found.tasks),
        "longest chain": f"{len(chain)} tasks: {' → '.join(chain)}",
        "at once": f"at most {found.max_parallel} tasks",
        "ships": f"{found.recommended_ships} recommended",
        "agent": found.plan.agent,
    }
    table = Table.grid(padding=(0, 2))
    for name, fact in facts.items():
        table.add_row(Text(name, "dim"), Text(clean(fact)))
    for one, two, files in found.overlaps:
        lines.append(
            Text(
                clean(f"note: tasks {one} and {two} may run together and share {', '.join(files)}"),
                "yellow",
            )
        )
    return Group(table, *lines)


def findings(found: Sequence[Finding]) -> RenderableType:
    """What `doctor` found."""
    table = Table.grid(padding=(0, 2))
    for finding in found:
        mark = Text("ok", "green") if finding.ok else Text("--", "red")
        table.add_row(mark, Text(finding.what), Text(finding.found))
        if finding.remedy and not finding.ok:
            table.add_row("", "", Text(f"→ {finding.remedy}", "yellow"))
    return table


def _table(*columns: str, flexible: str = "task") -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", expand=False)
    for column in columns:
        loose = column == flexible
        table.add_column(column, no_wrap=True, overflow="ellipsis", ratio=1 if loose else None)
    return table


def _state(state: str) -> Text:
    return Text(clean(state), COLOURS.get(state, ""))


def _one_line(text: str) -> str:
    return " ".join(clean(text).split())


def _age(seconds: float) -> str:
    """A duration, to two places: 42s, 7m03s, 2h05m, 3d04h."""
    whole = max(0, int(seconds))
    for size, unit, smaller, name in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "m"),
        (60, "m", 1, "s"),
    ):
        if whole >= size:
            return f"{whole // size}{unit}{whole % size // smaller:02}{name}"
    return f"{whole}s"


def _clock(epoch: float) -> str:
    return time.strftime("%H:%M", time.localtime(epoch))

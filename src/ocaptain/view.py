"""What the captain sees: harbor's answers, and what was found, as text for a terminal."""

import sys
import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from .doctor import Finding
from .plan import Report
from .ssh import clean

Answer = dict[str, Any]

COLOURS = {
    "green": ("complete", "completed", "done"),
    "red": ("failed", "lost", "stalled"),
    "yellow": ("limited", "paused"),
    "cyan": ("working", "in_progress"),
    "magenta": ("landing", "verifying"),
}
STYLES = {state: colour for colour, states in COLOURS.items() for state in states}
UNITS = ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s"))


def show(what: RenderableType) -> None:
    """Print to the terminal; into a pipe without cutting anything off."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 1000)
    with console.capture() as capture:
        console.print(what)
    print("\n".join(line.rstrip() for line in capture.get().splitlines()), flush=True)


def status(seen: Answer) -> RenderableType:
    """A voyage at a glance, in 80 columns where that is what there is."""
    tasks, now = seen["tasks"], time.time()
    age = f"  since {_age(now - seen['created'])}"
    head = Text.assemble((seen["voyage"], "bold"), "  ", _state(seen["state"]), age)
    names = ("in_progress", "pending", "failed")
    rest = "".join(f", {tasks[name]} {name.replace('_', ' ')}" for name in names if tasks[name])
    cost = f"    cost ${seen['cost_usd']:.2f}" if seen["cost_usd"] else ""
    lines = [head, _line(seen["objective"], "dim")]
    if seen["reason"]:
        lines.append(_line(seen["reason"], STYLES.get(seen["state"], ""), wrapped=True))
    lines.append(Text(f"tasks   {tasks['completed']} of {tasks['total']} completed{rest}"))
    lines.append(Text(f"verify  {seen['verify']}{cost}\n"))
    return Group(*lines, _ships(seen["ships"], now))


def voyages(rows: Sequence[Answer]) -> Table:
    """The voyages there are."""
    table = _table("voyage", "state", "age", "VMs", "objective")
    for row in rows:
        age = _age(time.time() - row["created"]) if row["created"] else "-"
        about = _line(row["reason"] or row["objective"])
        table.add_row(row["voyage"], _state(row["state"]), age, str(row["vms"]), about)
    return table


def _ships(ships: Sequence[Answer], now: float) -> Table:
    table = _table("ship", "state", "for", "done", "seen", "task")
    for ship in ships:
        since = _age(now - ship["since"]) if ship["since"] else "-"
        seen = "never" if ship["seen_s"] is None else f"{_age(ship['seen_s'])} ago"
        task = f"{ship['task']} {ship['subject']}" if ship["task"] else ""
        until = f" until {time.strftime('%H:%M', time.localtime(ship['until']))}"
        why = f"{ship['reason']}{until if ship['until'] else ''}" if ship["reason"] else task
        start = (ship["id"], _state(ship["state"]), since, str(ship["completed"]), seen)
        table.add_row(*start, _line(why))
    return table


def tasks(rows: Sequence[Answer]) -> Table:
    """The task list."""
    table = _table("id", "status", "owner", "blocked by", "commit", "subject")
    for row in rows:
        why = f" ({row['reason']})" if row["reason"] else ""
        commit, blockers = (row["commit"] or "")[:10], ", ".join(row["blocked_by"])
        start = [_line(row["id"]), _state(row["status"]), _line(row["owner"] or "")]
        table.add_row(*start, _line(blockers), _line(commit), _line(row["subject"] + why))
    return table


def report(found: Report, ships: int) -> RenderableType:
    """What `check` found in a sound plan; `ships` is how many would sail."""
    plan = found.plan
    notes = [_line(f"note: {note}", "yellow", wrapped=True) for note in found.notes]
    if plan is None:
        return Group(*notes)
    table = Table.grid(padding=(0, 2))
    for name, fact in {
        "plan": f"{plan.name}: {plan.objective}",
        "repository": f"{plan.source.url} at {plan.source.head[:12]}",
        "tasks": f"{found.tasks}, at most {found.max_parallel} of them at once",
        "longest chain": f"{len(found.longest_chain)}: {' → '.join(found.longest_chain)}",
        "ships": f"{ships}, with the agent {plan.agent}",
    }.items():
        table.add_row(Text(name, "dim"), _line(fact, wrapped=True))
    return Group(table, *notes)


def findings(found: Sequence[Finding]) -> Table:
    """What `doctor` found."""
    table = Table.grid(padding=(0, 2))
    for finding in found:
        remedy = f" → {finding.remedy}" if finding.remedy and not finding.ok else ""
        table.add_row(
            "ok" if finding.ok else "no", finding.what, _line(finding.found + remedy, wrapped=True)
        )
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim", expand=True)
    for column in columns:  # where there is no room, the last one gives way
        width, ratio = (None, 1) if column == columns[-1] else (20, None)
        table.add_column(column, no_wrap=True, overflow="ellipsis", max_width=width, ratio=ratio)
    return table


def _state(state: str) -> Text:
    return Text(clean(state), STYLES.get(state, ""))


def _line(text: str, style: str = "", *, wrapped: bool = False) -> Text:
    one = " ".join(clean(text).split())
    return Text(one, style, overflow="fold" if wrapped else "ellipsis", no_wrap=not wrapped)


def _age(seconds: float) -> str:
    """A duration, to two places: 42s, 7m03s, 2h05m, 3d04h."""
    whole = max(0, int(seconds))
    for size, unit, smaller, name in UNITS:
        if whole >= size:
            return f"{whole // size}{unit}{whole % size // smaller:02}{name}"
    return f"{whole}s"

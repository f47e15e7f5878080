"""What the captain sees: harbor's answers, and what was found, as text for a terminal."""

import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from .doctor import Finding
from .plan import Report
from .ssh import clean

Answer = dict[str, Any]

STYLES = {
    **dict.fromkeys(("complete", "completed", "done"), "green"),
    **dict.fromkeys(("failed", "lost", "stalled"), "red"),
    **dict.fromkeys(("limited", "paused"), "yellow"),
    **dict.fromkeys(("working", "in_progress"), "cyan"),
    **dict.fromkeys(("landing", "verifying"), "magenta"),
}
UNITS = ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s"))


def show(what: RenderableType) -> None:
    """Print to the terminal; into a pipe without cutting anything off."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 1000)
    with console.capture() as capture:
        console.print(what)
    print("\n".join(line.rstrip() for line in capture.get().splitlines()), flush=True)


def status(seen: Answer) -> RenderableType:
    """A voyage at a glance, in 80 columns where that is what there is."""
    tasks, now, colour = seen["tasks"], time.time(), STYLES.get(seen["state"], "")
    age = f"  since {_age(now - seen['created'])}"
    names = ("in_progress", "pending", "failed")
    rest = "".join(f", {tasks[name]} {name.replace('_', ' ')}" for name in names if tasks[name])
    cost = f"    cost ${seen['cost_usd']:.2f}" if seen["cost_usd"] else ""
    reason = [_line(seen["reason"], colour, wrapped=True)] if seen["reason"] else []
    return Group(
        Text.assemble((seen["voyage"], "bold"), "  ", _line(seen["state"], colour), age),
        _line(seen["objective"], "dim"),
        *reason,
        Text(f"tasks   {tasks['completed']} of {tasks['total']} completed{rest}"),
        Text(f"verify  {seen['verify']}{cost}\n"),
        _table("ship  state  for  done  seen  task", [_ship(ship, now) for ship in seen["ships"]]),
    )


def voyages(rows: Sequence[Answer]) -> Table:
    """The voyages there are."""
    return _table("voyage  state  age  VMs  objective", map(_voyage, rows))


def _voyage(row: Answer) -> Sequence[str]:
    age = _age(time.time() - row["created"]) if row["created"] else "-"
    return row["voyage"], row["state"], age, str(row["vms"]), row["reason"] or row["objective"]


def _ship(ship: Answer, now: float) -> Sequence[str]:
    since = _age(now - ship["since"]) if ship["since"] else "-"
    seen = "never" if ship["seen_s"] is None else f"{_age(ship['seen_s'])} ago"
    until = f" until {time.strftime('%H:%M', time.localtime(ship['until']))}"
    task = f"{ship['task']} {ship['subject']}" if ship["task"] else ""
    why = f"{ship['reason']}{until if ship['until'] else ''}" if ship["reason"] else task
    return ship["id"], ship["state"], since, str(ship["completed"]), seen, why


def tasks(rows: Sequence[Answer]) -> Table:
    """The task list."""
    return _table("id  status  owner  blocked by  commit  subject", map(_task, rows))


def _task(row: Answer) -> Sequence[str]:
    why = f" ({row['reason']})" if row["reason"] else ""
    blockers, commit = ", ".join(row["blocked_by"]), (row["commit"] or "")[:10]
    return row["id"], row["status"], row["owner"] or "", blockers, commit, row["subject"] + why


def report(found: Report, ships: int) -> RenderableType:
    """What `check` found in a sound plan; `ships` is how many would sail."""
    plan = found.plan
    notes = [_line(f"note: {note}", "yellow", wrapped=True) for note in found.notes]
    if plan is None:
        return Group(*notes)
    facts = {
        "plan": f"{plan.name}: {plan.objective}",
        "repository": f"{plan.source.url} at {plan.source.head[:12]}",
        "tasks": f"{found.tasks}, at most {found.max_parallel} of them at once",
        "longest chain": f"{len(found.longest_chain)}: {' → '.join(found.longest_chain)}",
        "ships": f"{ships}, with the agent {plan.agent}",
    }
    return Group(_grid((Text(name, "dim"), fact) for name, fact in facts.items()), *notes)


def findings(found: Sequence[Finding]) -> Table:
    """What `doctor` found."""
    told = {each: f"{each.found} → {each.remedy}" if each.remedy else each.found for each in found}
    return _grid(("ok" if each.ok else "no", each.what, text) for each, text in told.items())


def _grid(rows: Iterable[tuple[Any, ...]]) -> Table:
    """Rows of which the last cell is text of any length."""
    table = Table.grid(padding=(0, 2))
    for *names, fact in rows:
        table.add_row(*names, _line(fact, wrapped=True))
    return table


def _table(columns: str, rows: Iterable[Sequence[str]]) -> Table:
    """A line for each row; a cell that is a state has its colour. Where there is no room, the last
    of the columns, which are two spaces apart, gives way."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim", expand=True)
    *others, last = columns.split("  ")
    for column in others:
        table.add_column(column, no_wrap=True, overflow="ellipsis", max_width=20)
    table.add_column(last, no_wrap=True, overflow="ellipsis", ratio=1)
    for cells in rows:
        table.add_row(*(_line(cell, STYLES.get(cell, "")) for cell in cells))
    return table


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

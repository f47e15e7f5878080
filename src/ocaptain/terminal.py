"""What the captain sees: harbor's answers, and what was found, as text for a terminal."""

import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Column, Table
from rich.text import Text

from .plan.plan import Report
from .ssh import clean

Answer = dict[str, Any]

ENDED = ("complete", "failed", "halted", "paused", "stalled")
NEXT = {"stalled": "reinforce", "paused": "resume", "halted": "resume"}
"""What moves a voyage in that state on."""

STYLES = dict.fromkeys(("complete", "completed", "done"), "green")
STYLES |= dict.fromkeys(("failed", "lost", "stalled", "unseen"), "red")
STYLES |= dict.fromkeys(("limited", "paused"), "yellow")
STYLES |= dict.fromkeys(("working", "in_progress", "landing", "verifying"), "cyan")


def show(what: RenderableType) -> None:
    """Print to the terminal; into a pipe without cutting anything off."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 1000)
    with console.capture() as capture:
        console.print(what)
    print("\n".join(line.rstrip() for line in capture.get().splitlines()), flush=True)


class Screen(Live):
    """What shows each status in the place of the one before."""

    def show(self, seen: Answer) -> bool:
        """Show it; whether the voyage has ended."""
        self.update(status(seen), refresh=True)
        return seen["state"] in ENDED


def status(seen: Answer) -> RenderableType:
    """A voyage at a glance, in 80 columns where that is what there is."""
    tasks, colour = seen["tasks"], STYLES.get(seen["state"], "")
    names = ("in_progress", "pending", "failed")
    rest = "".join(f", {tasks[name]} {name.replace('_', ' ')}" for name in names if tasks[name])
    red = "tasks --status failed" if tasks["failed"] else "retry verify"
    spent = " of the budget of $" in (seen["reason"] or "")  # which no order brings back
    hints = ["fetch" if spent else NEXT.get(seen["state"])]
    hints += [red] if tasks["failed"] or seen["state"] == "failed" else []
    origin = [(seen["mirrored"] or "")[:12], seen["pr_url"], seen["mirror_fault"]]
    told = {"origin": "  ".join(filter(None, origin)), "notify": seen["notify_fault"]}
    lines = [
        (seen["reason"], colour),
        *((f"→ ocaptain {hint}", "bold") for hint in hints if hint),
        (f"tasks   {tasks['completed']} of {tasks['total']} completed{rest}", ""),
        (f"verify  {seen['verify']}    cost ${seen['cost_usd']:.2f}", ""),
        *((f"{name}  {what}", "") for name, what in told.items() if what),
    ]
    since = f"  since {_since(seen['created'])}"
    return Group(
        Text.assemble((seen["voyage"], "bold"), "  ", (seen["state"], colour), since),
        _line(seen["objective"], "dim", no_wrap=True, overflow="ellipsis"),
        *(_line(text, style) for text, style in lines if text),
        "",
        _table("ship  state  for  done  seen  task", map(_ship, seen["ships"])),
    )


def _ship(ship: Answer) -> Sequence[str]:
    seen = "never" if ship["seen_s"] is None else f"{_age(ship['seen_s'])} ago"
    until = time.strftime("until %H:%M", time.localtime(ship["until"])) if ship["until"] else None
    at = (ship["reason"], until) if ship["reason"] else (ship["task"], ship["subject"])
    doing = " ".join(filter(None, at))
    return ship["id"], ship["state"], _since(ship["since"]), str(ship["completed"]), seen, doing


def voyages(rows: Sequence[Answer]) -> Table:
    """The voyages there are."""
    return _table("voyage  state  age  VMs  objective", map(_voyage, rows))


def _voyage(row: Answer) -> Sequence[str]:
    about = row["reason"] or row["objective"]
    return row["voyage"], row["state"], _since(row["created"]), str(row["vms"]), about


def tasks(rows: Sequence[Answer]) -> RenderableType:
    """The task list."""
    hints = [f"→ ocaptain retry {row['id']}" for row in rows if row["status"] == "failed"]
    table = _table("id  status  owner  blocked by  commit  subject", map(_task, rows))
    return Group(table, *(_line(hint, "bold") for hint in hints))


def _task(row: Answer) -> Sequence[str]:
    why = f" ({row['reason']})" if row["reason"] else ""
    blockers, commit = ", ".join(row["blocked_by"]), (row["commit"] or "")[:10]
    return row["id"], row["status"], row["owner"] or "", blockers, commit, row["subject"] + why


def answer(told: Answer) -> RenderableType:
    """What came of an order."""
    late = "cannot be reached now; it will hear of this with its next beat"
    lines = [told["message"], *(f"{vm} {late}" for vm in told.get("unheard", ()))]
    for ship in told.get("ships", ()):
        name, waits = ship["id"], "it is not taken in yet by {}'s agent"
        waits = waits if ship["task"] else "it waits for {}'s next task"
        lines.append((waits if ship["hails"] else "it was taken in by {}'s agent").format(name))
    lines += [f"{key}: {what}" for key in ("mended", "faults") for what in told.get(key, ())]
    return Group(*map(_line, lines))


def report(found: Report) -> RenderableType:
    """What `check` found in a plan; if it is sound, also what would sail."""
    facts, plan, chain = dict[str, str](), found.plan, found.forecast.longest_chain
    if plan:
        facts = {
            "plan": f"{plan.name}: {plan.objective}",
            "repository": f"{plan.source.url} at {plan.source.head[:12]}",
            "tasks": f"{found.forecast.tasks}, at most {found.forecast.max_parallel} of them at once",
            "longest chain": f"{len(chain)}: {' → '.join(chain)}",
            "ships": f"{plan.ships}, with the agent {plan.agent}",
        }
    told = [Text.assemble((f"{name:<15}", "dim"), _line(fact)) for name, fact in facts.items()]
    return Group(*told, *(_line(f"note: {note}", "yellow") for note in found.notes))


def _table(columns: str, rows: Iterable[Sequence[str]]) -> Table:
    """A line for each row; a cell that is a state has its colour. Where there is no room, the last
    of the columns, which are two spaces apart, gives way."""
    heads = [Column(name, no_wrap=True, max_width=20) for name in columns.split("  ")]
    heads[-1].max_width, heads[-1].ratio = None, 1
    table = Table(*heads, box=None, padding=(0, 2, 0, 0), header_style="dim", expand=True)
    for cells in rows:
        table.add_row(*(_line(cell, STYLES.get(cell, "")) for cell in cells))
    return table


def _line(text: str, style: str = "", **how: Any) -> Text:
    return Text(" ".join(clean(text).splitlines()), style, **how)


def _since(at: float | None) -> str:
    return _age(time.time() - at) if at else "-"


def _age(seconds: float) -> str:
    """A duration in the largest unit of which it has two: 42s, 119s, 7m, 47h, 3d."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f}{unit}"
    return f"{max(0, seconds):.0f}s"

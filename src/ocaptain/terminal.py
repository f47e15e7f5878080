"""What the captain sees: answers of storage, and what `check` found, as text for a terminal."""

import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from rich.console import Console, Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from . import money
from .onboard.protocol import NextCommand, ShipStatus, Status, TaskCounts, TrainStatus
from .onboard.text import clean, several
from .plan.plan import Forecast, Plan, Report, Review
from .times import clock, duration, since

if TYPE_CHECKING:
    from .doctor import Finding
    from .fleet.orders import Addressee, FsckOutcome, HailOutcome, Outcome, ReinforceOutcome
    from .fleet.usage import Budgets, UsageRow, UsageShown
    from .fleet.voyage import VoyageStatus
    from .settings import SettingRow

STATE_STYLES = {
    "complete": "green",
    "completed": "green",
    "done": "green",
    "failed": "red",
    "lost": "red",
    "broken": "red",
    "stalled": "red",
    "unseen": "red",
    "limited": "yellow",
    "paused": "yellow",
    "working": "cyan",
    "in_progress": "cyan",
    "landed": "green",
    "live": "cyan",
    "ready": "bold",
    "blocked": "dim",
    "reviewing": "cyan",
    "landing": "cyan",
    "verifying": "cyan",
}

WRAPPING = ("blocked by",)
"""Columns that wrap, beside the last one."""
STANDING_STILL = ("paused", "halted", "stalled")
LEAST_CHECK_S = 1.0
"""How long a check takes, at least, if it says anything about how many landings there can be."""
SOON_S = 600
"""Until a moment so near it matters at which second it comes."""
PIPE_COLUMNS = 1000


class VoyageRow(TypedDict):
    """A voyage in `voyages`."""

    voyage: str
    provider: str
    vms: int
    state: str
    reason: str | None
    created: float | None
    name: str
    objective: str


def show(content: RenderableType) -> None:
    """Print to the terminal; into a pipe without cutting anything off."""
    lines = rendered(content)
    if any(lines):
        print("\n".join(lines), flush=True)


def rendered(content: RenderableType) -> list[str]:
    """Return the lines that `show` prints."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_COLUMNS)
    with console.capture() as capture:
        console.print(content)
    return [line.rstrip() for line in capture.get().splitlines()]


# A voyage


def status(answer: "VoyageStatus", *, utc: bool = False) -> RenderableType:
    """A voyage at a glance, which fits into 80 columns; `utc`: with times in UTC."""
    state = answer["state"]
    lines: list[RenderableType] = [
        Text.assemble(
            (answer["voyage"], "bold"),
            "  ",
            state_text(state),
            f"  {age(answer, utc=utc)}, on {answer['provider']}",
        ),
        line(answer["objective"], "dim", cut=True),
    ]
    if answer["reason"]:
        lines.append(line(answer["reason"], STATE_STYLES.get(state, "")))
    if answer["next"]:
        lines.append(_next(answer["next"]))
    lines.append(line(f"tasks   {_counts(answer['tasks'])}"))
    if answer["train"]["window"] is not None and state not in ("complete", "failed"):
        lines.append(line(f"check   {train_line(answer['train'])}"))
    cost = money.spent(answer["cost_usd"], [answer["usage"]])
    lines.append(line(f"verify  {answer['verify']}    cost {cost}"))
    origin = _origin(answer)
    if origin:
        lines.append(line(f"origin  {origin}"))
    if answer["notify_fault"]:
        lines.append(line(f"notify  {answer['notify_fault']}"))
    if answer["upkeep_fault"]:
        lines.append(line(f"storage {answer['upkeep_fault']}"))
    heads = ["ship", "state", "for", "done", "seen", "task"]
    is_mixed = len(answer["agents"]) > 1
    ships = [_ship(ship, utc=utc, is_mixed=is_mixed) for ship in answer["ships"]]
    return Group(*lines, "", table(heads, ships))


def age(answer: "VoyageStatus", *, utc: bool = False) -> str:
    """Return how long a voyage has been in its state or, if it has ended, when, and how long it
    took."""
    created, began, took_s = answer["created"], answer["since"], answer["took_s"]
    if took_s is not None and began:
        how = "in" if answer["state"] == "complete" else "after"
        return f"{how} {duration(took_s)}, {since(began)} ago ({clock(began, utc=utc)})"
    sailed = f"sailed {since(created)} ago"
    if answer["state"] in STANDING_STILL and began:
        return f"for {since(began)}, {sailed}"
    return sailed


def _next(commands: Sequence[NextCommand]) -> Table:
    """What to type, and beside it why."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for command in commands:
        table.add_row(line(f"→ {command['command']}", "bold"), line(command["why"], "dim"))
    return table


def _counts(tasks: TaskCounts) -> str:
    parts = [f"{tasks['completed']} of {tasks['total']} completed"]
    if tasks["in_progress"]:
        parts.append(f"{tasks['in_progress']} in progress")
    if tasks["pending"]:
        parts.append(f"{tasks['pending']} pending")
    if tasks["failed"]:
        parts.append(f"{tasks['failed']} failed")
    return ", ".join(parts)


def train_line(train: TrainStatus) -> str:
    """How work gets through the check: who is at it, and how fast that is."""
    waiting = [car for car in train["cars"] if car["state"] == "waiting"]
    at_once = len(train["cars"]) - len(waiting)
    parts = [f"{at_once} of {train['window']} at once"]
    if waiting:
        parts.append(f"{len(waiting)} waiting")
    check_s = train["check_s"] or 0.0
    if check_s >= LEAST_CHECK_S and train["landings_per_hour"] is not None:
        took = duration(check_s)
        parts.append(f"{took} each: at most {train['landings_per_hour']:.0f} landings an hour")
    return ", ".join(parts)


def _origin(answer: Status) -> str:
    """What the repository that the voyage came from has of it."""
    mirrored = (answer["mirrored"] or "")[:12]
    if mirrored and answer["mirrored_ref"]:
        mirrored += f" at {answer['mirrored_ref'].removeprefix('refs/heads/')}"
    parts = [mirrored, answer["pr_url"], answer["mirror_fault"]]
    return "  ".join(part for part in parts if part)


def _ship(ship: ShipStatus, *, utc: bool, is_mixed: bool) -> list[Text]:
    """Return its row; in a voyage of several agents (`is_mixed`) with the one that is at work."""
    return [
        line(ship["id"]),
        state_text(ship["state"]),
        line(since(ship["since"])),
        line(f"{ship['completed']}"),
        line("never" if ship["seen_s"] is None else f"{duration(ship['seen_s'])} ago"),
        _occupation(ship, utc=utc, agent=ship["agent"] if is_mixed else None),
    ]


def _occupation(ship: ShipStatus, *, utc: bool, agent: str | None) -> Text:
    """The task that a ship holds, and who is at it; before it what the ship waits for, and until
    when."""
    who = f"{agent}:" if agent else None
    task = " ".join(part for part in (who, ship["task"], ship["subject"]) if part)
    if not ship["reason"]:
        return line(task, cut=True)
    parts = []
    if ship["until"]:
        word = "again" if ship["state"] == "broken" else "until"
        is_soon = abs(ship["until"] - time.time()) < SOON_S
        parts.append(f"{word} {clock(ship['until'], utc=utc, seconds=is_soon)}:")
    parts.append(ship["reason"])
    if task:
        parts.append(f"({task})")
    return line(" ".join(parts))


# Lists


def voyages(rows: Sequence[VoyageRow]) -> RenderableType:
    """The voyages there are."""
    heads = ["voyage", "provider", "state", "age", "VMs", "name and objective"]
    return table(heads, map(_voyage, rows))


def _voyage(row: VoyageRow) -> list[Text]:
    about = (row["name"], row["reason"] or row["objective"])
    return [
        line(row["voyage"]),
        line(row["provider"]),
        state_text(row["state"]),
        line(since(row["created"])),
        line(f"{row['vms']}"),
        line(": ".join(part for part in about if part), cut=not row["reason"]),
    ]


def usage(shown: "UsageShown") -> RenderableType:
    """What a voyage has used, with the sum of all, and what of it came to nothing."""
    total = shown["total"]
    heads = [shown["by"], "attempts", "cost", "share", "in", "out", "cached"]
    budget = f" of the budget of {allowed(shown)}" if allowed(shown) else ""
    spent = f"{money.spent(total['cost_usd'], [total])}{budget}"
    end = "the agents tell no dollars"
    if total["cost_usd"] or not money.tokens(total):
        end = f"${total['vain_usd']:.2f} went into attempts that did not land"
    rows = [_used(row, total) for row in (*shown["rows"], total)]
    return Group(table(heads, rows), line(f"{spent}; {end}", "dim"))


def _used(row: "UsageRow", total: "UsageRow") -> list[Text]:
    cached = row["cache_read_tokens"] + row["cache_write_tokens"]
    has_no_dollars = money.tokens(row) and not row["cost_usd"]
    share = row["share"]
    if not total["cost_usd"]:
        share = money.tokens(row) / max(1, money.tokens(total))
    return [
        line(row["name"]),
        line(f"{row['attempts']}"),
        line("-" if has_no_dollars else money.spent(row["cost_usd"], [])),
        line(f"{share:.0%}"),
        line(money.count(row["input_tokens"])),
        line(money.count(row["output_tokens"])),
        line(money.count(cached)),
    ]


def settings(rows: Sequence["SettingRow"], path: Path) -> RenderableType:
    """All settings, and the file that some may come from."""
    hint = "" if path.exists() else "  (none yet: `ocaptain config init` writes one)"
    columns = [Column("setting", no_wrap=True), Column("from", no_wrap=True), Column("value")]
    grid = Table(*columns, box=None, padding=(0, 2, 0, 0), header_style="dim")
    for row in rows:
        grid.add_row(*_setting(row))
    return Group(line(f"{path}{hint}", "dim"), "", grid)


def _setting(row: "SettingRow") -> list[Text]:
    """Where a setting comes from is the variable or the file that is to be changed."""
    style = "" if row["origin"] else "dim"
    origins = {"environment": row["variable"], "file": "config.toml", "default": "default"}
    value = "set, and not shown" if row["secret"] else row["value"] or ""
    if row["origin"] is None:
        value = f"not set ({row['variable']})"
    origin = origins.get(row["origin"] or "", "-")
    return [line(text, style) for text in (row["key"], origin, value)]


# What came of what was typed


def order(outcome: "Outcome") -> RenderableType:
    """What came of an order."""
    return Group(*map(line, _order(outcome)))


def reinforce(outcome: "ReinforceOutcome") -> RenderableType:
    """What came of restarting, replacing and adding ships."""
    return line(outcome["message"])


def hail(outcome: "HailOutcome") -> RenderableType:
    """What came of a message to agents, besides what storage has said of it."""
    unheard = _order(outcome)[1:]
    return Group(*map(line, [*unheard, *addressees(outcome["ships"])]))


def addressees(ships: "Sequence[Addressee]") -> list[str]:
    """Who has taken a message in and who has not, in a sentence for each kind."""
    heard = [ship["id"] for ship in ships if not ship["hails"]]
    busy = [ship["id"] for ship in ships if ship["hails"] and ship["task"]]
    free = [ship["id"] for ship in ships if ship["hails"] and not ship["task"]]
    sentences = []
    if heard:
        sentences.append(f"It was taken in by {_of(heard, 'agent')}.")
    if busy:
        sentences.append(f"It is not yet taken in by {_of(busy, 'agent')}.")
    if free:
        sentences.append(f"It waits for {_of(free, 'next task')}.")
    return sentences


def _of(ships: "Sequence[str]", thing: str) -> str:
    """A thing of a ship, or of each of several."""
    if len(ships) == 1:
        return f"{ships[0]}'s {thing}"
    return f"the {thing}s of {', '.join(ships)}"


def fsck(outcome: "FsckOutcome") -> RenderableType:
    """What came of looking storage through."""
    mended = [f"mended: {fault}" for fault in outcome["mended"]]
    faults = [f"fault: {fault}" for fault in outcome["faults"]]
    return Group(*map(line, [*_order(outcome), *mended, *faults]))


def findings(found: "Sequence[Finding]") -> RenderableType:
    """What `doctor` found: `no` is what nothing works without, `--` what some can do without."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(min_width=2)
    table.add_column(min_width=20)
    for finding in found:
        mark = line("ok", "green")
        if not finding.found:
            mark = line("no", "red") if finding.is_needed else line("--", "yellow")
        table.add_row(mark, line(finding.subject), line(finding.found or finding.remedy))
    return table


def _order(outcome: "Outcome") -> list[str]:
    late = "cannot be reached now. It will hear of this when it asks storage next."
    return [outcome["message"], *(f"{vm} {late}" for vm in outcome["unheard"])]


def report(checked: Report) -> RenderableType:
    """What `check` found in a plan: if it is sound, what would sail; and what is good to know."""
    lines: list[Text] = []
    if checked.plan:
        for name, fact in _facts(checked.plan, checked.forecast).items():
            lines.append(Text.assemble((f"{name:<15}", "dim"), line(fact)))
    for note in checked.notes:
        lines.append(line(f"note: {note}", "yellow"))
    return Group(*lines)


def _facts(plan: Plan, forecast: Forecast) -> dict[str, str]:
    chain = " → ".join(forecast.longest_chain)
    facts = {
        "plan": f"{plan.name}: {plan.objective}",
        "repository": f"{plan.source.url} at {plan.source.head[:12]}",
        "tasks": f"{forecast.tasks}, at most {forecast.max_parallel} of them at once",
        "longest chain": f"{len(forecast.longest_chain)}: {chain}",
        "ships": f"{plan.ships}, {_agents(plan)}",
        "check": f"{plan.check}, before each landing" if plan.check else "none before landing",
        "budget": _budget(plan),
    }
    if plan.review:
        facts["review"] = _review(plan.review)
    return facts


def _agents(plan: Plan) -> str:
    """Who works on the tasks."""
    own = f"with the agent {plan.agent}{_model(plan)}"
    others = plan.agents()[1:]
    return f"{own}; also {', '.join(others)}" if others else own


def _review(review: Review) -> str:
    """Who reads the work on tasks before it lands."""
    model = f" with the model {review.model}" if review.model else ""
    rounds = several(review.rounds, "round")
    return f"by {review.agent}{model} before each check, at most {rounds}"


def _model(plan: Plan) -> str:
    if plan.agent == "shell":
        return ""
    return f" and the model {plan.model}" if plan.model else " and its usual model"


def _budget(plan: Plan) -> str:
    """What the voyage may cost."""
    if plan.agents() == ["shell"]:
        return "the agent shell costs nothing"
    most = allowed({"budget_usd": plan.budget_usd, "budget_tokens": plan.budget_tokens})
    return f"{most}; then it pauses" if most else "no limit: set budget_usd in voyage.json for one"


def allowed(budgets: "Budgets") -> str:
    """What a voyage may cost at most, in words; nothing if there is no limit."""
    usd, tokens = budgets["budget_usd"], budgets["budget_tokens"]
    limits = [f"${usd:g}" if usd else "", f"{tokens:,} tokens" if tokens else ""]
    return " or ".join(filter(None, limits))


# Text


def table(heads: Sequence[str], rows: Iterable[Sequence[Text]]) -> Table:
    """A line for each row, or more if what is in it wraps. If there is no room, the last column
    gives way."""
    columns = [Column(head, no_wrap=head not in WRAPPING, max_width=20) for head in heads[:-1]]
    columns.append(Column(heads[-1], ratio=1, overflow="fold"))
    table = Table(*columns, box=None, padding=(0, 2, 0, 0), header_style="dim", expand=True)
    for cells in rows:
        table.add_row(*cells)
    return table


def line(text: str, style: str = "", *, cut: bool = False) -> Text:
    """Text on one line, without what could steer the terminal. It wraps, or is cut off."""
    lines = clean(text, keep="\n").split("\n")
    line = " ".join(line for line in lines if line)
    if cut:
        return Text(line, style, no_wrap=True, overflow="ellipsis")
    return Text(line, style)


def state_text(state: str) -> Text:
    return line(state, STATE_STYLES.get(state, ""))

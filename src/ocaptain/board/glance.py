"""The head of the board: how a voyage stands, how far it is, and what landed last."""

from rich.console import Group
from rich.text import Text

from ocaptain import money
from ocaptain.onboard.protocol import Status, TaskRow
from ocaptain.terminal import STATE_STYLES, train_line
from ocaptain.times import clock, duration

from .estimate import time_left
from .rows import cell
from .watching import OVER, Sight

BAR_COLUMNS = 30
SAIL_STATES = ("provisioning", "running", "verifying", "idle")
"""Voyages in these go on by themselves."""
IDLE_HANDS = ("lost", "broken", "relieved", "sunk", "done", "starting")
"""Ships in these work on no task for now."""


def head(sight: Sight, now: float) -> Group:
    """Return some lines that say how a voyage stands at `now` (UNIX time)."""
    status = sight.status
    lines = [
        title(sight, now),
        cell(status["objective"], "dim"),
        progress(sight, now),
        landed(sight.tasks, now),
    ]
    if status["train"]["cars"]:
        lines.append(cell(f"on the way to the branch: {train_line(status['train'])}"))
    if sight.fault:
        lines.append(unseen(sight, now))
    elif status["reason"]:
        lines.append(cell(status["reason"], STATE_STYLES.get(sight.state, "")))
    elif sight.state in OVER:
        lines.append(cell("The voyage is over. q leaves; ocaptain fetch brings its branch home."))
    for command in status["next"]:
        words = cell(f"→ {command['command']}", "bold")
        lines.append(Text.assemble(words, "  ", cell(command["why"], "dim")))
    return Group(*lines)


def title(sight: Sight, now: float) -> Text:
    """Return which voyage it is, its state, for how long, and what it has cost."""
    status = sight.status
    style = STATE_STYLES.get(sight.state, "green")
    cost = money.spent(status["cost_usd"], [status["usage"]])
    facts = [age(status, now), f"on {status['provider']}", cost]
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(status["voyage"], "bold")
    line.append(f"  {sight.state}", style)
    for fact in facts:
        line.append(f"  {fact}")
    return line


def age(status: Status, now: float) -> str:
    """Return how old a voyage is, or if it is over how long it took and when it ended."""
    if status["took_s"] is not None:
        ended = now - (status["since"] or now)
        return f"in {duration(status['took_s'])}, {duration(ended)} ago"
    sailed = f"sailed {duration(now - status['created'])} ago"
    if status["state"] in SAIL_STATES or status["since"] is None:
        return sailed
    return f"for {duration(now - status['since'])}, {sailed}"


def unseen(sight: Sight, now: float) -> Text:
    """Return why storage does not answer, and how old all that is shown is."""
    seen = f"{duration(now - sight.seen_at)} ago ({clock(sight.seen_at, seconds=True)})"
    return cell(f"This was seen {seen}. {sight.fault}", STATE_STYLES["unseen"])


def progress(sight: Sight, now: float) -> Text:
    """Return a bar with how many tasks are completed, and how long the rest may take."""
    tasks = sight.status["tasks"]
    share = tasks["completed"] / max(1, tasks["total"])
    full = int(share * BAR_COLUMNS)
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append("█" * full, "green")
    line.append("░" * (BAR_COLUMNS - full), "dim")
    line.append(f" {tasks['completed']} of {tasks['total']} tasks")
    left_s = estimate(sight, now)
    if left_s is not None:
        line.append(f", about {duration(left_s)} left", "bold")
    if sight.status["verify"] in ("running", "failed"):
        line.append(f", verify {sight.status['verify']}")
    return line


def estimate(sight: Sight, now: float) -> float | None:
    """Return how many seconds the tasks that are left may take, if that can be told."""
    took = [row["took_s"] for row in sight.tasks if row["took_s"] is not None]
    ships = [ship for ship in sight.status["ships"] if ship["state"] not in IDLE_HANDS]
    if sight.status["state"] != "running" or not took or not ships:
        return None
    spent = {
        row["id"]: max(0.0, now - row["since"])
        for row in sight.tasks
        if row["status"] == "in_progress" and row["since"]
    }
    return time_left(sight.tasks, len(ships), sum(took) / len(took), spent)


def landed(tasks: list[TaskRow], now: float) -> Text:
    """Return what was completed last, and when."""
    done = [row for row in tasks if row["status"] == "completed"]
    if not done:
        return cell("nothing has landed yet", "dim")
    last = max(done, key=lambda row: row["since"] or 0.0)
    commit = (last["commit"] or "no change")[:12]
    ago = f"{duration(now - last['since'])} ago" if last["since"] else ""
    return cell(f"last landed: {commit} {ago}, {last['id']} {last['subject']}")

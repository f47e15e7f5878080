"""What the board says of the ship or task that its cursor is at."""

from rich.console import Group
from rich.text import Text

from ocaptain import money
from ocaptain.onboard.protocol import ShipStatus, TaskRow
from ocaptain.terminal import STATE_STYLES
from ocaptain.times import clock, duration

from .rows import cell, task_state, task_why


def of_ship(ship: ShipStatus) -> Group:
    """Return what a ship is at, what it said last, and what it has done so far."""
    at = f"{ship['task']} {ship['subject'] or ''}" if ship["task"] else "no task"
    lines = [cell(f"{ship['id']} {ship['state']}: {at}", "bold")]
    if ship["reason"]:
        until = f" until {clock(ship['until'])}" if ship["until"] else ""
        lines.append(cell(f"{ship['reason']}{until}", STATE_STYLES.get(ship["state"], "")))
    if ship["said"]:
        lines.append(cell(f"says: {ship['said']}"))
    cost = money.spent(ship["cost_usd"], [ship["usage"]])
    facts = [f"{ship['completed']} completed", cost]
    if ship["seen_s"] is None:
        facts.append("never seen")
    else:
        facts.append(f"seen {duration(ship['seen_s'])} ago")
    if ship["hails"]:
        facts.append(f"{ship['hails']} of your messages not taken in")
    lines.append(cell(", ".join(facts), "dim"))
    return _wrapped(*lines)


def of_task(row: TaskRow, now: float) -> Group:
    """Return what a task is, how it stands, and why."""
    lines = [cell(f"{row['id']} {row['subject']}", "bold")]
    facts = [task_state(row).replace("_", " ")]
    if row["owner"]:
        facts.append(f"by {row['owner']}")
    if row["since"]:
        facts.append(f"since {clock(row['since'])}, {duration(now - row['since'])} ago")
    if row["took_s"] is not None:
        facts.append(f"took {duration(row['took_s'])}")
    if row["attempts"]:
        facts.append(f"{row['attempts']} failed attempts")
    lines.append(cell(", ".join(facts), "dim"))
    why = task_why(row)
    if row["commit"]:
        lines.append(cell(f"landed {why}"))
    elif why:
        lines.append(cell(why, "red" if row["status"] == "failed" else ""))
    if row["status"] == "failed":
        lines.append(cell("r brings it back", "bold"))
    return _wrapped(*lines)


def _wrapped(*lines: Text) -> Group:
    """Return lines of which each goes on below if it is too long for one."""
    for line in lines:
        line.no_wrap = False
        line.overflow = "fold"
    return Group(*lines)

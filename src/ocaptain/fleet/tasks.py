"""Asks storage for all that is known of one task."""

from ocaptain.loglines import LogEntry, parsed
from ocaptain.onboard.protocol import TaskDetails

from .logs import query_of, read_logs
from .voyage import Voyage


class TaskShown(TaskDetails):
    """A task in `tasks show`."""

    log: list[LogEntry]
    """The last lines about it."""


async def ask_task(voyage: Voyage, task: str, lines: int) -> TaskShown:
    """Return all that is known of a task, with so many lines of the log.

    Raises Failure if there is no such task."""
    details = await voyage.ask("task", TaskDetails, {"task": task})
    for claim in details["claims"]:
        claim.setdefault("transcript", None)
    log: list[LogEntry] = []
    if lines:
        query = query_of(task=details["id"], tail=lines)
        await read_logs(voyage, query, lambda line: log.append(parsed(line).entry()))
    return {**details, "log": log}

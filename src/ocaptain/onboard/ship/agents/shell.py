"""Runs a task's `metadata.run` with bash, for codemods, demos and tests. Exit status 0 is done."""

from collections.abc import Iterator, Mapping

from ... import tasklist
from .agent import Dollars, Event, Job

program = "bash"
install = "sudo apt-get install -y bash"
credentials: tuple[str, ...] = ()
interactive = False
picks_by_model = False
has_telemetry = False
dollars: Dollars = "told"


def missing(_environ: Mapping[str, str]) -> str | None:
    """Nothing: it talks to no model."""
    return None


def command(job: Job) -> list[str]:
    """bash, with the task's command."""
    metadata = tasklist.metadata(job.grant["task"])
    return [program, "-c", metadata.get("run") or ""]


def environment(_job: Job) -> dict[str, str]:
    """Nothing, and above all no token."""
    return {}


def message(_text: str, _mark: str) -> bytes | None:
    """It cannot be told anything."""
    return None


def events(line: bytes) -> Iterator[Event]:
    """Every line that it prints, for the log."""
    text = line.decode(errors="replace").rstrip()
    if text:
        yield Event("text", text)


def transcript(_environ: Mapping[str, str], _conversation: str) -> str | None:
    """None: the log has all that it prints."""
    return None

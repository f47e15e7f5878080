"""Sessions with agents that are small programs."""

import sys
import time
from collections.abc import Callable, Mapping

from ocaptain.onboard.protocol import TaskGrant
from ocaptain.onboard.ship.agents import AGENTS, Event, Job
from ocaptain.onboard.ship.agents.agent import Dollars
from ocaptain.onboard.ship.session import Session, Timing
from tests.support.ship import a_grant

TALKING = """
import json, os, subprocess, sys, time

def emit(kind, **said):
    print(json.dumps({"type": kind, **said}), flush=True)

def begin():
    emit("system", subtype="init", session_id="talk-1")

def say(text, **more):
    emit("assistant", message={"content": [{"type": "text", "text": text}], **more})

def result(text="Done.", **more):
    emit("result", **{"is_error": False, "result": text, "total_cost_usd": 0.25, **more})

def background(tasks):
    emit("system", subtype="background_tasks_changed", tasks=[{}] * tasks)

def limit(resets_at, kind="five_hour"):
    info = {"status": "rejected", "resetsAt": resets_at, "rateLimitType": kind}
    emit("rate_limit_event", rate_limit_info=info)

def hear():
    said = json.loads(sys.stdin.readline())
    emit("user", isReplay=True, uuid=said["uuid"])
    return said["message"]["content"][0]["text"]

def burn(seconds):
    program = "import time\\nends = time.time() + %s\\nwhile time.time() < ends: pass" % seconds
    return subprocess.Popen([sys.executable, "-c", program])

"""


class Talking:
    """An agent that speaks Claude Code's language; the job's `run` is its program."""

    program = sys.executable
    install = ""
    credentials: tuple[str, ...] = ()
    picks_by_model = False
    interactive = True
    has_telemetry = False
    dollars: Dollars = "told"
    message = staticmethod(AGENTS["claude"].message)
    events = staticmethod(AGENTS["claude"].events)

    def missing(self, _environ: Mapping[str, str]) -> str | None:
        return None

    def transcript(self, environ: Mapping[str, str], conversation: str) -> str | None:
        return f"{environ['HOME']}/{conversation}.jsonl"

    def command(self, job: Job) -> list[str]:
        program = TALKING + job.grant["task"]["metadata"]["run"]
        return [sys.executable, "-c", program, job.conversation]

    def environment(self, job: Job) -> dict[str, str]:
        self.job = job
        return dict(job.agent_env)


def grant(run: str) -> TaskGrant:
    """A claim of a task that the agent does by running this."""
    return a_grant({"id": "7", "metadata": {"run": run}})


QUICK = Timing(background_s=1.0, quiet_s=0.5, close_s=1.0)
"""What takes minutes takes a second."""


Start = Callable[..., Session]


def timed(act: Callable[[], Event]) -> tuple[Event, float]:
    """What comes of something, and the seconds that it took."""
    began = time.monotonic()
    return act(), time.monotonic() - began


def logged(of: Session) -> list[str]:
    """What went into the ship's log, without the times."""
    log = of.ship.log
    return [line.partition(" ")[2] for line in log.read_text().splitlines()] if log.exists() else []


def others(of: Session) -> set[int]:
    """What runs for the claim besides the agent's own process, in two seconds at the latest."""
    ends = time.monotonic() + 2
    while time.monotonic() < ends:
        if not (found := of.ship.processes.pids()):
            return found
        time.sleep(0.05)
    return of.ship.processes.pids()

"""What a captain orders while all of that goes on; an order comes like a fault, and counts as one.

Storage may be away or dying at that moment: then an order may fail, and say so."""

import json
import random
import threading
from pathlib import Path

from . import tasks
from .faults import Broken, Fault, a_ship
from .fleet import Fleet, Json


def pause(fleet: Fleet, chance: random.Random) -> Broken | None:
    """Nothing is handed out for a while."""
    fleet.order("pause")
    return Broken("and resume", chance.uniform(1, 5), lambda: fleet.order("resume"))


def halt(fleet: Fleet, chance: random.Random) -> Broken | None:
    """All agents are stopped, and go on after a while."""
    fleet.order("halt")
    return Broken("and resume", chance.uniform(1, 5), lambda: fleet.order("resume"))


def release(fleet: Fleet, chance: random.Random) -> Broken | None:
    """A task is taken from its ship, if it has one."""
    task_id = chance.choice(sorted(fleet.tasks()))
    fleet.order("release", in_progress(fleet, chance) or task_id)
    return Broken(f"task {task_id}")


def in_progress(fleet: Fleet, chance: random.Random) -> str | None:
    """A task that some ship has."""
    held = [i for i, task in fleet.tasks().items() if is_held(task)]
    return chance.choice(sorted(held)) if held else None


def is_held(task: object) -> bool:
    """Whether a task file, which may hold anything now, says that some ship has it."""
    return isinstance(task, dict) and task.get("status") == "in_progress"


def retry(fleet: Fleet, chance: random.Random) -> Broken | None:
    """A task is to be retried, though it was not set aside."""
    task_id = chance.choice(sorted(fleet.tasks()))
    fleet.order("retry", task_id)
    return Broken(f"task {task_id}")


def add(fleet: Fleet, chance: random.Random) -> Broken | None:
    """A task is added, which waits for another."""
    name, after = f"x{chance.randrange(10**9)}", chance.choice(sorted(fleet.tasks()))
    run = tasks.running(name, chance.uniform(0.1, 2), chance.random() < 0.5, "", Path())
    done = fleet.order("tasks add", f"Task {name}", "--run", run, "--after", after)
    if done.status == 0:
        fleet.added[json.loads(done.out)["id"]] = name
    return Broken(name)


def edit(fleet: Fleet, chance: random.Random) -> Broken | None:
    """A task has another subject now, if it is not completed."""
    task_id = chance.choice(sorted(fleet.tasks()))
    fleet.order("tasks edit", task_id, "--subject", f"Task {task_id}, edited")
    return Broken(f"task {task_id}")


def hail(fleet: Fleet, _chance: random.Random) -> Broken | None:
    """A message for agents that cannot be told anything; it is refused."""
    fleet.order("hail", "Hurry up.")
    return Broken("to all")


def fsck(fleet: Fleet, _chance: random.Random) -> Broken | None:
    """An audit in the middle of it all."""
    done = fleet.order("fsck")
    return Broken(f"exit status {done.status}")


def reinforce(fleet: Fleet, _chance: random.Random) -> Broken | None:
    """Helm is started where it does not run."""
    return Broken("all ships", 0, lambda: fleet.order("reinforce"))


def relieve(fleet: Fleet, chance: random.Random) -> Broken | None:
    """A ship goes home after its task, and another comes in its place."""
    ship = a_ship(fleet, chance).replace("ship", "ship-")

    def replace() -> None:
        if fleet.order("relieve", ship).status == 0:
            fleet.order("reinforce", "-n", "1")

    return Broken(ship, 0, replace)


def two_captains(fleet: Fleet, _chance: random.Random) -> Broken | None:
    """Two captains order different things at once."""
    pausing = threading.Thread(target=fleet.order, args=("pause",))
    pausing.start()
    fleet.order("resume")
    pausing.join()
    return Broken("pause and resume", 1, lambda: fleet.order("resume"))


ORDERS: dict[str, Fault] = {
    "order: pause": pause,
    "order: halt": halt,
    "order: release": release,
    "order: retry": retry,
    "order: tasks add": add,
    "order: tasks edit": edit,
    "order: hail": hail,
    "order: fsck": fsck,
    "order: reinforce": reinforce,
    "order: relieve": relieve,
    "order: two captains": two_captains,
}


def answer(fleet: Fleet, scratch: Path, seen: Json) -> None:
    """What a captain does where `status` says so: of a voyage that has failed the cause is mended,
    and what was set aside is tried again; one that is stalled is reinforced, for no system starts
    a helm of `local`'s again that a task has killed."""
    if seen.get("state") == "stalled":
        fleet.order("reinforce")
    if seen.get("state") != "failed":
        return
    (scratch / "antidote").touch()
    rows = json.loads(fleet.type("tasks", fleet.id, "--json").out or "[]")
    for row in rows:
        if row["status"] == "failed":
            fleet.order("retry", row["id"])
    if seen["verify"] == "failed":
        fleet.order("retry", "verify")

"""What a captain orders while all of that goes on; an order comes like a fault, and counts as one.

Storage may be away or dying at that moment: then an order may fail, and say so."""

import json
import random
import threading
from pathlib import Path

from tests.support.captain import Json

from . import tasks
from .faults import Broken, Fault, a_ship
from .victim import Victim


def pause(victim: Victim, chance: random.Random) -> Broken | None:
    """Nothing is handed out for a while."""
    victim.order("pause")
    return Broken("and resume", chance.uniform(1, 5), lambda: victim.order("resume"))


def halt(victim: Victim, chance: random.Random) -> Broken | None:
    """All agents are stopped, and go on after a while."""
    victim.order("halt")
    return Broken("and resume", chance.uniform(1, 5), lambda: victim.order("resume"))


def release(victim: Victim, chance: random.Random) -> Broken | None:
    """A task is taken from its ship, if it has one."""
    task_id = chance.choice(sorted(victim.tasks()))
    victim.order("release", in_progress(victim, chance) or task_id)
    return Broken(f"task {task_id}")


def in_progress(victim: Victim, chance: random.Random) -> str | None:
    """A task that some ship has."""
    held = [i for i, task in victim.tasks().items() if is_held(task)]
    return chance.choice(sorted(held)) if held else None


def is_held(task: object) -> bool:
    """Whether a task file, which may hold anything now, says that some ship has it."""
    return isinstance(task, dict) and task.get("status") == "in_progress"


def retry(victim: Victim, chance: random.Random) -> Broken | None:
    """A task is to be retried, though it was not set aside."""
    task_id = chance.choice(sorted(victim.tasks()))
    victim.order("retry", task_id)
    return Broken(f"task {task_id}")


def add(victim: Victim, chance: random.Random) -> Broken | None:
    """A task is added, which waits for another."""
    name, after = f"x{chance.randrange(10**9)}", chance.choice(sorted(victim.tasks()))
    run = tasks.running(name, chance.uniform(0.1, 2), "", Path(), commits=chance.random() < 0.5)
    done = victim.order("tasks add", f"Task {name}", "--run", run, "--after", after)
    if done.status == 0:
        victim.added[json.loads(done.out)["id"]] = name
    return Broken(name)


def edit(victim: Victim, chance: random.Random) -> Broken | None:
    """A task has another subject now, if it is not completed."""
    task_id = chance.choice(sorted(victim.tasks()))
    victim.order("tasks edit", task_id, "--subject", f"Task {task_id}, edited")
    return Broken(f"task {task_id}")


def hail(victim: Victim, _chance: random.Random) -> Broken | None:
    """A message for agents that cannot be told anything; it is refused."""
    victim.order("hail", "Hurry up.")
    return Broken("to all")


def fsck(victim: Victim, _chance: random.Random) -> Broken | None:
    """An audit in the middle of it all."""
    done = victim.order("fsck")
    return Broken(f"exit status {done.status}")


def reinforce(victim: Victim, _chance: random.Random) -> Broken | None:
    """Helm is started where it does not run."""
    return Broken("all ships", 0, lambda: victim.order("reinforce"))


def relieve(victim: Victim, chance: random.Random) -> Broken | None:
    """A ship goes home after its task, and another comes in its place."""
    ship = a_ship(victim, chance).replace("ship", "ship-")

    def replace() -> None:
        if victim.order("relieve", ship).status == 0:
            victim.order("reinforce", "-n", "1")

    return Broken(ship, 0, replace)


def two_captains(victim: Victim, _chance: random.Random) -> Broken | None:
    """Two captains order different things at once."""
    pausing = threading.Thread(target=victim.order, args=("pause",))
    pausing.start()
    victim.order("resume")
    pausing.join()
    return Broken("pause and resume", 1, lambda: victim.order("resume"))


def two_reinforce(victim: Victim, chance: random.Random) -> Broken | None:
    """A ship's VM is gone, and two captains reinforce at once."""
    ship = a_ship(victim, chance)
    if len(victim.ships) == 1:
        return None

    def both() -> None:
        other = threading.Thread(target=victim.order, args=("reinforce",))
        other.start()
        victim.order("reinforce")
        other.join()

    victim.destroy(ship)
    return Broken(f"without {ship}", chance.uniform(0, tasks.LEASE_S), both)


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
    "order: two reinforce": two_reinforce,
}


def answer(victim: Victim, scratch: Path, seen: Json) -> None:
    """What a captain does where `status` says so: of a voyage that has failed the cause is mended,
    and what was set aside is tried again; for one that is stalled they type what it says first, for
    no system starts a helm of `local`'s again that a task has killed."""
    if seen.get("state") == "stalled":
        for command in seen["next"][:1]:
            order, *words = command["command"].removeprefix("ocaptain ").split()
            victim.order(order, *(word for word in words if word != victim.id))
    if seen.get("state") != "failed":
        return
    (scratch / "antidote").touch()
    rows = json.loads(victim.type("tasks", victim.id, "--json").out or "[]")
    for row in rows:
        if row["status"] == "failed":
            victim.order("retry", row["id"])
    if seen["verify"] == "failed":
        victim.order("retry", "verify")

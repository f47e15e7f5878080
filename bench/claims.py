"""How many claims a second storage can hand out."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

from ocaptain.onboard import process
from ocaptain.onboard.protocol import PROTOCOL
from ocaptain.onboard.ship.client import exchange
from ocaptain.onboard.storage import serve, setup
from ocaptain.onboard.storage.journal import Journal

from . import plans
from .table import Row, Target
from .world import Json, Trouble, World

TASKS, ASKERS = 1000, 16
VOYAGE = "voyage-0123456789ab"
RECORD: Any = {
    "voyage": VOYAGE,
    "name": "bench",
    "objective": "Measure it.",
    "ships": [f"ship-{n}" for n in range(ASKERS)],
    "lease_seconds": 300,
    "max_attempts": 3,
    "time_limit_minutes": 60,
    "budget_usd": None,
    "max_repairs": 0,
}


def in_process(world: World, quick: bool) -> Iterator[Row]:
    """Claims on real files, without a process for each: state kept in memory, and read anew."""
    home = storage(world)
    kept, rounds = Journal(home, VOYAGE), 5 if quick else 15
    rates = [in_turn(lambda: kept) for _ in range(rounds)]
    anew = [in_turn(lambda: Journal(home, VOYAGE)) for _ in range(rounds)]
    what = f"claims a second in-process, {TASKS:,} tasks"
    yield Row(what, rates, "/s", Target(300, least=True))
    yield Row("… with the state read anew for each", anew, "/s")


def storage(world: World) -> Path:
    """Make a home into storage, as `sail` has it done on a VM."""
    home = world.folder / "storage"
    shutil.copytree(ONBOARD, home / "voyage" / "lib" / "onboard")
    plan = world.plan([])
    url = json.loads((plan / "voyage.json").read_text())["repo"]
    source = {"url": url, "ref": "HEAD", "shallow": "", "token": None}
    new = {"voyage": RECORD, "artifacts": {}, "tasks": plans.idle(TASKS), "source": source}
    boot = {"accounts": False, "ship_keys": {}, "new": new}
    (home / "voyage" / "boot.json").write_text(json.dumps(boot))
    setup.main(home)
    return home


def in_turn(opened: Callable[[], Journal]) -> float:
    """Claims a second, where each ship makes one; what they claimed is completed afterwards."""

    def decide(ship: str, **request: Any) -> Json:
        return granted(serve.decide(opened(), RECORD, ship, request).answer)

    ships, began = RECORD["ships"], time.perf_counter()
    claims = {ship: decide(ship, op="claim", run_id="a")["claim"] for ship in ships}
    took = time.perf_counter() - began
    for ship, claim in claims.items():
        decide(ship, op="land", claim=claim, note="done", id=f"{claim}")
    return len(ships) / took


def granted(answer: Json) -> Json:
    """The answer, if it is what was asked for; else raises Trouble."""
    if not answer["ok"] or answer.get("claim", 0) is None:
        raise Trouble(f"harbor answered {answer}")
    return answer


def over_ssh(world: World, quick: bool) -> Iterator[Row]:
    """The same by all ships at once, each over its own shared SSH connection."""
    voyage = world.sail(world.plan(plans.idle(TASKS)), ASKERS).id
    ships = [f"{voyage}-ship{n}" for n in range(ASKERS)]
    for ship in ships:
        process.kill_marked(f"OCAPTAIN_VM={ship}")
    harbors = [harbor_of(world, ship) for ship in ships]
    race(harbors)  # opens the shared connections
    rates = [race(harbors) for _ in range(5 if quick else 15)]
    what = f"claims a second over SSH, {TASKS:,} tasks, {ASKERS} askers"
    yield Row(what, rates, "/s", Target(20, least=True))


def harbor_of(world: World, ship: str) -> list[str]:
    """Storage as a ship reaches it: its key, its configuration, its own shared connection."""
    config = world.home(ship) / "voyage" / "ssh_config"
    path = f"ControlPath={world.folder}/{ship.rpartition('-')[2]}"
    ssh = ["ssh", "-F", str(config), "-o", path, "-o", "ControlMaster=auto"]
    return [*ssh, "storage", "harbor"]


def ask(asker: list[str], op: str, **fields: Any) -> Json:
    """Ask harbor once."""
    request = {"protocol": PROTOCOL, "op": op, "id": uuid4().hex, **fields}
    return exchange(asker, json.dumps(request))


def race(harbors: list[list[str]]) -> float:
    """Claims a second, where all ask at once; what they claimed is completed afterwards."""
    with ThreadPoolExecutor(len(harbors)) as pool:
        began = time.perf_counter()
        answers = list(pool.map(lambda asker: granted(ask(asker, "claim", run_id="a")), harbors))
        took = time.perf_counter() - began
        claims = [answer["claim"] for answer in answers]
        if len(set(claims)) < len(claims):
            raise Trouble(f"a claim was granted twice: {sorted(claims)}")
        list(pool.map(lambda asker, claim: granted(finish(asker, claim)), harbors, claims))
    return len(claims) / took


def finish(asker: list[str], claim: int) -> Json:
    """Complete a task that needed no change."""
    return ask(asker, "land", claim=claim, commit=None, note="done")

"""How many claims a second storage can hand out."""

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

from ocaptain.onboard.protocol import PROTOCOL
from ocaptain.onboard.ship.channels import exchange
from ocaptain.onboard.storage import serve
from ocaptain.onboard.storage.journal import Journal
from tests.support.captain import Json, Voyage
from tests.support.machine import Trouble
from tests.support.storage import VOYAGE, boot, bundle, set_up

from . import plans
from .effort import Effort
from .table import Row, Target
from .world import new_skipper


def in_process(effort: Effort) -> Iterator[Row]:
    """Claims on real files, without a process for each: state kept in memory, and read anew."""
    tasks = plans.idle(effort.choose(smoke=32, quick=1000, full=1000))
    ships = [f"ship-{number}" for number in range(effort.choose(smoke=2, quick=16, full=16))]
    rounds = effort.choose(smoke=1, quick=5, full=15)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        set_up_storage(home, tasks, ships)
        journal = Journal(home, VOYAGE)
        kept = [claim_in_turn(home, ships, lambda: journal) for _ in range(rounds)]
        anew = [claim_in_turn(home, ships, lambda: Journal(home, VOYAGE)) for _ in range(rounds)]
    what = f"claims a second in-process, {len(tasks):,} tasks"
    yield Row(what, kept, "/s", Target(300, least=True))
    yield Row("… with the state read anew for each", anew, "/s")


def set_up_storage(home: Path, tasks: list[Json], ships: list[str]) -> None:
    """Make a home into storage, as `sail` has it done on a VM."""
    bundle(home, home / "source")
    source = {"url": None, "ref": "refs/heads/main", "shallow": ""}
    set_up(home, boot(tasks, source, ships=ships, lease_seconds=300))


def claim_in_turn(home: Path, ships: list[str], journal: Callable[[], Journal]) -> float:
    """Claims a second, where each ship makes one; what they claimed is completed afterwards."""
    record = json.loads((home / "voyage" / "voyage.json").read_text())

    def decide(ship: str, request: Json) -> Json:
        return granted(serve.decide(journal(), record, ship, request).answer)

    began = time.perf_counter()
    claims = {ship: decide(ship, {"op": "claim", "run_id": "a"})["claim"] for ship in ships}
    took = time.perf_counter() - began
    for ship, claim in claims.items():
        decide(ship, {"op": "land", "claim": claim, "note": "done", "id": str(claim)})
    return len(ships) / took


def granted(answer: Any) -> Json:
    """The answer, if it is what was asked for. Raises Trouble if it is not."""
    if not answer["ok"] or answer.get("claim", 0) is None:
        raise Trouble(f"harbor answered {answer}")
    return dict(answer)


def over_ssh(effort: Effort) -> Iterator[Row]:
    """The same by all ships at once, each over its own shared SSH connection."""
    tasks = plans.idle(effort.choose(smoke=32, quick=1000, full=1000))
    askers = effort.choose(smoke=2, quick=16, full=16)
    rounds = effort.choose(smoke=1, quick=5, full=15)
    with new_skipper() as captain:
        voyage = captain.sail(captain.plan_of(tasks), askers)
        for ship in voyage.ships:
            voyage.kill(ship)
        harbors = [harbor_of(voyage, ship) for ship in voyage.ships]
        race(harbors)  # opens the shared connections
        rates = [race(harbors) for _ in range(rounds)]
    what = f"claims a second over SSH, {len(tasks):,} tasks, {askers} askers"
    yield Row(what, rates, "/s", Target(20, least=True))


def harbor_of(voyage: Voyage, ship: str) -> list[str]:
    """Storage as a ship reaches it: its key, its configuration, its own shared connection."""
    config = voyage.home(ship) / "voyage" / "ssh_config"
    path = voyage.captain.root / "run" / ship
    options = ["-F", str(config), "-o", "ControlMaster=auto", "-o", f"ControlPath={path}"]
    return ["ssh", *options, "storage", "harbor"]


def race(harbors: Sequence[list[str]]) -> float:
    """Claims a second, where all ask at once; what they claimed is completed afterwards."""
    with ThreadPoolExecutor(len(harbors)) as pool:
        began = time.perf_counter()
        claims = list(pool.map(claim, harbors))
        took = time.perf_counter() - began
        if len(set(claims)) < len(claims):
            raise Trouble(f"a claim was granted twice: {sorted(claims)}")
        list(pool.map(complete, harbors, claims))
    return len(claims) / took


def claim(harbor: list[str]) -> int:
    """Claim a task, and return the claim's number."""
    return int(ask(harbor, {"op": "claim", "run_id": "a"})["claim"])


def complete(harbor: list[str], number: int) -> None:
    """Complete a task that needed no change."""
    ask(harbor, {"op": "land", "claim": number, "commit": None, "note": "done"})


def ask(harbor: list[str], request: Json) -> Json:
    """Ask harbor once. Raises Trouble if it refuses."""
    line = json.dumps({"protocol": PROTOCOL, "id": uuid4().hex, **request})
    return granted(exchange(harbor, line))

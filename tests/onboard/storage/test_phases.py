"""What became of claims in the course of time."""

from ocaptain.onboard.storage.parts import Onlooker
from ocaptain.onboard.storage.phases import COSTS_LIMIT, History
from tests.support.storage import Sail, Storage, task


def history(storage: Storage) -> History:
    """What the journal tells."""
    told = History()
    for line in Onlooker(storage.journal()).all_so_far():
        told.take(line["ns"] / 1e9, line["set"])
    return told


def states(told: History, claim: int) -> list[tuple[str, float, float | None]]:
    """The phases of a claim: what it was at, and from when until when, since the voyage began."""
    start = 1_000_000.0
    found: list[tuple[str, float, float | None]] = []
    for phase in told.phases[str(claim)]:
        until = phase["until"]
        found.append((phase["state"], phase["from"] - start, until and until - start))
    return found


def test_a_claim_goes_from_work_by_the_train_to_the_branch(sail: Sail):
    """It works, waits for its API, is put on top, is checked, is green, and lands."""
    storage = sail(task("1"), check="true")
    ref = storage.claim("ship-0")["ref"]
    storage.now += 10
    storage.ask("ship-0", "beat", claim=1, state="limited", cost_usd=0.5)
    storage.now += 10
    storage.ask("ship-0", "beat", claim=1, state="landing", cost_usd=0.750001)
    storage.now += 1
    storage.ask("ship-0", "enter", claim=1, state="landing")
    storage.now += 2
    commit = storage.push(ref)
    base = storage.start
    storage.ask("ship-0", "enter", claim=1, commit=commit, base_commit=base, state="landing")
    storage.now += 4
    assert storage.ask("ship-0", "land", claim=1, commit=commit, state="landing")["ok"]
    told = history(storage)
    assert states(told, 1) == [
        ("working", 0, 10),
        ("limited", 10, 20),
        ("landing", 20, 21),
        ("rebasing", 21, 23),
        ("checking", 23, 27),
    ]
    assert [usd for _, usd in told.costs] == [0, 0.5, 0.750001]


def test_a_ship_that_is_silent_is_lost_until_its_claim_ends(sail: Sail):
    """The time from when it was heard last is no work."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    storage.now += 5
    storage.ask("ship-0", "beat", claim=1)
    storage.pass_time(90)
    storage.claim("ship-1")
    found = states(history(storage), 1)
    assert [state for state, _, _ in found] == ["working", "lost"]
    assert [(begin, until) for _, begin, until in found] == [(0, 5), (5, 95)]


def test_the_verification_is_a_phase(sail: Sail):
    """It goes on while it runs."""
    storage = sail(task("1"))
    storage.finish("ship-0")
    storage.claim("ship-0")
    assert states(history(storage), 2) == [("verifying", 0, None)]


def test_a_journal_that_begins_anew_is_read_on(sail: Sail):
    """Nothing is lost, nor told twice, whoever looks on meanwhile."""
    storage = sail(task("1"))
    onlooker = Onlooker(storage.journal())
    told = [line["seq"] for line in onlooker.all_so_far()]
    storage.claim("ship-0")
    with (journal := storage.journal()).locked():
        journal.sum_up()
    storage.ask("ship-0", "beat", claim=1)
    told += [line["seq"] for line in onlooker.new()]
    assert told == list(range(1, len(told) + 1))
    assert states(history(storage), 1) == [("working", 0, None)]


def test_what_was_spent_is_kept_in_some_points(sail: Sail):
    """The last one is always there."""
    told = History()
    claim = {"task": "1", "state": "live", "claimed_at": 0.0}
    for cent in range(3 * COSTS_LIMIT):
        told.take(float(cent), {"claims": {"1": {**claim, "cost_usd": cent / 100}}})
    assert COSTS_LIMIT / 2 < len(told.costs) <= COSTS_LIMIT
    assert told.costs[0] == (0.0, 0.0)
    assert told.costs[-1] == (3 * COSTS_LIMIT - 1, (3 * COSTS_LIMIT - 1) / 100)

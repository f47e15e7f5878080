"""An audit of a voyage that trusts none of ocaptain's code: raw journal, task files, repository."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.support.captain import Json, Voyage

ENDS = ("landed", "released", "expired", "abandoned")


def assert_nothing_lost(voyage: Voyage) -> None:
    """Fail unless every promise about tasks and commits was kept, from the first line on.

    No task vanished or was completed twice, no claim or ship had what another held, the branch only
    went forward, and all that was named or pushed is still in the repository."""
    states = list(history(voyage))
    assert [line["seq"] for line, _, _ in states] == list(range(1, len(states) + 1))
    for line, before, after in states:
        _one_step(line, before, after)
    _files_follow(voyage, states[-1][2])
    _repository_is_whole(voyage, states[-1][2])


def history(voyage: Voyage) -> Iterator[tuple[Json, Json, Json]]:
    """Each line of the journal, with the state before and after it."""
    state: Json = {"tasks": {}, "claims": {}, "ships": {}, "answers": {}, "meta": {}}
    for raw in (voyage.storage / "journal.jsonl").read_bytes().splitlines(keepends=True):
        if not raw.endswith(b"\n"):
            return  # it is being written, or torn: no change yet, or ever
        line = json.loads(raw)
        before = {name: dict(entries) for name, entries in state.items()}
        for name, entries in line["set"].items():
            state.setdefault(name, {}).update(entries)
            state[name] = {key: value for key, value in state[name].items() if value is not None}
        yield line, before, {name: dict(entries) for name, entries in state.items()}


def present(voyage: Voyage) -> Json:
    """The state that the journal makes."""
    return [after for _, _, after in history(voyage)][-1]


def live(state: Json) -> list[Json]:
    """Claims that hold."""
    return [claim for claim in state["claims"].values() if claim["state"] == "live"]


def _one_step(line: Json, before: Json, after: Json) -> None:
    assert before["tasks"].keys() <= after["tasks"].keys(), line
    for task_id, task in before["tasks"].items():
        if task["status"] == "completed":
            assert after["tasks"][task_id]["status"] == "completed", line
    assert list(after["claims"]) == [str(1 + n) for n in range(len(after["claims"]))], line
    for number, claim in before["claims"].items():
        now = after["claims"][number]
        assert now["state"] == claim["state"] or claim["state"] == "live", line
        assert now["state"] in ("live", *ENDS), line
        assert all(now[key] == claim[key] for key in ("ship", "task", "run_id")), line
    holders = [claim["ship"] for claim in live(after)]
    held = [claim["task"] for claim in live(after)]
    assert len(holders) == len({*holders}), line
    assert len(held) == len({*held}), line
    busy = [key for key, task in after["tasks"].items() if task["status"] == "in_progress"]
    assert sorted(filter(None, held)) == sorted(busy), line
    done = [key for key, task in after["tasks"].items() if task["status"] == "completed"]
    landings = [claim["task"] for claim in after["claims"].values() if claim["state"] == "landed"]
    assert sorted(filter(None, landings)) == sorted(done), line


def _files_follow(voyage: Voyage, state: Json) -> None:
    folder = voyage.home() / ".claude" / "tasks" / f"{voyage.id}-tasks"
    files = {path.stem: json.loads(path.read_bytes()) for path in folder.glob("[!.]*.json")}
    assert files == state["tasks"]
    assert voyage.git("rev-parse", f"refs/heads/{voyage.id}") == state["meta"]["head"]
    marker = voyage.storage / "artifacts" / "voyage-complete.marker"
    assert marker.exists() == ("verified" in state["meta"])


def _repository_is_whole(voyage: Voyage, state: Json) -> None:
    said = voyage.git("fsck", "--full", "--no-dangling", "--no-progress")
    assert [x for x in said.splitlines() if not x.startswith("notice:")] == []
    branch = voyage.git("rev-list", "--first-parent", voyage.id).split()
    heads = [line["set"].get("meta", {}).get("head") for line in voyage.journal()]
    moves = [commit for commit in heads if commit]
    assert [commit for commit in branch[::-1] if commit in moves] == moves
    assert voyage.git("rev-list", "--min-parents=2", f"{moves[0]}..{voyage.id}") == ""
    named = [task["metadata"].get("commit") for task in state["tasks"].values()]
    commits = [commit for commit in named if commit]
    assert len(commits) == len({*commits})
    assert {*commits} <= {*branch}
    for claim in state["claims"].values():
        if claim.get("finished") and f"work/{claim['task']}-{claim['number']}" in _refs(voyage):
            voyage.git("cat-file", "-e", f"{claim['finished']}^{{commit}}")
    _no_work_twice(voyage, moves[0])


def _refs(voyage: Voyage) -> list[str]:
    return voyage.git("for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads/").split()


def _no_work_twice(voyage: Voyage, start: str) -> None:
    """No two commits of the branch bring the same files to the same contents."""
    log = voyage.git("log", "--format=", "--raw", "--no-abbrev", f"{start}..{voyage.id}")
    brought = Counter(tuple(line.split()[3:]) for line in log.splitlines() if line)
    assert [change for change, times in brought.items() if times > 1] == []


def assert_status_true(voyage: Voyage) -> Json:
    """Ask for the status, and fail unless it is what the files said before or after; the status."""
    for _ in range(20):
        before = _truth(present(voyage))
        seen = voyage.status()
        if before == _truth(present(voyage)):
            break
    told = {key: seen["tasks"][key] for key in ("total", "pending", "in_progress", "completed")}
    told["pending"] += seen["tasks"]["failed"]
    assert {**told, "head": seen["head"], "complete": seen["state"] == "complete"} == before, seen
    holders = {claim["ship"]: claim["task"] for claim in live(present(voyage))}
    for ship in seen["ships"]:
        if ship["task"]:
            assert holders.get(ship["id"]) == ship["task"], seen
    return seen


def _truth(state: Json) -> dict[str, Any]:
    found = Counter(task["status"] for task in state["tasks"].values())
    counts = {key: found[key] for key in ("pending", "in_progress", "completed")}
    meta, number = state["meta"], len(state["tasks"])
    complete = {"head": meta["head"], "tasks": number}.items() <= meta.get("verified", {}).items()
    return {"total": number, **counts, "head": meta["head"], "complete": complete}

"""All that is known of one task."""

import pytest

from tests.support.rules import rule
from tests.support.storage import Json, Sail, Storage, git, task


@pytest.fixture
def storage(sail: Sail) -> Storage:
    """Storage where task 1 was tried in vain, and then landed."""
    storage = sail(
        {**task("1", files=["src/"], run="make"), "description": "Do it\nwell"},
        task("2", "1"),
        task("3", "1", "9"),
    )
    storage.claim("ship-0")
    storage.now += 98
    end = {"fault": "agent", "why": "at a loss", "last_words": "I give up."}
    storage.ask("ship-0", "release", claim=1, **end)
    storage.now += 2
    ref = storage.claim("ship-1")["ref"]
    storage.ask("ship-1", "beat", claim=2, cost_usd=0.25)
    storage.now += 40
    tree = git(storage.repo, "mktree", stdin=added(storage.repo, "two\nlines\n"))
    commit = git(storage.repo, "commit-tree", tree, "-p", storage.start, "-m", "Do 1")
    git(storage.repo, "update-ref", f"refs/heads/{ref}", commit)
    words = "Done.\nAll of it."
    assert storage.ask("ship-1", "land", claim=2, commit=commit, last_words=words)["ok"]
    return storage


def test_what_a_task_is(storage: Storage):
    """What is to be done, what it waits for and what waits for it."""
    found = storage.order("task", task="1")
    assert (found["description"], found["files"], found["run"]) == ("Do it\nwell", ["src"], "make")
    assert found["blockers"] == []
    assert found["dependants"] == [
        {"id": "2", "subject": "Do 2", "status": "pending"},
        {"id": "3", "subject": "Do 3", "status": "pending"},
    ]
    waiting = storage.order("task", task="3")
    assert waiting["blockers"] == [
        {"id": "1", "subject": "Do 1", "status": "completed"},
        {"id": "9", "subject": "", "status": "missing"},
    ]
    assert (waiting["claims"], waiting["landed"], waiting["since"]) == ([], None, None)


def test_each_attempt_at_a_task(storage: Storage):
    """When, by whom, what it cost, how it ended and what the agent said last."""
    found = storage.order("task", task="1")
    assert (found["took_s"], found["cost_usd"]) == (40, 0.25)
    first, second = found["claims"]
    assert (first["ship"], first["state"], first["took_s"]) == ("ship-0", "released", 98)
    assert (first["reason"], first["last_words"]) == ("at a loss", "I give up.")
    assert (second["number"], second["state"], second["commit"]) == (2, "landed", storage.head())
    assert (second["last_words"], second["cost_usd"]) == ("Done.\nAll of it.", 0.25)
    assert first["claimed_at"] == "1970-01-12T13:46:40.000Z"
    assert second["ended_at"] == "1970-01-12T13:49:00.000Z"


def test_what_a_task_has_landed(storage: Storage):
    """Its commits, and how many lines of which files changed."""
    found = storage.order("task", task="1")
    assert (found["status"], found["base"]) == ("completed", storage.start)
    assert found["landed"] == {
        "commits": [{"commit": found["commit"], "subject": "Do 1"}],
        "files": [
            {"path": "README", "added": 0, "removed": 1},
            {"path": "new\t→", "added": 2, "removed": 0},
        ],
        "changed": 2,
        "added": 2,
        "removed": 1,
    }


def added(repo: object, text: str) -> str:
    """A tree, for `git mktree`, of one file that has this text."""
    blob = git(repo, "hash-object", "-w", "--stdin", stdin=text)  # type: ignore[arg-type]
    return f'100644 blob {blob}\t"new\\t\\342\\206\\222"\n'


def test_only_what_the_task_itself_has_landed(sail: Sail):
    """What others had landed before it is theirs."""
    storage = sail(task("1"), task("2"))
    for ship in ("ship-0", "ship-1"):
        claim = storage.claim(ship)
        lower = storage.push(claim["ref"])
        upper = storage.push(claim["ref"], lower)
        assert storage.ask(ship, "land", claim=claim["claim"], commit=upper)["ok"]
    commits = [commit["commit"] for commit in storage.order("task", task="2")["landed"]["commits"]]
    assert commits == [upper, lower]


def test_a_task_that_is_not_there(sail: Sail):
    """The refusal says where to see those that are."""
    refusal = sail(task("1")).order("task", task="7")
    assert refusal["code"] == "task"
    assert "there is no task '7'" in refusal["error"]


@rule("R176")
def test_reviews_of_an_attempt(sail: Sail):
    """What came of each, by whom, and what it cost; what is of a wrong kind is not kept."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    used = {"input_tokens": 9, "cost_usd": 0.25}
    review: Json = {
        "agent": "codex",
        "model": "gpt-5",
        "verdict": "reject",
        "words": "No test.",
        "commit": "c0ffee",
        "reviewed_at": storage.now,
        "took_s": 31.26,
        "cost_usd": 0.25,
        "usage": {"gpt-5": used},
    }
    reviews = [review, {"verdict": "perhaps", "words": 1}, "nothing"]
    whole = {"cost_usd": 0.75, "usage": {"gpt-5": used, "opus": {"cost_usd": 0.5}}}
    storage.ask("ship-0", "release", claim=1, fault="agent", why="no", reviews=reviews, **whole)
    [attempt] = storage.order("task", task="1")["claims"]
    first, second = attempt["reviews"]
    assert attempt["cost_usd"] == 0.75
    assert (first["agent"], first["model"], first["verdict"]) == ("codex", "gpt-5", "reject")
    assert (first["words"], first["commit"], first["took_s"]) == ("No test.", "c0ffee", 31.3)
    assert first["reviewed_at"] == "1970-01-12T13:46:40.000Z"
    assert [(row["model"], row["input_tokens"]) for row in first["usage"]] == [("gpt-5", 9)]
    assert (second["agent"], second["verdict"], second["words"]) == ("", "none", "")

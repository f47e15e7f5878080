"""The picture of a voyage, as storage tells it."""

from typing import Any

from ocaptain.onboard.storage import picture
from ocaptain.onboard.storage.picture import Picture
from tests.support.storage import Sail, Storage, git, task


def shown(storage: Storage) -> Picture:
    """The picture of a storage, of which nothing was told yet."""
    return Picture(storage.journal(), storage.voyage)


def folded(found: Any) -> Any:
    """What some news come to: the last value of each, and rows by their ids."""
    whole: Any = {"tasks": {}, "claims": {}}
    for news in found:
        for name, value in news.items():
            if name in ("tasks", "claims"):
                rows = {row.get("id", row.get("number")): row for row in value}
                whole[name].update(rows)
            else:
                whole[name] = value
    return whole


def test_the_rows_are_those_of_status_and_tasks(sail: Sail):
    """With what each task is linked with, and the claims."""
    storage = sail(task("1", files=["src"]), task("2", "1"), task("3", "2"))
    storage.finish("ship-0", cost_usd=0.25)
    storage.claim("ship-1")
    seen = shown(storage)
    whole = folded([*seen.rows(), *seen.history()])
    assert whole["status"]["tasks"] == storage.order("status")["tasks"]
    rows = {row["id"]: row for row in storage.order("tasks")["tasks"]}
    assert {key: {**whole["tasks"][key], **row} for key, row in rows.items()} == whole["tasks"]
    assert whole["tasks"]["1"]["cost_usd"] == 0.25
    assert whole["tasks"]["1"]["files"] == ["src"]
    assert whole["tasks"]["3"]["blockers"] == ["2"]
    assert whole["chain"] == ["2", "3"]
    assert [claim["state"] for claim in whole["claims"].values()] == ["landed", "live"]
    assert [phase["state"] for phase in whole["claims"][2]["phases"]] == ["working"]
    assert whole["costs"][-1][1] == 0.25


def test_only_what_changes_is_told(sail: Sail):
    """A change at once, signs of life a little later, and nothing of what is as it was."""
    storage = sail(task("1"), task("2"), task("3"))
    storage.claim("ship-0")
    seen = shown(storage)
    list(seen.rows())
    list(seen.history())
    assert list(seen.changes(is_due=True, is_overdue=False)) == []
    assert list(seen.changes(is_due=True, is_overdue=True)) == [{"now": storage.now}]
    storage.now += 5
    storage.ask("ship-0", "beat", claim=1)
    assert list(seen.changes(is_due=False, is_overdue=False)) == []
    heard = folded(seen.changes(is_due=True, is_overdue=False))
    assert heard["status"]["ships"][0]["seen_at"]
    assert heard["tasks"] == {}
    storage.claim("ship-1")
    found = folded(seen.changes(is_due=False, is_overdue=False))
    assert list(found["tasks"]) == ["2"]
    assert list(found["claims"]) == [2]


def test_a_ship_that_falls_silent_is_told_of(sail: Sail):
    """Though the journal says nothing of it."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    seen = shown(storage)
    list(seen.rows())
    list(seen.history())
    storage.now += 1_000
    found = folded(seen.changes(is_due=False, is_overdue=True))
    assert found["status"]["ships"][0]["state"] == "lost"


def test_many_rows_come_in_pieces(sail: Sail):
    """No line becomes longer than who reads it can take."""
    storage = sail(*(task(str(number)) for number in range(1, 2 * picture.ROWS + 2)))
    sizes = [len(news["tasks"]) for news in shown(storage).rows() if "tasks" in news]
    assert sizes == [picture.ROWS, picture.ROWS, 1]


def test_details_are_told_with_what_each_task_has_changed(sail: Sail):
    """As `tasks show` has it, and as git prints it."""
    storage = sail(task("1"), task("2", "1"), task("3"))
    for number in (1, 2):
        ref = storage.claim("ship-0")["ref"]
        blob = git(storage.repo, "hash-object", "-w", "--stdin", stdin=f"<b>{number}\n")
        tree = git(storage.repo, "mktree", stdin=f"100644 blob {blob}\tnew\n")
        parent = storage.head()
        commit = git(storage.repo, "commit-tree", tree, "-p", parent, "-m", f"Do {number}")
        git(storage.repo, "update-ref", f"refs/heads/{ref}", commit)
        assert storage.ask("ship-0", "land", claim=number, commit=commit)["ok"]
    found = list(shown(storage).details())
    told = [news["details"] for news in found if "details" in news]
    asked = [storage.order("task", task=task_id) for task_id in ("1", "2", "3")]
    assert [{"ok": True, **details} for details in told] == asked
    diffs = [news["diff"] for news in found if "diff" in news]
    assert [diff["task"] for diff in diffs] == ["1", "2"] if told[1]["landed"] else ["1"]
    assert "+<b>1" in diffs[0]["text"]
    assert storage.order("diff", task="1") == {"ok": True, **diffs[0]}
    assert storage.order("diff", task="3")["ok"] is False


def test_where_news_are_sent_is_not_told(sail: Sail):
    """Its address may hold a secret, and a report may be sent to anybody."""
    storage = sail(notify="https://example.com/secret")
    [first, *_] = shown(storage).rows()
    assert "secret" not in str(first)

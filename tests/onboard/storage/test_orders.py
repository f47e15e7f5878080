"""What the captain may order."""

from typing import Any

import pytest

from tests.support.rules import rule
from tests.support.storage import Json, Sail, assert_sound, task


@rule("R14")
def test_ships_and_captain_have_their_own_questions(sail: Sail):
    """A ship cannot give the captain's orders, nor the captain ask as a ship."""
    storage = sail(task("1"))
    before = storage.journal_file.read_bytes()
    for op in ("status", "tasks", "unfetched", "fetched"):
        assert storage.ask("ship-0", op, refs={})["code"] == "op"
    for op in ("claim", "beat", "land", "add", "log"):
        assert storage.order(op)["code"] == "op"
    assert storage.journal_file.read_bytes() == before


@rule("R72")
def test_a_paused_voyage_hands_nothing_out(sail: Sail):
    """Ships finish what they have; then nothing is handed out, not even the verification."""
    storage = sail(task("1"), task("2"))
    held = storage.claim("ship-0")
    assert storage.order("pause", by="Ada", why="lunch")["ok"]
    assert storage.claim("ship-1")["claim"] is None
    seen = storage.order("status")
    assert (seen["state"], seen["reason"]) == ("paused", "paused by Ada: lunch")
    assert storage.ask("ship-0", "land", claim=held["claim"], commit=None)["ok"]
    storage.order("resume")
    storage.finish("ship-1")
    storage.order("pause")
    assert storage.claim("ship-1")["claim"] is None
    storage.order("resume")
    assert storage.order("status")["state"] == "running"
    assert storage.claim("ship-1")["claim"] == 3
    assert_sound(storage)


@rule("R80")
def test_who_gave_an_order_and_why_is_in_the_journal(sail: Sail):
    """An order's line has who gave it and why; one that changes nothing makes no line."""
    storage = sail(task("1"))
    storage.order("pause", by="Ada", why="lunch")
    line = storage.lines()[-1]
    assert [line[key] for key in ("who", "op", "by", "why")] == ["captain", "pause", "Ada", "lunch"]
    count = len(storage.lines())
    storage.order("pause", by="Bob")
    assert len(storage.lines()) == count
    assert storage.sections()["meta"]["paused"] == {
        "state": "paused",
        "reason": "paused by Ada: lunch",
    }


@rule("R39", "R73")
def test_a_halt_ends_claims_and_counts_as_no_attempt(sail: Sail):
    """A halted voyage's ships lose their claims; resumed, they get the tasks again."""
    storage = sail(task("1"), max_attempts=1)
    for number in range(1, 5):
        assert storage.claim("ship-0")["claim"] == number
        storage.order("halt", by="Ada")
        beat = storage.ask("ship-0", "beat", claim=number)
        assert beat["lost"] == "halted by Ada"
        assert storage.order("status")["state"] == "halted"
        assert storage.claim("ship-0")["claim"] is None
        storage.order("resume")
    assert storage.tasks()["1"]["status"] == "pending"
    assert_sound(storage)


@rule("R72", "R73")
def test_a_pause_and_a_halt_count_the_ships_that_are_at_work(sail: Sail):
    """However many there are."""
    storage = sail(task("1"), task("2"))
    told = "Nothing more is handed out; "
    assert storage.order("pause")["message"] == f"{told}no ship is at work."
    storage.order("resume")
    storage.claim("ship-0")
    assert storage.order("pause")["message"] == f"{told}1 ship will work on to the end."
    storage.order("resume")
    storage.claim("ship-1")
    assert storage.order("pause")["message"] == f"{told}2 ships will work on to the end."
    assert storage.order("halt")["message"] == f"{told}2 ships will save what is done, and stop."
    assert storage.order("halt")["message"] == f"{told}no ship is at work."


@rule("R67", "R72")
def test_resume_says_what_is_so(sail: Sail):
    """Where nothing is handed out although nobody pauses it, it says why, and what to type."""

    def resumed() -> str:
        return str(storage.order("resume")["message"])

    storage = sail(task("1"), task("2"), budget_usd=1.0, max_attempts=1)
    assert resumed() == "Tasks are handed out."
    storage.finish("ship-0", cost_usd=0.5)
    storage.order("halt")
    assert resumed() == "Tasks are handed out."
    claim = storage.claim("ship-0")["claim"]
    storage.ask("ship-0", "beat", claim=claim, cost_usd=0.5)
    spent = "Nothing is handed out: the voyage is paused, $1.00 of the budget of $1 are spent. "
    assert (
        resumed()
        == f"{spent}To see all: ocaptain status. To bring home what there is: ocaptain fetch"
    )
    storage.ask("ship-0", "release", claim=claim, why="at a loss", fault="agent")
    why = "task 2 after 1 attempt, the last: at a loss"
    assert resumed().startswith(f"Nothing is handed out: the voyage is failed, {why}. ")
    storage = sail(task("1"))
    storage.finish("ship-0")
    check = storage.claim("ship-0")["claim"]
    storage.ask("ship-0", "land", claim=check, commit=storage.head())
    assert resumed().startswith("Nothing is handed out: the voyage is complete. ")


@pytest.mark.parametrize(
    ("op", "fields", "told"),
    [
        ("relieve", {"ship": "ship0"}, "no ship 'ship0'; did you mean ship-0?"),
        ("relieve", {"ship": "2"}, "no ship '2'; did you mean ship-2?"),
        ("relieve", {"ship": "ship-7"}, "no ship 'ship-7'; to see them: ocaptain status"),
        ("retry", {"task": "#1"}, "no task '#1'; did you mean 1?"),
        ("retry", {"task": "parsr"}, "no task 'parsr'; did you mean parser?"),
        ("retry", {"task": "12"}, "no task '12'; to see them: ocaptain tasks"),
    ],
)
def test_a_name_that_is_none_is_answered_with_the_one_that_was_meant(
    sail: Sail, op: str, fields: Json, told: str
):
    """If that can be said: one with another number is not."""
    storage = sail(task("1"), task("parser"))
    answer = storage.order(op, **fields)
    assert answer["error"] == f"there is {told}"


@rule("R74")
def test_a_relieved_ship_gets_nothing_more(sail: Sail):
    """It ends what it has, and then is relieved while the others go on."""
    storage = sail(task("1"), task("2"))
    storage.claim("ship-0")
    assert storage.order("relieve", ship="ship-0")["done"] is False
    storage.ask("ship-0", "land", claim=1, commit=None)
    assert storage.claim("ship-0")["claim"] is None
    assert storage.order("relieve", ship="ship-0")["done"] is True
    assert storage.order("status")["ships"][0]["state"] == "relieved"
    assert storage.claim("ship-1")["claim"] == 2
    storage.order("relieve", ship="ship-1")
    storage.ask("ship-1", "release", claim=2)
    seen = storage.order("status")
    assert (seen["state"], seen["reason"]) == (
        "stalled",
        "no ship that takes tasks is being heard from",
    )
    answer = storage.order("relieve", ship="ship-9")
    assert answer["code"] == "ship"
    assert answer["error"] == "there is no ship 'ship-9'; to see them: ocaptain status"


@rule("R74")
def test_a_lost_ship_is_relieved_at_once(sail: Sail):
    """Nobody waits for what it held, which is pending then; asking again writes nothing."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    before = len(storage.lines())
    assert storage.order("relieve", ship="ship-0")["done"] is False
    for _ in range(3):
        assert storage.order("relieve", ship="ship-0")["done"] is False
    assert len(storage.lines()) == before + 1
    storage.now += 31
    assert storage.order("relieve", ship="ship-0")["done"] is True
    assert storage.tasks()["1"]["status"] == "pending"
    assert "interruptedBy" not in storage.tasks()["1"]["metadata"]
    assert_sound(storage)


@rule("R77")
def test_a_task_added_after_verify_was_given_up_is_handed_out(sail: Sail):
    """verify.sh runs again once it is done; what cannot be added changes nothing."""
    storage = sail(task("1"), max_repairs=0)
    storage.finish("ship-0")
    claim = storage.claim("ship-0")["claim"]
    storage.ask("ship-0", "release", claim=claim, why="red", fault="agent")
    refused = storage.order("edit_task", fields={"subject": "Mend", "blockedBy": ["9"]})
    assert refused["code"] == "task"
    assert storage.order("status")["state"] == "failed"
    storage.order("edit_task", fields={"subject": "Mend it"})
    assert storage.order("status")["state"] == "running"
    assert storage.finish("ship-0")["task"]["subject"] == "Mend it"
    storage.verify()
    assert storage.order("status")["state"] == "complete"


@rule("R75")
def test_a_task_set_aside_comes_back(sail: Sail):
    """`retry` makes it pending, with all its attempts before it; others it leaves as they are."""
    storage = sail(task("1"), task("2"), max_attempts=1)
    storage.claim("ship-0")
    storage.ask("ship-0", "release", claim=1, why="at a loss", fault="agent")
    storage.finish("ship-0")
    assert storage.order("status")["state"] == "failed"
    assert storage.order("retry", task="1")["message"] == "Task 1 is pending again."
    refused = storage.order("retry", task="2")
    assert (refused["code"], refused["error"]) == (
        "task",
        "task 2 is completed, and was not set aside",
    )
    assert "attempts" not in storage.tasks()["1"]["metadata"]
    assert storage.order("status")["state"] == "running"
    assert storage.finish("ship-0")["task"]["id"] == "1"
    told = "there is no task '7'; to see them: ocaptain tasks"
    assert storage.order("retry", task="7")["error"] == told
    assert_sound(storage)


@rule("R75")
def test_a_verification_given_up_comes_back(sail: Sail):
    """`retry verify` gives it all its repairs; if it was not given up, that is refused."""
    storage = sail(task("1"), max_repairs=0)
    refused = storage.order("retry", task="verify")
    assert refused["error"] == "verify.sh was not given up: the voyage is running"
    storage.finish("ship-0")
    storage.claim("ship-0")
    storage.ask("ship-0", "release", claim=2, why="red", fault="agent")
    assert storage.order("status")["state"] == "failed"
    assert storage.claim("ship-0")["claim"] is None
    assert storage.order("retry", task="verify")["ok"]
    assert storage.claim("ship-0")["claim"] == 3
    storage.ask("ship-0", "land", claim=3, commit=storage.head())
    assert storage.order("status")["state"] == "complete"


@rule("R39", "R76")
def test_a_task_can_be_taken_from_its_ship(sail: Sail):
    """`release` ends the claim; if there is none it is refused, and says what the task is."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    assert storage.order("release", task="1", by="Ada")["message"].endswith("ship-0 drops it.")
    assert storage.ask("ship-0", "beat", claim=1)["lost"] == "released by Ada"
    refused = storage.order("release", task="1")
    assert (refused["code"], refused["error"]) == ("task", "no ship has task 1; it is pending")
    assert "interruptedBy" not in storage.tasks()["1"]["metadata"]
    assert_sound(storage)


@rule("R77")
def test_tasks_can_be_added_and_changed(sail: Sail):
    """What is new is handed out in its place; the others know what they block."""
    storage = sail(task("1"), task("2", "1"))
    fields = {"subject": "Third", "description": "Do it", "metadata": {"files": ["a"], "run": "x"}}
    assert storage.order("edit_task", fields=fields | {"blockedBy": ["1"]})["id"] == "3"
    third = storage.tasks()["3"]
    assert (third["subject"], third["description"], third["status"]) == (
        "Third",
        "Do it",
        "pending",
    )
    assert third["metadata"] == {"addedBy": "captain", "files": ["a"], "run": "x"}
    assert sorted(storage.tasks()["1"]["blocks"]) == ["2", "3"]
    storage.order("edit_task", task="3", fields={"subject": "New", "blockedBy": []})
    assert storage.tasks()["3"]["subject"] == "New"
    assert storage.tasks()["3"]["description"] == "Do it"
    assert storage.tasks()["1"]["blocks"] == ["2"]
    assert {storage.claim("ship-0")["task"]["id"], storage.claim("ship-1")["task"]["id"]} == {
        "1",
        "3",
    }
    assert_sound(storage)


@rule("R77")
def test_a_task_is_given_to_another_agent(sail: Sail):
    """It has none of the models of the one before; `shell` still needs a command."""
    storage = sail(task("1"))
    change = {"agent": "codex", "model": "gpt-5"}

    def edit(**notes: str) -> tuple[str, str | None]:
        storage.order("edit_task", task="1", fields={"metadata": notes})
        [row] = storage.order("tasks")["tasks"]
        return row["agent"], row["model"]

    assert edit(**change) == ("codex", "gpt-5")
    assert edit(agent="codex") == ("codex", "gpt-5")
    assert edit(agent="gemini") == ("gemini", None)
    assert edit(agent="shell") == ("gemini", None)
    assert edit(agent="shell", run="true") == ("shell", None)
    assert edit(agent="claude") == ("claude", None)
    assert storage.order("status")["agents"] == ["claude"]
    edit(agent="gemini")
    assert storage.order("voyage_record")["voyage"]["agents"] == ["claude", "gemini"]


@rule("R77")
def test_tasks_that_cannot_be_are_refused(sail: Sail):
    """Unknown blockers, circles and completed tasks are refused, and nothing is changed."""
    storage = sail(task("1"), task("2", "1"), task("3"))
    before = storage.tasks()
    refused = [
        storage.order("edit_task", task="1", fields={"blockedBy": ["2"]}),
        storage.order("edit_task", task="1", fields={"blockedBy": ["1"]}),
        storage.order("edit_task", task="1", fields={"blockedBy": ["9"]}),
        storage.order("edit_task", task="1", fields={"blockedBy": [""]}),
        storage.order("edit_task", task="9", fields={"subject": "x"}),
    ]
    assert {answer["code"] for answer in refused} == {"task"}
    assert refused[0]["error"] == "these tasks would wait for one another in a circle: 1 → 2 → 1"
    assert storage.tasks() == before
    storage.finish("ship-0")
    assert "completed" in storage.order("edit_task", task="1", fields={"subject": "x"})["error"]
    nothing: list[Json] = [{}, {"metadata": {}}]
    for fields in nothing:
        answer = storage.order("edit_task", task="2", fields=fields)
        assert answer["error"].startswith("nothing is given that is to be changed; ")


FAULTY: dict[str, Any] = {
    "blockedBy has to be like ['1', '2'], not '12'": {"blockedBy": "12"},
    "blockedBy has to be like ['1', '2'], not [1]": {"blockedBy": [1]},
    "blockedBy has to be like ['1', '2'], not None": {"blockedBy": None},
    "files has to be like ['src/a.py'], not 'src'": {"metadata": {"files": "src"}},
    "run has to be like 'make', not ['make']": {"metadata": {"run": ["make"]}},
    "subject has to be like 'some text', not 5": {"subject": 5},
    "description has to be like 'some text', not None": {"description": None},
    "metadata has to be like {}, not 'x'": {"metadata": "x"},
    "subject is empty; say in a line what is to be done": {"subject": " "},
    "run is empty; say what to execute": {"metadata": {"run": ""}},
    "agent is empty; name the one that is to do it": {"metadata": {"agent": ""}},
    "model has to be like 'opus', not 5": {"metadata": {"model": 5}},
    "files has an empty path": {"metadata": {"files": ["a", ""]}},
}


@rule("R77")
@pytest.mark.parametrize("error", FAULTY)
def test_fields_of_the_wrong_kind_are_refused(sail: Sail, error: str):
    """With a sentence that names the field; neither a task nor a new one is made of them."""
    storage = sail(*(task(str(n)) for n in (1, 2, 3)))
    before = storage.tasks()
    for named in ({"task": "3"}, {}):
        answer = storage.order("edit_task", fields=FAULTY[error], **named)
        assert (answer["code"], answer["error"]) == ("task", error)
    assert storage.tasks() == before


@rule("R77")
def test_a_task_that_no_ship_could_do_is_refused(sail: Sail):
    """`shell` executes a command: without one there is no task, as in a plan."""
    storage = sail(task("1", run="true"), agent="shell", interactive=False)
    refused = storage.order("edit_task", fields={"subject": "More"})
    assert refused["code"] == "task"
    assert "the task has no command; say what to execute: --run COMMAND" in refused["error"]
    assert storage.order("edit_task", fields={"description": "?"})["error"] == "subject is missing"
    assert storage.tasks().keys() == {"1"}
    assert storage.order("edit_task", fields={"subject": "More", "metadata": {"run": "x"}})["ok"]
    assert storage.order("edit_task", task="2", fields={"subject": "Less"})["ok"]


@rule("R72", "R73", "R78")
def test_an_order_to_a_voyage_that_is_over_says_so(sail: Sail):
    """A pause holds what is added later; nobody is left to tell anything."""
    storage = sail(task("1"))
    storage.finish("ship-0")
    storage.verify()
    for op in ("pause", "halt"):
        assert storage.order(op)["message"] == (
            "The voyage is complete, and no ship is at work. "
            "What is added or retried from now on waits for: ocaptain resume"
        )
    refused = storage.order("hail", text="Hello")
    assert refused["code"] == "hail"
    assert refused["error"].startswith("the voyage is complete, and no agent is at work; ")


@rule("R78")
def test_a_message_waits_until_the_agent_has_taken_it_in(sail: Sail):
    """Beats and claims bring it to its ship until that says that it was taken in."""
    storage = sail(task("1"), task("2"))
    storage.claim("ship-0")
    assert storage.order("hail", ship="ship-0", text="be quick")["ships"] == ["ship-0"]
    assert storage.order("hail", text="all hands")["ships"] == ["ship-0", "ship-1", "ship-2"]
    assert storage.ask("ship-0", "beat", claim=1)["hails"] == {"1": "be quick", "2": "all hands"}
    assert [ship["hails"] for ship in storage.order("status")["ships"]] == [2, 1, 1]
    answer = storage.ask("ship-0", "beat", claim=1, delivered=[1, "3", None, {}])
    assert answer["hails"] == {"2": "all hands"}
    assert [ship["hails"] for ship in storage.order("status")["ships"]] == [1, 1, 1]
    assert storage.claim("ship-1")["hails"] == {"3": "all hands"}
    assert storage.order("hail", ship="ship-9", text="x")["code"] == "ship"
    assert storage.order("hail", text=" ")["error"].startswith("the message is empty; ")


@rule("R78")
def test_an_agent_that_cannot_hear_is_not_hailed(sail: Sail):
    """Where no agent can be told anything, a message is refused at once."""
    storage = sail(task("1"), interactive=False, agent="shell")
    answer = storage.order("hail", text="x")
    told = "the agent shell cannot be told anything; change its tasks: ocaptain tasks edit TASK"
    assert answer["error"] == told
    storage.order("edit_task", task="1", fields={"metadata": {"agent": "claude"}})
    assert storage.order("hail", text="x")["ok"]


@rule("R79")
def test_ships_join_and_leave(sail: Sail):
    """A ship that is gone leaves its task to others, and is shown no more; new ones start."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    for _ in range(2):
        told = {"lost": ["ship-0", "ship-1"], "add": 1, "force": True}
        answer = storage.order("update_ships", id="once", **told)
        assert (answer["lost"], answer["new"]) == (["ship-0", "ship-1"], ["ship-3"])
        assert answer["message"] == "ship-0, ship-1 left, ship-3 joined."
    seen = {ship["id"]: ship["state"] for ship in storage.order("status")["ships"]}
    assert seen == {"ship-2": "starting", "ship-3": "starting"}
    assert sorted(path.stem for path in (storage.folder / "ships").iterdir()) == [
        "ship-2",
        "ship-3",
    ]
    assert storage.claim("ship-3")["task"]["id"] == "1"
    assert storage.order("voyage_record")["ships"] == ["ship-2", "ship-3"]
    assert storage.order("voyage_record")["artifacts"].keys() == {"spec.md", "verify.sh"}
    assert_sound(storage)


@rule("R79", "R112", "R115")
def test_numbers_of_ships_never_come_back(sail: Sail):
    """Whoever left, the next ship has a number that none had before; two captains who reinforce at
    once get different ships."""
    storage = sail(task("1"))
    force = {"force": True}
    assert storage.order("update_ships", lost=["ship-2", "ship-9"], add=0, **force)["new"] == []
    replace = {"lost": ["ship-1"], "add": 1, "replace": True, **force}
    first = storage.order("update_ships", id="one", **replace)
    second = storage.order("update_ships", id="two", **replace)
    assert (first["new"], second["new"]) == (["ship-3", "ship-4"], ["ship-5"])
    assert second["message"] == "No ship left, ship-5 joined."
    everybody = storage.order("voyage_record")["ships"]
    assert everybody == ["ship-0", "ship-3", "ship-4", "ship-5"]
    count = len(storage.lines())
    storage.order("update_ships", lost=["ship-1"], add=0, **force)
    assert len(storage.lines()) == count
    storage.order("update_ships", lost=everybody, add=0, **force)
    assert storage.order("status")["ships"] == []
    assert storage.order("update_ships", lost=[], add=1)["new"] == ["ship-6"]
    assert_sound(storage)


@rule("R79", "R112", "R115")
def test_no_ship_is_let_go_that_is_heard_or_being_made(sail: Sail):
    """Unless the captain insists: another `sail` or `reinforce` may be at it."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    storage.now += 20
    storage.claim("ship-1")
    names = ["ship-0", "ship-1", "ship-2"]
    replace = {"lost": names, "add": 0, "replace": True}
    answer = storage.order("update_ships", **replace)
    assert (answer["lost"], answer["kept"], answer["new"]) == ([], names, [])
    storage.now += 20
    answer = storage.order("update_ships", **replace)
    assert (answer["lost"], answer["new"]) == (["ship-0"], ["ship-3"])
    storage.now += 2_401
    storage.claim("ship-1")
    answer = storage.order("update_ships", **replace)
    assert (answer["lost"], answer["kept"]) == (["ship-2"], ["ship-1"])
    answer = storage.order("update_ships", **replace, force=True)
    assert (answer["lost"], answer["kept"]) == (["ship-1"], [])
    assert_sound(storage)


@rule("R79")
def test_ships_that_were_sunk_are_shown_as_that(sail: Sail):
    """At once, and not as lost: what they held is free, and that is nobody's fault. Messages go to
    the others; a late call brings none back."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    storage.claim("ship-1")
    storage.now += 7
    told = {"ships": ["ship-0", "ship-2", "ship-9"], "by": "ada@home"}
    assert storage.order("sink", **told)["message"] == "ship-0, ship-2 sunk."
    first, other, last = storage.order("status")["ships"]
    assert (first["state"], first["reason"]) == ("sunk", "its VM is destroyed")
    assert (first["since"], first["task"], last["state"]) == (storage.now, None, "sunk")
    assert other["state"] == "waiting"
    assert storage.sections()["claims"]["1"]["why"] == "sunk by ada@home"
    assert "interruptedBy" not in storage.tasks()["1"]["metadata"]
    assert storage.order("hail", text="hello")["ships"] == ["ship-1"]
    assert storage.claim("ship-0")["claim"] is None
    assert storage.claim("ship-1")["task"]["id"] == "1"
    storage.order("sink", ships=["ship-1", "ship-2"])
    now = storage.order("status")
    assert (now["state"], now["reason"]) == ("stalled", "its ships were sunk")
    assert (now["since"], now["next"][0]["command"]) == (storage.now, "ocaptain reinforce")
    refused = storage.ask("captain", "hail", text="hello", id="again")
    assert refused["error"].startswith("no ship is there to hear it")
    replace = {"lost": ["ship-0", "ship-1", "ship-2"], "add": 0, "replace": True}
    assert storage.order("update_ships", **replace)["new"] == ["ship-3", "ship-4", "ship-5"]
    assert_sound(storage)


@rule("R14", "R79")
def test_a_ship_that_was_let_go_is_nobody(sail: Sail):
    """Whatever it asks is refused, late repeats included, and changes nothing; it does not come
    back among the ships."""
    storage = sail(task("1"), task("2"))
    claim = storage.claim("ship-0")["claim"]
    assert storage.ask("ship-0", "land", claim=claim, commit=None, id="landed")["ok"]
    storage.claim("ship-0")
    storage.order("update_ships", lost=["ship-0"], add=0, force=True)
    lines, logs = storage.lines(), {*(storage.folder / "logs").iterdir()}
    asked = [
        storage.claim("ship-0"),
        storage.ask("ship-0", "beat", claim=2),
        storage.ask("ship-0", "land", claim=claim, commit=None, id="landed"),
        storage.ask("ship-0", "release", claim=2, id="new"),
        storage.ask("ship-0", "add", claim=2, task={"subject": "More"}, id="more"),
        storage.ask("ship-0", "log", offset=0, text="hello\n"),
    ]
    assert [answer["code"] for answer in asked] == ["ship"] * len(asked)
    assert {answer["error"] for answer in asked} == {"ship-0 was let go: storage has no such ship"}
    assert storage.lines() == lines
    assert {*(storage.folder / "logs").iterdir()} == logs
    assert not (storage.folder / "ships" / "ship-0.json").exists()
    assert_sound(storage)


@rule("R18", "R69")
def test_an_order_that_comes_again_changes_nothing(sail: Sail):
    """Under its id it gets the answer that was given, whatever came in between; a look is not
    kept."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    again: dict[str, Json] = {
        "release": {"task": "1"},
        "edit_task": {"fields": {"subject": "More"}},
        "hail": {"text": "hello"},
        "update_ships": {"lost": [], "add": 1},
        "sink": {"ships": ["ship-2"]},
        "pause": {},
    }
    answers = {op: storage.order(op, id=op, **told) for op, told in again.items()}
    storage.order("resume", id="go on")
    assert storage.claim("ship-0")["claim"] == 2
    before = storage.journal_file.read_bytes()
    assert {op: storage.order(op, id=op, **told) for op, told in again.items()} == answers
    for look in ("status", "tasks", "unfetched", "voyage_record"):
        assert storage.order(look, id=look)["ok"]
    assert storage.journal_file.read_bytes() == before

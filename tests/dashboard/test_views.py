"""What the page shows, in a real browser, of voyages that were made up."""

import re
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from tests.support.browser import NARROW, Browser
from tests.support.pictures import COMMIT, VOYAGE, Drawn, report
from tests.support.rules import LONG

VIEWS = ("", "plan", "tasks", "tasks/2", "tasks/12", "log", "landings")
WHY = "make test failed: expected 5400, got 90"
HOSTILE = '"><img src=x onerror="window.taken=1"><script>window.taken=1</script>\x1b[31m{{7*7}}'
DIFF = "diff --git a/a.py b/a.py\n@@ -1 +1 @@\n-UNITS = {}\n+UNITS = {'h': 3600}\n"


def troubled() -> Drawn:
    """A voyage in which two tasks were set aside."""
    drawn = Drawn(40, 6, 18, budget_usd=20.0)
    drawn.fail("12", WHY)
    drawn.fail("20", WHY)
    return drawn


def full_report(drawn: Drawn) -> dict[str, Any]:
    """A report that has something of everything."""
    advice = {"command": "ocaptain tasks --status failed", "why": "It says why 2 tasks failed."}
    picture = drawn.picture(next=[advice], reason="2 tasks were set aside")
    row = drawn.tasks[1]
    landed = {
        "commits": [{"commit": COMMIT, "subject": "Read sizes"}],
        "files": [{"path": "a.py", "added": 1, "removed": 1}],
        "changed": 1,
        "added": 1,
        "removed": 1,
    }
    review: dict[str, Any] = {
        "agent": "codex",
        "model": None,
        "verdict": "reject",
        "words": "4 GB is not 4 GiB.",
        "commit": COMMIT,
        "took_s": 31.5,
        "cost_usd": 0.05,
        "usage": [],
    }
    details = {
        **row,
        "description": "Accept 4GiB.\nRefuse 4 bananas.",
        "run": "make sizes",
        "blockers": [{"id": "1", "subject": "Read durations", "status": "completed"}],
        "dependants": [],
        "claims": [{"number": 2, "last_words": "All tests pass.", "reviews": [review]}],
        "landed": landed,
    }
    time = "2026-11-22T18:00:02.500Z"
    log = [
        {"time": time, "ship": "ship-1", "task": "2", "text": "[2] Bash: make sizes"},
        {"time": time, "ship": "captain", "task": None, "text": "hail: mind the units"},
    ]
    return report(
        picture,
        details={"2": details},
        diffs={"2": {"task": "2", "base": COMMIT, "commit": COMMIT, "text": DIFF, "cut": False}},
        logs=log,
        transcripts={"2-2": {"text": "Read sizes\nDone with it", "cut": False}},
    )


def test_no_view_keeps_anybody_out(browser: Browser, tmp_path: Path):
    """axe-core finds nothing against WCAG AA in any view."""
    with browser.report(tmp_path, full_report(troubled())) as tab:
        for view in VIEWS:
            tab.go(view)
            assert (view, tab.barriers()) == (view, [])


@LONG
def test_all_can_be_read_in_the_dark(browser: Browser, tmp_path: Path):
    """Nor is there too little contrast in the dark scheme."""
    with browser.report(tmp_path, full_report(troubled()), scheme="dark") as tab:
        for view in VIEWS:
            tab.go(view)
            assert (view, tab.barriers("color-contrast")) == (view, [])


def test_all_views_fit_on_a_telephone(browser: Browser, tmp_path: Path):
    """At 375 px nobody has to scroll to the side."""
    with browser.report(tmp_path, full_report(troubled()), size=NARROW) as tab:
        for view in VIEWS:
            tab.go(view)
            assert not tab.is_too_wide(), view


def test_a_report_asks_for_nothing_and_gives_no_orders(browser: Browser, tmp_path: Path):
    """All of it is in the file; what one may type now can be copied, not pressed."""
    with browser.report(tmp_path, full_report(troubled())) as tab:
        for view in VIEWS:
            tab.go(view)
            orders = tab.page.get_by_role("button", name=re.compile("Pause|Halt|Hail|Retry|Add"))
            assert orders.count() == 0
        assert {address.partition("#")[0] for address in tab.requests} == {
            f"file://{tmp_path / 'report.html'}"
        }
        assert "nothing in it changes" in tab.page.locator("#head").inner_text()


def test_lanes_show_what_each_attempt_was_at(browser: Browser, tmp_path: Path):
    """Each phase of each attempt is a bar in its ship's lane; a click on one leads to the task."""
    drawn = troubled()
    with browser.report(tmp_path, report(drawn.picture())) as tab:
        phases = sum(len(claim["phases"]) for claim in drawn.claims)
        assert tab.page.locator(".lanes rect.phase").count() == phases
        assert tab.page.locator(".lanes rect.phase.checking").count() == 18
        assert len(tab.texts(".lanes .lane-name")) == 6
        first = tab.page.locator(".lanes rect.phase.working").first
        first.hover()
        assert "Task 1: Read durations such as 1h30m" in tab.page.locator(".tip").inner_text()
        tab.page.get_by_role("button", name="Zoom in").first.click()
        assert tab.page.locator(".lanes rect.phase").count() < phases
        tab.page.get_by_role("button", name="All", exact=True).click()
        tab.page.locator(".lanes rect.phase.working").first.click()
        assert tab.address.endswith("/tasks/1")


def test_lanes_and_graph_obey_the_keyboard(browser: Browser, tmp_path: Path):
    """Arrow keys go from one thing to the next and say what it is; Enter opens it."""
    with browser.report(tmp_path, report(troubled().picture())) as tab:
        tab.page.locator("svg.lanes").focus()
        for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
            tab.page.keyboard.press(key)
        said = tab.page.locator("#main .sr[role=status]").inner_text()
        tab.page.keyboard.press("Enter")
        task = tab.address.rpartition("/")[2]
        assert said.startswith(f"Task {task}: ")
        tab.go("plan")
        tab.page.locator("svg.graph").focus()
        tab.page.keyboard.press("ArrowRight")
        tab.page.keyboard.press("Enter")
        tab.page.wait_for_url("**/tasks/1")


def test_the_graph_shows_each_state_and_the_longest_chain(browser: Browser, tmp_path: Path):
    """Done, running, failed and blocked differ in more than colour; the chain stands out."""
    drawn = troubled()
    picture = drawn.picture()
    with browser.report(tmp_path, report(picture)) as tab:
        tab.go("plan")
        marks = {"completed": "✓", "in_progress": "●", "failed": "✕", "blocked": "◌"}
        for state, mark in marks.items():
            found = tab.page.locator(f".node.{state} .node-mark").all_text_contents()
            assert set(found) == {mark}
        assert tab.page.locator(".node").count() == 40
        assert tab.page.locator(".graph .edge.chain").count() == len(picture["chain"]) - 1
        assert " → ".join(picture["chain"]) in tab.page.locator(".view").inner_text()


def test_tasks_are_found(browser: Browser, tmp_path: Path):
    """What needs a person comes first; a search and the filters leave the rest out."""
    with browser.report(tmp_path, report(troubled().picture())) as tab:
        tab.go("tasks")
        assert tab.texts(".task .task-id")[:2] == ["12", "20"]
        assert tab.texts(".task")[0].count(WHY) == 1
        tab.page.get_by_role("button", name="in progress").click()
        assert tab.texts(".task .task-id") == ["19", "21", "22", "23", "24"]
        tab.page.get_by_label("Ship").select_option("ship-4")
        assert tab.texts(".task .task-id") == ["23"]
        tab.page.get_by_label("Ship").select_option("")
        tab.page.get_by_label("Search").fill("fresh CLONE")
        assert tab.texts(".task .task-id") == ["21"]
        tab.page.reload()
        assert tab.texts(".task .task-id") == ["21"]


def test_one_task_has_all_that_is_known_of_it(browser: Browser, tmp_path: Path):
    """What is to be done, attempts with what they cost, commits, diff, log and transcript."""
    with browser.report(tmp_path, full_report(troubled())) as tab:
        tab.go("tasks/2")
        tab.page.get_by_text("Diff").click()
        tab.page.get_by_text("Transcript").click()
        expect(tab.page.locator(".diff")).to_contain_text("UNITS")
        expect(tab.page.locator(".transcript")).to_contain_text("Done")
        shown = tab.page.locator("main").inner_text()
        for text in (
            "Accept 4GiB.\nRefuse 4 bananas.",
            "make sizes",
            "1 Read durations",
            "All tests pass.",
            "Review by codex",
            "4 GB is not 4 GiB.",
            "$0.36",
            "3K tokens",
            "working 2 min 35 s",
            "8c1f0b6a4de2 Read sizes",
            "+UNITS = {'h': 3600}",
            "Done with it",
            "[2] Bash: make sizes",
        ):
            assert text in shown
        assert "mind the units" not in shown
        tab.go("log")
        tab.page.locator(".log li").nth(1).wait_for()
        assert "mind the units" in tab.page.locator(".log").inner_text()


def test_agents_that_tell_no_dollars_have_tokens(browser: Browser, tmp_path: Path):
    """Wherever there would be a cost, and nothing is said to have cost $0.00."""
    drawn = Drawn(6, 2, 3)
    used = {"input_tokens": 1_200_000, "output_tokens": 34_000}
    for part in (*drawn.tasks, *drawn.claims):
        part["cost_usd"] = 0.0
    for row in drawn.tasks:
        row["usage"] = used if row["claim"] else {}
    ship = drawn.picture()["status"]["ships"][0]
    ships = [{**ship, "cost_usd": 0.0, "usage": used}]
    picture = drawn.picture(usage=used, ships=ships)
    with browser.report(tmp_path, report(picture)) as tab:
        assert tab.page.locator(".figures").inner_text().count("1.2M tokens") == 1
        assert "1.2M tokens; the agents tell no dollars." in tab.page.locator("main").inner_text()
        tab.go("tasks")
        costs = tab.texts(".task-cost")
        assert sorted({*costs}) == ["", "1.2M tokens"]
        tab.go("tasks/2")
        shown = tab.page.locator("main").inner_text()
        assert "1.2M tokens" in shown
        assert "$" not in shown


def test_a_thousand_tasks_on_a_hundred_ships(browser: Browser, tmp_path: Path):
    """All of them are there, in the lanes, the graph and the list."""
    with browser.report(tmp_path, report(Drawn(1000, 100, 500).picture())) as tab:
        assert tab.page.locator(".lane-name").count() == 100
        tab.go("plan")
        assert tab.page.locator(".node").count() == 1000
        tab.go("tasks")
        expect(tab.page.locator(".task")).to_have_count(1000)


def test_hostile_text_stays_text(browser: Browser, tmp_path: Path):
    """Whoever wrote a subject, a reason, a branch or a line of the log runs nothing here."""
    drawn = troubled()
    drawn.fail("12", HOSTILE)
    for row in drawn.tasks[:20]:
        row["subject"] = HOSTILE
    drawn.record.update(name=HOSTILE, objective=HOSTILE, branch=HOSTILE)
    data = full_report(drawn)
    status = data["picture"]["status"]
    status.update(branch=HOSTILE, reason=HOSTILE, mirror_fault=HOSTILE, pr_url=HOSTILE)
    status["next"][0].update(why=HOSTILE, command=HOSTILE)
    status["ships"][0].update(said=HOSTILE, reason=HOSTILE, subject=HOSTILE)
    data["details"]["2"].update(description=HOSTILE, run=HOSTILE)
    data["diffs"]["2"]["text"] = f"+{HOSTILE}"
    data["logs"][0].update(text=HOSTILE + "x" * 10_000_000, ship="ship-1")
    data["transcripts"]["2-2"]["text"] = HOSTILE
    with browser.report(tmp_path, data) as tab:
        for view in VIEWS:
            tab.go(view)
            for each in tab.page.locator("summary").all():
                each.click()
            assert tab.page.locator("img, iframe, main script").count() == 0
            assert "[object" not in tab.page.locator("body").inner_text()
        assert tab.page.locator("h1").inner_text().startswith('"><img src=x onerror=')
        assert tab.page.evaluate("window.taken") is None
        tab.go("log")
        assert len(tab.page.locator(".log li").first.inner_text()) < 2_000


def test_an_address_of_nothing_is_no_dead_end(browser: Browser, tmp_path: Path):
    """A task that there is not is said; an unknown view, or half an escape, is the overview."""
    with browser.report(tmp_path, report(troubled().picture())) as tab:
        tab.go("tasks/999")
        assert "There is no task 999" in tab.page.locator("main").inner_text()
        for view in ("nothing", "%E0%A4%A"):
            tab.go(view)
            tab.page.get_by_role("heading", name="Lanes").wait_for()
        assert VOYAGE in tab.address

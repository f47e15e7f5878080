"""The page while the voyage goes on, in a real browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from ocaptain.fleet.voyage import Voyage
from tests.dashboard.conftest import Served
from tests.support.browser import Browser, Tab, opened
from tests.support.dashboard import StagedFeed, staged
from tests.support.pictures import Drawn
from tests.support.sailing import Sailing

LANES = "[...document.querySelectorAll('.lanes g > g')]"
"""One for each ship: there are six."""


@pytest.fixture(scope="module")
def browser(served: Served) -> Iterator[Browser]:
    """A browser, that begins after the voyage and ends before it."""
    with opened() as started:
        yield started


@pytest.fixture
def live(browser: Browser, served: Served) -> Iterator[Tab]:
    """The page of a real voyage."""
    with browser.tab(served.address) as tab:
        tab.page.get_by_role("heading", name="Lanes").wait_for()
        yield tab


def test_a_task_is_added_on_the_page_and_appears(live: Tab):
    """What the form says comes to storage, and from there to the list, without a reload."""
    live.page.get_by_role("button", name="Add task").click()
    live.page.get_by_role("button", name="Add", exact=True).click()
    expect(live.page.get_by_role("alert")).to_have_text("Subject is missing.")
    live.page.get_by_label("Subject").fill("Wipe <b>the deck</b>")
    live.page.get_by_label("After tasks").fill("2 999")
    live.page.get_by_label("Command").fill("true")
    live.page.get_by_role("button", name="Add", exact=True).click()
    expect(live.page.get_by_role("alert")).to_contain_text("999")
    live.page.get_by_label("After tasks").fill("2")
    live.page.get_by_role("button", name="Add", exact=True).click()
    expect(live.page.locator("#news")).to_contain_text("is in the list")
    live.page.get_by_role("link", name="Tasks", exact=True).click()
    added = live.page.locator(".task", has_text="Wipe <b>the deck</b>")
    expect(added).to_contain_text("waits for 2")
    added.get_by_role("link").click()
    live.page.get_by_role("button", name="Edit").click()
    live.page.get_by_label("Subject").fill("Wipe the deck")
    live.page.get_by_role("button", name="Save").click()
    expect(live.page.locator("main h2.title")).to_contain_text("Wipe the deck")


def test_what_stops_something_is_asked_about_first(live: Tab, served: Served):
    """Whoever cancels has stopped nothing; the button that undoes it is there at once."""
    before = len(served.sailing.journal())
    live.page.get_by_role("button", name="Pause").click()
    live.page.get_by_role("button", name="Cancel").click()
    assert len(served.sailing.journal()) == before
    live.page.get_by_role("button", name="Pause").click()
    live.page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    resume = live.page.locator(".orders").get_by_role("button", name="Resume")
    resume.wait_for()
    expect(live.page.locator("#head .badge")).to_contain_text("paused")
    assert len(served.sailing.journal()) > before
    resume.click()
    expect(live.page.locator("#head .badge")).not_to_contain_text("paused")


def test_the_log_is_read_as_it_goes_on(live: Tab, served: Served):
    """Lines that come later are added by themselves."""
    live.page.get_by_role("link", name="Log", exact=True).click()
    served.order("hail", {"message": "x"})  # not interactive: a refusal, which is no line
    served.order("pause", {"why": "to look"})
    expect(live.page.locator(".log")).to_contain_text("to look")
    served.order("resume", {})


@pytest.fixture
def feed(sailing: Sailing) -> StagedFeed:
    """A feed of a voyage that was made up."""
    return StagedFeed(sailing.voyage, Drawn(40, 6, 18).picture())


def test_storage_away_is_said_and_nothing_is_made_up(browser: Browser, feed: StagedFeed):
    """What was seen last stays, with its age; when storage is back the page says so by itself."""
    with staged(feed) as dashboard, browser.tab(dashboard.address) as tab:
        tab.page.get_by_role("heading", name="Lanes").wait_for()
        alarm = tab.page.locator("#alarms")
        expect(alarm).to_have_text("")
        away = {"seen_at": feed.shown["seen_at"] - 300, "fault": "storage: No route to host"}
        dashboard.call(lambda: feed.news("tick", **away))
        expect(alarm).to_contain_text("Storage does not answer")
        expect(alarm).to_contain_text("No route to host")
        expect(tab.page.locator(".age")).to_contain_text("seen 5 min")
        expect(tab.page.locator("svg.lanes")).to_have_class("lanes stale")
        assert tab.barriers() == []
        dashboard.call(lambda: feed.news("tick"))
        expect(alarm).to_have_text("")
        dashboard.stop()
        expect(alarm).to_contain_text("`ocaptain dashboard` does not answer")
        assert tab.page.get_by_role("button", name="Pause").count() == 0


def test_a_change_is_shown_where_it_is(browser: Browser, feed: StagedFeed):
    """What has the keyboard keeps it; lanes and rows that did not change stay as they are."""
    with staged(feed) as dashboard, browser.tab(dashboard.address) as tab:
        tab.page.get_by_role("heading", name="Lanes").wait_for()
        tab.page.evaluate(f"for (const node of {LANES}) node.isOld = true")
        claim = {**feed.shown["claims"][-1], "state": "released", "why": "no luck"}
        dashboard.call(lambda: feed.news("change", claims=[claim]))
        tab.page.locator(".lanes .ended").wait_for()
        assert tab.page.evaluate(f"{LANES}.filter((node) => node.isOld).length") == 5
        tab.go("tasks?q=fresh", feed.voyage.id)
        tab.page.locator(".task a").first.focus()
        focused = tab.page.evaluate("document.activeElement.textContent")
        row = {**feed.shown["tasks"][20], "subject": "Try it from a fresh and clean clone"}
        dashboard.call(lambda: feed.news("change", tasks=[row]))
        expect(tab.page.locator(".tasks")).to_contain_text("fresh and clean clone")
        now = tab.page.evaluate("document.activeElement.textContent")
        assert now.split()[0] == focused.split()[0]


def test_all_voyages_are_listed_if_none_was_named(
    browser: Browser, feed: StagedFeed, sailing: Sailing
):
    """Each leads to its page, and from there a link leads back."""
    another = Voyage(sailing.config, sailing.voyage.provider, "voyage-a01b5e93c44d")
    other = StagedFeed(another, Drawn(5, 2, 5).picture())
    with staged(feed, other) as dashboard, browser.tab(dashboard.address) as tab:
        expect(tab.page.locator(".card")).to_have_count(2)
        assert tab.barriers() == []
        tab.page.locator(".card a").first.click()
        tab.page.get_by_role("heading", name="Lanes").wait_for()
        tab.page.get_by_role("link", name="← All voyages").click()
        expect(tab.page.locator(".card")).to_have_count(2)

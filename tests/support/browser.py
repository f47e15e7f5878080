"""Debian's Chromium without a window, as tests drive it."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import ConsoleMessage, Page, Request, sync_playwright

from ocaptain.dashboard.page import page_with
from tests.support.pictures import VOYAGE

PROGRAM = "/usr/bin/chromium"
WIDE = (1280, 900)
NARROW = (375, 800)
PATIENCE_MS = 20_000
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
NEXT_FRAME = "new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"
Scheme = Literal["light", "dark"]


@dataclass(frozen=True)
class Tab:
    """A page in a browser, what it asked for, and what went wrong in it."""

    page: Page
    requests: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Where the page itself is. What playwright has noted of that may be a moment old."""
        return str(self.page.evaluate("location.href"))

    def go(self, view: str, voyage: str = VOYAGE) -> None:
        """Show a view of a voyage."""
        before = self.address.partition("#")[0]
        self.page.goto(f"{before}#/{voyage}/{view}")
        self.page.evaluate(NEXT_FRAME)  # by then the view of that address is shown

    def barriers(self, *rules: str) -> list[str]:
        """What keeps people out of what is shown, as axe-core finds it, by some rules or all."""
        only = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": LEVELS}
        is_there = self.page.evaluate("Boolean(window.axe)")
        axe = Axe("null") if is_there else Axe()  # it takes long to read
        found = axe.run(self.page, options={"runOnly": only, "resultTypes": ["violations"]})
        return [
            f"{fault['id']}: {node['html'][:200]} {node['failureSummary']}"
            for fault in found.response["violations"]
            for node in fault["nodes"]
        ]

    def is_too_wide(self) -> bool:
        """Whether one has to scroll to the side."""
        wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        return bool(self.page.evaluate(wide))

    def texts(self, selector: str) -> Sequence[str]:
        """The texts of what matches, be they painted yet or not."""
        return self.page.locator(selector).all_text_contents()


@dataclass(frozen=True)
class Browser:
    """A browser that is running."""

    chromium: Chromium

    @contextmanager
    def tab(
        self,
        address: str,
        size: tuple[int, int] = WIDE,
        scheme: Scheme = "light",
        script: str = "",
    ) -> Iterator[Tab]:
        """Open an address; `script` runs before the page's own.

        Fails in the end if something on the page went wrong."""
        context = self.chromium.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme
        )
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(script)
        page = context.new_page()
        tab = Tab(page)

        def asked(request: Request) -> None:
            tab.requests.append(request.url)

        def said(message: ConsoleMessage) -> None:
            is_away = "ERR_" in message.text or "Failed to load resource" in message.text
            if message.type in ("error", "warning") and not is_away:
                tab.faults.append(message.text)

        page.on("request", asked)
        page.on("console", said)
        page.on("pageerror", lambda fault: tab.faults.append(str(fault)))
        try:
            page.goto(address)
            page.locator(".view").wait_for()
            yield tab
            assert tab.faults == []
        finally:
            context.close()

    @contextmanager
    def report(
        self, folder: Path, data: Any, size: tuple[int, int] = WIDE, scheme: Scheme = "light"
    ) -> Iterator[Tab]:
        """Open a report with that data."""
        file = folder / "report.html"
        file.write_text(page_with(data))
        with self.tab(f"file://{file}", size, scheme) as tab:
            yield tab


@contextmanager
def opened() -> Iterator[Browser]:
    """Start a browser. As root it can have no sandbox of its own."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=PROGRAM, args=arguments)
        try:
            yield Browser(chromium)
        finally:
            chromium.close()

"""docs/page.png: a voyage in a browser. `script/page-picture` takes it, of a real voyage."""

import time
from pathlib import Path

from tests.support.browser import opened
from tests.support.captain import new_captain
from tests.support.picture import voyage_in_the_middle

DOCUMENT = Path(__file__).parents[2] / "docs" / "page.png"
SIZE = (1180, 860)
CHECK = "sleep 2; test -d src"
"""It takes so long that it can be seen."""


def main() -> None:
    """Sail a small voyage on this machine, write its report, and take the picture of that."""
    with new_captain() as captain, opened() as browser:
        voyage = voyage_in_the_middle(captain, CHECK)
        time.sleep(12)  # so that there is something in the lanes
        report = captain.home / "report.html"
        captain.run("report", voyage.id, "-o", str(report))
        with browser.tab(f"file://{report}", SIZE) as tab:
            tab.page.screenshot(path=DOCUMENT)


if __name__ == "__main__":
    main()

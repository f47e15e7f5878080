"""The page: as it is served, and as a file of its own that asks for nothing."""

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

STATIC = Path(__file__).parent / "static"
DATA_MARK = "<!-- ocaptain:data -->"
POLICY_MARK = '<meta name="ocaptain-csp">'
STYLE = re.compile(r'<link rel="stylesheet" href="static/([\w./-]+)">')
SCRIPT = re.compile(r'<script src="static/([\w./-]+)"></script>')


def live_page() -> str:
    """Return the page as it is served. It asks for all styles at once, and for all scripts."""
    page = (STATIC / "index.html").read_text().replace(DATA_MARK, "").replace(POLICY_MARK, "")
    page = with_one(STYLE, '<link rel="stylesheet" href="static/all.css">', page)
    return with_one(SCRIPT, '<script src="static/all.js"></script>', page)


def with_one(pattern: re.Pattern[str], one: str, page: str) -> str:
    """Return a page with one thing in the place of all that match."""
    before, _, _ = pattern.split(page, maxsplit=1)
    return before + one + pattern.sub("", page[len(before) :])


def styles() -> str:
    """Return all styles of the page."""
    return "\n".join(texts(STYLE))


def scripts() -> str:
    """Return all scripts of the page, in their order."""
    return "\n;\n".join(texts(SCRIPT))


def texts(pattern: re.Pattern[str]) -> list[str]:
    """Return what is in the files that match in the page."""
    names = pattern.findall((STATIC / "index.html").read_text())
    return [(STATIC / name).read_text() for name in names]


def page_with(data: Any, static: Path = STATIC) -> str:
    """Return the page as one file, with `data` in it, and all that it needs.

    Nothing in the data can be taken for markup; and no script but those of the page itself runs,
    for the policy names these by what is in them."""
    hashes: dict[str, list[str]] = {"script": [], "style": []}

    def style(match: re.Match[str]) -> str:
        text = (static / match[1]).read_text().replace("</style", r"<\/style")
        hashes["style"].append(digest(text))
        return f"<style>{text}</style>"

    def script(match: re.Match[str]) -> str:
        text = (static / match[1]).read_text()
        text = text.replace("</script", r"<\/script").replace("<!--", r"<\!--")
        hashes["script"].append(digest(text))
        return f"<script>{text}</script>"

    page = (static / "index.html").read_text()
    before, _, after = STYLE.sub(style, page).partition(DATA_MARK)
    after = SCRIPT.sub(script, after)
    block = f'<script type="application/json" id="ocaptain-report">{harmless(data)}</script>'
    before = before.replace(POLICY_MARK, policy(hashes))
    return f"{before}{block}{after}"


def digest(text: str) -> str:
    """Return what a policy names a script by."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def policy(hashes: dict[str, list[str]]) -> str:
    """Return the element that has a browser run the page's own scripts, and ask for nothing."""
    rules = ["default-src 'none'", "img-src data:", "base-uri 'none'", "form-action 'none'"]
    for kind, digests in hashes.items():
        sources = " ".join(f"'sha256-{each}'" for each in digests) or "'none'"
        rules.append(f"{kind}-src {sources}")
    return f'<meta http-equiv="Content-Security-Policy" content="{"; ".join(rules)}">'


def harmless(data: Any) -> str:
    """Return data as JSON that HTML takes for text, whatever is in it."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    return text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")

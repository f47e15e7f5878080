"""Opens the page in the user's browser."""

import atexit
import shutil
import tempfile
import webbrowser
from html import escape
from pathlib import Path

GO_ON = '<!doctype html><meta http-equiv="refresh" content="0; url={}"><title>ocaptain</title>'


def open_page(address: str) -> None:
    """Open an address, by way of a file that only its user can read.

    The address has a secret, and a browser's command line is for all on this machine to see. The
    file is gone when we end: by then the address leads nowhere."""
    folder = Path(tempfile.mkdtemp(prefix="ocaptain-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    page = folder / "dashboard.html"
    page.write_text(GO_ON.format(escape(address, quote=True)))
    webbrowser.open(page.as_uri())

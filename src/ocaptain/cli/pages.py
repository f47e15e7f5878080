"""Commands that show a voyage in a browser: the dashboard, and the report."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .arguments import PATH, WholeNumber, find_voyage, voyage_argument

if TYPE_CHECKING:
    from collections.abc import Callable

PORT = WholeNumber(0, 65535)


@click.command()
@voyage_argument
@click.option("--port", type=PORT, default=0, metavar="N", help="The port; any that is free.")
@click.option("--open", "opens", is_flag=True, help="Open it in your browser.")
async def dashboard(voyage: str | None, port: int, opens: bool) -> None:
    """Show a voyage in your browser, or all.

    It serves a page on this machine, prints its address, and goes on until Ctrl-C; the ships sail
    on. What happens is on the page within a second or so. Orders can be given there, by whoever has
    the address: it has a secret in it, which is another each time.

    Without VOYAGE all are shown."""
    from ocaptain.config import load
    from ocaptain.dashboard.fleet import Fleet
    from ocaptain.dashboard.server import serve
    from ocaptain.fleet.find import find, voyages
    from ocaptain.fleet.voyage import Voyage

    config = load()
    if voyage:
        chosen = await find_voyage(voyage)
        fleet = Fleet([chosen], chosen.id, None)
    else:
        fleet = Fleet(await voyages(config), None, lambda: voyages(config))

    async def find_again(name: str) -> Voyage:
        return await find(config, name)

    await serve(fleet, find_again, port, _teller(opens=opens))


def _teller(*, opens: bool) -> "Callable[[str], None]":
    def tell(address: str) -> None:
        click.echo(address)
        click.echo("Open it in a browser on this machine. Ctrl-C ends it.", err=True)
        if opens:
            from ocaptain.dashboard.browser import open_page

            open_page(address)

    return tell


@click.command()
@voyage_argument
@click.option(
    "-o", "--output", type=PATH, metavar="FILE", help="Where to; ./VOYAGE.html if not given."
)
async def report(voyage: str | None, output: Path | None) -> None:
    """Write a voyage's page into one file.

    The file shows what the dashboard shows, and needs nothing else: it can be kept, or sent. The
    voyage may be under way, or over."""
    from ocaptain.dashboard.report import write_report

    found = await find_voyage(voyage)
    path = output or Path(f"{found.id}.html")
    await write_report(found, path)
    click.echo(f"The report of {found.id} is {path}")

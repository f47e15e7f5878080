"""The command that makes one trace of a voyage."""

import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from .arguments import PATH, find_voyage, voyage_argument, web_address
from .reading import until_reader_leaves

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocaptain.fleet.trace import Use
    from ocaptain.fleet.voyage import Voyage
    from ocaptain.onboard.protocol import Json


@click.command()
@voyage_argument
@click.option("-o", "--output", type=PATH, metavar="FILE", help="Write it there, not on stdout.")
@click.option(
    "--to",
    "url",
    metavar="URL",
    callback=web_address,
    help="Send it to this OTLP/HTTP endpoint instead.",
)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is new, until the voyage ends.")
@click.option("--chrome", is_flag=True, help="In Chrome's format: for Perfetto and speedscope.")
async def trace(
    voyage: str | None, output: Path | None, url: str | None, follow: bool, chrome: bool
) -> None:
    """Make one trace of the voyage, for OpenTelemetry.

    It has the voyage, its tasks, their attempts, what each was at, and what agents have sent. It
    is printed as OTLP in JSON, a request a line. With --to it goes to URL/v1/traces and the like,
    with the headers in OTEL_EXPORTER_OTLP_HEADERS.

    Of a voyage under way, what goes on ends now. With --follow it comes once it has ended, and no
    span comes twice, until the voyage is complete or has failed."""
    if url and (output or chrome):
        raise click.UsageError("--to goes with neither --output nor --chrome.")
    if follow and chrome:
        raise click.UsageError("--follow does not go with --chrome, which has to have all of it.")
    found = await find_voyage(voyage)
    if url:
        await _send(found, url, follow=follow)
    elif output and follow:
        await _keep_writing(found, output)
    elif output:
        await _write(found, output, chrome=chrome)
    elif follow:
        await until_reader_leaves(_make(found, _printing(sys.stdout), follow=True))
    else:
        await _print(found, sys.stdout, chrome=chrome)


async def _send(voyage: "Voyage", url: str, *, follow: bool) -> None:
    from ocaptain.fleet.collector import Collector

    collector = Collector(url)
    await _make(voyage, collector.deliver, follow=follow)
    click.echo(f"The trace of {voyage.id} is at {url}.", err=True)
    if collector.left_out:
        kinds = " and ".join(sorted(collector.left_out))
        click.echo(f"{url} takes no {kinds}: they were left out.", err=True)


async def _make(voyage: "Voyage", use: "Use", *, follow: bool = False) -> None:
    """Make a trace, and say what of telemetry is not in it."""
    from ocaptain.fleet import trace as whole
    from ocaptain.fleet import trail

    lines = await (trail.follow_trace(voyage, use) if follow else whole.trace(voyage, use))
    if lines:
        amount = "1 line" if lines == 1 else f"{lines} lines"
        click.echo(f"Left out: {amount} of ships' telemetry that OTLP cannot read.", err=True)


def _printing(file: IO[str]) -> "Use":
    """Return what writes a request to a file, at once."""

    async def use(request: "Json") -> None:
        click.echo(json.dumps(request, separators=(",", ":")), file=file)  # which flushes

    return use


async def _keep_writing(voyage: "Voyage", output: Path) -> None:
    """Write a trace to a file as it comes. Until something comes, the file is as it was."""
    files: list[IO[str]] = []

    async def use(request: "Json") -> None:
        if not files:
            files.append(output.open("w"))
        await _printing(files[0])(request)

    with _written(output):
        try:
            await _make(voyage, use, follow=True)
        finally:
            for file in files:
                file.close()
    click.echo(f"The trace of {voyage.id} is in {output}.", err=True)


@contextmanager
def _written(output: Path) -> "Iterator[None]":
    """Say which file cannot be written. Raises Failure then."""
    from ocaptain.errors import Failure

    try:
        yield
    except OSError as fault:
        raise Failure(f"{output} cannot be written: {fault.strerror or fault}") from None


async def _write(voyage: "Voyage", output: Path, *, chrome: bool) -> None:
    """Write a trace to a file, which has all of it or is as it was."""
    draft = output.with_name(f".{output.name}.new")
    with _written(output):
        try:
            with draft.open("w") as file:
                await _print(voyage, file, chrome=chrome)
            draft.replace(output)
        finally:
            draft.unlink(missing_ok=True)
    click.echo(f"The trace of {voyage.id} is in {output}.", err=True)


async def _print(voyage: "Voyage", file: IO[str], *, chrome: bool) -> None:
    from ocaptain.fleet.chrome import Chrome

    if not chrome:
        await _make(voyage, _printing(file))
        return
    gathered = Chrome()

    async def use(request: "Json") -> None:
        gathered.take(request)

    await _make(voyage, use)
    await _printing(file)({"traceEvents": gathered.events, "displayTimeUnit": "ms"})

"""The command that makes one trace of a voyage."""

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from .arguments import PATH, find_voyage, voyage_argument
from .reading import until_reader_leaves

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ocaptain.fleet.voyage import Voyage
    from ocaptain.onboard.protocol import Json


@click.command()
@voyage_argument
@click.option("-o", "--output", type=PATH, metavar="FILE", help="Write it there, not on stdout.")
@click.option("--to", "url", metavar="URL", help="Send it to this OTLP/HTTP endpoint instead.")
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
        await _follow_on_stdout(found)
    else:
        await _print(found, chrome=chrome)


async def _send(voyage: "Voyage", url: str, *, follow: bool) -> None:
    from ocaptain.fleet.collector import Collector
    from ocaptain.fleet.trace import trace as make

    collector = Collector(url)
    if follow:
        await _follow(voyage, collector.deliver)
    else:
        _say_what_is_left_out(await make(voyage, collector.take))
    click.echo(f"The trace of {voyage.id} is at {url}.", err=True)
    if collector.left_out:
        kinds = " and ".join(sorted(collector.left_out))
        click.echo(f"{url} takes no {kinds}: they were left out.", err=True)


async def _follow(voyage: "Voyage", use: "Callable[[Json], Awaitable[None]]") -> None:
    from ocaptain.fleet.trail import follow_trace

    _say_what_is_left_out(await follow_trace(voyage, use))


async def _follow_on_stdout(voyage: "Voyage") -> None:
    async def use(request: "Json") -> None:
        click.echo(_line(request))

    await until_reader_leaves(_follow(voyage, use))


async def _keep_writing(voyage: "Voyage", output: Path) -> None:
    """Write a trace to a file as it comes. Until something comes, the file is as it was."""
    from ocaptain.errors import Failure

    with ExitStack() as stack:
        files: list[IO[str]] = []

        async def use(request: "Json") -> None:
            try:
                if not files:
                    files.append(stack.enter_context(output.open("w")))
                click.echo(_line(request), file=files[0])  # which flushes
            except OSError as fault:
                raise Failure(f"The trace cannot be written: {fault}") from None

        await _follow(voyage, use)
    click.echo(f"The trace of {voyage.id} is in {output}.", err=True)


async def _write(voyage: "Voyage", output: Path, *, chrome: bool) -> None:
    """Write a trace to a file, which has all of it or is as it was."""
    from ocaptain.errors import Failure

    draft = output.with_name(f".{output.name}.new")
    try:
        with draft.open("w") as file:
            await _print(voyage, chrome=chrome, file=file)
        draft.replace(output)
    except OSError as fault:
        raise Failure(f"The trace cannot be written: {fault}") from None
    finally:
        draft.unlink(missing_ok=True)
    click.echo(f"The trace of {voyage.id} is in {output}.", err=True)


async def _print(voyage: "Voyage", *, chrome: bool, file: IO[str] | None = None) -> None:
    from ocaptain.fleet.chrome import Chrome
    from ocaptain.fleet.trace import trace as make

    def use(request: "Json") -> None:
        click.echo(_line(request), file=file or sys.stdout)

    if not chrome:
        _say_what_is_left_out(await make(voyage, use))
        return
    gathered = Chrome()
    _say_what_is_left_out(await make(voyage, gathered.take))
    use({"traceEvents": gathered.events, "displayTimeUnit": "ms"})


def _line(request: "Json") -> str:
    return json.dumps(request, separators=(",", ":"))


def _say_what_is_left_out(lines: int) -> None:
    if lines:
        amount = "1 line" if lines == 1 else f"{lines} lines"
        click.echo(f"Left out: {amount} of ships' telemetry that OTLP cannot read.", err=True)

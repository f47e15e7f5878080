"""What is typed: the group of all commands, and how the program ends.

A command turns arguments into calls, and prints what comes of them. It imports what it needs when
it runs, for `--help` is to need none of that."""

import io
import os
import sys
from collections.abc import Mapping, Sequence

import click

import ocaptain
from ocaptain.errors import Failure, crash_report, scrub
from ocaptain.onboard.redaction import without_passwords

from . import (
    completion,
    ending,
    looking,
    machine,
    orders,
    pages,
    plans,
    reading,
    sailing,
    settings,
    statuses,
    tracing,
    watching,
)
from .verbs import Verbs

SECTIONS: Mapping[str, Sequence[click.Command]] = {
    "Start": [
        machine.demo,
        plans.plan_init,
        plans.plan_skill,
        plans.check,
        sailing.sail,
    ],
    "Watch": [
        looking.status,
        looking.tasks,
        reading.tasks_show,
        reading.logs,
        looking.usage,
        reading.transcript,
        tracing.trace,
        looking.shell,
        pages.dashboard,
        pages.report,
        watching.wait,
        looking.voyages,
    ],
    "Steer": [
        orders.hail,
        orders.tasks_add,
        orders.tasks_edit,
        orders.retry,
        orders.release,
        orders.pause,
        orders.halt,
        orders.resume,
    ],
    "Look after": [
        orders.reinforce,
        orders.relieve,
        orders.fsck,
    ],
    "End": [
        ending.fetch,
        ending.sink,
    ],
    "This machine": [
        machine.doctor,
        settings.config,
        settings.config_init,
        completion.completion,
    ],
}
"""All verbs, by the titles over them in help. One that is not here can not be typed."""


@click.group(
    cls=Verbs,
    sections=SECTIONS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="`ocaptain VERB --help` says more, with examples.",
)
@click.version_option(ocaptain.__version__, prog_name="ocaptain")
def cli() -> None:
    """Sail a fleet of coding agents through one plan, onto one git branch.

    To see it at work, without an account or a token: ocaptain demo

    A VOYAGE is named by its id, the beginning of that, or the name of its plan. It may be left out
    if only one is under way. All providers that are set up are asked for it."""


def main() -> None:
    """Run a verb. The exit status is one of 0, 1, 2, 3, 4, 5 and 130; see `statuses`."""
    _speak_utf_8()
    try:
        cli()
    except Failure as failure:
        click.echo(f"ocaptain: {without_passwords(str(failure))}", err=True)
        sys.exit(statuses.FAILURE)
    except Exception as bug:
        report = crash_report(bug)
        click.echo(
            f"ocaptain: {scrub(repr(bug))}\n"
            "This is a bug in ocaptain, not something that you did; "
            f"please report it with {report}.",
            err=True,
        )
        sys.exit(statuses.BUG)


def _speak_utf_8() -> None:
    """Have files, names and programs speak UTF-8, and the terminal get what it can show.

    If the captain's locale is another, Python has to be started anew for that: its ways to read
    arguments and to name files are fixed by then."""
    if sys.getfilesystemencoding() != "utf-8":
        python = [sys.executable, "-X", "utf8", *sys.orig_argv[1:]]
        terminals = f"{sys.stdout.encoding}:replace"
        os.execve(python[0], python, {"PYTHONIOENCODING": terminals, **os.environ})  # noqa: S606
    sys.argv = [_as_typed(word) for word in sys.argv]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _as_typed(word: str) -> str:
    """Return an argument as it was meant: what is no UTF-8 is what the captain's locale has."""
    if word.isprintable():
        return word
    import codecs
    import locale

    encoding = codecs.lookup(locale.getencoding()).name
    if encoding in ("ascii", "utf-8"):
        return word
    return os.fsencode(word).decode(encoding, errors="replace")

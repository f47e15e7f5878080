"""docs/cli.md against the commands."""

import click

from ocaptain.cli import (
    cli,
    completion,
    ending,
    looking,
    machine,
    orders,
    plans,
    reading,
    sailing,
    settings,
    watching,
)
from tests.support.cli_reference import DOCUMENT, render


def test_the_reference_of_commands_is_what_they_say_of_themselves():
    """If it is not, script/docs writes it anew."""
    assert DOCUMENT.read_text() == render()


def test_every_command_can_be_typed():
    """One that is not in the list in cli/__init__.py is in no help, and nobody can type it."""
    modules = (
        completion,
        ending,
        looking,
        machine,
        orders,
        plans,
        reading,
        sailing,
        settings,
        watching,
    )
    values = [value for module in modules for value in vars(module).values()]
    commands = {value.name for value in values if isinstance(value, click.Command)}
    assert commands == {*cli.commands}

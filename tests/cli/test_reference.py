"""docs/cli.md against the commands."""

from importlib import import_module
from pkgutil import iter_modules

import click

import ocaptain.cli
from tests.support.cli_reference import DOCUMENT, render


def test_the_reference_of_commands_is_what_they_say_of_themselves():
    """If it is not, script/docs writes it anew."""
    assert DOCUMENT.read_text() == render()


def test_every_command_can_be_typed():
    """One that is not in the list in cli/__init__.py is in no help, and nobody can type it."""
    commands = set()
    for found in iter_modules(ocaptain.cli.__path__):
        module = import_module(f"ocaptain.cli.{found.name}")
        values = vars(module).values()
        commands |= {value.name for value in values if isinstance(value, click.Command)}
    assert commands == {*ocaptain.cli.cli.commands}

"""docs/cli.md against the commands."""

from tests.support.cli_reference import DOCUMENT, render


def test_the_reference_of_commands_is_what_they_say_of_themselves():
    """If it is not, script/docs writes it anew."""
    assert DOCUMENT.read_text() == render()

"""Arguments and options that several commands have."""

import json
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from ocaptain.cli.arguments import (
    Fleet,
    fleet_argument,
    print_json,
    regular_expression,
    ships_option,
    voyage_argument,
)


def type_words(command: click.Command, *words: str) -> Result:
    """Type what comes after a command's name."""
    return CliRunner().invoke(command, words)


@click.command()
@voyage_argument
@click.argument("task")
def of_a_voyage(voyage: str | None, task: str) -> None:
    """A command with a voyage, and something after it."""
    print_json([voyage, task])


@click.command()
@fleet_argument
@click.argument("message")
def of_a_fleet(fleet: Fleet, message: str) -> None:
    """A command with a voyage or a ship, and something after it."""
    print_json({"voyage": fleet.voyage, "ship": fleet.ship, "message": message})


@click.command()
@ships_option
def of_ships(ships: int | None) -> None:
    """A command that makes ships."""
    print_json(ships)


@pytest.mark.parametrize(
    ("words", "values"), [(["7"], [None, "7"]), (["voyage-1f", "7"], ["voyage-1f", "7"])]
)
def test_a_voyage_may_be_left_out_before_what_may_not(words: list[str], values: list[Any]):
    """The last word is the argument that is needed, whether or not a voyage comes before it."""
    assert json.loads(type_words(of_a_voyage, *words).stdout) == values


def test_a_second_voyage_is_refused():
    """What there is too much of is named, and that is a matter of usage."""
    done = type_words(of_a_voyage, "1f", "2f", "3f", "7")
    assert done.exit_code == 2
    assert "Got unexpected extra arguments (2f 3f)" in done.stderr


@pytest.mark.parametrize(
    ("words", "voyage", "ship"),
    [
        ([], None, None),
        (["1f"], "1f", None),
        (["ship-2"], None, "ship-2"),
        (["1f", "ship-2"], "1f", "ship-2"),
        (["ship-2", "1f"], "1f", "ship-2"),
    ],
)
def test_a_ship_is_told_from_a_voyage_by_its_form(
    words: list[str], voyage: str | None, ship: str | None
):
    """Each may be left out, and they may come in either order."""
    values = json.loads(type_words(of_a_fleet, *words, "ship-9").stdout)
    assert values == {"voyage": voyage, "ship": ship, "message": "ship-9"}


@pytest.mark.parametrize("extra", ["2f", "ship-3"])
def test_a_second_ship_or_voyage_is_refused(extra: str):
    """A command about a fleet takes one of each at most, and names what is more."""
    done = type_words(of_a_fleet, "1f", "ship-2", extra, "Hello")
    assert done.exit_code == 2
    assert f"Got unexpected extra arguments ({extra})" in done.stderr


@pytest.mark.parametrize("slip", ["ship3", "ship_3", "3"])
def test_a_slip_of_a_ship_is_told_from_a_second_voyage(slip: str):
    """Beside a voyage it can mean only a ship; its name is said."""
    done = type_words(of_a_fleet, "1f", slip, "Hello")
    assert done.exit_code == 2
    assert f"No ship is named '{slip}'. Did you mean 'ship-3'?" in done.stderr


@pytest.mark.parametrize("count", ["0", "100", "-1", "two"])
def test_how_many_ships_is_a_number_from_1_to_99(count: str):
    """Any other number of ships is a matter of usage."""
    done = type_words(of_ships, "-n", count)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Invalid value for '-n' / '--ships'" in done.stderr
    assert count != "two" or "'two' is not a valid whole number." in done.stderr
    assert type_words(of_ships, "-n", "99").stdout == "99\n"


def test_what_is_no_regular_expression_is_refused_with_the_reason():
    """The complaint of Python's parser is passed on; a sound expression stays as it is."""
    context = click.Context(click.Command("logs"))
    option = click.Option(["--grep"])
    assert regular_expression(context, option, r"^\[7\] ") == r"^\[7\] "
    with pytest.raises(click.BadParameter, match="no regular expression: missing \\)"):
        regular_expression(context, option, "(")

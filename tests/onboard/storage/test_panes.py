"""The fleet in tmux, as far as it goes without a terminal."""

import subprocess
from pathlib import Path

import pytest

from ocaptain.onboard.storage import panes


def commands(arguments: list[str]) -> list[str]:
    """tmux's commands, as one would type them."""
    return " ".join(arguments).split(" ; ")


def test_each_program_has_a_pane():
    """The first makes the session, which is large; the panes are tiled after each. Keys leave."""
    fleet = [panes.Pane(["run", "a"], "fleet"), panes.Pane(["run", "b"], "ship-0", "red")]
    typed = commands(panes.layout("fleet-7", fleet))
    assert typed[:8] == [
        "new-session -d -x 200 -y 50 -s fleet-7 run a",
        "select-pane -t fleet-7 -T fleet",
        "set -p -t fleet-7 @colour default",
        "select-layout -t fleet-7 tiled",
        "split-window -t fleet-7 run b",
        "select-pane -t fleet-7 -T ship-0",
        "set -p -t fleet-7 @colour red",
        "select-layout -t fleet-7 tiled",
    ]
    assert typed[-3:] == [
        "attach -t fleet-7",
        "select-layout -t fleet-7 tiled",
        "set -t fleet-7 destroy-unattached on",
    ]
    assert "bind -n q detach-client" in typed
    assert f"bind -n C-c confirm-before -p {panes.ASK} detach-client" in typed


def test_tmux_makes_the_panes(tmp_path: Path):
    """Many of them, without a terminal: all up to where the viewer would come in."""
    tmux = ["tmux", "-S", str(tmp_path / "socket"), "-f", "/dev/null"]
    before_attach = panes.layout("fleet-7", [panes.Pane(["sleep", "600"], "ship-0", "red")] * 9)
    attach = before_attach.index("attach")
    try:
        subprocess.run([*tmux, *before_attach[: attach - 1]], check=True, timeout=60)
        listed = subprocess.run(
            [
                *tmux,
                "list-panes",
                "-t",
                "fleet-7",
                "-F",
                "#{pane_title} #{pane_start_command} #{@colour}",
            ],
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
    finally:
        subprocess.run([*tmux, "kill-server"], check=False, timeout=60)
    assert listed.stdout.count("ship-0 sleep 600 red") == 9


def test_ships_come_in_the_order_of_their_numbers(tmp_path: Path):
    """Whatever else lies in their folder."""
    ships = tmp_path / "voyage" / "ships"
    ships.mkdir(parents=True)
    for name in ("ship-10.json", "ship-2.json", "ship-0.json", ".ship-3.json.new"):
        (ships / name).write_text("{}")
    assert panes.known_ships(tmp_path) == ["ship-0", "ship-2", "ship-10"]


@pytest.mark.parametrize(
    ("view", "colours"),
    [(panes.View(), ["cyan", "red", "cyan"]), (panes.View(coloured=False), ["default"] * 3)],
)
def test_ships_have_colours(tmp_path: Path, view: panes.View, colours: list[str]):
    """The same again after some ships; none if the captain wants none."""
    fleet = [panes.ship_pane(tmp_path, view, ship) for ship in ("ship-0", "ship-5", "ship-6")]
    assert [pane.colour for pane in fleet] == colours
    assert panes.read_view(fleet[0].argv[-2]) == view


def test_a_terminal_that_is_not_known_here_is_taken_for_a_common_one():
    """tmux would not begin in it; one that is known is left as it is."""
    assert panes.terminal("xterm-of-tomorrow") == "xterm-256color"
    assert panes.terminal("screen") == "screen"

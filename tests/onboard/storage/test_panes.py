"""The fleet in tmux, as far as it goes without a terminal."""

import json
import re
import subprocess
import threading
from pathlib import Path

import pytest

from ocaptain.onboard.storage import panes


def commands(arguments: list[str]) -> list[str]:
    """tmux's commands, as one would type them."""
    return " ".join(arguments).split(" ; ")


def test_each_program_has_a_pane():
    """The first makes the session, which is large; the panes are tiled after each."""
    assert commands(panes.layout("fleet-7", [["run", "a"], ["run", "b"]])) == [
        "new-session -d -x 200 -y 50 -s fleet-7 run a",
        "select-layout -t fleet-7 tiled",
        "split-window -t fleet-7 run b",
        "select-layout -t fleet-7 tiled",
        "set -g mouse on",
        "set -g pane-border-status top",
        "attach -t fleet-7",
        "select-layout -t fleet-7 tiled",
        "set -t fleet-7 destroy-unattached on",
    ]


def test_tmux_makes_the_panes(tmp_path: Path):
    """Many of them, without a terminal: all up to where the viewer would come in."""
    tmux = ["tmux", "-S", str(tmp_path / "socket"), "-f", "/dev/null"]
    before_attach = panes.layout("fleet-7", [["sleep", "600"]] * 9)
    attach = before_attach.index("attach")
    try:
        subprocess.run([*tmux, *before_attach[: attach - 1]], check=True, timeout=60)
        listed = subprocess.run(
            [*tmux, "list-panes", "-t", "fleet-7", "-F", "#{pane_start_command}"],
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
    finally:
        subprocess.run([*tmux, "kill-server"], check=False, timeout=60)
    assert listed.stdout.count("sleep 600") == 9


def test_ships_come_in_the_order_of_their_numbers(tmp_path: Path):
    """Whatever else lies in their folder."""
    ships = tmp_path / "voyage" / "ships"
    ships.mkdir(parents=True)
    for name in ("ship-10.json", "ship-2.json", "ship-0.json", ".ship-3.json.new"):
        (ships / name).write_text("{}")
    assert panes.known_ships(tmp_path) == ["ship-0", "ship-2", "ship-10"]


@pytest.mark.parametrize(
    ("task", "title"), [(None, "ship-0 · working"), ("7", "ship-0 · working · 7 Do\ufffd it")]
)
def test_a_pane_has_a_title(task: str | None, title: str):
    """The ship, its state, and its task, whose subject steers no terminal."""
    assert (
        panes.title("ship-0", {"state": "working", "task": task, "subject": "Do\x1b it"}) == title
    )


def test_a_pane_shows_the_log_while_there_is_the_ship(tmp_path: Path, capsys):
    """With the time of day; it ends once the ship has been let go."""
    folder = tmp_path / "voyage"
    for name in ("ships", "logs"):
        (folder / name).mkdir(parents=True)
    record = folder / "ships" / "ship-0.json"
    record.write_text(json.dumps({"state": "waiting", "task": None, "subject": None}))
    (folder / "logs" / "ship-0.log").write_text("2026-01-01T00:00:01.000Z [1] one\n")
    threading.Timer(0.2, record.unlink).start()
    with pytest.raises(FileNotFoundError):
        panes.pane(tmp_path, "ship-0")
    out = capsys.readouterr().out
    assert re.sub(r"\033\]2;.*?\033\\", "", out) == "00:00:01 [1] one\n"


def test_a_terminal_that_is_not_known_here_is_taken_for_a_common_one():
    """tmux would not begin in it; one that is known is left as it is."""
    assert panes.terminal("xterm-of-tomorrow") == "xterm-256color"
    assert panes.terminal("screen") == "screen"

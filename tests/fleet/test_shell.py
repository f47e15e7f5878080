"""Looking at a voyage from within."""

import asyncio
import os
from pathlib import Path

import pytest

from ocaptain.config import Config
from ocaptain.errors import Failure
from ocaptain.fleet.shell import set_prompt, shell
from ocaptain.fleet.voyage import Voyage
from ocaptain.providers.local import Local
from tests.support.sailing import Sailing, half_made

ID = "voyage-0123456789ab"


@pytest.mark.parametrize(("ship", "named"), [(None, "storage"), ("ship-0", "ship-0")])
def test_there_is_no_shell_on_what_is_not_there(config: Config, ship: str | None, named: str):
    """The VMs that there are are named."""
    half_made(config, f"{ID}-ship1")
    voyage = Voyage(config, Local(config), ID)
    voyage.add_vms(*asyncio.run(voyage.provider.list()))
    with pytest.raises(Failure, match=rf"{ID} has no {named}\.\nIt has: ship-1$"):
        asyncio.run(shell(voyage, ship, raw=True))


def test_without_a_terminal_there_is_nothing_to_show_ships_on(config: Config):
    """One is told what works there, and not by tmux."""
    half_made(config, f"{ID}-storage")
    voyage = Voyage(config, Local(config), ID)
    voyage.add_vms(*asyncio.run(voyage.provider.list()))
    with pytest.raises(Failure, match=rf"there is none here\.\nocaptain logs --follow {ID}$"):
        asyncio.run(shell(voyage, None, raw=False))


def test_a_raw_shell_is_in_the_workspace_and_ends_as_what_is_typed_there(
    sailing: Sailing, tmp_path: Path
):
    """It reads our own stdin, on the ship's VM."""
    typed = tmp_path / "typed"
    workspace = sailing.home("ship0") / "voyage" / "workspace"
    workspace.mkdir(exist_ok=True)
    typed.write_text(f'[ "$PWD" = "{workspace}" ] && exit 7\n')
    stdin = os.dup(0)
    with typed.open() as file:
        os.dup2(file.fileno(), 0)
    try:
        assert asyncio.run(shell(sailing.voyage, "ship-0", raw=True)) == 7
    finally:
        os.dup2(stdin, 0)
        os.close(stdin)


def test_the_prompt_says_where_one_is(monkeypatch: pytest.MonkeyPatch):
    """In a colour, unless there are to be none."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\\e[1;36m" in set_prompt("ship-1 of voyage-1")
    monkeypatch.setenv("NO_COLOR", "1")
    assert set_prompt("ship-1 of voyage-1").startswith("PS1='ship-1 of voyage-1 ")

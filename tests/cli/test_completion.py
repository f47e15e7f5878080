"""Words that a shell completes at TAB."""

import subprocess
from pathlib import Path

import pytest

from tests.support.moored import Moored, moored
from tests.support.shell import OCAPTAIN, Shell
from tests.support.storage import task


def completed(shell: Shell, line: str, fleet: Moored | None = None) -> list[str]:
    """What TAB offers at the end of a line."""
    words = line.split(" ")
    asked = {"_OCAPTAIN_COMPLETE": "bash_complete", "COMP_WORDS": line}
    asked["COMP_CWORD"] = str(len(words) - 1)
    done = shell.type(**asked, **(fleet.environ if fleet else {}))
    assert done.err == ""
    return [offer.partition(",")[2] for offer in done.out.split()]


def test_verbs_are_completed_word_by_word(shell: Shell):
    """Each first word once, in the order of help; and then the second ones."""
    assert completed(shell, "ocaptain p") == ["plan", "pause"]
    assert completed(shell, "ocaptain plan ") == ["init", "skill"]
    assert completed(shell, "ocaptain plan s") == ["skill"]
    assert completed(shell, "ocaptain tasks a") == ["add"]
    assert completed(shell, "ocaptain completion z") == ["zsh"]
    assert completed(shell, "ocaptain sail --w") == ["--wait"]


def test_bash_takes_the_script(shell: Shell):
    """As it is typed in ~/.bashrc."""
    script = """
        PATH=$1:$PATH; source <(ocaptain completion bash)
        COMP_WORDS=(ocaptain rei); COMP_CWORD=1; _ocaptain_completion ocaptain
        echo "${COMPREPLY[@]}"
    """
    argv = ["bash", "-c", script, "bash", str(Path(OCAPTAIN).parent)]
    done = subprocess.run(argv, env=shell.env, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("reinforce\n", "")


@pytest.mark.parametrize("kind", ["zsh", "fish"])
def test_other_shells_have_a_script_of_their_own(shell: Shell, kind: str):
    """It asks for words in the way of that shell."""
    done = shell.type("completion", kind)
    assert (done.status, done.err) == (0, "")
    assert f"_OCAPTAIN_COMPLETE={kind}_complete" in done.out


def test_voyages_ships_and_tasks_are_completed(shell: Shell, tools: None):
    """Of tasks those that the verb is for, as storage has them now."""
    tasks = [task("1"), task("2"), task("30", "1")]
    with moored(shell.home, tasks, max_attempts=1) as fleet:
        voyage = fleet.name.removesuffix("-storage")
        claim = fleet.storage.claim("ship-0")["claim"]
        fleet.storage.ask("ship-0", "release", claim=claim, why="no", fault="agent")
        fleet.storage.claim("ship-1")
        assert shell.type("status", **fleet.environ).status == 0
        assert completed(shell, "ocaptain status v", fleet) == [voyage]
        assert completed(shell, "ocaptain tasks ", fleet) == ["show", "add", "edit", voyage]
        assert completed(shell, "ocaptain hail ship-", fleet) == ["ship-0", "ship-1", "ship-2"]
        assert completed(shell, "ocaptain logs --ship ", fleet) == ["ship-0", "ship-1", "ship-2"]
        assert completed(shell, f"ocaptain relieve {voyage} ", fleet)[-1] == "ship-2"
        assert completed(shell, "ocaptain retry ", fleet) == [voyage, "1", "verify"]
        assert completed(shell, "ocaptain release ", fleet) == [voyage, "2"]
        assert completed(shell, "ocaptain tasks add More --after ", fleet) == ["1", "2", "30"]


def test_what_gives_no_answer_is_left_out_without_a_word(shell: Shell):
    """A shell that waits for a voyage, or shows its errors, would be no use."""
    shell.vm("voyage-111111111111-storage")
    assert completed(shell, "ocaptain hail ") == []
    shell.config("no TOML at all")
    assert completed(shell, "ocaptain retry ") == []

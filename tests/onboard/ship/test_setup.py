"""How a VM becomes a ship."""

import json
import subprocess
from pathlib import Path

import pytest

from ocaptain.onboard.protocol import ShipBoot
from ocaptain.onboard.ship import setup
from ocaptain.onboard.ship.equipment import equip
from tests.support.rules import rule
from tests.support.ship import a_voyage

KEY = "the private key"
TOKEN = "sk-ant-oat01-secret"


@pytest.fixture
def boot() -> ShipBoot:
    """What `sail` sends along."""
    return {
        "ship": "ship-2",
        "voyage": a_voyage(),
        "accounts": True,
        "sudo_prefix": ["sudo", "-n"],
        "key": KEY,
        "host_key": "ssh-ed25519 AAAA\nssh-rsa BBBB",
        "ssh_options": [("HostName", "10.0.0.1"), ("ConnectTimeout", "5")],
        "artifacts": {"spec.md": "Spec\n", "verify.sh": "true\n"},
        "agent_env": {"CLAUDE_CODE_OAUTH_TOKEN": TOKEN},
    }


def test_what_a_ship_knows_of_itself_has_neither_key_nor_token(tmp_path: Path, boot: ShipBoot):
    """Each secret has a file of its own, beside the plan's files."""
    setup.write_files(tmp_path, boot)
    record = (tmp_path / "ship.json").read_text()
    assert json.loads(record)["ship"] == "ship-2"
    assert KEY not in record
    assert TOKEN not in record
    assert (tmp_path / "key").read_text() == KEY
    assert json.loads((tmp_path / "agent_env.json").read_text()) == boot["agent_env"]
    assert (tmp_path / "verify.sh").read_text() == "true\n"
    hosts = (tmp_path / "known_hosts").read_text()
    assert hosts == "storage ssh-ed25519 AAAA\nstorage ssh-rsa BBBB\n"


def test_what_the_provider_says_of_the_way_to_storage_wins(tmp_path: Path, boot: ShipBoot):
    """ssh itself reads the file so, and trusts the voyage's host key alone."""
    setup.write_files(tmp_path, boot)
    ssh = ["ssh", "-G", "-F", str(tmp_path / "ssh_config"), "storage"]
    printed = subprocess.run(ssh, capture_output=True, text=True, check=True).stdout
    options = dict(line.split(" ", 1) for line in printed.splitlines() if " " in line)
    assert options["hostname"] == "10.0.0.1"
    assert options["connecttimeout"] == "5"
    assert options["batchmode"] == "yes"
    assert options["stricthostkeychecking"] == "true"
    assert options["identityfile"] == f"{tmp_path}/key"
    assert options["userknownhostsfile"] == f"{tmp_path}/known_hosts"


def test_folders_may_have_any_name(tmp_path: Path, boot: ShipBoot):
    """On `local` they are below a directory of the captain's."""
    folder = tmp_path / """it's 100%h \\ "q" é"""
    folder.mkdir()
    setup.write_files(folder, boot)
    ssh = ["ssh", "-G", "-F", str(folder / "ssh_config"), "storage"]
    printed = subprocess.run(ssh, capture_output=True, text=True, check=True).stdout
    expanded = printed.replace("%%", "%")
    assert f"identityfile {folder}/key\n" in expanded
    assert f"userknownhostsfile {folder}/known_hosts\n" in expanded


def test_a_ship_that_lacks_the_agent_says_so(tmp_path: Path, boot: ShipBoot):
    """Before a task is touched, in a sentence; a setup.sh may install it later."""
    boot["accounts"] = False
    boot["voyage"]["agents"] = ["claude", "shell"]
    setup.check_agent(tmp_path, boot)
    boot["voyage"]["agents"] = ["claude"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "/usr/bin:/bin")
        with pytest.raises(SystemExit, match="claude, is not on the PATH here: install it"):
            setup.check_agent(tmp_path, boot)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of programs besides the system's, for whatever shell."""
    folder = tmp_path / "tools"
    folder.mkdir()
    path = f"{folder}:/usr/bin:/bin"
    monkeypatch.setenv("PATH", path)
    (tmp_path / ".bash_profile").write_text(f"PATH={path}\n")
    return folder


def make(program: Path, body: str = "") -> str:
    """What makes a program of a shell."""
    return f"printf '#!/bin/sh\\n%s\\n' '{body}' >{program}; chmod +x {program}"


@rule("R169")
def test_the_plan_says_how_its_agent_is_installed(tmp_path: Path, boot: ShipBoot, tools: Path):
    """Once, where it is missing; what it prints is told if that does not help."""
    boot["accounts"] = False
    mark = tmp_path / "mark"
    boot["voyage"]["agents"] = ["acp"]
    boot["voyage"]["agent_command"] = ["my-agent", "--acp"]
    boot["voyage"]["agent_setup"] = f"echo x >>{mark}; {make(tools / 'my-agent')}"
    for _ in range(2):
        assert equip(tmp_path, boot) == ""
        setup.check_agent(tmp_path, boot)
    assert mark.read_text() == "x\n"
    boot["voyage"]["agent_command"] = ["other-agent"]
    boot["voyage"]["agent_setup"] = "echo no such package >&2; exit 3"
    fault = equip(tmp_path, boot)
    with pytest.raises(SystemExit, match=r"other-agent, is not .* exit status 3: no such package"):
        setup.check_agent(tmp_path, boot, fault)


@rule("R169")
def test_an_agent_is_installed_as_is_usual_on_a_machine_of_our_own(
    tmp_path: Path, boot: ShipBoot, tools: Path
):
    """On the captain's own machine nothing is, unless the plan says how."""
    subprocess.run(["sh", "-c", make(tools / "npm", f"cp /bin/true {tools}/codex-acp")], check=True)
    boot["voyage"]["agents"] = ["codex", "shell"]
    boot["accounts"] = False
    assert equip(tmp_path, boot) == ""
    assert not (tools / "codex-acp").exists()
    boot["accounts"] = True
    assert equip(tmp_path, boot) == ""
    assert (tools / "codex-acp").exists()


def test_agents_find_storages_files_where_claude_code_looks(tmp_path: Path):
    """The links are there before anything is mounted, and are made again without harm."""
    (tmp_path / "voyage").mkdir()
    for _ in range(2):
        setup.link_mount(tmp_path, "voyage-1f")
    mount = tmp_path / "voyage" / "storage"
    tasks = tmp_path / ".claude" / "tasks" / "voyage-1f-tasks"
    assert tasks.readlink() == mount / ".claude" / "tasks" / "voyage-1f-tasks"
    assert (tmp_path / "voyage" / "logs").readlink() == mount / "voyage" / "logs"

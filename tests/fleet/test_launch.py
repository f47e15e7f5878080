"""A voyage that sets sail: what its VMs are given, and what is left if it fails."""

import asyncio
import io
import json
import os
import subprocess
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path
from shutil import which
from typing import cast

import msgspec
import pytest

from ocaptain.config import Config
from ocaptain.errors import Failure
from ocaptain.fleet.archive import pack
from ocaptain.fleet.launch import sail, unpack_and_run, voyage_record
from ocaptain.onboard.protocol import StorageBoot
from ocaptain.plan.plan import Plan, Source
from ocaptain.providers.local import Local
from ocaptain.ssh import Remote
from tests.support.rules import rule
from tests.support.sailing import Sailing, small_plan
from tests.support.storage import git


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return small_plan(tmp_path)


def vms(config: Config) -> list[str]:
    return [vm.name for vm in asyncio.run(Local(config).list())]


# What the voyage knows of the plan


@pytest.mark.parametrize(
    ("gitconfig", "author"),
    [
        ("[user]\nname = Ada\nemail = ada@example.com\n", ("Ada", "ada@example.com")),
        ("[user]\nname = Ada\n", ("Ada", "ocaptain@localhost")),
        ("", ("ocaptain", "ocaptain@localhost")),
    ],
)
def test_the_captain_is_the_author_of_commits(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gitconfig: str, author: tuple
):
    """As their git knows them, and if it does not, ocaptain is."""
    (tmp_path / "gitconfig").write_text(gitconfig)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    record = asyncio.run(voyage_record(plan, "voyage-1", ["ship-0"], open_pr=False))
    assert (record["author"]["user.name"], record["author"]["user.email"]) == author


@pytest.mark.parametrize(("agent", "interactive"), [("shell", False), ("claude", True)])
def test_a_command_is_told_nothing_and_repairs_nothing(plan: Plan, agent: str, interactive: bool):
    """An agent that reads gets the captain's messages, and tasks to repair a red verify.sh."""
    changed = msgspec.structs.replace(plan, agent=agent)
    record = asyncio.run(voyage_record(changed, "voyage-1", ["ship-0"], open_pr=False))
    assert record["interactive"] is interactive
    assert (record["max_repairs"] > 0) is interactive


def test_only_a_repository_elsewhere_is_an_origin(plan: Plan):
    """A checkout of the captain's is no place to push to."""
    record = asyncio.run(voyage_record(plan, "voyage-1", [], open_pr=False))
    assert (record["origin"], record["base_branch"]) == (None, "main")
    source = Source("https://github.com/me/code.git", None, "trunk", plan.source.head)
    remote = msgspec.structs.replace(plan, source=source)
    record = asyncio.run(voyage_record(remote, "voyage-1", [], open_pr=False))
    assert (record["origin"], record["base_branch"]) == (source.url, "trunk")


# What its VMs are given


def test_storage_begins_with_the_captains_code_and_the_plan(sailing: Sailing):
    """The branch is where their HEAD was; tasks and artifacts are as they were checked."""
    storage = sailing.home() / "voyage"
    head = git(sailing.repo, "rev-parse", "HEAD")
    assert git(storage / "repo.git", "rev-parse", sailing.voyage.id) == head
    assert (storage / "artifacts" / "spec.md").read_text() == "# Do little\n"
    assert {row["id"] for row in asyncio.run(sailing.voyage.ask_tasks())} == {"1", "2"}
    assert not (storage / "boot.json").exists()


def test_a_ship_has_a_key_of_its_own(sailing: Sailing):
    """It lies where nobody else can read it, and opens storage as that ship alone."""
    ship = sailing.home("ship0") / "voyage"
    assert (ship / "key").stat().st_mode & 0o777 == 0o600
    assert json.loads((ship / "ship.json").read_text())["ship"] == "ship-0"
    [entry] = (sailing.home() / ".ssh" / "authorized_keys").read_text().splitlines()
    assert sailing.voyage.vm("ship-0") in entry
    assert "restrict" in entry
    assert "ship-0" in entry.partition("ssh-ed25519")[0]


# What is left if it fails


def test_a_pull_request_needs_a_repository_on_github(config: Config, plan: Plan):
    """Nothing is made for it before that is known."""
    with pytest.raises(Failure, match="A pull request needs a repo on GitHub"):
        asyncio.run(sail(config, plan, 1, open_pr=True))
    assert vms(config) == []


@rule("R102")
def test_a_sail_that_fails_leaves_nothing(
    tools: None, config: Config, plan: Plan, capsys: pytest.CaptureFixture[str]
):
    """The captain is told that, and before it what to type if it is killed."""
    lost = msgspec.structs.replace(plan, source=plan.source._replace(ref="refs/heads/gone"))
    with pytest.raises(Failure, match="gone"):
        asyncio.run(sail(config, lost, 2))
    progress = capsys.readouterr().err
    assert "if this is killed, type: ocaptain sink -s voyage-" in progress
    assert progress.endswith("What was made is removed\n")
    assert vms(config) == []
    assert list(config.run_dir().glob("voyage-*")) == []


class Listener(io.StringIO):
    """A stderr on which somebody loses patience."""

    def __init__(self, told: str, act: Callable[[], object]) -> None:
        super().__init__()
        self.told = told
        self.act = act

    def write(self, text: str) -> int:
        if self.told in text:
            self.act()
        return super().write(text)


@rule("R102")
def test_a_removal_that_is_interrupted_goes_on(tools: None, config: Config, plan: Plan):
    """Ctrl-C while a sail that failed removes what it made leaves nothing."""
    lost = msgspec.structs.replace(plan, source=plan.source._replace(ref="refs/heads/gone"))

    async def interrupted() -> None:
        sailing = asyncio.create_task(sail(config, lost, 2))
        with redirect_stderr(Listener("What was made is removed", sailing.cancel)):
            await sailing

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(interrupted())
    assert vms(config) == []


def break_ships(folder: Path, pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have VMs of some names be unable to unpack what they are sent."""
    tar = folder / "bin" / "tar"
    tar.parent.mkdir()
    broken = f"case $OCAPTAIN_VM in {pattern}) echo no room >&2; exit 1 ;; esac"
    tar.write_text(f'#!/bin/sh\n{broken}\nexec {which("tar")} "$@"\n')
    tar.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tar.parent}:{os.environ['PATH']}")


@rule("R103")
def test_a_ship_that_does_not_come_up_twice_is_done_without(
    tools: None,
    config: Config,
    plan: Plan,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """The others sail, and storage does not expect it any more."""
    break_ships(tmp_path, "*-ship1", monkeypatch)
    voyage = asyncio.run(sail(config, plan, 2))
    progress = capsys.readouterr().err
    assert f"{voyage.vm('ship-1')} could not be set up: no room\nship-1 is made anew" in progress
    assert "ship-1 is given up; the others sail on without it" in progress
    assert [ship["id"] for ship in asyncio.run(voyage.ask_status())["ships"]] == ["ship-0"]
    assert vms(config) == [voyage.vm("ship-0"), voyage.storage]


@rule("R102", "R103")
def test_without_a_ship_there_is_no_voyage(
    tools: None, config: Config, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Its storage goes as well."""
    break_ships(tmp_path, "*-ship*", monkeypatch)
    with pytest.raises(Failure, match=r"^No ship came up\.$"):
        asyncio.run(sail(config, plan, 1))
    assert vms(config) == []


@pytest.mark.parametrize(
    ("there", "lacks"),
    [
        (["git", "tar"], "Python 3.10 or later"),
        (["python3", "tar"], "git"),
        (["python3", "git"], "tar"),
        (["python3", "git", "tar"], "sudo"),
    ],
)
def test_what_a_vm_lacks_is_said_in_a_sentence(tmp_path: Path, there: list[str], lacks: str):
    """Before anything is written there."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in there:
        (tools / name).symlink_to(which(name) or "")
    home = tmp_path / "home"
    home.mkdir()
    remote = unpack_and_run("python3", Remote("true"), with_sudo=True)
    done = subprocess.run(
        ["/bin/sh", "-c", remote.replace("sh", "/bin/sh", 1)],
        env={"HOME": str(home), "PATH": str(tools)},
        capture_output=True,
        text=True,
    )
    assert done.stderr == f"{lacks} is needed on this machine: install it, and try again\n"
    assert (done.returncode, list(home.iterdir())) == (1, [])


def test_two_captains_who_set_a_vm_up_at_once_take_turns(tmp_path: Path):
    """Each program finds what its own captain has sent, as when both reinforce."""
    take = "cd ~/voyage && mv boot.json taken && sleep 0.3 && cat taken && rm taken"
    remote = unpack_and_run("python3", Remote("sh", "-c", take))
    children = []
    for number in range(3):
        child = subprocess.Popen(
            ["/bin/sh", "-c", remote],
            env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        children.append((number, child))
    for number, child in children:
        assert child.stdin
        child.stdin.write(pack(cast(StorageBoot, {"number": number}), code=None))
        child.stdin.close()
    for number, child in children:
        with child:
            assert child.stdout
            assert json.load(child.stdout) == {"number": number}


def test_what_is_run_on_a_vm_suits_any_login_shell():
    """What csh and fish understand in another way is not in it."""
    assert not set("!\\\n`") & set(unpack_and_run("python3", Remote("true")))

"""Commands about this machine."""

import json
import os
import re
import shutil
import signal
from pathlib import Path

from ocaptain.doctor import OTHERS
from tests.support.captain import Captain
from tests.support.machine import until
from tests.support.shell import Shell


def rows(stdout: str) -> dict[str, tuple[str, str]]:
    """What `doctor` printed: its mark and the rest, by what was looked at."""
    parts = [(line[:2], line[4:26].strip(), line[26:]) for line in stdout.splitlines()]
    return {subject: (mark, rest) for mark, subject, rest in parts}


def test_doctor_fails_with_a_command_for_each_thing_that_is_missing(shell: Shell):
    """A row for each thing, with what is there or what to type, and exit status 1."""
    (shell.root / "bin" / "git").symlink_to(str(shutil.which("git")))
    done = shell.type("doctor", PATH=str(shell.root / "bin"))
    assert (done.status, done.err) == (1, "")
    found = rows(done.out)
    mark, remedy = found["programs"]
    assert mark == "no"
    assert remedy.startswith("missing: ssh, ssh-keygen, ")
    assert "→ sudo apt-get install -y openssh-client " in remedy
    assert found["claude"][0] == "--"
    assert "npm install -g @anthropic-ai/claude-code" in found["claude"][1]
    assert found["git user.name"] == ("ok", "Ada")
    rows_of_json = json.loads(shell.type("doctor", "--json", PATH=str(shell.root / "bin")).out)
    told = {row["subject"]: row for row in rows_of_json}
    assert told.keys() == found.keys()
    assert told["programs"] == {
        "subject": "programs",
        "found": None,
        "remedy": remedy,
        "needed": True,
    }


def test_doctor_succeeds_if_nothing_is_missing(shell: Shell, tools: None):
    """Each row has what was found. What only some plans need does not keep the status from 0."""
    assert shell.type("doctor").status == 0
    shell.program("claude", "#!/bin/sh\n")
    done = shell.type("doctor", ANTHROPIC_API_KEY="sk-ant-hush")
    found = rows(done.out)
    device, _ = found.pop("/dev/fuse")
    others = [found.pop(agent) for agent in OTHERS]
    assert {mark for mark, _ in others} == {"--"}
    assert {mark for mark, _ in found.values()} == {"ok"}
    has_device = os.access("/dev/fuse", os.R_OK | os.W_OK)
    assert (device, done.status) == ("ok" if has_device else "--", 0)
    assert found["claude"] == ("ok", str(shell.root / "bin" / "claude"))
    assert "hush" not in done.out


def test_a_demo_sails_to_its_end_and_brings_home_what_landed(captain: Captain):
    """Its tasks need nothing but a shell; the branch is in a new repository, and VMs are left."""
    captain.path_first("sleep", "#!/bin/sh\n")  # its tasks take their time, to be looked at
    done = captain.run("demo", "-n", "1")
    repo = Path(done.out.splitlines()[0].removeprefix("A repository with a plan in it is at "))
    report = Path(done.out.split()[-1])
    assert "</html>" in report.read_text()
    [voyage] = re.findall(r"ocaptain dashboard --open (\S+)", done.out)
    assert voyage in captain.git(repo, "branch", "--format=%(refname:short)").split()
    assert "# O Captain! My Captain!" in captain.git(repo, "show", f"{voyage}:poem.md")
    assert "Ada Captain  Assemble the poem" in done.out
    assert f"ocaptain sink -s {voyage}" in done.out
    assert len(list(captain.vms.iterdir())) == 2


def test_a_demo_that_does_not_come_to_its_end_says_where_to_look(captain: Captain):
    """It fails, and names the command that shows why; nothing is fetched."""
    child = captain.start("demo", "-n", "1")
    until(lambda: captain.run("halt", status=None).status == 0)
    out, _ = child.communicate(timeout=30)
    assert child.returncode == 1
    assert "ocaptain: The demo did not come to its end.\nocaptain logs voyage-" in out
    assert "What landed" not in out


def test_a_demo_that_is_interrupted_says_what_is_left_and_sink_removes_it(captain: Captain):
    """The voyage sails on. Its end is the end of the repository too."""
    child = captain.start("demo", "-n", "1")
    until(lambda: captain.run("status", status=None).status == 0)
    until(lambda: list((captain.home / ".local/share/ocaptain/demos").glob("voyage-*")))
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=30)
    assert child.returncode == 130
    repo = Path(out.splitlines()[0].removeprefix("A repository with a plan in it is at "))
    [note] = (captain.home / ".local/share/ocaptain/demos").iterdir()
    assert f"{note.name} sails on, and {repo} is still there.\n" in out
    assert f"ocaptain sink -s {note.name}\n" in out
    assert f"{repo} (the demo's repository)" in captain.run("sink", "-s", "-f").out
    assert not repo.exists()
    assert not note.exists()
    assert list(captain.vms.iterdir()) == []

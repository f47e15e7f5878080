"""script/probe-exedev, on a stand-in for exe.dev."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.exedev import ExeDev, lacking
from tools.probe_exedev.checks import CHECKS

ROOT = Path(__file__).parent.parent
PROBE = ROOT / "script" / "probe-exedev"
UNTRIED = {39, 40, 41}
BY_CHANCE = {9}  # a VM may be up before anybody asks

here = pytest.mark.skipif(bool(lacking()), reason=lacking())


@pytest.fixture
def exe(tmp_path: Path) -> Iterator[ExeDev]:
    """An exe.dev whose VMs have a claude; afterwards no VM and no key of the probe's is left."""
    programs = tmp_path / "programs"
    programs.mkdir()
    tmp_path.chmod(0o755)
    (programs / "claude").write_text("#!/bin/sh\n")
    (programs / "claude").chmod(0o755)
    with ExeDev(tmp_path / "exe", claude=programs / "claude", boot_s=1.0) as service:
        yield service
        assert not service.machines
        assert [key.name for key in service.keys] == ["captain"]


def start(exe: ExeDev, *options: str) -> subprocess.Popen[str]:
    """Start the probe."""
    environ = {**os.environ, "OCAPTAIN_SSH_CONFIG": str(exe.ssh_config), "PYTHONUNBUFFERED": "1"}
    pipe = subprocess.PIPE
    words = [str(PROBE), "--pause=0", *options]
    return subprocess.Popen(words, env=environ, text=True, stdin=pipe, stdout=pipe, stderr=pipe)


def verdicts(out: str) -> dict[int, str]:
    """What the probe found, by number."""
    found = re.findall(r"^ *(\d+) (ok|DIFFERS|unknown)\n    expected  ", out, re.M)
    return {int(number): verdict for number, verdict in found}


@here
def test_nothing_differs_on_a_faithful_exe_dev(exe: ExeDev):
    """Every assumption that can be tried holds, and the exit status is 0."""
    probe = start(exe, "--yes")
    out, err = probe.communicate()
    found = verdicts(out)
    assert "DIFFERS" not in found.values(), out
    assert list(found) == list(range(1, len(CHECKS) + 1))
    unknown = {number for number, verdict in found.items() if verdict == "unknown"}
    assert unknown - BY_CHANCE == UNTRIED, out
    assert (probe.returncode, err) == (0, "")


@here
def test_an_old_lobby_is_told(exe: ExeDev):
    """Where keys cannot be for one VM that differs, and what needs such a key is unknown."""
    exe.faults.old_lobby = True
    probe = start(exe, "--yes")
    out, _ = probe.communicate()
    found = verdicts(out)
    assert [number for number in found if found[number] == "DIFFERS"] == [22]
    assert "ocaptain would use --tag" in out
    assert (found[24], found[33]) == ("unknown", "ok")
    assert probe.returncode == 1


@here
def test_what_a_key_may_not_do_is_told_and_undone(exe: ExeDev):
    """A lobby that lets the key for one VM in differs, and what that key made is removed."""
    exe.faults.vm_key_in_lobby = True
    out, _ = start(exe, "--yes").communicate()
    assert [number for number, found in verdicts(out).items() if found == "DIFFERS"] == [28, 36]


@here
@pytest.mark.parametrize("command", ["new ", "ssh-key add --json --vm"])
def test_ctrl_c_leaves_nothing(exe: ExeDev, command: str):
    """It removes what there is, also where the interrupt comes while something is being made."""
    exe.faults.new_s = 0.5
    probe = start(exe, "--yes")
    while not any(line.startswith(command) for line in exe.commands):
        time.sleep(0.01)
    probe.send_signal(signal.SIGINT)
    out, err = probe.communicate()
    assert "LEFT" not in out + err
    assert probe.returncode == 130


@here
def test_it_asks_first(exe: ExeDev):
    """Without a yes nothing is made."""
    probe = start(exe)
    out, _ = probe.communicate("n\n")
    assert "2 VMs" in out
    assert "2 keys" in out
    assert (probe.returncode, exe.commands) == (1, [])


def test_the_table_of_assumptions_has_the_numbers_of_the_checks():
    """docs/exedev.md and the probe number alike."""
    text = (ROOT / "docs" / "exedev.md").read_text()
    assert re.findall(r"^\| (\d+) \|", text, re.M) == [str(each.number) for each in CHECKS]

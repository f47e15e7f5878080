"""Starting, finding and stopping processes on VMs."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import combinations
from pathlib import Path
from subprocess import DEVNULL, PIPE

import pytest

from ocaptain.onboard import process
from tests.support.machine import until
from tests.support.memory import forget_peak, memory
from tests.support.rules import rule

MB = 1_000_000


def python(code: str) -> list[str]:
    """The command that runs some Python."""
    return [sys.executable, "-c", code]


@pytest.fixture
def entry(tmp_path: Path) -> Iterator[str]:
    """An entry for the environment of this test's processes; they are gone in the end."""
    yield f"TEST_OF={tmp_path}"
    process.kill_marked(f"TEST_OF={tmp_path}")


def environment(entry: str) -> dict[str, str]:
    """The environment that holds just an entry."""
    name, _, value = entry.partition("=")
    return {name: value}


# Running


def test_the_folder_for_temporary_files_is_made_again(tmp_path: Path, monkeypatch):
    """An agent that removes all of TMPDIR, and itself, ends nothing that comes after it."""
    folder = tmp_path / "tmp"
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    for _ in range(2):
        assert process.run(["sh", "-c", 'rm -r "$TMPDIR"']).status == 0
    assert process.run_excerpt(["mktemp"], env={}, cwd=tmp_path, timeout=60).status == 0


def test_how_a_program_ended(tmp_path: Path):
    """Its status and what it wrote, from a folder, and with more in its environment."""
    words = 'pwd; echo "$MORE $HOME" >&2; exit 3'
    done = process.run(["sh", "-c", words], env={"MORE": "more"}, cwd=tmp_path)
    assert done == (3, f"{tmp_path}\n", f"more {os.environ['HOME']}\n")


def test_a_signal_is_a_negative_status():
    """As Popen has it."""
    assert process.run(["sh", "-c", "kill -9 $$"]).status == -9


def test_what_is_no_utf_8_is_shown_as_such():
    """Whatever a program prints can be read."""
    assert process.run(["printf", "a\\377b"]).stdout == "a\ufffdb"


def test_there_is_nothing_to_read_and_no_terminal():
    """A program that asks is answered by the end of its stdin."""
    assert process.run(["cat"], timeout=20) == (0, "", "")
    assert process.run(["sh", "-c", ": </dev/tty"]).status != 0


def test_a_flood_holds_nobody_up():
    """More than any pipe takes, on both streams."""
    code = "import sys; sys.stderr.write('e' * 10**6); sys.stdout.write('o' * 10**6)"
    done = process.run(python(code), timeout=60)
    assert (done.status, len(done.stdout), len(done.stderr)) == (0, 10**6, 10**6)


def excerpt(tmp_path: Path, *argv: str, kept: int = 10, timeout: float = 60) -> process.Done:
    """What is kept of what a program prints."""
    return process.run_excerpt(argv, env={}, cwd=tmp_path, timeout=timeout, kept=kept)


def test_an_excerpt_has_lines_of_stderr_between_the_others(tmp_path: Path):
    """Where they were written; what fits is whole."""
    done = excerpt(tmp_path, "sh", "-c", "echo 1; echo 2 >&2; echo 3; exit 4")
    assert done == (4, "1\n2\n3\n", "")


@pytest.mark.parametrize("left_out", range(3))
def test_an_excerpt_says_how_much_it_leaves_out(tmp_path: Path, left_out: int):
    """Between the beginning and the end."""
    done = excerpt(tmp_path, "printf", "0123456789" + "x" * left_out + "abcdefghij")
    between = f"\n[... {left_out} bytes are left out here ...]\n" if left_out else ""
    assert done.stdout == f"0123456789{between}abcdefghij"


@rule("R88")
def test_a_flood_takes_neither_memory_nor_disk(tmp_path: Path, is_long: bool):
    """However much is printed, its beginning and its end are all that is kept."""
    size = 1_000 * MB if is_long else 200 * MB
    words = f"echo begin; head -c {size} /dev/zero; echo end"
    forget_peak()
    before = memory("VmRSS")
    done = excerpt(tmp_path, "sh", "-c", words, kept=100_000)
    assert memory("VmHWM") - before < 10 * MB
    assert done.stdout.startswith("begin\n")
    assert done.stdout.endswith("\0end\n")
    assert f"[... {size - 199_990} bytes are left out here ...]" in done.stdout


def test_a_daemon_holds_no_excerpt_up_and_can_go_on_printing(tmp_path: Path, entry: str):
    """It has the pipe open, in a session of its own; to whom it prints is no matter of its."""
    code = (
        "import time\nopen('begun', 'w')\n"
        "for _ in range(20): print('on', flush=True); time.sleep(0.1)\n"
        "open('over', 'w')"
    )
    begun = "until [ -e begun ]; do sleep 0.05; done"  # or it still is in the shell's session
    words = f"""echo done; setsid "$0" -c "{code}" & {begun}"""
    began = time.monotonic()
    done = process.run_excerpt(
        ["sh", "-c", words, sys.executable],
        env=environment(entry),
        cwd=tmp_path,
        timeout=60,
        kept=1000,
    )
    assert (done.status, done.stdout.startswith("done\n")) == (0, True)
    assert time.monotonic() - began < 10
    assert until((tmp_path / "over").exists)


def test_what_takes_too_long_is_ended(entry: str):
    """With all that it started; what it had written by then is there."""
    words = "echo begun; sleep 600 & sleep 600"
    done = process.run(["sh", "-c", words], env=environment(entry), timeout=1)
    assert (done.status, done.stdout) == (process.TIMED_OUT, "begun\n")
    assert until(lambda: not process.marked(entry))


def test_what_a_program_leaves_behind_ends_with_it(entry: str):
    """And nobody waits for that, although it has the program's streams open."""
    began = time.monotonic()
    done = process.run(["sh", "-c", "sleep 600 & echo done"], env=environment(entry))
    assert (done.status, done.stdout) == (0, "done\n")
    assert time.monotonic() - began < 60
    assert until(lambda: not process.marked(entry))


def test_a_program_that_is_not_there():
    """Is an OSError, which names it."""
    with pytest.raises(OSError, match="no-such-program"):
        process.run(["no-such-program"])


def test_a_file_is_handed_on(tmp_path: Path):
    """Open files go to a program only if that is asked for."""
    with (tmp_path / "file").open("w") as file:
        argv = ["bash", "-c", f"echo hello >&{file.fileno()}"]
        assert process.run(argv).status != 0
        assert process.run(argv, pass_fds=[file.fileno()]).status == 0
    assert (tmp_path / "file").read_text() == "hello\n"


def test_what_must_go_well(tmp_path: Path):
    """Is what a program printed; if it fails, this one ends with what that said."""
    assert process.run_or_exit("pwd", cwd=tmp_path) == str(tmp_path)
    with pytest.raises(SystemExit, match=r"^sh -c 'echo why >&2; exit 4' failed: why$"):
        process.run_or_exit("sh", "-c", "echo why >&2; exit 4")


def test_a_child_is_fed():
    """What is written arrives at once, and its stdin stays open; without one nothing happens."""
    with process.start(["head", "-n", "1"], stdin=PIPE, stdout=PIPE) as child:
        process.feed(child, b"line\n")
        assert child.stdout
        assert child.stdout.readline() == b"line\n"
    with process.start(["true"], stdin=DEVNULL) as child:
        process.feed(child, b"line\n")


# Going on alone


def test_a_program_of_ours_goes_on_without_us(tmp_path: Path, entry: str):
    """It outlives whoever started it, and what it says goes to a file."""
    lib = tmp_path / "voyage" / "lib"
    lib.mkdir(parents=True)
    program = "import os, sys, time; print(os.getcwd(), sys.argv[1:], flush=True); time.sleep(600)"
    (lib / "__main__.py").write_text(program)
    code = (
        "from pathlib import Path; from ocaptain.onboard import process; "
        f"process.start_detached(Path({str(tmp_path)!r}), 'out', 'word', 'other')"
    )
    subprocess.run(python(code), env={**os.environ, **environment(entry)}, check=True, timeout=60)
    out = tmp_path / "voyage" / "out"
    assert until(lambda: out.read_text() == f"{tmp_path} ['word', 'other']\n")
    (pid,) = process.marked(entry)
    assert os.getsid(pid) == pid


# Finding and stopping


def test_processes_are_found_by_an_entry_of_their_environment(entry: str):
    """By the whole of it, wherever they come from, until they have ended."""
    with process.start(["sh", "-c", "setsid sleep 600 & wait"], environment(entry)) as child:
        assert until(lambda: len(process.marked(entry)) == 2)
        assert child.pid in process.marked(entry)
        assert process.marked(entry[:-1]) == process.marked(entry[1:]) == set()
        process.kill_all(lambda: process.marked(entry), spare=[child.pid])
        assert until(lambda: process.marked(entry) <= {child.pid})
        process.kill_marked(entry)
        assert child.wait(20) in (0, -9)
    assert process.marked(entry) == set()


def test_what_has_only_just_been_started_is_found(entry: str):
    """A process has no environment to be read while it becomes another program."""
    for _ in range(60):
        with process.start(["sleep", "600"], environment(entry)) as child:
            found = process.marked(entry)
            child.kill()
        assert found == {child.pid}


def test_what_is_killed_has_no_time_to_start_more(entry: str):
    """Processes that fork for ever are gone all the same."""
    fork = "import os, time\nwhile True:\n    time.sleep(0.05)\n    os.fork() and os._exit(0)"
    with process.start(python(fork), environment(entry)):
        assert until(lambda: process.marked(entry))
    process.kill_marked(entry)
    assert process.marked(entry) == set()


def test_the_eldest_is_killed_first(entry: str, monkeypatch: pytest.MonkeyPatch):
    """Helm would tell storage that its agent has failed, if it saw that end."""
    kill = os.kill
    killed: list[int] = []

    def kill_and_note(pid: int, signum: int) -> None:
        killed.append(pid)
        kill(pid, signum)

    monkeypatch.setattr(os, "kill", kill_and_note)
    with ExitStack() as stack:
        sleep = ["sleep", "600"]
        started = [stack.enter_context(process.start(sleep, environment(entry))) for _ in range(10)]
        pairs = combinations([child.pid for child in started], 2)
        elder, younger = next(pair for pair in pairs if [*{*pair}] != [*pair])
        process.kill_all(lambda: {elder, younger} & process.marked(entry))
        process.kill_marked(entry)
    assert killed[:2] == [elder, younger]


def test_what_is_killed_has_no_time_to_clean_up(entry: str, tmp_path: Path):
    """Not even a job of a shell, which is told if it is left stopped."""
    seen = tmp_path / "seen"
    watch = f"set -m; trap 'touch {seen}' HUP; sleep 600 & wait; touch {seen}"
    for _ in range(10):
        with process.start(["bash", "-c", watch], environment(entry)):
            assert until(lambda: len(process.marked(entry)) == 2)
            process.kill_marked(entry)
    assert not seen.exists()


def test_we_are_not_killed(entry: str):
    """Although our own environment has the entry."""
    code = (
        "from ocaptain.onboard import process; "
        f"process.kill_marked({entry!r}); print(process.marked({entry!r}) != set())"
    )
    done = process.run(python(code), env=environment(entry), timeout=60)
    assert (done.status, done.stdout) == (0, "True\n")


def test_cpu_time_is_counted():
    """Of all that live, in ticks; who is gone has none."""
    before = process.cpu_ticks([os.getpid()])
    until(lambda: sum(range(1_000_000)) and process.cpu_ticks([os.getpid()]) > before + 5)
    assert process.cpu_ticks([os.getpid()]) > before
    with process.start(["true"]) as child:
        child.wait()
        assert process.cpu_ticks([child.pid]) == 0

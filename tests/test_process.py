"""Processes on the captain's machine: how they are started, awaited and ended."""

import asyncio
import os
import random
import subprocess
import time
from collections.abc import (
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterator,
)
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ocaptain.errors import Failure
from ocaptain.process import (
    TooLong,
    attach,
    environment,
    read_lines,
    run,
    stream,
    to_its_end,
    wait_for_all,
)


def children() -> set[str]:
    """Pids of this process's children, also of those that have ended and were not awaited."""
    found = set[str]()
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # some other test's thread ends
            found.update((task / "children").read_text().split())
    return found


def open_files() -> set[str]:
    """What this process has open: the numbers of its files."""
    return {path.name for path in Path("/proc/self/fd").iterdir()}


@pytest.fixture(autouse=True)
def nothing_is_left(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """After each test: no child and no open file more than before, and not a word from asyncio."""
    children_before = children()
    files_before = open_files()
    yield
    assert children() <= children_before
    assert open_files() <= files_before
    assert caplog.messages == []


def runs(command: str) -> bool:
    """Whether a process with these arguments runs."""
    return subprocess.run(["pgrep", "-f", f"^{command}"], stdout=-3, check=False).returncode == 0


def test_run_tells_status_and_output():
    """A program gets its input and environment; how it ended is no error."""
    program = ["sh", "-c", "cat; echo $NAME >&2; exit 7"]
    done = asyncio.run(run(program, stdin=b"in", env={"NAME": "value"}))
    assert (done.status, done.out, done.err) == (7, b"in", b"value\n")


def test_a_program_is_given_the_captains_environment_but_for_what_leads_elsewhere():
    """Where git's programs and settings are stays; one repository's variables, and what shells run
    by themselves, do not. Commands that ssh starts are sh's."""
    kept = {"PATH": "/bin", "HOME": "/h", "SSH_AUTH_SOCK": "/s", "GIT_CONFIG_GLOBAL": "/g"}
    left = {"GIT_DIR": "/r", "GIT_TRACE": "1", "BASH_ENV": "/e", "BASH_FUNC_ssh%%": "() { :; }"}
    assert environment({**kept, **left, "SHELL": "/bin/fish"}) == {**kept, "SHELL": "/bin/sh"}


def test_a_stream_may_take_any_time_but_not_be_silent():
    """What a program writes is passed on as it comes; its silence ends it."""
    got = bytearray()
    drip = ["sh", "-c", "for i in 1 2 3 4; do sleep 0.2; echo $i; done; echo no >&2; exit 3"]
    done = asyncio.run(stream(drip, got.extend, silence=0.6))
    assert (done, bytes(got)) == ((3, b"", b"no\n"), b"1\n2\n3\n4\n")
    with pytest.raises(TooLong, match=r"sleep was silent for 0\.2 s: 98766"):
        asyncio.run(stream(["sleep", "98766"], got.extend, silence=0.2))
    assert not runs("sleep 98766")


def test_run_tells_the_signal_that_ended_a_program():
    """A program that a signal ended has its number as a negative status, as Popen has it."""
    assert asyncio.run(run(["sh", "-c", "echo here; kill -9 $$"])) == (-9, b"here\n", b"")


def test_run_passes_more_than_a_pipe_holds():
    """Input and output may be of any size, also if a program reads only some, or writes to both."""
    much = bytes(range(256)) * 20_000
    assert asyncio.run(run(["cat"], stdin=much)).out == much
    assert asyncio.run(run(["head", "-c", "9"], stdin=much)) == (0, much[:9], b"")
    assert asyncio.run(run(["sh", "-c", "cat >&2; echo x"], stdin=much)) == (0, b"x\n", much)


def test_a_silent_program_is_fed_as_fast_as_it_reads():
    """A large input, such as a bundle of a repository, does not wait for any output."""
    began = time.monotonic()
    assert asyncio.run(run(["sh", "-c", "cat >/dev/null"], stdin=bytes(20_000_000))).status == 0
    assert time.monotonic() - began < 10


def test_run_ends_what_takes_too_long():
    """A program that outlives its time is ended, and named."""
    with pytest.raises(Failure, match=r"sleep did not end within 0\.1 s: 98765"):
        asyncio.run(run(["sleep", "98765"], timeout=0.1))
    assert not runs("sleep 98765")


def test_run_ends_what_does_not_want_to():
    """A program that ignores the request to end is killed soon after it."""
    began = time.monotonic()
    with pytest.raises(Failure, match="sh did not end"):
        asyncio.run(run(["sh", "-c", "trap '' TERM; while :; do :; done"], timeout=0.1))
    assert time.monotonic() - began < 10


def test_run_ends_with_its_caller():
    """Cancelling the caller, as Ctrl-C does, ends the program."""

    async def cancelled() -> None:
        task = asyncio.create_task(run(["sleep", "98764"]))
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(cancelled())
    assert not runs("sleep 98764")


def test_run_does_not_wait_for_a_daemon():
    """What a program leaves behind, as ssh does a ControlMaster, may hold its pipes, and write on;
    what the program itself wrote is there."""
    leave = "(while sleep 0.1; do echo more; done) & (exec sleep 3) & echo here; echo there >&2"
    began = time.monotonic()
    done = asyncio.run(run(["sh", "-c", leave]))
    assert (done.status, done.out, done.err) == (0, b"here\n", b"there\n")
    assert all_lines("sh", "-c", leave) == [b"here\n"]
    assert time.monotonic() - began < 2


def test_a_daemon_is_spared():
    """Only the child itself is ended: others may use the connection of what it left behind."""
    with pytest.raises(Failure):
        asyncio.run(run(["sh", "-c", "sleep 98762 & exec sleep 60"], timeout=0.2))
    assert runs("sleep 98762")
    subprocess.run(["pkill", "-f", "^sleep 98762"], check=True)


def test_a_program_has_no_terminal_of_ours():
    """A program is in a session of its own, where Ctrl-C does not reach it."""
    session = asyncio.run(run(["sh", "-c", "ps -o sid= -p $$"])).out
    assert int(session) != os.getsid(0)


def all_lines(*argv: str) -> list[bytes]:
    """All lines that a program writes."""
    read: list[bytes] = []
    asyncio.run(read_lines(argv, read.append))
    return read


class Enough(Exception):
    """Told by a reader that wants no more lines."""


def test_lines_come_as_they_are_written():
    """A line is there at once, and the program ends with the one who reads it."""

    def enough(line: bytes) -> None:
        raise Enough(line)

    with pytest.raises(Enough) as raised:
        asyncio.run(read_lines(["sh", "-c", "echo one; exec sleep 98763"], enough))
    assert raised.value.args == (b"one\n",)
    assert not runs("sleep 98763")


def test_lines_are_whole():
    """A line comes whole, however it was written; the last one also without an end."""
    write = "printf 'o'; sleep 0.05; printf 'ne\n\ntwo\nth'; sleep 0.05; printf ree"
    assert all_lines("sh", "-c", write) == [b"one\n", b"\n", b"two\n", b"three"]


def test_many_lines_are_all_there_for_a_slow_reader():
    """No line is lost, also if the program has ended long before the last one is read."""
    read = []

    def slow(line: bytes) -> None:
        read.append(line)
        if len(read) in (1, 10_000):
            time.sleep(0.1)

    asyncio.run(read_lines(["seq", "20000"], slow))
    assert read == [b"%d\n" % number for number in range(1, 20_001)]


def test_stdin_is_open_for_as_long_as_lines_are_read():
    """A program may tell from the end of its stdin that nobody reads on."""
    assert all_lines("sh", "-c", "timeout 0.2 cat; echo $?") == [b"124\n"]


def test_a_line_without_an_end_comes_in_pieces():
    """What never breaks its line does not fill the captain's memory."""

    def measure(line: bytes) -> None:
        raise Enough(len(line))

    with pytest.raises(Enough) as raised:
        asyncio.run(read_lines(["sh", "-c", "exec tr '\\0' x </dev/zero"], measure))
    assert 1 << 20 < raised.value.args[0] < 1 << 23


def test_a_missing_program_is_named():
    """A program that is not installed is a Failure that leads to doctor."""
    with pytest.raises(Failure, match=r"^no-such is not on this machine\.\n.*ocaptain doctor"):
        asyncio.run(run(["no-such"]))
    with pytest.raises(Failure, match=r"^no-such is not"):
        asyncio.run(attach(["no-such"]))


def test_attach_hands_over_the_terminal(capfd):
    """An interactive program writes where we do, and its exit status comes back."""
    assert asyncio.run(attach(["sh", "-c", "echo here; exit 3"])) == 3
    assert capfd.readouterr().out == "here\n"


def test_what_is_attached_ends_with_its_caller():
    """A kill that is meant for us ends it, although it has the terminal."""

    async def cancelled() -> None:
        async with asyncio.timeout(0.1):
            await attach(["sleep", "98760"])

    with pytest.raises(TimeoutError):
        asyncio.run(cancelled())
    assert not runs("sleep 98760")


# Several at a time


async def fail(after_s: float = 0.0) -> None:
    """Fail after a while."""
    await asyncio.sleep(after_s)
    raise Failure(f"after {after_s} s")


def test_all_are_awaited_before_a_failure_goes_up():
    """If one of several fails the others come to their end first; the first failure is told."""
    ended = []

    async def work() -> None:
        await run(["sleep", "0.2"])
        ended.append("work")

    with pytest.raises(Failure, match=r"after 0\.1 s"):
        asyncio.run(wait_for_all(work(), fail(0.1), fail(), work()))
    assert ended == ["work", "work"]


def test_several_results_come_in_order():
    """What several return is in the order in which they were named."""
    programs = [["sh", "-c", f"sleep 0.{9 - n}; echo {n}"] for n in range(9)]
    results = asyncio.run(wait_for_all(*(run(program) for program in programs)))
    assert [result.out for result in results] == [b"%d\n" % n for n in range(9)]


def test_several_are_ended_with_their_caller():
    """Cancelling the caller ends all of them, before it goes on."""

    async def cancelled() -> None:
        several = wait_for_all(*(run(["sleep", "98761"]) for _ in range(5)))
        task = asyncio.create_task(several)
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not runs("sleep 98761")

    asyncio.run(cancelled())


def test_what_has_to_be_done_is_done_to_its_end():
    """Cancelling the caller, however often, does not cut it short; its failure goes up."""
    ends = []

    async def work(failure: Failure | None) -> None:
        await asyncio.sleep(0.03)
        ends.append("work")
        if failure:
            raise failure

    async def cancelled(failure: Failure | None = None) -> None:
        task = asyncio.create_task(to_its_end(work(failure)))
        for _ in range(3):
            await asyncio.sleep(0)
            task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    with pytest.raises(Failure, match="no way"):
        asyncio.run(cancelled(Failure("no way")))
    assert ends == ["work", "work"]


# In whatever way they end


KINDS = {
    "missing": ["no-such"],
    "ends": ["true"],
    "fails": ["false"],
    "writes": ["echo", "x"],
    "reads": ["cat"],
    "killed": ["sh", "-c", "kill -9 $$"],
    "slow": ["sleep", "60"],
    "flood": ["yes"],
    "daemon": ["sh", "-c", "sleep 1 & echo x"],
}
"""How programs may behave."""


async def run_shortly(kind: str) -> None:
    """Run a program for at most 20 ms."""
    with suppress(Failure):
        await run(KINDS[kind], stdin=b"x" * 100_000, timeout=0.02)


async def read_shortly(kind: str) -> None:
    """Read the lines of a program, for at most 20 ms."""
    with suppress(Failure, TimeoutError):
        async with asyncio.timeout(0.02):
            await read_lines(KINDS[kind], lambda _: None)


USES: dict[str, Callable[[str], Coroutine[Any, Any, None]]] = {
    "run": run_shortly,
    "read": read_shortly,
}


class CancelledAt(Awaitable[None]):
    """Work that is cancelled where it waits for the n-th time, for each n of `points`."""

    def __init__(self, work: Coroutine[Any, Any, None], points: set[int]) -> None:
        self.work = work
        self.points = points
        self.waits = 0

    def __await__(self) -> Generator[Any, Any, None]:
        advance = self.work.send
        value: Any = None
        while True:
            try:
                future = advance(value)
            except StopIteration:
                return
            self.waits += 1
            task = asyncio.current_task()
            if task and self.waits in self.points:
                task.cancel()
            try:
                value = yield future
                advance = self.work.send
            except BaseException as error:  # noqa: BLE001  (it is handed on)
                value = error
                advance = self.work.throw


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_start_may_be_cancelled_anywhere(use, kind):
    """Wherever a command waits it can be cancelled, also again while it ends its program."""

    async def cancelled(points: set[int]) -> bool:
        """Whether there was so much to wait for."""
        work = CancelledAt(USES[use](kind), points)
        with suppress(asyncio.CancelledError):
            await work
        return work.waits >= max(points)

    point = 1
    while asyncio.run(cancelled({point})) and point < 15:
        asyncio.run(cancelled({point, point + 1}))
        asyncio.run(cancelled({point, point + 1, point + 2}))
        point += 1


@pytest.mark.parametrize("seed", range(8))
def test_a_loop_may_end_in_the_middle(seed):
    """A command may end, by a failure of one part, while others start, run and end programs."""
    chance = random.Random(seed)
    kinds = [*KINDS] * 2

    async def storm() -> None:
        chance.shuffle(kinds)
        works = [USES[chance.choice([*USES])](kind) for kind in kinds]
        tasks = [asyncio.create_task(work) for work in works]
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
        for task in chance.sample(tasks, 2):
            task.cancel()
        await asyncio.gather(*tasks[:-2], fail(chance.random() * 0.02))

    for _ in range(15):
        with suppress(Failure, asyncio.CancelledError):
            asyncio.run(storm())

"""Ways to storage that stay open: what counts as an answer, and when a channel is used again."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from ocaptain.onboard.ship.channels import Channels, Unreachable, exchange
from tests.support.rules import rule

ECHO = ["sh", "-c", 'while read line; do echo "{\\"ok\\": true, \\"pid\\": $$}"; done']


@pytest.fixture
def channels() -> Iterator[Channels]:
    """Channels that are closed in the end."""
    made = Channels()
    yield made
    made.close()


@rule("R92")
def test_only_an_answer_of_harbors_is_taken_for_one():
    """JSON from another server, say of its own refusal, is no answer; it is passed on as said."""
    answers = ['{"error": "no such user"}', '["ok"]', "[" * 100_000]
    for answer in answers:
        with pytest.raises(Unreachable) as silence:
            exchange(["sh", "-c", f"read line; echo '{answer}'"], "{}")
        assert str(silence.value) == answer[:300]
    banner = """read line; echo Welcome; echo '{"motd": 1}'; echo '{"ok": false, "code": "x"}'"""
    assert exchange(["sh", "-c", banner], "{}") == {"ok": False, "code": "x"}


def test_one_command_answers_one_question_after_the_other(channels: Channels):
    """It is started once; another command is another channel."""
    pids = {channels.exchange(ECHO, "{}")["pid"] for _ in range(3)}
    assert len(pids) == 1
    assert channels.exchange([*ECHO, "other"], "{}")["pid"] not in pids


def test_questions_at_the_same_time_have_a_channel_each(channels: Channels):
    """No thread waits for another one's answer, and none gets it."""
    both = ["sh", "-c", """while read n; do sleep 0.3; echo "{\\"ok\\": $n}"; done"""]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda n: channels.exchange(both, str(n))["ok"], range(4)))
    assert answers == [0, 1, 2, 3]


@rule("R91")
def test_a_channel_that_has_ended_is_replaced_without_a_word(channels: Channels):
    """harbor ends, or the connection breaks, between two questions: nobody need hear of it."""
    pid = channels.exchange(ECHO, "{}")["pid"]
    os.kill(pid, signal.SIGKILL)
    assert channels.exchange(ECHO, "{}")["pid"] != pid


@rule("R91")
def test_a_new_channel_that_ends_without_an_answer_says_why(channels: Channels):
    """What it printed last is the reason; a program that is not there has one, too."""
    with pytest.raises(Unreachable, match="no route"):
        channels.exchange(["sh", "-c", "read line; echo hm; echo no route"], "{}")
    with pytest.raises(Unreachable, match="no answer"):
        channels.exchange(["true"], "x" * 1_000_000)
    with pytest.raises(Unreachable, match="No such file"):
        channels.exchange(["/nowhere/ssh"], "{}")


def test_an_answer_in_pieces_is_one_answer(channels: Channels):
    """A line ends where it ends, however the bytes come in."""
    pieces = (
        """read line; printf '{"ok"'; sleep 0.2; printf ': "%s"}\\n' "$(printf %0100000d 7)\""""
    )
    assert len(channels.exchange(["sh", "-c", pieces], "{}")["ok"]) == 100_000

"""What an agent's program has written down, as it is shown."""

import gzip
import json

import pytest

from ocaptain.errors import Failure
from ocaptain.fleet.transcripts import Transcript
from ocaptain.terminal import rendered
from ocaptain.transcript import NOTHING, as_text, lines, view

AT = "2026-01-02T06:13:34.557Z"


def packed(*records: object) -> bytes:
    return gzip.compress(b"".join(json.dumps(record).encode() + b"\n" for record in records))


def user(content: object, **more: object) -> object:
    return {
        "type": "user",
        "timestamp": AT,
        "message": {"role": "user", "content": content},
        **more,
    }


def assistant(*content: object) -> object:
    message = {"role": "assistant", "content": list(content)}
    return {"type": "assistant", "timestamp": AT, "message": message}


def text(words: str) -> object:
    return {"type": "text", "text": words}


def test_a_conversation_reads_from_top_to_bottom():
    """What was told, thought, said and done, what came of it, and when."""
    edit = {"file_path": "a.py", "old_string": "a\nb", "new_string": "c", "replace_all": False}
    shown = as_text(
        packed(
            {"type": "queue-operation", "timestamp": AT},
            user([text("Mend it.")]),
            assistant({"type": "thinking", "thinking": "Where?"}, text("I look.\nThen I mend.")),
            assistant({"type": "tool_use", "name": "Bash", "input": {"command": "ls"}}),
            user([{"type": "tool_result", "content": "a.py\nb.py"}]),
            assistant({"type": "tool_use", "name": "Edit", "input": edit}),
            user([{"type": "tool_result", "content": [text("no"), {"type": "image"}]}]),
            user([{"type": "tool_result", "content": "gone", "is_error": True}]),
            user("<task-notification>"),
        ),
        utc=True,
    )
    time = "2026-01-02 06:13:34Z"
    assert shown.replace(f"{time} ", "").splitlines() == [
        *("told", "  Mend it.", "thinks", "  Where?", "says", "  I look.", "  Then I mend."),
        *("does Bash", "  ls", "  a.py", "  b.py"),
        *("does Edit", "  a.py", "  old_string:", "  a", "  b", "  new_string: c"),
        *("  replace_all: false", "  no", "  (image)", "fault", "  gone"),
        *("told", "  <task-notification>"),
    ]
    assert shown.startswith(f"{time} told")


def test_what_is_long_is_cut_and_what_was_cut_is_said():
    """A tool's result, by its first lines; what did not come to storage, by its size."""
    result = {"type": "tool_result", "content": "\n".join(map(str, range(100)))}
    shown = as_text(packed({"type": "ocaptain", "cut_bytes": 2_500_000}, user([result])))
    assert shown.startswith("note\n  2.5 MB that stood here are not kept\n  0\n  1\n")
    assert shown.endswith("  11\n  … and 88 lines more")


def test_no_line_steers_the_terminal_or_is_taken_for_what_it_is_not():
    """Ships send what they like: escapes, other shapes, no JSON."""
    odd: list[object] = [1, None, [], {"type": "user"}, {"type": "user", "message": {"content": 3}}]
    odd += [assistant(1, {"type": "tool_use", "name": 1}), {"type": "ocaptain", "cut_bytes": "x"}]
    assert as_text(packed(*odd)) == NOTHING
    steering = assistant(text("\x1b[31mred\x1b[0m \x1b]0;title\a"))
    assert "\x1b" not in as_text(packed(steering))
    assert as_text(gzip.compress(b"{\n\xff\n" + b"[" * 100_000 + b"\n")) == NOTHING


@pytest.mark.parametrize(
    "damaged",
    [b"", b"no", packed(user("x"))[:20], packed(1)[:-1] + b"x"],
    ids=["empty", "no gzip", "cut off", "another checksum"],
)
def test_a_damaged_transcript_is_said_to_be_that(damaged: bytes):
    """It is a sentence, not a crash."""
    if not damaged:
        assert as_text(damaged) == NOTHING
        return
    with pytest.raises(Failure, match="damaged"):
        [*lines(damaged)]


def test_what_unpacks_to_more_than_any_ship_may_send_is_refused():
    """A few kilobytes could fill the captain's memory."""
    bomb = gzip.compress(b"x\n" * 1_000)
    with pytest.raises(Failure, match="larger"):
        [*lines(bomb, limit=1_000)]


def test_whose_it_is_and_which_others_there_are_stands_above_it():
    """The commands can be typed as they stand."""
    found = Transcript("7", "Mend \x1bit", 12, "ship-1", "landed", [5], packed(user("Hi")))
    first, second, *_ = rendered(view(found, "voyage-3f"))
    assert first == "7  Mend \ufffdit  claim 12 of ship-1, landed"
    assert second == "→ ocaptain transcript voyage-3f 7 --claim 5"

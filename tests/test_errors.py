import os
import stat
import subprocess
import sys
from pathlib import Path

from ocaptain.errors import scrub
from tests.support.rules import rule


def program(code: str) -> str:
    """ocaptain with a verb of its own, which does what `code` says."""
    verb = f"@cli.cli.command()\nasync def go():\n    {code}"
    imports = "import sys\nfrom ocaptain import cli\nfrom ocaptain.errors import *"
    return f"{imports}\n{verb}\nsys.argv[1:1] = ['go']\ncli.main()"


def python(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Type that verb."""
    return subprocess.run(
        [sys.executable, "-c", program(code)],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_failure_is_a_message_and_a_hint():
    """What can go wrong is told in two lines, what happened and what to type, with status 1."""
    ended = python("raise Failure('ship-1 does not answer.', hint='ocaptain reinforce')")
    assert ended.returncode == 1
    assert ended.stderr == "ocaptain: ship-1 does not answer.\nocaptain reinforce\n"


@rule("R107")
def test_all_faults_are_shown():
    """Faults found in one go are shown one a line."""
    ended = python("raise Failure('a.json: no id\\nb.json: no subject')")
    assert ended.returncode == 1
    assert ended.stderr == "ocaptain: a.json: no id\nb.json: no subject\n"


@rule("R98")
def test_a_failure_tells_no_password():
    """A password in a URL is told neither by a failure nor on the way to it."""
    url = "https://me:pa55word@proxy.example"
    ended = python(f"progress('asking {url}'); raise Failure('{url} is silent')")
    told = "https://***@proxy.example"
    assert ended.stderr == f"asking {told}\nocaptain: {told} is silent\n"


def test_what_is_under_way_needs_no_reader():
    """If nobody reads how it is going any more, as in a terminal that was closed, it goes on."""
    reader, writer = os.pipe()
    os.close(reader)
    code = "[progress('going') for _ in range(3)]; print('arrived')"
    words = [sys.executable, "-c", program(code)]
    ended = subprocess.run(words, stdout=subprocess.PIPE, stderr=writer, check=True)
    os.close(writer)
    assert ended.stdout == b"arrived\n"


def test_an_interrupt_ends_with_130():
    """Ctrl-C ends with the status that shells give it, without a word."""
    ended = python("raise KeyboardInterrupt")
    assert (ended.returncode, ended.stderr.strip()) == (130, "")


def test_a_closed_pipe_is_quiet():
    """`ocaptain logs | head` ends without a traceback, and is no success."""
    code = "[print('x' * 999) for _ in range(999)]"
    command = 'set -o pipefail; { "$0" -c "$1"; echo "status $?" >&2; } | head -n 1'
    words = ["bash", "-c", command, sys.executable, program(code)]
    ended = subprocess.run(words, capture_output=True, text=True, check=True)
    assert ended.stderr == "status 1\n"


@rule("R98")
def test_a_bug_leaves_a_report_without_secrets(tmp_path: Path):
    """A bug ends with status 3 and a private report, which tells no token of the traceback."""
    url = "'https://me:pa55word@host/x'"
    ended = python(
        f"raise ValueError({url}, 'hush-hush-hush')",
        XDG_STATE_HOME=str(tmp_path),
        GH_TOKEN="hush-hush-hush",
    )
    assert ended.returncode == 3
    assert "This is a bug in ocaptain" in ended.stderr
    (path,) = (tmp_path / "ocaptain").glob("crash-*.txt")
    assert str(path) in ended.stderr
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert "ValueError" in text
    assert "https://***@host/x" in text
    assert "hush" not in text + ended.stderr
    assert "pa55word" not in text + ended.stderr


def test_what_looks_like_a_token_is_scrubbed():
    """Tokens of Anthropic's and GitHub's are known by their form, wherever they come from."""
    text = "sk-ant-oat01-abc_d ghp_0aB github_pat_1_2 risk-free"
    assert scrub(text) == "*** *** *** risk-free"

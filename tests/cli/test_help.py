"""What the program says of itself, and of what cannot be meant."""

import re
import shlex
import subprocess
import sys

import pytest

from ocaptain import __version__
from ocaptain.cli import cli
from ocaptain.cli.examples import EXAMPLES
from tests.support.shell import Shell

ORDER = ["--why", "--json"]
FIELDS = ["-d, --description", "--after", "--files", "--run", "--agent", "--model"]
WORDS = ["--task", "--file", "--check", "--verify", "--repo", "--agent", "--model", "--budget"]
WORDS += ["--idle"]
MACHINE = ["--cpu", "--memory", "--disk", "--image", "--pool"]
OPTIONS: dict[str, list[str]] = {
    "check": ["--json"],
    "completion": [],
    "config": ["--json"],
    "config init": [],
    "dashboard": ["--port", "--open"],
    "demo": ["-n, --ships"],
    "doctor": ["--json"],
    "fetch": ["--all", "--into", "-f, --force", "--json"],
    "fsck": ORDER,
    "hail": ORDER,
    "halt": ORDER,
    "logs": [
        "-s, --ship",
        "--task",
        "--since",
        "-f, --follow",
        "-g, --grep",
        "-n, --tail",
        "--utc",
        "--json",
    ],
    "pause": ORDER,
    "plan init": [],
    "plan skill": [],
    "reinforce": ["-n, --ships", "-f, --force", *ORDER],
    "release": ORDER,
    "relieve": ORDER,
    "report": ["-o, --output"],
    "resume": ORDER,
    "retry": ORDER,
    "sail": [*WORDS, "-n, --ships", "--provider", "--pr", *MACHINE, "--wait", "--json"],
    "shell": ["--raw"],
    "sink": ["-s, --include-storage", "--all", "-f, --force", "--json"],
    "status": ["-w, --watch", "--json", "--utc"],
    "tasks": ["--status", "--json"],
    "tasks show": ["-n, --tail", "--utc", "--json"],
    "tasks add": [*FIELDS, *ORDER],
    "tasks edit": ["--subject", *FIELDS, *ORDER],
    "trace": ["-o, --output", "--to", "-f, --follow", "--chrome"],
    "transcript": ["--claim", "--raw", "--utc"],
    "usage": ["--by", "--json"],
    "voyages": ["--json"],
    "wait": ["-t, --timeout", "--json"],
}
"""Every verb, with its options besides --help."""
NOT_AT_START = {"asyncio", "msgspec", "rich", "stamina", "ocaptain.config", "ocaptain.fleet.voyage"}


# Help


def test_help_names_every_verb(shell: Shell):
    """In sections, with a line for each, of which none is cut off at 80 columns."""
    done = shell.type("--help", COLUMNS="80")
    assert (done.status, done.err) == (0, "")
    assert done.out == shell.type("-h", COLUMNS="80").out
    sections = done.out.partition("\nStart:\n")[2]
    rows = re.findall(r"^  (\w+(?: \w+)?) +(\S.*)$", sections, re.MULTILINE)
    assert {name for name, _ in rows} == {*OPTIONS}
    assert len(rows) == len(OPTIONS)
    assert all(about.endswith(".") and "..." not in about for _, about in rows)


def test_the_examples_of_each_verb_can_be_typed():
    """Each verb has some, and each is a line that its verb takes."""
    assert {*EXAMPLES} == {*OPTIONS}
    for verb, lines in EXAMPLES.items():
        for line in lines:
            typed = re.search(r"\bocaptain ([^>)&]*)", line)
            assert typed, line
            words = shlex.split(typed[1], comments=True)
            assert words[: len(verb.split())] == verb.split()
            cli.commands[verb].make_context(verb, words[len(verb.split()) :])


@pytest.mark.parametrize("verb", OPTIONS)
def test_each_verb_has_help_with_its_options(shell: Shell, verb: str):
    """A usage line, what it does, and every option with what it is for."""
    done = shell.type(*verb.split(), "-h")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith(f"Usage: ocaptain {verb} ")
    for option in [*OPTIONS[verb], "-h, --help"]:
        assert re.search(rf"^  {re.escape(option)} .*\w", done.out, re.M), option


def test_version(shell: Shell):
    """`--version` prints the name and the version."""
    done = shell.type("--version")
    assert (done.status, done.out) == (0, f"ocaptain, version {__version__}\n")


def test_python_m_ocaptain_is_the_same(shell: Shell):
    """The package can be run as a module."""
    command = [sys.executable, "-m", "ocaptain", "--version"]
    done = subprocess.run(command, env=shell.env, capture_output=True, text=True, check=True)
    assert done.stdout == shell.type("--version").out


@pytest.mark.parametrize("words", [["--help"], ["status", "-h"], ["--version"]])
def test_nothing_is_imported_that_help_does_not_need(shell: Shell, words: list[str]):
    """Start-up is a part of the product."""
    command = [sys.executable, "-X", "importtime", "-m", "ocaptain", *words]
    done = subprocess.run(command, env=shell.env, capture_output=True, text=True, check=True)
    names = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "click" in names
    assert not names & NOT_AT_START


# Usage


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["frobnicate"], "No such command 'frobnicate'"),
        (["statsu"], "status"),
        (["status", "--frob"], "No such option"),
        (["status", "a", "b"], "unexpected extra argument"),
        (["check"], "Missing argument 'PLAN'"),
        (["sail", "plan", "-n", "0"], "Invalid value for '-n' / '--ships'"),
        (["config", "set", "provider", "local"], "Edit config.toml: `ocaptain config` says where"),
        (["logs", "-n", "many"], "'many' is not a valid whole number"),
        (["logs", "-g", "("], "no regular expression"),
        (["plan", "burn"], "No such command 'plan'. Did you mean 'plan init' or 'plan skill'?"),
    ],
)
def test_what_cannot_be_meant_is_a_matter_of_usage(shell: Shell, words: list[str], complaint: str):
    """Exit status 2, the usage, and what is wrong with it; nothing is done."""
    done = shell.type(*words)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("Usage: ocaptain ")
    assert complaint in done.err
    assert not shell.vms.exists()


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["list"], "'voyages' or 'tasks'"),
        (["stop"], "'pause', 'halt' or 'sink'"),
        (["kill", "voyage-1"], "'halt' or 'sink'"),
        (["attach"], "'shell'"),
        (["version"], "'--version'"),
        (["lgos", "-f"], "'logs'"),
        (["tasks", "ad", "Do more"], "'tasks add'"),
        (["edt", "7"], "'tasks edit'"),
        (["status", "--wach"], "'--watch'"),
    ],
)
def test_what_was_probably_meant_is_said(shell: Shell, words: list[str], meant: str):
    """Also by the names that other programs have for the like."""
    done = shell.type(*words)
    assert (done.status, done.out) == (2, "")
    assert done.err.endswith(f" Did you mean {meant}?\n")


def test_a_voyage_may_be_called_nearly_as_a_verbs_second_word(shell: Shell):
    """With only options after it, `slow` is no slip of `tasks show`."""
    done = shell.type("tasks", "slow", "--status", "ready")
    assert done.status == 1
    assert "No such command" not in done.err


def test_an_option_of_another_verb_names_that_verb(shell: Shell):
    """Nothing that merely looks alike is named."""
    done = shell.type("check", "plan", "--ships", "3")
    assert done.status == 2
    assert "No such option '--ships'. These have it: demo, sail, reinforce." in done.err
    assert "mean" not in done.err


def test_help_can_be_asked_for_as_a_verb(shell: Shell):
    """As of other programs: of all, or of one verb."""
    assert shell.type("help").out == shell.type("--help").out
    done = shell.type("help", "tasks", "add")
    assert (done.status, done.err) == (0, "")
    assert done.out == shell.type("tasks", "add", "--help").out


def test_without_a_verb_the_verbs_are_shown(shell: Shell):
    """As `--help` has them."""
    done = shell.type()
    assert (done.status, done.err) == (0, "")
    assert done.out == shell.type("--help").out

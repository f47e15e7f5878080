"""The command line as somebody meets it who types it: words in, words and an exit status out."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ocaptain import __version__
from tests.support.captain import Done
from tests.support.rules import rule

OCAPTAIN = Path(sys.executable).with_name("ocaptain")
ORDER = ["--why", "--json"]
FIELDS = ["-d, --description", "--after", "--files", "--run"]
OPTIONS: dict[str, list[str]] = {
    "check": ["--json"],
    "demo": ["-n, --ships"],
    "doctor": [],
    "fetch": ["--all", "--into"],
    "fsck": ORDER,
    "hail": ORDER,
    "halt": ORDER,
    "logs": ["-s, --ship", "-f, --follow", "-g, --grep", "-n, --tail", "--json"],
    "pause": ORDER,
    "plan init": [],
    "plan skill": [],
    "reinforce": ["-n, --ships", *ORDER],
    "release": ORDER,
    "relieve": ORDER,
    "resume": ORDER,
    "retry": ORDER,
    "sail": ["-n, --ships", "--pr", "--cpu", "--memory", "--disk", "--image", "--pool", "--wait"],
    "shell": ["--raw"],
    "sink": ["-s, --include-storage", "--all", "-f, --force"],
    "status": ["-w, --watch", "--json"],
    "tasks": ["--status", "--json"],
    "tasks add": [*FIELDS, *ORDER],
    "tasks edit": ["--subject", *FIELDS, *ORDER],
    "voyages": ["--json"],
    "wait": ["-t, --timeout"],
}
NOT_AT_START = {"asyncio", "msgspec", "rich", "stamina", "ocaptain.config", "ocaptain.fleet.voyage"}


@dataclass
class Terminal:
    """Where somebody types: `root` holds their home and whatever else is theirs."""

    root: Path
    env: dict[str, str]

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def vms(self) -> Path:
        """Where `local` keeps VMs."""
        return self.home / ".local" / "share" / "ocaptain" / "local"

    def type(self, *words: str, stdin: str = "", **env: str) -> Done:
        """Type `ocaptain WORDS`, at home."""
        environ = {**self.env, **env}
        done = subprocess.run(
            [OCAPTAIN, *words],
            env=environ,
            cwd=self.home,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, *words: str, **streams: Any) -> subprocess.Popen[bytes]:
        """Type it, and go on."""
        how: dict[str, Any] = {"env": self.env, "cwd": self.home, "start_new_session": True}
        return subprocess.Popen([OCAPTAIN, *words], **how, **streams)

    def vm(self, name: str) -> Path:
        """Something that looks like a VM of `local`; there is no reaching it."""
        (self.vms / name / "home").mkdir(parents=True)
        return self.vms / name

    def program(self, name: str, script: str) -> None:
        """Put a program before all others of its name."""
        path = self.root / "bin" / name
        path.write_text(script)
        path.chmod(0o755)

    def config(self, text: str, mode: int = 0o600) -> Path:
        """Write config.toml."""
        path = self.home / ".config" / "ocaptain" / "config.toml"
        path.parent.mkdir(parents=True)
        path.write_text(text)
        path.chmod(mode)
        return path


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """A terminal of somebody new; pytest's own directories are too long for sockets."""
    with tempfile.TemporaryDirectory(prefix="occ-", dir="/tmp") as place:
        root = Path(place)
        for name in ("home", "run", "bin"):
            (root / name).mkdir(mode=0o700)
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        kept["PATH"] = f"{root / 'bin'}:{kept['PATH']}"
        own = {"HOME": str(root / "home"), "XDG_RUNTIME_DIR": str(root / "run")}
        env = {**kept, **own, "OCAPTAIN_PROVIDER": "local", "COLUMNS": "100"}
        (root / "home" / ".gitconfig").write_text("[user]\n\tname = Ada\n\temail = ada@localhost\n")
        yield Terminal(root, env)


@pytest.fixture
def plan(terminal: Terminal) -> Path:
    """A sound plan for the shell agent, which lies in the repository that it is for."""
    repo = terminal.home / "code"
    write(repo / "plan" / "voyage.json", {"name": "small", "repo": str(repo), "agent": "shell"})
    write(repo / "plan" / "spec.md", "# Do little\n")
    write(repo / "plan" / "verify.sh", "true\n")
    for task_id, blockers in {"1": [], "2": ["1"]}.items():
        how = {"blockedBy": blockers, "metadata": {"run": "true"}}
        task = {"id": task_id, "subject": f"Do {task_id}", **how}
        write(repo / "plan" / "tasks" / f"{task_id}.json", task)
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "Begin"]):
        subprocess.run(["git", "-C", repo, *words], env=terminal.env, check=True)
    return repo / "plan"


@pytest.fixture
def broken(plan: Path) -> Path:
    """The same with three faults, in three files."""
    write(plan / "verify.sh", "if true; then\n")
    write(plan / "tasks" / "2.json", '{"id": "2",}')
    write(plan / "voyage.json", {**json.loads((plan / "voyage.json").read_text()), "agent": "hal"})
    return plan


def write(path: Path, content: str | Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


# Help


def test_help_names_every_verb(terminal: Terminal):
    """`--help`, `-h` and `-h` of each verb are one another's company; each has a line."""
    done = terminal.type("--help")
    assert (done.status, done.err) == (0, "")
    assert done.out == terminal.type("-h").out
    commands = done.out.partition("Commands:\n")[2].splitlines()
    rows = [re.split(r"  +", line.strip(), maxsplit=1) for line in commands]
    assert [name for name, _ in rows] == sorted(OPTIONS)
    assert all(len(about.split()) > 1 for _, about in rows)


@pytest.mark.parametrize("verb", OPTIONS)
def test_each_verb_has_help_with_its_options(terminal: Terminal, verb: str):
    """A usage line, what it does, and every option with what it is for."""
    done = terminal.type(*verb.split(), "-h")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith(f"Usage: ocaptain {verb} ")
    for option in [*OPTIONS[verb], "-h, --help"]:
        assert re.search(rf"^  {re.escape(option)} .*\w", done.out, re.M), option


def test_version(terminal: Terminal):
    """`--version` prints the name and the version."""
    done = terminal.type("--version")
    assert (done.status, done.out) == (0, f"ocaptain, version {__version__}\n")


def test_python_m_ocaptain_is_the_same(terminal: Terminal):
    """The package can be run as a module."""
    command = [sys.executable, "-m", "ocaptain", "--version"]
    done = subprocess.run(command, env=terminal.env, capture_output=True, text=True, check=True)
    assert done.stdout == terminal.type("--version").out


@pytest.mark.parametrize("words", [["--help"], ["status", "-h"], ["--version"]])
def test_nothing_is_imported_that_help_does_not_need(terminal: Terminal, words: list[str]):
    """Start-up is a part of the product."""
    command = [sys.executable, "-X", "importtime", "-m", "ocaptain", *words]
    done = subprocess.run(command, env=terminal.env, capture_output=True, text=True, check=True)
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
        (["logs", "-n", "many"], "'many' is not a valid integer"),
        (["logs", "-g", "("], "no regular expression"),
        (["plan", "burn"], "No such command 'plan'. Did you mean 'plan init'?"),
    ],
)
def test_what_cannot_be_meant_is_a_matter_of_usage(
    terminal: Terminal, words: list[str], complaint: str
):
    """Exit status 2, the usage, and what is wrong with it; nothing is done."""
    done = terminal.type(*words)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("Usage: ocaptain ")
    assert complaint in done.err
    assert not terminal.vms.exists()


def test_without_a_verb_the_verbs_are_shown(terminal: Terminal):
    """As `--help` has them, though it is no success."""
    done = terminal.type()
    assert done.status == 2
    assert "Commands:" in done.err + done.out


# Voyages that are not there, or not the only one

VERBS = ["status", "tasks", "logs", "wait", "fetch", "shell", "sink"]
VERBS += ["pause", "resume", "halt", "reinforce", "fsck", "retry 1", "release 1", "hail Hello"]
VERBS += ["hail ship-0 Hello", "relieve ship-0", "tasks add More", "tasks edit 1"]


@pytest.mark.parametrize("verb", VERBS)
def test_without_a_voyage_one_learns_how_to_get_one(terminal: Terminal, verb: str):
    """Exit status 1, and on stderr what to type."""
    done = terminal.type(*verb.split())
    assert (done.status, done.out) == (1, "")
    assert done.err == (
        "ocaptain: No voyage is under way with the provider local.\n"
        "ocaptain sail PLAN  or  ocaptain demo\n"
    )


@pytest.mark.parametrize("name", ["1", "voyage-1", None])
def test_a_prefix_of_two_voyages_is_no_name(terminal: Terminal, name: str | None):
    """Both are named, so that one can be chosen; nothing is done to either."""
    for voyage in ("voyage-111111111111", "voyage-122222222222"):
        terminal.vm(f"{voyage}-storage")
    done = terminal.type("sink", "-f", *([name] if name else []))
    assert (done.status, done.out) == (1, "")
    assert "More than one voyage fits." in done.err
    assert "There is: voyage-111111111111  voyage-122222222222" in done.err
    assert len(list(terminal.vms.iterdir())) == 2


@pytest.mark.parametrize("name", ["2", "voyage-2", "voyage", "oyage-1", "11111111111x", "1" * 13])
def test_a_name_that_no_voyage_begins_with_finds_none(terminal: Terminal, name: str):
    """A name is found by its beginning only, and those that there are are named."""
    terminal.vm("voyage-111111111111-storage")
    done = terminal.type("sink", "-f", "-s", name)
    assert (done.status, done.out) == (1, "")
    assert done.err == f"ocaptain: There is no voyage {name}.\nThere is: voyage-111111111111\n"


def test_a_storage_that_is_not_there_any_more_is_named(terminal: Terminal):
    """A voyage of which only ships are left can be asked nothing, but be sunk."""
    terminal.vm("voyage-111111111111-ship0")
    done = terminal.type("status")
    assert done.status == 1
    assert "voyage-111111111111 has no storage any more" in done.err
    assert "ocaptain sink voyage-111111111111" in done.err


@rule("R106")
def test_a_storage_that_gives_no_answer_is_named(terminal: Terminal):
    """What is left of a sail that was killed has no harbor."""
    terminal.vm("voyage-111111111111-storage")
    done = terminal.type("status")
    assert done.status == 1
    assert done.err.startswith("ocaptain: voyage-111111111111-storage ")
    assert "Traceback" not in done.err


# Sinking


def test_sink_asks_first(terminal: Terminal):
    """It says what it would destroy; a no, and nothing, keep it."""
    ship = terminal.vm("voyage-111111111111-ship0")
    for answer in ("n\n", ""):
        done = terminal.type("sink", stdin=answer)
        assert done.status == 1
        assert "To be destroyed: voyage-111111111111-ship0" in done.out
        assert "Go on? [y/N]" in done.out
        assert ship.exists()


@rule("R105")
def test_sink_destroys_what_it_names_and_nothing_else(terminal: Terminal):
    """Ships alone without -s, and no voyage whose id only looks like it."""
    ship = terminal.vm("voyage-111111111111-ship0")
    kept = [
        terminal.vm(f"voyage-{name}") for name in ("111111111111-storage", "111111111112-ship0")
    ]
    done = terminal.type("sink", "111111111111", stdin="y\n")
    assert (done.status, done.err) == (0, "")
    assert done.out.endswith("Destroyed 1 VMs.\n")
    assert not ship.exists()
    assert all(vm.exists() for vm in kept)


@rule("R58")
def test_sink_says_when_it_cannot_see_what_was_never_fetched(terminal: Terminal):
    """A storage that gives no answer may hold something yet: it asks, and a no keeps it."""
    storage = terminal.vm("voyage-111111111111-storage")
    done = terminal.type("sink", "-s", stdin="n\nn\n")
    assert done.status == 1
    assert "what was never fetched of it cannot be seen" in done.out
    assert storage.exists()
    assert terminal.type("sink", "-s", "-f").status == 0
    assert not storage.exists()


def test_sink_all_takes_every_voyage(terminal: Terminal):
    """Whatever is not a VM of ocaptain's stays."""
    for name in ("111111111111-storage", "111111111111-ship0", "222222222222-ship12"):
        terminal.vm(f"voyage-{name}")
    other = terminal.vm("my-own")
    assert "Destroyed 3 VMs." in terminal.type("sink", "--all", "-f").out
    assert list(terminal.vms.iterdir()) == [other]


# Plans


def test_check_says_what_a_sound_plan_would_do(terminal: Terminal, plan: Path):
    """Tasks, how many at once, the longest chain and the ships; nothing is made."""
    done = terminal.type("check", str(plan))
    assert (done.status, done.err) == (0, "")
    facts = dict(re.findall(r"^(\S.*?)  +(.+)$", done.out, re.M))
    assert "small: Do little" in facts["plan"]
    assert facts["tasks"].startswith("2, at most 1 ")
    assert facts["longest chain"].startswith("2: 1 → 2")
    assert facts["ships"].startswith("3")
    assert not terminal.vms.exists()


def test_check_shows_every_fault_at_once(terminal: Terminal, broken: Path):
    """One a line on stderr, each with its file; exit status 1, and stdout has only notes."""
    done = terminal.type("check", str(broken))
    assert done.status == 1
    assert all(line.startswith("note: ") for line in done.out.splitlines())
    faults = done.err.removeprefix("ocaptain: ").splitlines()
    assert sorted(fault.partition(":")[0] for fault in faults) == [
        "tasks/2.json",
        "verify.sh",
        "voyage.json",
    ]
    assert "line 1 column" in done.err
    assert 'there is no agent "hal"; there are claude, shell' in done.err


def test_check_json_is_json_also_where_there_are_faults(
    terminal: Terminal, plan: Path, request: pytest.FixtureRequest
):
    """A program reads the faults from stdout; the exit status is the same."""
    done = terminal.type("check", str(plan), "--json")
    assert (done.status, done.err, json.loads(done.out)["faults"]) == (0, "", [])
    request.getfixturevalue("broken")
    done = terminal.type("check", str(plan), "--json")
    assert (done.status, done.err, len(json.loads(done.out)["faults"])) == (1, "", 3)


def test_sail_creates_nothing_for_a_broken_plan(terminal: Terminal, broken: Path):
    """It checks first, and tells the same faults."""
    done = terminal.type("sail", str(broken))
    assert (done.status, done.out) == (1, "")
    assert done.err == terminal.type("check", str(broken)).err
    assert not terminal.vms.exists()
    assert not list((terminal.root / "run").rglob("*"))


def test_a_plan_that_is_not_there(terminal: Terminal):
    """It is named, and so is what makes one."""
    for verb in ("check", "sail"):
        done = terminal.type(verb, "nowhere")
        assert done.status == 1
        assert done.err == (
            "ocaptain: nowhere: is not a directory (`ocaptain plan init DIR` makes one)\n"
        )


def test_plan_init_makes_a_plan_that_passes_check_and_never_writes_over_one(
    terminal: Terminal, plan: Path
):
    """The second time it changes nothing, with exit status 1."""
    done = terminal.type("plan", "init", "mine")
    assert (done.status, done.err) == (0, "")
    assert done.out.endswith("read mine/PLAN.md, then: ocaptain check mine\n")
    voyage = terminal.home / "mine" / "voyage.json"
    write(voyage, {**json.loads(voyage.read_text()), "repo": str(plan.parent)})
    assert terminal.type("check", "mine", CLAUDE_CODE_OAUTH_TOKEN="sk-ant-oat01-0").status == 0
    before = voyage.read_text()
    done = terminal.type("plan", "init", "mine")
    assert (done.status, done.out) == (1, "")
    assert done.err == "ocaptain: mine exists and is not an empty directory.\nName a new one.\n"
    assert voyage.read_text() == before


def test_plan_skill_installs_it_for_claude_code(terminal: Terminal):
    """It lies where Claude Code looks, and one learns what to type there."""
    done = terminal.type("plan", "skill")
    skill = terminal.home / ".claude" / "skills" / "voyage-plan" / "SKILL.md"
    assert done.out.splitlines()[0] == f"wrote {skill}"
    assert "/voyage-plan" in done.out
    assert "name: voyage-plan" in skill.read_text()


# Settings


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("provider = ", "cannot be read"),
        ("shipz = 3", '"shipz" is no key of ocaptain'),
        ("provider = []", '"provider" has to be text or a number'),
        ("default_ships = 0", "has to be a number from 1 to 99"),
    ],
)
def test_a_fault_of_config_toml_is_told_by_its_key(terminal: Terminal, text: str, complaint: str):
    """Whatever the verb, exit status 1."""
    terminal.config(text)
    done = terminal.type("status")
    assert (done.status, done.out) == (1, "")
    assert complaint in done.err


def test_a_token_that_others_can_read_is_refused_and_not_repeated(terminal: Terminal):
    """One is told how to mend it."""
    path = terminal.config('gh_token = "ghp_hush"', 0o644)
    done = terminal.type("status")
    assert done.status == 1
    assert done.err.endswith(f"\nchmod 600 {path}\n")
    assert "hush" not in done.err


def test_a_provider_that_does_not_exist(terminal: Terminal):
    """Those that do are named, and where to set it."""
    done = terminal.type("status", OCAPTAIN_PROVIDER="nimbus")
    assert done.status == 1
    assert done.err.startswith(
        "ocaptain: There is no provider 'nimbus' here; there is: exedev, hosts, local"
    )
    assert "OCAPTAIN_PROVIDER" in done.err


# Ends that nobody wants


def test_a_bug_is_reported_as_one(terminal: Terminal, plan: Path):
    """Exit status 3, two lines and a file for the report, without what is secret."""
    bug = (
        "import ocaptain.plan.check\n"
        "ocaptain.plan.check.read_tasks = lambda *_: {}['hush-hush-hush']\n"
    )
    write(terminal.root / "bug" / "sitecustomize.py", bug)
    broken = {"PYTHONPATH": str(terminal.root / "bug"), "GH_TOKEN": "hush-hush-hush"}
    done = terminal.type("check", str(plan), **broken)
    assert (done.status, done.out) == (3, "")
    assert "This is a bug in ocaptain, not something that you did" in done.err
    assert len(done.err.splitlines()) == 2
    [report] = (terminal.home / ".local" / "state" / "ocaptain").iterdir()
    assert str(report) in done.err
    assert "KeyError" in report.read_text()
    assert "Traceback" in report.read_text()
    assert "hush" not in done.err + report.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_ends_with_130(terminal: Terminal, plan: Path, number: signal.Signals):
    """Ctrl-C, a kill and a closed terminal alike: no traceback, and nothing goes on."""
    terminal.program("git", "#!/bin/sh\necho $$ >~/git-runs\nexec sleep 600\n")
    child = terminal.start("check", str(plan), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    seen = terminal.home / "git-runs"
    wait_for(lambda: seen.exists() and seen.read_text().endswith("\n"))
    child.send_signal(number)
    out, err = child.communicate(timeout=10)
    assert (child.returncode, out, err.strip()) == (130, b"", b"")
    wait_for(lambda: not Path("/proc", seen.read_text().strip()).exists())


def test_ctrl_c_at_a_question_is_no_answer(terminal: Terminal):
    """It ends with 130, and nothing is destroyed."""
    ship = terminal.vm("voyage-111111111111-ship0")
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with terminal.start("sink", **pipes) as child:
        assert child.stdout
        assert b"To be destroyed" in child.stdout.readline()
        time.sleep(0.3)
        child.send_signal(signal.SIGINT)
        assert child.wait(10) == 130
        assert child.stderr
        assert b"Traceback" not in child.stderr.read()
    assert ship.exists()


@pytest.mark.parametrize("words", [["--help"], ["check", "PLAN"], ["check", "PLAN", "--json"]])
def test_a_reader_that_is_gone_is_no_bug(terminal: Terminal, plan: Path, words: list[str]):
    """`ocaptain … | head -1` ends without a word, and is no success."""
    words = [str(plan) if word == "PLAN" else word for word in words]
    reader, writer = os.pipe()
    os.close(reader)
    child = terminal.start(*words, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    _, err = child.communicate(timeout=30)
    assert err == b""
    assert child.returncode in (1, 141)


def wait_for(condition: Any, seconds: float = 10) -> None:
    """Wait for something; it has to come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.02)

"""Checking a plan: all that is at fault, in one go, and what a sound one is."""

from pathlib import Path
from typing import Any

import pytest

from ocaptain.plan.plan import Review, Source
from ocaptain.process import where
from tests.support.plans import TOKEN, break_plan, checked, faults, git, patch, sound, task, write

UNSET = (
    "set CLAUDE_CODE_OAUTH_TOKEN (`claude setup-token` makes one), ANTHROPIC_API_KEY, "
    "or for a gateway ANTHROPIC_AUTH_TOKEN"
)

# One row for each way in which it can be broken: which file, what it holds instead (fields to
# change, or the whole content), and the faults that must be reported, no more and no fewer.
BROKEN: dict[str, tuple[str, Any, list[str]]] = {
    "no settings": ("voyage.json", None, ["voyage.json: is missing or empty"]),
    "no spec": ("spec.md", None, ["spec.md: is missing or empty"]),
    "no verify": ("verify.sh", None, ["verify.sh: is missing or empty"]),
    "empty verify": ("verify.sh", " \n", ["verify.sh: is missing or empty"]),
    "settings that do not parse": (
        "voyage.json",
        '{\n  "name": "x"\n  "repo": "."\n}',
        ["voyage.json: is not JSON: Expecting ',' delimiter: line 3 column 3 (char 18)"],
    ),
    "settings that are a list": (
        "voyage.json",
        "[]",
        ["voyage.json: has to be an object, {…}, not []"],
    ),
    "no name": ("voyage.json", {"name": ...}, ['voyage.json: "name" is missing']),
    "no repo": ("voyage.json", {"repo": ...}, ['voyage.json: "repo" is missing']),
    "empty name": (
        "voyage.json",
        {"name": ""},
        ['voyage.json: "name": has to be some text, not ""'],
    ),
    "several bad settings": (
        "voyage.json",
        {"recommended_ships": 0, "max_attempts": "3", "stall_minutes": -1, "budget_usd": True},
        [
            'voyage.json: "recommended_ships": has to be a whole number from 1 to 99, not 0',
            'voyage.json: "max_attempts": has to be a whole number from 1 to 99, not "3"',
            'voyage.json: "stall_minutes": has to be a number over 0 and up to 1,000,000, not -1',
            'voyage.json: "budget_usd": has to be a number over 0 and up to 1,000,000, not true',
        ],
    ),
    "too many ships": (
        "voyage.json",
        {"recommended_ships": 100},
        ['voyage.json: "recommended_ships": has to be a whole number from 1 to 99, not 100'],
    ),
    "unknown agent": (
        "voyage.json",
        {"agent": "parrot"},
        [
            (
                'voyage.json: "agent": there is no agent "parrot"; '
                "there are acp, claude, claude-acp, codex, gemini, opencode, shell"
            )
        ],
    ),
    "another agent without a command": (
        "tasks/1.json",
        {"metadata": {"agent": "acp"}},
        [
            (
                'tasks/1.json: metadata: "agent": acp needs "agent_command" in voyage.json, '
                'such as ["my-agent", "--acp"]'
            )
        ],
    ),
    "a command for nobody": (
        "voyage.json",
        {"agent_command": ["my-agent"]},
        [
            (
                'voyage.json: "agent_command": is for the agent "acp", '
                "and neither voyage.json nor a task has it"
            )
        ],
    ),
    "an empty command": (
        "voyage.json",
        {"agent": "acp", "agent_command": []},
        [
            (
                'voyage.json: "agent_command": is empty: it has to be a program and its arguments, '
                'such as ["my-agent", "--acp"]'
            )
        ],
    ),
    "a command of a relative path": (
        "voyage.json",
        {"agent": "acp", "agent_command": ["bin/agent"]},
        [
            (
                'voyage.json: "agent_command": bin/agent is a relative path: '
                "name a program, or begin with /"
            )
        ],
    ),
    "unknown agents": (
        "tasks/1.json",
        {"metadata": {"agent": "Claud", "model": ""}},
        [
            'tasks/1.json: metadata: "model": has to be some text, not ""',
            (
                'tasks/1.json: metadata: "agent": there is no agent "Claud"; '
                'did you mean "claude"? '
                "There are acp, claude, claude-acp, codex, gemini, opencode, shell"
            ),
        ],
    ),
    "a task for shell without a command": (
        "tasks/1.json",
        {"metadata": {"agent": "shell"}},
        ['tasks/1.json: metadata: "run" is missing, which the shell agent executes'],
    ),
    "a review by who does not exist": (
        "voyage.json",
        {"review": {"agent": "codx", "model": "", "rounds": 0}, "max_attempts": 0},
        [
            'voyage.json: "review": "model": has to be some text, not ""',
            'voyage.json: "review": "rounds": has to be a whole number from 1 to 9, not 0',
            'voyage.json: "max_attempts": has to be a whole number from 1 to 99, not 0',
            (
                'voyage.json: "review": "agent": there is no agent "codx"; '
                'did you mean "codex"? '
                "There are acp, claude, claude-acp, codex, gemini, opencode, shell"
            ),
        ],
    ),
    "a review by nobody": (
        "voyage.json",
        {"review": {"rounds": 1}},
        ['voyage.json: "review": "agent" is missing'],
    ),
    "a review by a command": (
        "voyage.json",
        {"review": {"agent": "shell"}},
        ['voyage.json: "review": "agent": the agent shell cannot review'],
    ),
    "a review that is no object": (
        "voyage.json",
        {"review": "codex"},
        ['voyage.json: "review": has to be an object, {…}, not "codex"'],
    ),
    "a review without a credential": (
        "voyage.json",
        {"review": {"agent": "codex"}},
        ['voyage.json: "review": "agent": set CODEX_API_KEY or OPENAI_API_KEY'],
    ),
    "check that is no shell": (
        "voyage.json",
        {"check": "make lint && ("},
        [
            (
                'voyage.json: "check": bash cannot parse it: '
                "line 2: syntax error: unexpected end of file"
            ),
        ],
    ),
    "verify that is no shell": (
        "verify.sh",
        "true\nif true; then\n  fi fi\n",
        ["verify.sh: bash cannot parse it: line 3: syntax error near unexpected token `fi'"],
    ),
    "setup that is no shell": (
        "setup.sh",
        "done\n",
        ["setup.sh: bash cannot parse it: line 1: syntax error near unexpected token `done'"],
    ),
    "spec that is not UTF-8": (
        "spec.md",
        b"caf\xe9 au lait",
        ["spec.md: is not UTF-8: byte 0xe9 at position 3"],
    ),
}


@pytest.mark.parametrize(("name", "change", "expected"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_plan(plan: Path, name: str, change: Any, expected: list[str]):
    """Each way of breaking a plan is reported with its file, and with nothing else."""
    break_plan(plan, name, change)
    report = checked(plan)
    assert report.faults == expected
    assert report.plan is None


def test_many_faults_in_one_go(plan: Path):
    """A plan with many faults in all its parts has all of them reported at once."""
    patch(plan, "voyage.json", agent="claude", branch="nowhere", lease_seconds=0)
    write(plan, "spec.md", None)
    write(plan, "verify.sh", "fi\n")
    write(plan, "setup.sh", "")
    write(plan, "tasks/1.json", "{")
    patch(plan, "tasks/2.json", blockedBy=["1", "3"], status="completed")
    patch(plan, "tasks/3.json", blockedBy=["2"], subject=...)
    for one, two in (("x", "y"), ("y", "x")):
        write(plan, f"tasks/{one}.json", task(one, blockedBy=[two]))
    assert faults(plan, CLAUDE_CODE_OAUTH_TOKEN="") == [
        'voyage.json: "lease_seconds": has to be a number over 0 and up to 1,000,000, not 0',
        "spec.md: is missing or empty",
        "verify.sh: bash cannot parse it: line 1: syntax error near unexpected token `fi'",
        "setup.sh: is missing or empty",
        (
            "tasks/1.json: is not JSON: "
            "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
        ),
        'tasks/2.json: "status": has to be "pending", not "completed"',
        'tasks/3.json: "subject" is missing',
        "tasks/2.json: is in a circle of blockers: 2 → 3 → 2",
        "tasks/x.json: is in a circle of blockers: x → y → x",
        f'voyage.json: "agent": {UNSET}',
        'voyage.json: "repo": has no branch "nowhere"',
    ]


def test_agent_without_credentials(plan: Path):
    """Claude Code needs a token, an API key or a gateway's token, of which any will do."""
    patch(plan, "voyage.json", agent="claude")
    assert faults(plan, CLAUDE_CODE_OAUTH_TOKEN="") == [f'voyage.json: "agent": {UNSET}']
    for credential in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        assert faults(plan, CLAUDE_CODE_OAUTH_TOKEN="", **{credential: "key"}) == []


def test_a_machine_from_which_nothing_can_sail(
    plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """What `doctor` knows to be missing is a fault of every plan; an agent, of plans with it."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "git", "ssh", "sshd", "setpriv"):
        (tools / name).symlink_to(where(name) or "")
    monkeypatch.setenv("PATH", str(tools))
    install = "sudo apt-get install -y openssh-client"
    assert faults(plan) == [f"this machine: missing: ssh-keygen → {install}"]
    patch(plan, "voyage.json", agent="claude")
    assert faults(plan, OCAPTAIN_PROVIDER="local") == [
        f"this machine: missing: ssh-keygen, findmnt → {install} util-linux",
        'voyage.json: "agent": missing: claude → npm install -g @anthropic-ai/claude-code',
    ]


def test_another_agent_is_whatever_its_command_starts(plan: Path):
    """One that is here needs no credential; one that is not is named where it has to be here."""
    patch(plan, "voyage.json", agent="acp", agent_command=["sh", "-c"])
    assert sound(plan, OCAPTAIN_PROVIDER="local", CLAUDE_CODE_OAUTH_TOKEN="").agent == "acp"
    patch(plan, "voyage.json", agent_command=["my-agent", "--acp"])
    assert faults(plan, OCAPTAIN_PROVIDER="hosts") == []
    assert faults(plan, OCAPTAIN_PROVIDER="local") == [
        'voyage.json: "agent": missing: my-agent → install my-agent'
    ]
    patch(plan, "voyage.json", agent_setup="pip install my-agent")
    assert faults(plan, OCAPTAIN_PROVIDER="local") == []
    patch(plan, "voyage.json", agent_setup="pip install (")
    assert faults(plan, OCAPTAIN_PROVIDER="hosts")[0].startswith(
        'voyage.json: "agent_setup": bash cannot parse it: '
    )


def test_where_a_budget_in_dollars_cannot_be_kept_is_noted(plan: Path):
    """Once for each agent that tells no dollars; one of tokens can."""
    keys = {"OPENAI_API_KEY": "sk-Wx4distinctive", "GEMINI_API_KEY": "AIzaWx4distinctive"}
    own = {"metadata": {"agent": "gemini", "budget_usd": 1}}
    patch(plan, "voyage.json", agent="codex", recommended_ships=1, budget_tokens=5_000_000)
    patch(plan, "tasks/1.json", **own)
    patch(plan, "tasks/2.json", **own)
    assert checked(plan, OCAPTAIN_PROVIDER="hosts", **keys).notes == [
        (
            'tasks/1.json: metadata: "budget_usd" cannot be kept with gemini, which tells no '
            'dollars; "budget_tokens" can'
        )
    ]
    patch(plan, "voyage.json", budget_usd=5)
    patch(plan, "tasks/2.json", metadata={"agent": "opencode"})
    of_voyage = [note.partition(":")[2] for note in checked(plan, **keys).notes]
    assert of_voyage == [
        ' "budget_usd" cannot be kept with codex, which tells no dollars; "budget_tokens" can',
        ' "budget_usd" cannot be kept with gemini, which tells no dollars; "budget_tokens" can',
        (
            ' "budget_usd" can be kept with opencode only if that tells dollars; '
            '"budget_tokens", if it tells tokens'
        ),
    ]
    patch(plan, "voyage.json", agent="claude")
    patch(plan, "tasks/1.json", metadata={})
    patch(plan, "tasks/2.json", metadata={})
    assert checked(plan).notes == []


def test_doubtful_credentials_are_noted(plan: Path):
    """Which of two counts, and which is a placeholder that is kept out of nothing; unless the agent
    needs none."""
    given = {"ANTHROPIC_API_KEY": "not-needed", "ANTHROPIC_AUTH_TOKEN": "sk-Wx4distinctive"}
    patch(plan, "voyage.json", recommended_ships=1)
    assert checked(plan, **given).notes == []
    patch(plan, "voyage.json", agent="claude")
    report = checked(plan, **given)
    assert report.faults == []
    both, winner, placeholder = report.notes
    assert both.startswith("ANTHROPIC_AUTH_TOKEN and ANTHROPIC_API_KEY are both set, ")
    assert "Claude Code uses ANTHROPIC_AUTH_TOKEN; unset" in winner
    assert placeholder.startswith("ANTHROPIC_API_KEY is short, or a word or two")
    [note] = checked(plan, ANTHROPIC_API_KEY="sk-ant-api03-Wx4distinctive").notes
    assert "ANTHROPIC_API_KEY and CLAUDE_CODE_OAUTH_TOKEN are both set" in note
    assert "uses ANTHROPIC_API_KEY; unset" in note


@pytest.mark.parametrize("token", ["a token", "sk-ant-api03-hush", f"{TOKEN} ", f"{TOKEN}\nhush"])
def test_token_that_is_none(plan: Path, token: str):
    """What cannot be a subscription's token is at fault, unrepeated; no other agent needs it."""
    assert faults(plan, CLAUDE_CODE_OAUTH_TOKEN=token) == []
    patch(plan, "voyage.json", agent="claude")
    [fault] = faults(plan, CLAUDE_CODE_OAUTH_TOKEN=token, ANTHROPIC_API_KEY="key")
    assert fault.startswith('voyage.json: "agent": CLAUDE_CODE_OAUTH_TOKEN is not what')
    assert "`claude setup-token`" in fault
    assert token not in fault
    assert "hush" not in fault


def test_no_directory(tmp_path: Path):
    """A plan that is not there is one fault that says how to make one."""
    where = tmp_path / "plan"
    assert faults(where) == [f"{where}: is not a directory (`ocaptain plan init DIR` makes one)"]


def test_part_that_is_a_directory(plan: Path):
    """A directory where a file should be is as good as no file."""
    (plan / "setup.sh").mkdir()
    assert faults(plan) == ["setup.sh: is missing or empty"]


def test_sound_plan(plan: Path, repo: Path):
    """A sound plan comes with its defaults, its source, and the facts about its graph."""
    write(plan, "setup.sh", b"echo ready\r\n")
    patch(plan, "voyage.json", recommended_ships=3)
    report = checked(plan)
    assert report.faults == []
    assert (report.forecast.tasks, report.forecast.max_parallel) == (4, 2)
    assert report.forecast.longest_chain == ["1", "2", "10"]
    assert report.notes == ["3 ships are recommended, but only 2 tasks can run at once"]
    voyage = report.plan
    assert voyage is not None
    head = git(repo, "rev-parse", "HEAD")
    assert voyage.source == Source(str(repo), repo, "main", head)
    assert (voyage.objective, voyage.model, voyage.check) == ("Draw a diamond", None, None)
    assert (voyage.stall_minutes, voyage.lease_seconds, voyage.time_limit_minutes) == (10, 300, 60)
    assert (voyage.max_attempts, voyage.budget_usd) == (3, None)
    assert (voyage.recommended_ships, voyage.ships) == (3, 3)
    assert voyage.artifacts["setup.sh"] == "echo ready\n"
    assert [task["id"] for task in voyage.tasks] == ["1", "2", "3", "10"]


def test_unknown_settings_are_noted(plan: Path):
    """A key of voyage.json that means nothing here is worth a note, not a fault."""
    patch(plan, "voyage.json", recommended_ships=1, verify_command="make", Chek="make", budget=1)
    report = checked(plan)
    assert report.faults == []
    assert report.notes == [
        'voyage.json: "Chek" is no key of ocaptain\'s, and ignored; is "check" meant?',
        'voyage.json: "budget" is no key of ocaptain\'s, and ignored; is "budget_usd" meant?',
        'voyage.json: "verify_command" is no key of ocaptain\'s, and ignored',
    ]


def test_a_review(plan: Path):
    """Who reviews, and how often, is in the plan; what its keys do not mean is noted."""
    patch(plan, "voyage.json", recommended_ships=1, review={"agent": "claude", "round": 3})
    report = checked(plan)
    assert report.plan is not None
    assert report.plan.review == Review(agent="claude", model=None, rounds=2)
    assert report.plan.crew() == ["shell", "claude"]
    assert report.notes == ['voyage.json: "review": "round" is no key of ocaptain\'s, and ignored']
    patch(plan, "voyage.json", review=None)
    assert sound(plan).review is None


def test_objective(plan: Path):
    """The objective is the one in voyage.json, else the spec's first heading, else the name."""
    patch(plan, "voyage.json", objective="Shine")
    assert sound(plan).objective == "Shine"
    patch(plan, "voyage.json", objective="")
    write(plan, "spec.md", "No #heading here.\n")
    assert sound(plan).objective == "diamond"


def test_a_password_for_news_is_noted(plan: Path):
    """Every ship can read it, wherever in `notify` it stands."""
    for notify in ("https://ada:pw@example.org/x", "curl -d @- https://ada:pw@example.org"):
        patch(plan, "voyage.json", recommended_ships=1, notify=notify)
        [note] = checked(plan).notes
        assert note.startswith('voyage.json: "notify" has a password in its URL')
        assert "pw" not in note

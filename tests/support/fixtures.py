"""Fixtures of tests in all folders: real programs, the real Claude Code, captains."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.messages_api import ScriptedModel
from tests.support.captain import Captain, new_captain

ROOT = Path(__file__).parents[2]
TOOLS = ("git", "ssh", "sshd", "sshfs", "tmux")
TOKEN = "sk-ant-oat01-of-this-test"
CACHE = Path("~/.cache/ocaptain-test/claude-code").expanduser()
AGENTS_CACHE = Path("~/.cache/ocaptain-test/agents").expanduser()


def agent_programs() -> Path:
    """Return the folder of all agents' programs. Raises AssertionError if there is none."""
    pins = (ROOT / "script" / "agent-versions").read_bytes()
    folder = AGENTS_CACHE / hashlib.sha256(pins).hexdigest()[:12] / "node_modules" / ".bin"
    assert folder.is_dir(), f"no agents in {folder}: script/setup --for agents installs them"
    return folder


@pytest.fixture(scope="session")
def is_long(pytestconfig: pytest.Config) -> bool:
    """Whether `script/test --long` asked for more than what is tried each time."""
    return bool(pytestconfig.getoption("--long"))


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    """A model that says what a test scripted; it listens on loopback."""
    with ScriptedModel() as scripted:
        yield scripted


@pytest.fixture(scope="session")
def claude_binary(request: pytest.FixtureRequest) -> Path:
    """The pinned Claude Code: `OCAPTAIN_TEST_CLAUDE`, or what script/setup installed.

    With --agents, tests are run with the newest one as well."""
    if getattr(request, "param", "pinned") == "newest":
        return agent_programs() / "claude"
    version = (ROOT / "script" / "claude-code-version").read_text().strip()
    installed = CACHE / version / "node_modules" / ".bin" / "claude"
    binary = Path(os.environ.get("OCAPTAIN_TEST_CLAUDE") or installed)
    if binary.is_file():
        return binary
    reason = f"no Claude Code at {binary}: script/setup --for test installs it"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def tools() -> None:
    """Real programs, all of them: without, CI fails and others skip."""
    path = f"{os.environ['PATH']}:/usr/sbin"
    missing = [name for name in TOOLS if not shutil.which(name, path=path)]
    reason = f"there is no {', '.join(missing)}: script/setup --for test installs it"
    if missing and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if missing:
        pytest.skip(reason)


@pytest.fixture
def captain(tools: None) -> Iterator[Captain]:
    """A captain whose plans are for the shell agent."""
    with new_captain() as somebody:
        yield somebody


@pytest.fixture
def claude_captain(tools: None, claude_binary: Path, model: ScriptedModel) -> Iterator[Captain]:
    """A captain with Claude Code, a token and a model that says what the test scripts."""
    with new_captain(CLAUDE_CODE_OAUTH_TOKEN=TOKEN, ANTHROPIC_BASE_URL=model.url) as somebody:
        (somebody.root / "bin" / "claude").symlink_to(claude_binary.resolve())
        yield somebody

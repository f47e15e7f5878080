"""Tokens stay where they belong, whatever an agent and a captain do."""

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fakes import messages_api as api
from tests.integration.harness import Terminal, Voyage, suppressed, task

TOKENS = {
    "CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-Zq7distinctive",
    "ANTHROPIC_API_KEY": "sk-ant-api03-Wx4distinctive",
    "GH_TOKEN": "ghp_Vk9distinctive",
}


class Sampler(threading.Thread):
    """Reads every command line on this machine, over and over."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.over, self.seen = threading.Event(), set[bytes]()
        self.with_gh_token = set[bytes]()

    def run(self) -> None:
        while not self.over.wait(0.005):
            for path in Path("/proc").glob("[0-9]*"):
                with suppressed():
                    words, env = (path / "cmdline").read_bytes(), (path / "environ").read_bytes()
                    self.seen.add(words)
                    if TOKENS["GH_TOKEN"].encode() in env and b"\0OCAPTAIN_VM=" in b"\0" + env:
                        self.with_gh_token.add(words)


@contextmanager
def sampling() -> Iterator[Sampler]:
    sampler = Sampler()
    sampler.start()
    yield sampler
    sampler.over.set()
    sampler.join()


def found_in(folder: Path, token: str) -> list[str]:
    """Files below a folder that hold a token, links not followed."""
    done = subprocess.run(
        ["grep", "-rlaF", "--devices=skip", token, str(folder)], capture_output=True, text=True
    )
    return done.stdout.splitlines()


def objects(voyage: Voyage, repo: Path) -> str:
    """All that a repository holds, packed or not, of whatever ref or none."""
    every = ["cat-file", "--batch-all-objects", "--batch", "--unordered"]
    return voyage.captain.git(repo, *every) + voyage.captain.git(repo, "for-each-ref")


def test_no_token_is_to_be_seen_anywhere(claude_captain, model):
    """Not in any command line, log, journal, task, commit, ref or screen, nor on storage at all; and
    the git host's token is on no ship."""
    captain = claude_captain
    captain.env |= TOKENS
    leak = [
        api.bash(
            "env | grep -E 'TOKEN|KEY'; cat ~/voyage/captain.json; echo \"$ANTHROPIC_API_KEY\""
        ),
        api.say("The key is " + TOKENS["ANTHROPIC_API_KEY"]),
    ]
    create = api.task_create("Use " + TOKENS["CLAUDE_CODE_OAUTH_TOKEN"], "MARK-two")
    commit = f"echo {TOKENS['CLAUDE_CODE_OAUTH_TOKEN'][::-1]} | rev >key && git add -A && git commit -qm Key"
    clean = [api.bash("rm -f key && echo fine >fine"), api.say("Removed.")]
    model.on("MARK-one", [create, *leak[:1], api.bash(commit), leak[1], *clean])
    model.on("MARK-two", [api.write("two", "2\n"), api.say("Done.")])
    model.on("MARK-none", [api.say("NO CHANGE: because of " + TOKENS["ANTHROPIC_API_KEY"])])
    gate = captain.root / "gate"
    wait = api.bash(f"while [ ! -e {gate} ]; do sleep 0.1; done; echo 3 >three")
    model.on("MARK-wait", [wait, api.say("Done.")])
    repo = captain.repository()
    tasks = {
        "1": task("One", description="MARK-one"),
        "2": task("Nothing", description="MARK-none"),
        "3": task("Wait", description="MARK-wait"),
    }
    with sampling() as sampler, Terminal(captain, 200, 50) as terminal:
        plan = captain.plan(repo, tasks, agent="claude", check="env")
        voyage = captain.sail(plan, ships=2)
        terminal.type(f"ocaptain shell {voyage.id}")
        voyage.until_log("The key is", 40)
        time.sleep(1)
        screens = terminal.screen()
        gate.touch()
        voyage.wait()
        screens += terminal.screen()
        captain.run("fetch", voyage.id, "--into", str(repo), "--all")
        said = voyage.log() + str(voyage.status()) + captain.run("tasks", voyage.id).out

    assert voyage.show("fine") == "fine"
    assert "The key is ***" in "\n".join(screens)
    assert any(b"stream-json" in words for words in sampler.seen)
    for name, token in TOKENS.items():
        assert not [words for words in sampler.seen if token.encode() in words], name
        assert token not in said + "\n".join(screens)
        assert found_in(voyage.home().parent, token) == []
        assert token not in objects(voyage, voyage.storage / "repo.git")
        assert token not in objects(voyage, repo)
        assert found_in(repo, token) == []
    assert sampler.with_gh_token == set()
    for ship in ("ship0", "ship1"):
        assert found_in(voyage.home(ship), TOKENS["GH_TOKEN"]) == []
        held = found_in(voyage.home(ship), TOKENS["ANTHROPIC_API_KEY"])
        assert str(voyage.home(ship) / "voyage" / "captain.json") in held
        assert (voyage.home(ship) / "voyage" / "captain.json").stat().st_mode & 0o077 == 0

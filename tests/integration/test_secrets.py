"""Tokens stay where they belong, whatever an agent and a captain do."""

import gzip
import json
from pathlib import Path

from tests.fakes import messages_api as api
from tests.support.captain import Captain, Json, Voyage, task
from tests.support.machine import until
from tests.support.rules import rule
from tests.support.secrets import TOKENS, found_in, objects, sampling
from tests.support.terminal import Terminal


def script(model, gate: Path) -> dict[str, Json]:
    """Tasks for agents that do with their tokens whatever comes to their mind."""
    key, token = TOKENS["ANTHROPIC_API_KEY"], TOKENS["CLAUDE_CODE_OAUTH_TOKEN"]
    commit = f"echo {token[::-1]} | rev >key && git add -A && git commit -qm Key"
    steps = [api.task_create(f"Use {token}", "MARK-two"), api.bash("cat ~/voyage/agent_env.json")]
    steps += [api.bash(commit), api.say(f"The key is {key}"), api.bash("rm -f key; echo ok >fine")]
    model.on("MARK-one", [*steps, api.say("Removed.")])
    model.on("MARK-two", [api.write("two", "2\n"), api.say("Done.")])
    model.on("MARK-none", [api.say(f"NO CHANGE: because of {key}")])
    wait = api.bash(f"while [ ! -e {gate} ]; do sleep 0.1; done; echo 3 >three")
    model.on("MARK-wait", [wait, api.say("Done.")])
    return {
        "1": task("One", description="MARK-one"),
        "2": task("Nothing", description="MARK-none"),
        "3": task("Wait", description="MARK-wait"),
    }


def kept(voyage: Voyage) -> set[str]:
    """The transcripts that storage has."""
    return {path.name for path in (voyage.storage / "transcripts").glob("*-*.gz")}


def transcripts(captain: Captain, voyage: Voyage, repo: Path) -> str:
    """All that a captain gets to see of transcripts, in each way. All else is fetched, too."""
    assert until(lambda: len(kept(voyage)) == 4, 20)
    captain.run("fetch", voyage.id, "--into", str(repo), "--all")
    home = [*repo.glob("ocaptain-*/transcripts/*.jsonl.gz")]
    assert {path.name for path in home} == kept(voyage)
    unpacked = "".join(gzip.decompress(path.read_bytes()).decode() for path in home)
    assert "The key is ***" in unpacked
    shown = captain.run("transcript", voyage.id, "1").out
    assert "does Bash\n  cat ~/voyage/agent_env.json" in shown
    raw = captain.run("transcript", voyage.id, "1", "--raw").out
    assert all(json.loads(line)["type"] for line in raw.splitlines())
    assert f"transcript {voyage.id} 1" in captain.run("tasks", "show", voyage.id, "1").out
    return unpacked + shown + raw


@rule("R98", "R99", "R152")
def test_no_token_is_to_be_seen_anywhere(claude_captain, model):
    """Not in a command line, log, transcript, journal, task, commit, ref or screen, nor on storage
    at all; the git host's token is on no ship."""
    captain, gate = claude_captain, claude_captain.root / "gate"
    captain.env |= TOKENS
    repo = captain.repository()
    plan = captain.plan(repo, script(model, gate), agent="claude", check="env")
    with sampling() as sampler, Terminal(captain, 200, 50) as terminal:
        voyage = captain.sail(plan, ships=2)
        terminal.type(f"ocaptain shell {voyage.id}")
        voyage.until_log("The key is", 40)
        seen = "\n".join(terminal.until("The key is ***"))
        gate.touch()
        voyage.wait()
        seen += "\n".join(terminal.screen())
        seen += transcripts(captain, voyage, repo)
    seen += "".join(captain.run(verb, voyage.id).out for verb in ("logs", "status", "tasks"))
    seen += objects(voyage, voyage.storage / "repo.git") + objects(voyage, repo)
    commands = b"\n".join(sampler.seen).decode(errors="replace")

    assert voyage.show("fine") == "ok"
    assert "stream-json" in commands
    for name, token in TOKENS.items():
        assert token not in commands, name
        assert token not in seen, name
        assert found_in(voyage.home().parent, token) + found_in(repo, token) == []
    assert sampler.with_gh_token == set()
    for ship in (voyage.home("ship0"), voyage.home("ship1")):
        assert found_in(ship, TOKENS["GH_TOKEN"]) == []
        assert (ship / "voyage" / "agent_env.json").stat().st_mode & 0o077 == 0

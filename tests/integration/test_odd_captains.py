"""A captain whose ssh, git, shell, locale and environment are set up for anything but ocaptain."""

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import ocaptain
from ocaptain.fleet.fetch import records_folder
from tests.support.captain import Captain, task
from tests.support.commands import Done
from tests.support.machine import put, until
from tests.support.rules import rule

SSH_CONFIG = """\
Host *
    User nobody
    Port 2
    HostName nowhere.invalid
    ProxyJump gate
    ProxyUseFdpass yes
    RemoteCommand tmux attach
    RequestTTY force
    SessionType none
    StdinNull yes
    ForkAfterAuthentication yes
    PermitLocalCommand yes
    LocalCommand echo connected to %n
    ControlMaster yes
    ControlPath /nowhere/%n
    AddKeysToAgent yes
    SendEnv *
    SetEnv HOME=/nowhere
    CanonicalizeHostname always
    Tunnel yes
    VisualHostKey yes
    EscapeChar none
    IdentitiesOnly yes
    IdentityFile /nowhere
    PreferredAuthentications password
    PubkeyAuthentication no
    HostKeyAlgorithms ssh-rsa
    RevokedHostKeys /nowhere
    UserKnownHostsFile /nowhere
    GlobalKnownHostsFile /nowhere
    StrictHostKeyChecking ask
    HashKnownHosts yes
    UpdateHostKeys yes
    ForwardAgent yes
    LocalForward 22 localhost:22
    LogLevel DEBUG3
Match exec "touch {root}/asked"
    Compression yes
Hots a line that ssh does not know
"""

GITCONFIG = """\
[user]
	name = Ada Captain
	email = ada@example.com
	signingKey = /nowhere
	useConfigOnly = true
[alias]
	fetch = !false
[color]
	ui = always
[core]
	askPass = touch {root}/asked
	fsmonitor = touch {root}/asked
	hooksPath = {root}/hooks
	pager = touch {root}/asked
	quotePath = true
	sshCommand = touch {root}/asked
[ssh]
	variant = plink
[credential]
	helper = !touch {root}/asked
[commit]
	gpgSign = true
[tag]
	gpgSign = true
	forceSignAnnotated = true
[push]
	default = nothing
	gpgSign = true
[fetch]
	all = true
	prune = true
	pruneTags = true
	recurseSubmodules = true
	writeCommitGraph = true
	fsckObjects = true
[transfer]
	fsckObjects = true
[protocol]
	allow = never
[protocol "file"]
	allow = never
[safe]
	bareRepository = explicit
[log]
	showSignature = true
	decorate = full
[i18n]
	logOutputEncoding = latin1
[init]
	templateDir = {root}/nowhere
[status]
	branch = true
	showUntrackedFiles = no
[submodule]
	recurse = true
[feature]
	experimental = true
	manyFiles = true
[gc]
	auto = 1
[help]
	autocorrect = immediate
[url "nowhere:"]
	insteadOf = voyage-
"""

ENVIRONMENT = {
    # as of a hook of another repository's
    "GIT_DIR": "{root}/other/.git",
    "GIT_WORK_TREE": "{root}/other",
    "GIT_INDEX_FILE": "/nowhere",
    "GIT_OBJECT_DIRECTORY": "/nowhere",
    "GIT_PREFIX": "deep/",
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "core.worktree",
    "GIT_CONFIG_VALUE_0": "/nowhere",
    "GIT_CONFIG_PARAMETERS": "'core.bare=true'",
    "GIT_AUTHOR_NAME": "Somebody Else",
    "GIT_TRACE": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    # of shells
    "SHELL": "/bin/false",
    "BASH_ENV": "{root}/noise",
    "ENV": "{root}/noise",
    "SHELLOPTS": "xtrace",
    "BASH_FUNC_ssh%%": "() {{ touch {root}/asked; }}",
    "CDPATH": "/",
    "POSIXLY_CORRECT": "1",
    # of terminals
    "LC_ALL": "C",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "TERM": "of-tomorrow",
    "DISPLAY": ":9",
    "SSH_ASKPASS": "{root}/bin/askpass",
    "SSH_ASKPASS_REQUIRE": "force",
    "GIT_ASKPASS": "{root}/bin/askpass",
}
NAME = "it's 100% Übung"
SUBJECT = "Задача → один"


LOADS = "import click, msgspec, sys; assert sys.version_info >= (3, 11)"


@cache
def oldest_python() -> str:
    """The oldest Python here that ocaptain is for, and that can load what it needs."""
    found = [sys.executable]
    for path in ("/usr/bin/python3", "/usr/bin/python3.11"):
        if Path(path).exists():
            argv = [path, "-c", LOADS]
            done = subprocess.run(argv, env=libraries(), check=False, stderr=subprocess.DEVNULL)
            found += [path] if done.returncode == 0 else []
    return min(found, key=version)


def version(python: str) -> list[int]:
    """Return the version of a Python."""
    argv = [python, "-c", "import sys; print(*sys.version_info[:3])"]
    return [*map(int, subprocess.run(argv, capture_output=True, check=True).stdout.split())]


def libraries() -> dict[str, str]:
    """The environment in which another Python of the same kind finds ocaptain and what it needs."""
    source = Path(ocaptain.__file__).parents[1]
    return {"PATH": os.environ["PATH"], "PYTHONPATH": f"{source}:{sysconfig.get_path('purelib')}"}


class Odd(Captain):
    """A captain with all of that, on the oldest Python."""

    def type(self, *words: str, status: int = 0, cwd: Path | None = None) -> Done:
        """Type `ocaptain WORDS`; it has to exit so, without a word of a bug."""
        done = self.sh([oldest_python(), "-m", "ocaptain", *words], cwd=cwd, timeout=100)
        assert done.status == status, f"{words}: {done.status}\n{done.out}\n{done.err}"
        assert "Traceback" not in done.out + done.err
        return done


@pytest.fixture
def odd(captain: Captain) -> Iterator[Odd]:
    """A captain with an agent that has no key yet."""
    root = captain.root
    hook = f"#!/bin/sh\ntouch {root}/asked\nexit 1\n"
    for name in ("reference-transaction", "post-checkout", "pre-push"):
        put(root / "hooks" / name, hook)
        (root / "hooks" / name).chmod(0o755)
    captain.path_first("askpass", hook)
    put(root / "noise", "echo noise; echo more noise >&2\n")
    put(root / "other" / "readme", "another repository\n")
    captain.git(root / "other", "init", "-q")
    captain.git(root / "other", "add", ".")
    captain.git(root / "other", "commit", "-qm", "Another")
    environment = {name: value.format(root=root) for name, value in ENVIRONMENT.items()}
    environment["OCAPTAIN_SSH_CONFIG"] = str(captain.home / ".ssh" / "config")
    environment["SSH_AUTH_SOCK"] = str(root / "agent")
    environment["PYTHONPATH"] = libraries()["PYTHONPATH"]
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", root / "agent"], stdout=subprocess.DEVNULL)
    try:
        until((root / "agent").exists)
        yield Odd(root, {**captain.env, **environment})
    finally:
        agent.terminate()
        agent.wait()


@pytest.fixture
def tree(captain: Captain) -> Path:
    """A worktree of a repository with a peculiar name, a tag and an author of its own."""
    repo = captain.repository(NAME)
    tree = captain.home / "a tree"
    captain.git(repo, "tag", "mine")
    captain.git(repo, "worktree", "add", "-q", "-b", "feature", str(tree))
    captain.git(tree, "commit", "-q", "--allow-empty", "-m", "On a branch of a worktree")
    captain.git(repo, "config", "user.email", "ada@work.example")
    return tree


def go_through(odd: Odd, plan: Path, into: Path) -> str:
    """Check, sail, look, fetch and sink, from another repository's folder. Returns the voyage."""
    elsewhere = odd.root / "other"
    assert str(into) in odd.type("check", str(plan), cwd=elsewhere).out
    odd.type("sail", str(plan), "-n", "1", cwd=elsewhere)
    for vm in odd.vms.iterdir():
        put(vm / "home" / ".bashrc", "echo Welcome to $HOME\n")
    odd.type("wait", "-t", "60")
    assert "complete" in odd.type("status").out
    assert json.loads(odd.type("tasks", "--json").out)[0]["subject"] == SUBJECT
    assert "landed" in odd.type("logs").out
    assert "completed" in odd.type("tasks").out
    [row] = json.loads(odd.type("voyages", "--json").out)
    odd.type("fetch", "--all", "--into", str(into), cwd=elsewhere)
    odd.type("sink", "-s", "-f")
    return str(row["voyage"])


@rule("R130")
def test_an_odd_captain_sails_like_any_other(captain: Captain, odd: Odd, tree: Path):
    """With all of it at once a voyage of the repository that the plan names is checked, sailed,
    looked at, fetched and sunk; nobody is asked, no hook runs, no key gets into the agent."""
    plan = captain.plan(tree, {"1": task(SUBJECT, "git log --format=%s >log")})
    put(captain.home / ".ssh" / "config", SSH_CONFIG.format(root=odd.root))
    put(captain.home / ".gitconfig", GITCONFIG.format(root=odd.root))

    voyage = go_through(odd, plan, tree)

    put(captain.home / ".gitconfig", "")
    repo = captain.home / NAME
    assert "On a branch of a worktree" in captain.git(repo, "show", f"{voyage}:log")
    author = captain.git(repo, "log", "-1", "--format=%an <%ae>", voyage, "--")
    assert author == "Ada Captain <ada@work.example>"
    assert captain.git(repo, "tag") == "mine"
    assert (tree / records_folder(voyage) / "artifacts" / "spec.md").exists()
    assert captain.git(odd.root / "other", "branch", "--format=%(refname:short)") == "main"
    assert not (odd.root / "asked").exists()
    keys = captain.sh(["env", f"SSH_AUTH_SOCK={odd.root}/agent", "ssh-add", "-l"])
    assert keys.out.strip() == "The agent has no identities."


@pytest.mark.parametrize(
    "locale",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
)
def test_a_terminal_gets_what_it_can_show(captain: Captain, locale: dict[str, str]):
    """What its locale lacks is replaced, in what is printed and in what is wrong."""
    odd = Odd(captain.root, {**captain.env, **locale, "PYTHONPATH": libraries()["PYTHONPATH"]})
    plan = captain.plan(captain.repository("Übung"), {"1": task(SUBJECT, "true")})
    assert "?bung" in odd.type("check", str(plan)).out
    assert "/nowhere: is not a directory" in odd.type("check", "Больше/nowhere", status=1).err


def test_an_argument_is_read_as_it_was_typed():
    """What is no UTF-8 in a locale of another charset is of that charset."""
    code = "from ocaptain.cli import _as_typed as t; import sys; print(ascii(t(sys.argv[1])))"
    env = {**libraries(), "LC_ALL": "C.UTF-8"}
    argv = [oldest_python(), "-c", code]
    done = subprocess.run([*argv, "Больше"], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ascii("Больше")
    done = subprocess.run([*argv, b"\xe9"], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ascii("\udce9")

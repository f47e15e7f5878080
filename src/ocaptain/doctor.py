"""What this machine lacks, and the command that mends it."""

import getpass
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from .config import Config
from .errors import Failure
from .providers import open_provider
from .providers.local import Local
from .ssh import Remote, prepare, program, run

PACKAGES = {
    "ssh": "openssh-client",
    "sshd": "openssh-server",
    "sftp-server": "openssh-server",
    "sshfs": "sshfs",
    "tmux": "tmux",
    "git": "git",
}
"""Programs that are run, and the package of Debian's that has each."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what is there, and what to type where that will not do."""

    what: str
    ok: bool
    found: str
    remedy: str = ""


async def examine(config: Config, *, deep: bool = False) -> list[Finding]:
    """Look at all that ocaptain needs here; `deep` tries a VM of `local` out, whatever is set."""
    findings = [Finding("python", sys.version_info >= (3, 11), sys.version.split()[0])]
    findings += [_attempt(name, program, name) for name in PACKAGES]
    fuse = os.access("/dev/fuse", os.R_OK | os.W_OK)
    findings.append(_has("/dev/fuse", "usable" if fuse else "", "sudo chmod 666 /dev/fuse"))
    if shutil.which("git"):
        findings += [await _git_config(key) for key in ("user.name", "user.email")]
    findings.append(_attempt("provider", open_provider, config))
    findings.append(_attempt("sockets", config.run_dir))
    claude = sorted({"CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_API_KEY"} & config.agent_env.keys())
    remedy = "claude setup-token, for CLAUDE_CODE_OAUTH_TOKEN; the shell agent needs none"
    findings.append(_has("Claude's credentials", " and ".join(claude), remedy))
    findings.append(Finding("GH_TOKEN", True, "set" if config.gh_token else "not set"))
    if deep or config.provider == "local":
        findings.append(await _round_trip(config))
    return findings


def mend(findings: Iterable[Finding]) -> str:
    """One command that installs every program found missing, or nothing."""
    missing = sorted({PACKAGES[f.what] for f in findings if f.what in PACKAGES and not f.ok})
    debian = "sudo apt-get install -y" if os.geteuid() else "apt-get install -y"
    install = "brew install" if sys.platform == "darwin" else debian
    return " ".join([install, *missing]) if missing else ""


def _has(what: str, value: str, remedy: str) -> Finding:
    return Finding(what, bool(value), value or "lacking", "" if value else remedy)


def _attempt(what: str, look: Callable[..., object], *of: object) -> Finding:
    try:
        return Finding(what, True, str(look(*of)))
    except Failure as failure:
        found, _, remedy = str(failure).partition("\n")
        return Finding(what, False, found, "" if what in PACKAGES else remedy)


async def _git_config(key: str) -> Finding:
    value = (await run(["git", "config", key])).out.decode().strip()
    return _has(f"git {key}", value, f"git config --global {key} …")


async def _round_trip(config: Config) -> Finding:
    """Make a VM of `local`, run a command on it, and destroy it."""
    what = "a VM of local"
    local, name, began = Local(config), f"voyage-{secrets.token_hex(6)}-ship0", time.monotonic()
    try:
        vm = await local.create(name)
        with tempfile.TemporaryDirectory() as folder:
            ssh = prepare(Path(folder), [vm], user_config=None, sockets=config.run_dir())
            await ssh.run(name, Remote("true"), timeout=30)
            await ssh.close(name)
    except Failure as failure:
        # sshd refuses a locked account in just these words, and says why to its log alone.
        locked = "Permission denied" in str(failure)
        remedy = f"sudo usermod -p '*' {getpass.getuser()}" if locked else ""
        return Finding(what, False, str(failure).partition("\n")[0], remedy)
    finally:
        await local.destroy([name])
    return Finding(what, True, f"made, used and destroyed in {time.monotonic() - began:.2f} s")

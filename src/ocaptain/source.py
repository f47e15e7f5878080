"""Where a plan's code comes from: what `repo` and `branch` of voyage.json mean, asked of git."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from .errors import Failure, scrub
from .plan import Source
from .ssh import run

_GITHUB = re.compile(r"[A-Za-z0-9-]+/[\w.-]+")
_URL = re.compile(r"(https?|ssh|git)://[^\s/].*|[\w.-]+@[\w.-]+:.+")
# For github.com alone GH_TOKEN is the password, which thus is in no argv; no helper may keep it.
_HELPER = "credential.https://github.com.helper="
_ANSWER = "!echo username=x-access-token; echo password=$GH_TOKEN; :"
WITH_TOKEN = ("-c", _HELPER, "-c", _HELPER + _ANSWER)
# What to tell about a checkout when git prints anything in answer to the question.
_QUESTIONS = {
    "changes that are not committed stay behind (see `git status`)": "status --porcelain",
    "submodules stay empty unless setup.sh updates them": "ls-tree --full-tree {head} .gitmodules",
    "files in LFS stay pointers unless setup.sh pulls them": "ls-files :(top,attr:filter=lfs)",
}


async def locate(
    repo: str, branch: str | None, environ: Mapping[str, str]
) -> tuple[Source, list[str]]:
    """What `repo` and `branch` stand for at this moment, and notes on what will not come along.

    A relative path counts from the current directory. Raises Failure if it cannot be read.
    """
    if not repo.startswith(("/", ".", "~")):
        return await _elsewhere(repo, branch, environ), []
    path = Path(repo).expanduser().resolve()
    git = ("git", "-C", str(path))
    name, head = await _head(git, ".", branch)
    shallow = await _output(*git, "rev-parse", "--is-shallow-repository") == "true"
    notes = ["a shallow clone: the voyage has only the history that is here"] if shallow else []
    for note, question in _QUESTIONS.items():
        if await _output(*git, *question.format(head=head).split(), strict=False):
            notes.append(note)
    return Source(str(path), path, name, head, shallow), [f"{path}: {n}" for n in notes]


async def _elsewhere(repo: str, branch: str | None, environ: Mapping[str, str]) -> Source:
    """What `repo` is on another machine, asked without asking anybody here for a password."""
    url = f"https://github.com/{repo.removesuffix('.git')}.git" if _GITHUB.fullmatch(repo) else repo
    if not _URL.fullmatch(url):
        raise Failure(f'"{repo}" is no owner/name, git URL or path (/…, ./…, ../…, ~/…)')
    ssh = f"{environ.get('GIT_SSH_COMMAND', 'ssh')} -o BatchMode=yes"
    token = environ.get("GH_TOKEN", "")
    env = {"GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": ssh, "GH_TOKEN": token}
    git = ("git", *(WITH_TOKEN if token else ()))
    return Source(url, None, *await _head(git, url, branch, env))


async def _head(
    git: tuple[str, ...], url: str, branch: str | None, env: Mapping[str, str] = {}
) -> tuple[str | None, str]:
    """The branch to start from (None if HEAD is on none), and its commit."""
    ref = f"refs/heads/{branch}" if branch else "HEAD"
    listed = await _output(*git, "ls-remote", "--symref", "--", url, ref, env=env)
    head = re.search(rf"^(\w+)\t{re.escape(ref)}$", listed, re.M)
    if not head:
        raise Failure(f'has no branch "{branch}"' if branch else "has no commit to start from")
    default = re.search(r"^ref: refs/heads/(.+)\tHEAD$", listed, re.M)
    return branch or (default and default[1]), head[1]


async def _output(*git: str, env: Mapping[str, str] = {}, strict: bool = True) -> str:
    """What git prints, in English. If it fails: nothing, or if `strict` a Failure."""
    result = await run(git, env={"LC_ALL": "C", **env}, timeout=30)
    if result.status and strict:
        raise Failure(scrub(" ".join(os.fsdecode(result.err).split())))
    return "" if result.status else os.fsdecode(result.out).strip()

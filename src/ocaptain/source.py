"""Where a plan's code comes from: what `repo` and `branch` of voyage.json mean, asked of git."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from .errors import Failure, scrub
from .plan import Source
from .ssh import run

Environ = Mapping[str, str]

_GITHUB = re.compile(r"[A-Za-z0-9-]+/[\w.-]+")
_URL = re.compile(r"(https?|ssh|git)://[^\s/].*|[\w.-]+@[\w.-]+:.+")
# For github.com alone GH_TOKEN is the password, which thus is in no argv; no helper may keep it.
_HELPER = "credential.https://github.com.helper="
_ANSWER = "!echo username=x-access-token; echo password=$GH_TOKEN; :"
WITH_TOKEN = ("-c", _HELPER, "-c", _HELPER + _ANSWER)
_SHALLOW = "a shallow clone: the voyage has only the history that is here"
# What to tell about a checkout where git answers the question with anything but `false`.
_QUESTIONS = {
    _SHALLOW: "rev-parse --is-shallow-repository",
    "changes that are not committed stay behind (see `git status`)": "status --porcelain",
    "submodules stay empty unless setup.sh updates them": "ls-tree --full-tree {head} .gitmodules",
    "files in LFS stay pointers unless setup.sh pulls them": "ls-files -s :(top,attr:filter=lfs)",
}


async def git(
    *words: str, env: Mapping[str, str] = {}, strict: bool = True, timeout: float = 30
) -> str:
    """What git prints, in English. If it fails: nothing, or if `strict` a Failure."""
    result = await run(["git", *words], env={"LC_ALL": "C", **env}, timeout=timeout)
    if result.status and strict:
        raise Failure(scrub(" ".join(os.fsdecode(result.err).split())))
    return "" if result.status else os.fsdecode(result.out).strip()


async def locate(repo: str, branch: str | None, environ: Environ) -> tuple[Source, list[str]]:
    """What `repo` and `branch` stand for at this moment, and notes on what will not come along.

    A relative path counts from the current directory. Raises Failure if it cannot be read.
    """
    if not repo.startswith(("/", ".", "~")):
        return await _elsewhere(repo, branch, environ), []
    path = Path(repo).expanduser().resolve()
    here = ("-C", str(path))
    name, head = await _head(".", branch, *here)
    answers = {}
    for note, question in _QUESTIONS.items():
        answers[note] = await git(*here, *question.format(head=head).split(), strict=False)
    notes = [f"{path}: {note}" for note, said in answers.items() if said not in ("", "false")]
    return Source(str(path), path, name, head, answers[_SHALLOW] == "true"), notes


async def _elsewhere(repo: str, branch: str | None, environ: Environ) -> Source:
    """What `repo` is on another machine, asked without asking anybody here for a password."""
    url = f"https://github.com/{repo.removesuffix('.git')}.git" if _GITHUB.fullmatch(repo) else repo
    if not _URL.fullmatch(url):
        raise Failure(f'"{repo}" is no owner/name, git URL or path (/…, ./…, ../…, ~/…)')
    ssh = f"{environ.get('GIT_SSH_COMMAND', 'ssh')} -o BatchMode=yes"
    token = environ.get("GH_TOKEN", "")
    env = {"GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": ssh, "GH_TOKEN": token}
    return Source(url, None, *await _head(url, branch, *(WITH_TOKEN if token else ()), **env))


async def _head(url: str, branch: str | None, *options: str, **env: str) -> tuple[str | None, str]:
    """The branch to start from (None if HEAD is on none), and its commit."""
    ref = f"refs/heads/{branch}" if branch else "HEAD"
    listed = await git(*options, "ls-remote", "--symref", "--", url, ref, env=env)
    head = re.search(rf"^(\w+)\t{re.escape(ref)}$", listed, re.M)
    if not head:
        raise Failure(f'has no branch "{branch}"' if branch else "has no commit to start from")
    default = re.search(r"^ref: refs/heads/(.+)\tHEAD$", listed, re.M)
    return branch or (default and default[1]), head[1]

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
_LOGIN = re.compile(r"https?://[^/]*@|\w+://[^/@]*:[^/]*@")
# As storage will ask: without the captain's own helpers, and with GH_TOKEN for github.com alone,
# which thus is in no argv and kept by no helper.
_ANSWER = "!echo username=x-access-token; echo password=$GH_TOKEN; :"
AS_STORAGE = ("-c", "credential.helper=", "-c", f"credential.https://github.com.helper={_ANSWER}")
_PRIVATE = " (if it is private: export GH_TOKEN=… for GitHub, or name a checkout of it here)"
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
        said = scrub(" ".join(os.fsdecode(result.err).split()))
        raise Failure(said + _PRIVATE * ("'http" in said))
    return "" if result.status else os.fsdecode(result.out).strip()


async def locate(repo: str, branch: str | None, token: str | None, notes: list[str]) -> Source:
    """What `repo` and `branch` stand for at this moment; `notes` gets what will not come along.

    A relative path counts from the current directory. `token` is GitHub's. Raises Failure if it
    cannot be read."""
    if not repo.startswith(("/", ".", "~")):
        return await _elsewhere(repo, branch, token)
    path = Path(repo).expanduser().resolve()
    here = ("-C", str(path))
    name, head = await _head(".", branch, *here)
    for note, question in _QUESTIONS.items():
        said = await git(*here, *question.format(head=head).split(), strict=False)
        notes += [f"{path}: {note}"] * (said not in ("", "false"))
    ends = path / await git(*here, "rev-parse", "--git-path", "shallow")
    return Source(str(path), path, name, head, ends.read_text() if ends.exists() else "")


async def _elsewhere(repo: str, branch: str | None, token: str | None) -> Source:
    """What `repo` is on another machine, asked without asking anybody here for a password."""
    url = f"https://github.com/{repo.removesuffix('.git')}.git" if _GITHUB.fullmatch(repo) else repo
    if _LOGIN.match(url):
        raise Failure("has a name or password before its host, which would be kept: leave it out")
    if not _URL.fullmatch(url):
        raise Failure(f'"{repo}" is no owner/name, git URL or path (/…, ./…, ../…, ~/…)')
    ssh = f"{os.environ.get('GIT_SSH_COMMAND', 'ssh')} -o BatchMode=yes"
    env = {"GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": ssh, "GH_TOKEN": token or ""}
    return Source(url, None, *await _head(url, branch, *AS_STORAGE, **env))


async def _head(url: str, branch: str | None, *options: str, **env: str) -> tuple[str | None, str]:
    """The branch to start from (None if HEAD is on none), and its commit."""
    ref = f"refs/heads/{branch}" if branch else "HEAD"
    listed = await git(*options, "ls-remote", "--symref", "--", url, ref, env=env)
    head = re.search(rf"^(\w+)\t{re.escape(ref)}$", listed, re.M)
    if not head:
        raise Failure(f'has no branch "{branch}"' if branch else "has no commit to start from")
    default = re.search(r"^ref: refs/heads/(.+)\tHEAD$", listed, re.M)
    return branch or (default and default[1]), head[1]

"""Where a plan's code comes from: what `repo` and `branch` of voyage.json mean, asked of git."""

import os
import re
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

from .errors import Failure, scrub
from .plan import Source
from .ssh import run

_SECONDS = 30
_GITHUB = re.compile(r"[A-Za-z0-9-]+/[\w.-]+")
_URL = re.compile(r"(https?|ssh|git)://[^\s/].*|[\w.-]+@[\w.-]+:.+")
_SECRET = re.compile(r"https?://[^/]*@|\w+://[^/@]*:[^/@]*@")
# What to tell about a checkout when git prints anything in answer to the question.
_SHALLOW = "this is a shallow clone: the voyage has only the history that is here"
_QUESTIONS = {
    "changes that are not committed stay behind (see `git status`)": "status --porcelain",
    "submodules stay empty unless setup.sh runs `git submodule update --init`": (
        "ls-tree --full-tree {head} .gitmodules"
    ),
    "files in LFS stay pointers unless setup.sh runs `git lfs pull`": (
        "grep -l filter=lfs {head} -- :(top,glob)**/.gitattributes"
    ),
}


async def locate(
    repo: str, branch: str | None, environ: Mapping[str, str]
) -> tuple[Source, list[str]]:
    """What `repo` and `branch` stand for at this moment, and notes on what will not come along.

    A relative path counts from the current directory. Raises Failure if it cannot be read.
    """
    if not repo.startswith(("/", ".", "~")):
        url = _url(repo)
        name, head = await _head(Path(), url, branch, _access(environ))
        return Source("url", url, None, name, head), []
    path = _path(repo)
    name, head = await _head(path, ".", branch, {})
    shallow = await _git(path, "rev-parse", "--is-shallow-repository") == "true"
    notes = [_SHALLOW] if shallow else []
    for note, question in _QUESTIONS.items():
        if await _git(path, *question.format(head=head).split(), strict=False):
            notes.append(note)
    return Source("path", str(path), path, name, head, shallow), [f"{path}: {n}" for n in notes]


def _path(repo: str) -> Path:
    return Path(repo).expanduser().resolve()


def _url(repo: str) -> str:
    if _GITHUB.fullmatch(repo):
        return f"https://github.com/{repo.removesuffix('.git')}.git"
    if _SECRET.match(repo):
        raise Failure("has a password or token in it: take it out, set GH_TOKEN")
    if not _URL.fullmatch(repo):
        raise Failure(f'"{repo}" is no owner/name, git URL or path (/…, ./…, ../…, ~/…)')
    return repo


async def _head(
    path: Path, url: str, branch: str | None, env: dict[str, str]
) -> tuple[str | None, str]:
    """The branch to start from (None if HEAD is on none), and its commit."""
    ref = f"refs/heads/{branch}" if branch else "HEAD"
    listed = await _git(path, "ls-remote", "--symref", "--", url, ref, env=env)
    head = re.search(rf"^(\w+)\t{re.escape(ref)}$", listed, re.M)
    if not head:
        raise Failure(f'has no branch "{branch}"' if branch else "has no commit to start from")
    default = re.search(r"^ref: refs/heads/(.+)\tHEAD$", listed, re.M)
    return branch or (default and default[1]), head[1]


def _access(environ: Mapping[str, str]) -> dict[str, str]:
    """Environment in which git asks nobody; GH_TOKEN is for github.com alone, and in no argv."""
    ssh = environ.get("GIT_SSH_COMMAND", "ssh")
    env = {"GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": f"{ssh} -o BatchMode=yes"}
    if token := environ.get("GH_TOKEN"):
        count = int(environ.get("GIT_CONFIG_COUNT") or 0)
        login = b64encode(f"x-access-token:{token}".encode()).decode()
        env["GIT_CONFIG_COUNT"] = str(count + 1)
        env[f"GIT_CONFIG_KEY_{count}"] = "http.https://github.com/.extraHeader"
        env[f"GIT_CONFIG_VALUE_{count}"] = f"Authorization: Basic {login}"
    return env


async def _git(path: Path, *args: str, env: Mapping[str, str] = {}, strict: bool = True) -> str:
    """What git prints at `path`, in English. If it fails: nothing, or if `strict` a Failure."""
    env = {"LC_ALL": "C", **env}
    result = await run(["git", "-C", str(path), *args], env=env, timeout=_SECONDS)
    if result.status and strict:
        raise Failure(scrub(" ".join(os.fsdecode(result.err).split())))
    return "" if result.status else os.fsdecode(result.out).strip()

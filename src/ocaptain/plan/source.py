"""Where the code comes from: what `repo` stands for."""

import re
from pathlib import Path

from ocaptain.errors import Failure
from ocaptain.git import git

from .plan import Source

# As storage will ask: without the captain's own helpers, and with GH_TOKEN for github.com alone,
# which thus is in no argv and kept by no helper.
_ANSWER = "!echo username=x-access-token; echo password=$GH_TOKEN; :"
AS_STORAGE = ("-c", "credential.helper=", "-c", f"credential.https://github.com.helper={_ANSWER}")

OWNER_AND_NAME = re.compile(r"[A-Za-z0-9-]+/[\w.-]+")
PASSWORD_IN_URL = re.compile(r"https?://[^/]*@|\w+://[^/@]*:[^/]*@")
GIT_URL = re.compile(r"(https?|ssh|git)://[^\s/].*|[\w.-]+@[\w.-]+:.+")


async def locate(repo: str, branch: str | None, token: str | None) -> Source:
    """Find out what `repo` and `branch` stand for now, without asking anybody for a password.

    A relative path counts from the current directory. `token` is GitHub's. Raises Failure if the
    repository cannot be read."""
    path = Path(repo).expanduser().resolve() if repo.startswith(("/", ".", "~")) else None
    ref = f"refs/heads/{branch}" if branch else "HEAD"
    if path:
        url = str(path)
        listing = await _list_refs(".", ref, token, folder=path)
        shallow = await _end_of_history(path)
    else:
        url = clone_url(repo)
        listing = await _list_refs(url, ref, token, folder=Path())
        shallow = ""
    head = re.search(rf"^(\w+)\t{re.escape(ref)}$", listing, re.MULTILINE)
    if not head:
        raise Failure(f'has no branch "{branch}"' if branch else "has no commit to start from")
    if not branch:
        current = re.search(r"^ref: refs/heads/(.+)\tHEAD$", listing, re.MULTILINE)
        branch = current[1] if current else None
    return Source(url, path, branch, head[1], ref, shallow)


async def _list_refs(url: str, ref: str, token: str | None, *, folder: Path) -> str:
    words = ("ls-remote", "--symref", "--", url, ref)
    return await git("-C", str(folder), *AS_STORAGE, *words, env={"GH_TOKEN": token or ""})


async def _end_of_history(checkout: Path) -> str:
    """Return git's own file of where a shallow history ends; nothing if the history is whole."""
    path = checkout / await git("-C", str(checkout), "rev-parse", "--git-path", "shallow")
    return path.read_text() if path.exists() else ""


def clone_url(repo: str) -> str:
    """Return the URL that `repo` stands for, which is no path. Raises Failure if it is none."""
    url = repo
    if OWNER_AND_NAME.fullmatch(repo):
        url = f"https://github.com/{repo.removesuffix('.git')}.git"
    if PASSWORD_IN_URL.match(url):
        raise Failure("has a name or password before its host, which would be kept: leave it out")
    if not GIT_URL.fullmatch(url):
        raise Failure(f'"{repo}" is no owner/name, git URL or path (/…, ./…, ../…, ~/…)')
    return url

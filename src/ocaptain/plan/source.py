"""Where the code comes from: what `repo` stands for."""

import re
from pathlib import Path

from ocaptain.errors import Failure
from ocaptain.git import git, try_git

from .plan import Source

# As storage will ask: without the captain's own helpers, and with GH_TOKEN for github.com alone,
# which thus is in no argv and kept by no helper.
_ANSWER = "!echo username=x-access-token; echo password=$GH_TOKEN; :"
AS_STORAGE = ("-c", "credential.helper=", "-c", f"credential.https://github.com.helper={_ANSWER}")

PROMISOR = r"^remote\..*\.promisor$"
LIST_OBJECTS = ("rev-list", "--objects", "--missing=print")
"""git's words that list all objects, with a ? before those that are not here."""
COUNT_S = 300
TALK = " Please make sure you have the correct access rights and the repository exists."
"""What git says of every repository that it cannot read."""
SHA1_DIGITS = 40

OWNER_AND_NAME = re.compile(r"[A-Za-z0-9-]+/[\w.-]+")
PASSWORD_IN_URL = re.compile(r"https?://[^/]*@|\w+://[^/@]*:[^/]*@")
GIT_URL = re.compile(r"(https?|ssh|git)://[^\s/].*|[\w.-]+@[\w.-]+:.+")


async def locate(repo: str, branch: str | None, token: str | None) -> Source:
    """Find out what `repo` and `branch` stand for now, without asking anybody for a password.

    A relative path counts from the current directory. `token` is GitHub's. Raises Failure if the
    repository cannot be read, or cannot be sailed."""
    ref = f"refs/heads/{branch}" if branch else "HEAD"
    if repo.startswith(("/", ".", "~")):
        source = await _local(Path(repo).expanduser().resolve(), branch, ref)
    else:
        source = await _remote(clone_url(repo), branch, ref, token)
    if len(source.head) != SHA1_DIGITS:
        raise Failure("names its objects by SHA-256; ocaptain can sail those with SHA-1 only")
    return source


async def _local(path: Path, branch: str | None, ref: str) -> Source:
    here = ("-C", str(path))
    try:
        ends = path / await git(*here, "rev-parse", "--git-path", "shallow")
    except Failure as failure:
        raise _no_checkout(path, str(failure)) from None
    head = await try_git(*here, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
    if not head:
        raise _no_commit(branch)
    if not branch:
        branch = await try_git(*here, "symbolic-ref", "--quiet", "--short", "HEAD") or None
    await _see_that_all_is_there(path, ref)
    shallow = ends.read_text() if ends.exists() else ""
    return Source(str(path), path, branch, head, ref, shallow)


async def _remote(url: str, branch: str | None, ref: str, token: str | None) -> Source:
    """Look at a repository as storage will: with none of the captain's settings for it."""
    own = (
        *AS_STORAGE,
        *("-c", f"url.{url}.insteadOf={url}"),
        *("-c", f"http.{url}.extraHeader="),
    )
    words = ("ls-remote", "--symref", "--", url, ref)
    try:
        listing = await git("-C", "/", *own, *words, env={"GH_TOKEN": token or ""})
    except Failure as failure:
        said = str(failure).replace(TALK, "").replace("fatal: ", "")
        raise Failure(f"{url} cannot be read: {said}") from None
    head = re.search(rf"^(\w+)\t{re.escape(ref)}$", listing, re.MULTILINE)
    if not head:
        raise _no_commit(branch)
    if not branch:
        current = re.search(r"^ref: refs/heads/(.+)\tHEAD$", listing, re.MULTILINE)
        branch = current[1] if current else None
    return Source(url, None, branch, head[1], ref)


def _no_checkout(path: Path, words: str) -> Failure:
    """Return why there is no repository at a path, of which git has said this."""
    if not path.is_dir():
        return Failure(f"there is no folder {path}")
    if "not a git repository" in words:
        return Failure(f'{path} is in no git checkout: name one, or cd into yours for "."')
    return Failure(words)


def _no_commit(branch: str | None) -> Failure:
    return Failure(f'has no branch "{branch}"' if branch else "has no commit to start from")


async def _see_that_all_is_there(checkout: Path, ref: str) -> None:
    """Raise Failure if a partial clone lacks objects, and its origin cannot be asked for them."""
    here = ("-C", str(checkout))
    promises = await try_git(*here, "config", "--name-only", "--get-regexp", PROMISOR)
    if not promises:
        return
    objects = await git(*here, *LIST_OBJECTS, ref, timeout=COUNT_S)
    if "\n?" not in objects:
        return
    origin = promises.splitlines()[0].removeprefix("remote.").rpartition(".")[0]
    try:
        await git(*here, "ls-remote", "--quiet", origin, "HEAD")
    except Failure as fault:
        raise Failure(
            f"is a partial clone, and what it lacks cannot be had from {origin}: {fault}"
        ) from None


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

"""A checkout's repository before it sails: what ships will not have of it, or have otherwise."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from ocaptain.errors import Failure
from ocaptain.git import git, try_git
from ocaptain.onboard.text import clean, several
from ocaptain.process import wait_for_all

from .reading import Findings
from .source import PROMISOR

PARTIAL = "a partial clone: what is not here is fetched from its origin during `sail`"
SHALLOW = "a shallow clone: the voyage has only the history that is here"
UNCOMMITTED = "changes that are not committed stay behind (see `git status`)"
STATUS = ("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all")
SUBMODULES = "submodules stay empty unless setup.sh updates them"
NESTED = "links to repositories that .gitmodules does not name stay empty"
LFS = "files in LFS stay pointers unless setup.sh pulls them"
UNFILTERED = "stay as they are committed: ships do not have that filter"
DIRTY = "each fresh clone has changes from the start, in"
RENORMALIZE = (
    "where .gitattributes wants other line endings or another encoding; to mend it: "
    "git add --renormalize . && git commit"
)

LARGE_BYTES = 1_000_000_000
"""Such a repository is a matter of minutes for each ship, and is not checked out to try it."""
TRIAL_FILES = 50_000
"""Nor is one of more files."""
TRIAL_S = 300
LISTED = 3

# As on ships: without what the captain's git is set to.
ON_SHIPS = ("-c", "core.attributesFile=/dev/null", "-c", "core.hooksPath=/dev/null")
SHIP_ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
}
FILTER = re.compile(r"\bfilter=([\w.-]+)")
SIZE = re.compile(r"^size(?:-pack)?: (\d+)$", re.MULTILINE)


class Tree:
    """What a commit has, by paths."""

    def __init__(self, listing: str) -> None:
        """`listing` is what `ls-tree -rz` prints."""
        self.files: list[str] = []
        self.links: list[str] = []
        """Other repositories."""
        for entry in filter(None, listing.split("\0")):
            kind, _, path = entry.partition("\t")
            paths = self.links if kind.startswith("160000") else self.files
            paths.append(path)

    def attributes(self) -> list[str]:
        """Return the files that say how others are to be treated."""
        return [path for path in self.files if path.rpartition("/")[2] == ".gitattributes"]


async def inspect(checkout: Path, head: str, plan: Path, findings: Findings) -> None:
    """Find what will not come along with the commit `head` of a checkout, and what will be
    otherwise on ships; a commit that nobody can check out is a fault.

    `plan` is the plan's folder, which sails whether it is committed or not."""

    async def ask(*words: str) -> str:
        return await try_git("-C", str(checkout), *words)

    changes = [*STATUS, "--", ":/", *await _except(plan, checkout)]
    partial, shallow, status, counts, named, listing = await wait_for_all(
        ask("config", "--get-regexp", PROMISOR),
        ask("rev-parse", "--is-shallow-repository"),
        ask(*changes),
        ask("count-objects", "-v"),
        ask("config", "--blob", f"{head}:.gitmodules", "--get-regexp", r"^submodule\..*\.path$"),
        ask("ls-tree", "-rz", "--full-tree", head),
    )
    tree = Tree(listing)
    size = 1024 * sum(map(int, SIZE.findall(counts)))
    notes = []
    if partial:
        notes.append(PARTIAL)
    if shallow == "true":
        notes.append(SHALLOW)
    if status:
        entries = filter(None, status.split("\0"))
        paths = [entry.lstrip().partition(" ")[2].lstrip() for entry in entries]
        notes.append(f"{UNCOMMITTED}: {listed(paths)}")
    notes += _on_links(tree.links, named)
    if size > LARGE_BYTES:
        notes.append(f"the repository has {size / 1e9:.1f} GB, and each ship clones all of it")
    findings.notes += [f"{checkout}: {note}" for note in notes]
    is_small = size <= LARGE_BYTES and len(tree.files) <= TRIAL_FILES
    if is_small and tree.attributes() and not partial:
        await try_out(checkout, head, tree, findings)


async def _except(folder: Path, checkout: Path) -> list[str]:
    """Return git's words for all but `folder`; none if it is not in the checkout."""
    top = await try_git("-C", str(checkout), "rev-parse", "--show-toplevel")
    inner = folder.resolve()
    if not top or Path(top) not in inner.parents:
        return []
    return [f":(exclude,top,literal){inner.relative_to(top)}"]


def _on_links(links: Sequence[str], named: str) -> Iterable[str]:
    """Yield what becomes of links to other repositories. `named` has those of .gitmodules, as git
    config prints them."""
    submodules = {line.partition(" ")[2] for line in named.splitlines()}
    if submodules.intersection(links):
        yield SUBMODULES
    nested = [path for path in links if path not in submodules]
    if nested:
        yield f"{NESTED}: {listed(nested)}"


async def try_out(checkout: Path, head: str, tree: Tree, findings: Findings) -> None:
    """Check a commit out as a ship will, without copying its objects, and see what is odd then."""
    with tempfile.TemporaryDirectory(prefix="ocaptain-") as folder:
        clone = Trial(Path(folder))
        try:
            await clone.check_out(checkout, head)
        except Failure as failure:
            findings.fault('voyage.json: "repo"', f"{head[:12]} cannot be checked out: {failure}")
            return
        changed = await clone.changed()
        filters = await clone.filters(tree.attributes())
    notes = []
    if changed:
        notes.append(f"{DIRTY} {listed(changed)}, {RENORMALIZE}")
    if "lfs" in filters:
        notes.append(LFS)
    notes += [f"files with filter={name} {UNFILTERED}" for name in filters if name != "lfs"]
    findings.notes += [f"{checkout}: {note}" for note in notes]


class Trial:
    """A clone in `folder` as ships have it, which borrows its objects."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def git(self, *words: str) -> str:
        """Run git here, with none of the captain's settings. Raises Failure."""
        argv = ("-C", str(self.folder), *ON_SHIPS, *words)
        return await git(*argv, env=SHIP_ENVIRONMENT, timeout=TRIAL_S)

    async def paths(self, *words: str) -> list[str]:
        """Return the paths that git prints, each with a NUL after it."""
        return [path for path in (await self.git(*words)).split("\0") if path]

    async def check_out(self, checkout: Path, head: str) -> None:
        """Make it. Raises Failure if it cannot be made."""
        where = ("-C", str(checkout), "rev-parse", "--path-format=absolute")
        objects = await git(*where, "--git-path", "objects")
        shallow = Path(await git(*where, "--git-path", "shallow"))
        object_format = await git(*where, "--show-object-format")
        await self.git("init", "--quiet", "--template=", f"--object-format={object_format}")
        directory = self.folder / ".git"
        (directory / "objects/info/alternates").write_text(f"{objects}\n")
        if shallow.exists():
            shutil.copyfile(shallow, directory / "shallow")
        await self.git("checkout", "--quiet", "--detach", head)
        missing = await self.paths("ls-files", "--deleted", "-z")  # git itself says all is well
        if missing:
            raise Failure(f"git cannot write {listed(missing)} (see `git fsck`)")

    async def changed(self) -> list[str]:
        """Return the paths of files that git takes for changed."""
        await self.git("read-tree", "HEAD")  # or git would trust that nobody touched them since
        return await self.paths("diff", "--name-only", "-z")

    async def filters(self, attributes: Iterable[str]) -> list[str]:
        """Return the names of filters that files have. `attributes` are the files to say so."""
        texts = [(self.folder / path).read_text(errors="replace") for path in attributes]
        names = sorted(set(FILTER.findall("\n".join(texts))))
        return [name for name in names if await self.git("ls-files", f":(attr:filter={name})")]


def listed(paths: Sequence[str]) -> str:
    """Name a few paths, and how many more there are."""
    named = ", ".join(clean(path) for path in paths[:LISTED])
    if len(paths) > LISTED:
        return f"{named} and {several(len(paths) - LISTED, 'other')}"
    return named

"""A provider of somebody else's: a package with an entry point, as docs/providers.md has it."""

from collections.abc import Iterator

import pytest

from tests.support.captain import Captain, new_captain, task
from tests.support.machine import put

PROVIDER = '''\
"""VMs that are directories, in a place of their own."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ocaptain.config import Config
from ocaptain.providers import VM, StorageAccess
from ocaptain.providers.local import Local


class Scratch:
    """Local's VMs, below the data directory's `scratch`."""

    accounts = False

    def __init__(self, config: Config) -> None:
        self.local = Local(replace(config, data_dir=config.data_dir / "scratch"))
        self.python = self.local.python

    async def capacity(self, more: int = 0) -> str:
        return f"room for {more} more, and for many besides"

    async def create(self, name: str) -> VM:
        return await self.local.create(name)

    async def destroy(self, names: Iterable[str]) -> dict[str, str]:
        return await self.local.destroy(names)

    async def list(self) -> Sequence[VM]:
        return await self.local.list()

    async def authorize_key(self, storage: VM, ship: str, key: str) -> StorageAccess:
        return await self.local.authorize_key(storage, ship, key)
'''
METADATA = "Metadata-Version: 2.1\nName: ocaptain-scratch\nVersion: 1.0\n"
ENTRY_POINTS = "[ocaptain.providers]\nscratch = ocaptain_scratch:Scratch\n"


@pytest.fixture
def captain(tools: None) -> Iterator[Captain]:
    """A captain who has installed the package `ocaptain-scratch`."""
    with new_captain(OCAPTAIN_PROVIDER="scratch") as somebody:
        site = somebody.root / "site"
        put(site / "ocaptain_scratch.py", PROVIDER)
        put(site / "ocaptain_scratch-1.0.dist-info" / "METADATA", METADATA)
        put(site / "ocaptain_scratch-1.0.dist-info" / "entry_points.txt", ENTRY_POINTS)
        somebody.env["PYTHONPATH"] = str(site)
        yield somebody


def test_a_voyage_sails_with_a_provider_of_somebody_elses(captain: Captain):
    """`sail`, `status`, `fetch` and `sink` go by the entry point, and by nothing else."""
    repo = captain.repository()
    plan = captain.plan(repo, {"1": task("Write", "echo 1 >one")})
    assert "room for 2 more" in captain.run("sail", str(plan), "-n", "1").err
    captain.run("wait", "-t", "60")
    (row,) = captain.json("voyages")
    assert (row["state"], row["vms"]) == ("complete", 2)
    captain.run("fetch", "--into", str(repo))
    assert captain.git(repo, "show", f"{row['voyage']}:one") == "1"
    captain.run("sink", "-s", "-f")
    assert captain.json("voyages") == []


def test_the_provider_is_named_among_those_there_are(captain: Captain):
    """A name that is none says which there are, those of others too."""
    captain.env["OCAPTAIN_PROVIDER"] = "scratsh"
    said = captain.run("voyages", status=1).err
    assert "there is: exedev, hosts, local, scratch." in said

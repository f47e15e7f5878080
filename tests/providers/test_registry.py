"""Which providers there are: ours, and those of packages with an entry point."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocaptain.config import load
from ocaptain.errors import Failure
from ocaptain.providers import PROVIDERS, Named, open_provider
from ocaptain.providers.local import Local
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
    sizes = False

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


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_is_opened_by_its_name(name: str, tmp_path: Path):
    """Each of ocaptain's own has its class; `local` has no accounts, exe.dev alone has sizes."""
    provider = open_provider(load({"HOME": str(tmp_path), "OCAPTAIN_PROVIDER": name}))
    assert isinstance(provider, Named)
    assert type(provider.provider).__name__ == name.capitalize()
    assert provider.accounts == (name != "local")
    assert provider.sizes == (name == "exedev")


def test_a_provider_is_given_the_settings(tmp_path: Path):
    """What `open_provider` returns is what its class makes of them."""
    config = load({"HOME": str(tmp_path), "OCAPTAIN_PROVIDER": "local"})
    provider = open_provider(config)
    assert isinstance(provider, Named)
    assert vars(provider.provider) == vars(Local(config))
    assert provider.python == os.path.realpath(sys.executable)


def test_an_unknown_provider_is_a_failure():
    """It lists the known ones, and has one to type."""
    unknown = load({"HOME": "/nonexistent", "OCAPTAIN_PROVIDER": "cloud"})
    with pytest.raises(
        Failure, match="no provider 'cloud' here; there is: exedev, hosts, local"
    ) as caught:
        open_provider(unknown)
    assert "export OCAPTAIN_PROVIDER=local" in str(caught.value)


def test_a_voyage_sails_with_a_provider_of_somebody_elses(captain: Captain):
    """`sail`, `status`, `fetch` and `sink` go by the entry point, and by nothing else."""
    repo = captain.repository()
    plan = captain.plan(repo, {"1": task("Write", "echo 1 >one")})
    refused = captain.run("sail", str(plan), "--cpu", "2", status=1).err
    assert "The provider scratch cannot honour --cpu" in refused
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

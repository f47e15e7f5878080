"""What a VM is sent, unpacked as the VM unpacks it."""

import io
import json
import py_compile
import subprocess
import sys
import tarfile
from compileall import compile_dir
from pathlib import Path
from typing import Any, cast

import pytest

import ocaptain.onboard
from ocaptain.fleet.archive import Half, pack
from ocaptain.onboard.protocol import StorageBoot
from tests.support.storage import boot

BOOT = cast(StorageBoot, boot([], {"url": None, "ref": "HEAD", "shallow": ""}, name="größer"))
SOURCES = Path(ocaptain.onboard.__file__).parent


def unpack(folder: Path, **contents: Any) -> set[str]:
    """Unpack an archive in a folder. Returns the paths of its files."""
    with tarfile.open(fileobj=io.BytesIO(pack(BOOT, **contents)), mode="r:gz") as tar:
        tar.extractall(folder, filter="data")
        return {entry.name for entry in tar.getmembers() if entry.isfile()}


def test_boot_json_is_for_its_owner_alone(tmp_path: Path):
    """It holds tokens; without code and bundle there is nothing else."""
    assert unpack(tmp_path, code=None) == {"boot.json"}
    assert json.loads((tmp_path / "boot.json").read_bytes()) == BOOT
    assert (tmp_path / "boot.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("half", "other"), [("ship", "storage"), ("storage", "ship")])
def test_the_code_is_whole_and_has_nothing_of_this_machines_python(
    tmp_path: Path, half: Half, other: Half
):
    """No VM has what is for others alone, and what this machine has compiled stays here."""
    py_compile.compile(str(SOURCES / "text.py"), doraise=True)
    wanted = {
        f"lib/onboard/{path.relative_to(SOURCES)}"
        for path in SOURCES.rglob("*")
        if path.is_file()
        and path.parent.name != "__pycache__"
        and SOURCES / other not in path.parents
    }
    assert unpack(tmp_path, code=half) == {"boot.json", "lib/__main__.py", *wanted}


def test_bytecode_for_this_python_goes_along_if_it_is_wanted(tmp_path: Path):
    """Where it was unpacked it is fresh, so that nobody has to compile; others' stays here."""
    cache = SOURCES / "__pycache__"
    (cache / "text.other-39.pyc").touch()
    names = unpack(tmp_path / "voyage", code="ship", bytecode=True)
    (cache / "text.other-39.pyc").unlink()
    sources = {name for name in names if name.endswith(".py") and "__main__" not in name}
    compiled = {name for name in names if name.endswith(".pyc")}
    tag = sys.implementation.cache_tag
    expected = {
        Path(name).parent / "__pycache__" / f"{Path(name).stem}.{tag}.pyc" for name in sources
    }
    assert {Path(name) for name in compiled} == expected
    lib = tmp_path / "voyage" / "lib"
    before = {path: path.stat().st_ino for path in lib.rglob("*.pyc")}
    assert compile_dir(lib / "onboard", quiet=2)
    assert {path: path.stat().st_ino for path in lib.rglob("*.pyc")} == before


def test_what_was_unpacked_runs_without_a_package(tmp_path: Path):
    """The system's own python runs a program of it, and no site-packages are looked at."""
    unpack(tmp_path / "voyage", code="storage")
    (tmp_path / "voyage" / "logs").mkdir()
    (tmp_path / "voyage" / "logs" / "ship-0.log").write_text("2026-01-01T00:00:01.000Z Hello\n")
    query = '{"ship": "ship-0", "task": "", "since": "", "pattern": "", "tail": 0, "follow": false}'
    argv = [sys.executable, "-IS", str(tmp_path / "voyage" / "lib"), "logs", query]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout == '{"ok": true}\n2026-01-01T00:00:01.000Z ship-0 Hello\n'


def test_a_bundle_goes_along_if_there_is_one(tmp_path: Path):
    """A repository that storage clones by itself has none."""
    bundle = tmp_path / "any.bundle"
    assert unpack(tmp_path / "without", code=None, bundle=bundle) == {"boot.json"}
    bundle.write_bytes(b"# v2 git bundle\n")
    unpack(tmp_path / "with", code=None, bundle=bundle)
    assert (tmp_path / "with" / "source.bundle").read_bytes() == bundle.read_bytes()

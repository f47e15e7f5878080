"""A captain whose VMs are on the stand-in for exe.dev."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fakes.exedev import ExeDev
from tests.integration.harness import Captain, new_captain


@dataclass
class ExeCaptain(Captain):
    """Somebody with an account at exe.dev (the stand-in `exe`)."""

    exe: ExeDev | None = None

    def home_on(self, vm: str) -> Path:
        assert self.exe
        user = "harbor" if vm.endswith("-storage") else "exedev"
        return self.exe.machines[vm].root / "home" / user

    def remains(self) -> list[str]:
        assert self.exe
        there = [f"VM {name}" for name in self.exe.machines]
        keys = [f"key {key.name}" for key in self.exe.keys if key.name.startswith("voyage-")]
        return [*super().remains(), *there, *keys]


@contextmanager
def exe_captain(
    folder: Path, env: dict[str, str] | None = None, **how: Any
) -> Iterator[ExeCaptain]:
    """A captain with an account of their own; `how` is what ExeDev takes."""
    with ExeDev(folder, **how) as exe:
        told = {"OCAPTAIN_PROVIDER": "exedev", "OCAPTAIN_SSH_CONFIG": str(exe.ssh_config)}
        with new_captain(ExeCaptain, **told, **(env or {})) as captain:
            assert isinstance(captain, ExeCaptain)
            captain.exe = exe
            yield captain

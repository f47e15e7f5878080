"""What `sail` sends to a VM: one archive on stdin of one SSH command, built by pure functions."""

import io
import json
import tarfile
import time
from pathlib import Path
from typing import Any

from .plan import Plan, Settings
from .ssh import Home, Remote

ONBOARD = Path(__file__).parent / "onboard"
MAIN = "import gc\ngc.disable()\nfrom onboard.programs import main\nraise SystemExit(main())\n"
LIB = ("-IS", Home("voyage/lib"))
"""What comes between python and the name of a program of the onboard half, on a VM."""
Json = dict[str, Any]


def unpack(python: str, *sudo: str) -> Remote:
    """The command that takes an archive on stdin and sets the VM up, by `sudo` if need be."""
    place = "umask 077 && mkdir -p ~/voyage && cd ~/voyage && tar -xzf -"
    set_up = Remote(*sudo, python, *LIB, "setup.main")
    return Remote("sh", "-c", f"{place} && exec {set_up}")


def archive(boot: Json, bundle: Path | None = None) -> bytes:
    """The onboard code, boot.json and, for storage, the captain's repository as a git bundle."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
        for path in sorted(ONBOARD.rglob("*.[ps][yh]")):
            tar.add(path, f"lib/onboard/{path.relative_to(ONBOARD)}")
        for name, body in {"lib/__main__.py": MAIN, "boot.json": json.dumps(boot)}.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(body.encode()), 0o600
            tar.addfile(entry, io.BytesIO(body.encode()))
        if bundle:
            tar.add(bundle, "source.bundle")
    return buffer.getvalue()


def boot(plan: Plan, sailed: Json, *, accounts: bool) -> Json:
    """What boot.json has for every VM: the voyage as storage and ships know it, and the plan's own
    files. `sailed` is what the plan does not say: `voyage`, `ships`, `author`, `pr`."""
    record = {
        **sailed,
        "created": time.time(),
        "origin": None if plan.source.path else plan.source.url,
        "base": plan.source.branch,
        "repairs": 0 if plan.agent == "shell" else 3,
        "spec": plan.artifacts["spec.md"],
        **{key: getattr(plan, key) for key in Settings.__struct_fields__},
    }
    return {"voyage": record, "artifacts": plan.artifacts, "accounts": accounts}

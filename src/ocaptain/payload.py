"""What `sail` sends to a VM: one archive on stdin of one SSH command, built by pure functions."""

import io
import json
import tarfile
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

from .plan import Plan, Settings
from .ssh import Home, Remote

ONBOARD = Path(__file__).parent / "onboard"
MAIN = "import gc\ngc.disable()\nfrom onboard.programs import main\nraise SystemExit(main())\n"
Json = dict[str, Any]


def program(python: str, *words: str) -> tuple[str, ...]:
    """The words that run a program of the onboard half on a VM."""
    return (python, "-IS", Home("voyage/lib"), *words)


def unpack(python: str, *sudo: str) -> Remote:
    """The command that takes an archive on stdin and sets the VM up, by `sudo` if need be."""
    place = "umask 077 && mkdir -p ~/voyage && cd ~/voyage && tar -xzf -"
    set_up = Remote(*sudo, *program(python, "setup.main"))
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
    files = {"spec.md": plan.spec, "verify.sh": plan.verify, "setup.sh": plan.setup}
    record = {
        **sailed,
        "created": time.time(),
        "origin": None if plan.source.path else plan.source.url,
        "base": plan.source.branch,
        "repairs": 0 if plan.agent == "shell" else 3,
        "spec": plan.spec,
        **{field.name: getattr(plan, field.name) for field in fields(Settings)},
    }
    artifacts = {name: text for name, text in files.items() if text is not None}
    return {"voyage": record, "artifacts": artifacts, "accounts": accounts}

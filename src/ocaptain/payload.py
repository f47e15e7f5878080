"""What `sail` sends to a VM: one archive on stdin of one SSH command, built by pure functions."""

import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from .plan import Plan, Settings
from .ssh import VM, Home, Remote

ONBOARD = Path(__file__).parent / "onboard"
MAIN = "import gc\ngc.disable()\nfrom onboard.programs import main\nraise SystemExit(main())\n"
Json = dict[str, Any]


def program(python: str, *words: str) -> Remote:
    """The command that runs a program of the onboard half on a VM."""
    return Remote(python, "-IS", Home("voyage/lib"), *words)


def unpack(python: str) -> Remote:
    """The command that takes an archive on stdin and sets the VM up."""
    place = "umask 077 && mkdir -p ~/voyage && cd ~/voyage && tar -xzf -"
    return Remote("sh", "-c", f"{place} && exec {program(python, 'setup.main')}")


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


def common(plan: Plan, voyage: str, ships: list[str], author: Mapping[str, str], at: float) -> Json:
    """What boot.json has for every VM: the voyage as storage and ships know it, and the plan's own
    files. `at` is when it was sailed, in UNIX time."""
    files = {"spec.md": plan.spec, "verify.sh": plan.verify, "setup.sh": plan.setup}
    record = {
        "voyage": voyage,
        "ships": ships,
        "author": dict(author),
        "created": at,
        "setup": plan.setup is not None,
        "repairs": 0 if plan.agent == "shell" else 3,
        "spec": plan.spec,
        **{field.name: getattr(plan, field.name) for field in fields(Settings)},
    }
    return {"voyage": record, "artifacts": {k: v for k, v in files.items() if v is not None}}


def storage_boot(common: Json, plan: Plan, keys: Mapping[str, str], shallow: str) -> Json:
    """boot.json of storage; `keys` are the ships' public ones, `shallow` as git's file has it."""
    ref = f"refs/heads/{plan.source.branch}" if plan.source.branch else "HEAD"
    url = None if plan.source.path else plan.source.url
    source = {"url": url, "ref": ref, "shallow": shallow}
    return {"role": "storage", **common, "tasks": plan.tasks, "ships": dict(keys), "source": source}


def ship_boot(
    common: Json, ship: str, key: str, storage: VM, reach: Any, captain: Mapping[str, str]
) -> Json:
    """boot.json of a ship: its private `key`, how it reaches storage, the agents' environment."""
    to_storage = {"key": key, "host_key": storage.host_key, "reach": reach}
    return {"role": "ship", **common, "ship": ship, **to_storage, "captain": dict(captain)}

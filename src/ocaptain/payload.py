"""What `sail` sends to a VM: one archive on stdin of one SSH command, built by pure functions."""

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .onboard import PROTOCOL
from .plan import Plan
from .ssh import Home, Remote

ONBOARD = Path(__file__).parent / "onboard"
MAIN = "import sys\nfrom onboard.programs import main\nsys.exit(main(sys.argv[1:]))\n"
UNPACK = Remote(
    "sh",
    "-c",
    "umask 077 && mkdir -p ~/voyage && cd ~/voyage && tar -xzf - && exec python3 -IS ~/voyage/lib setup",
)


def program(*words: str) -> Remote:
    """The command that runs a program of the onboard half on a VM."""
    return Remote("python3", "-IS", Home("voyage/lib"), *words)


def archive(boot: Mapping[str, Any], bundle: Path | None = None) -> bytes:
    """The onboard code, boot.json and, for storage, the captain's repository as a git bundle."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
        for path in sorted(ONBOARD.rglob("*.py")):
            tar.add(path, f"lib/onboard/{path.relative_to(ONBOARD)}")
        _add(tar, "lib/__main__.py", MAIN)
        _add(tar, "boot.json", json.dumps(boot))
        if bundle:
            tar.add(bundle, "source.bundle")
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, name: str, body: str) -> None:
    data = body.encode()
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), 0o600
    tar.addfile(entry, io.BytesIO(data))


def voyage_record(
    plan: Plan, voyage: str, ships: list[str], author: Mapping[str, str], created: float
) -> dict[str, Any]:
    """voyage.json as storage and ships have it: the plan without its tasks, and who sails it."""
    kept = ("name", "objective", "repo", "agent", "model", "check", "branch", "spec")
    limits = ("max_attempts", "stall_minutes", "lease_seconds", "time_limit_minutes")
    return {
        "protocol": PROTOCOL,
        "voyage": voyage,
        **{key: getattr(plan, key) for key in (*kept, *limits, "budget_usd", "notify")},
        "setup": plan.setup is not None,
        "repairs": 0 if plan.agent == "shell" else 3,
        "author": dict(author),
        "ships": ships,
        "created": created,
    }


def artifacts(plan: Plan) -> dict[str, str]:
    """The plan's own files, as storage keeps them."""
    files = {"spec.md": plan.spec, "verify.sh": plan.verify}
    return {**files, "setup.sh": plan.setup} if plan.setup else files


def storage_boot(
    record: Mapping[str, Any], plan: Plan, keys: Mapping[str, str], shallow: str
) -> dict[str, Any]:
    """boot.json of storage; `keys` are the ships' public ones."""
    ref = f"refs/heads/{plan.source.branch}" if plan.source.branch else "HEAD"
    url = None if plan.source.kind == "path" else plan.source.url
    return {
        "role": "storage",
        "voyage": record,
        "artifacts": artifacts(plan),
        "tasks": plan.tasks,
        "ships": keys,
        "source": {"url": url, "ref": ref, "shallow": shallow},
    }


def ship_boot(
    record: Mapping[str, Any],
    plan: Plan,
    ship: str,
    *,
    key: str,
    host_key: str,
    reach: tuple[tuple[str, str], ...],
    captain: Mapping[str, str],
) -> dict[str, Any]:
    """boot.json of a ship: `key` is its private one, `captain` the environment for agents."""
    return {
        "role": "ship",
        "voyage": record,
        "ship": ship,
        "artifacts": artifacts(plan),
        "key": key,
        "host_key": host_key,
        "reach": reach,
        "captain": dict(captain),
    }

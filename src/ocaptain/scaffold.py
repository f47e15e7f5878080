"""What there is to start with: a small plan, the skill that leads to one, and the demo."""

import shutil
import tempfile
from pathlib import Path

from .errors import Failure
from .git import git

PACKAGE = Path(__file__).parent
DEMO_PREFIX = "ocaptain-demo-"
DEMOS = "demos"
"""Where there is a note for each voyage that is a demo, below `data_dir`."""
IDENTITY = ("-c", "user.name=ocaptain demo", "-c", "user.email=demo@localhost")


def init(directory: Path) -> None:
    """Write a small plan to start from. Raises Failure if `directory` holds something already."""
    if directory.exists() and not _is_empty_directory(directory):
        raise Failure(f"{directory} exists and is not an empty directory.", hint="Name a new one.")
    shutil.copytree(PACKAGE / "templates/plan", directory, dirs_exist_ok=True)


def write_config(path: Path) -> None:
    """Write a config.toml in which every setting is commented out. Raises Failure if one is there.

    Nobody else can read it: tokens may be put into it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        raise Failure(f"{path} exists.", hint="ocaptain config  shows what it sets.") from None
    except OSError as why:
        raise Failure(f"{path} cannot be written: {why.strerror}.") from None
    path.write_text((PACKAGE / "templates/config.toml").read_text())


def _is_empty_directory(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def install_skill(home: Path) -> Path:
    """Put the `voyage-plan` skill where Claude Code finds it under `home`. Returns its path."""
    target = home / ".claude/skills/voyage-plan"
    shutil.copytree(PACKAGE / "skill", target, dirs_exist_ok=True)
    return target / "SKILL.md"


def note_demo(data_dir: Path, voyage: str, repo: Path) -> None:
    """Note that a voyage is a demo, and which repository was made for it."""
    note = data_dir / DEMOS / voyage
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(f"{repo}\n")


def demo_repository(data_dir: Path, voyage: str) -> Path | None:
    """Return the repository that was made for a demo; None if there is none, or no more."""
    note = data_dir / DEMOS / voyage
    if not note.exists():
        return None
    repo = Path(note.read_text().strip())
    is_ours = repo.name.startswith(DEMO_PREFIX) and not repo.is_symlink()
    return repo if is_ours and repo.is_dir() else None


def remove_demo(data_dir: Path, voyage: str) -> None:
    """Remove the repository of a demo, and the note on it; nothing if the voyage is none."""
    repo = demo_repository(data_dir, voyage)
    if repo:
        shutil.rmtree(repo, ignore_errors=True)
    (data_dir / DEMOS / voyage).unlink(missing_ok=True)


async def demo() -> Path:
    """Make a repository with a plan of eight tasks that need no model. Returns its path."""
    repo = Path(tempfile.mkdtemp(prefix=DEMO_PREFIX))
    shutil.copytree(PACKAGE / "templates/demo", repo, dirs_exist_ok=True)
    settings = repo / "plan/voyage.json"
    settings.write_text(settings.read_text().replace("REPOSITORY", str(repo)))
    await git("-C", str(repo), "init", "-q", "-b", "main")
    await git("-C", str(repo), "add", "-A")
    await git("-C", str(repo), *IDENTITY, "commit", "-q", "-m", "Begin")
    return repo

"""What there is to start with: the template of a plan, the skill, and the demo."""

import asyncio
import stat
import subprocess
from pathlib import Path

import pytest

from ocaptain.errors import Failure
from ocaptain.plan.plan import Forecast
from ocaptain.scaffold import demo, init, install_skill
from tests.support.plans import checked, git, repository


def test_template_passes_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What `plan init` writes is a plan that passes `check` in any checkout with a commit."""
    monkeypatch.chdir(repository(tmp_path / "code"))
    init(Path("plans/new"))
    assert Path("plans/new/PLAN.md").exists()
    report = checked(Path("plans/new"))
    assert report.faults == []
    assert report.forecast == Forecast(
        tasks=3, longest_chain=["1", "3"], max_parallel=2, overlaps=[]
    )
    assert Path("plans/new/verify.sh").stat().st_mode & stat.S_IXUSR


def test_template_verify_decides(tmp_path: Path):
    """The template's verify.sh is red before its tasks are done, and green afterwards."""
    init(tmp_path / "plan")
    verify = tmp_path / "plan/verify.sh"
    assert subprocess.run(["bash", verify], cwd=tmp_path, capture_output=True).returncode
    guide = tmp_path / "docs/guide"
    guide.mkdir(parents=True)
    for page in ("building.md", "layout.md", "README.md"):
        (guide / page).write_text("See [building](building.md) and [layout](layout.md).\n")
    assert not subprocess.run(["bash", verify], cwd=tmp_path, capture_output=True).returncode


def test_init_spares_what_is_there(tmp_path: Path):
    """`plan init` writes into an empty directory, never into one that holds something."""
    (tmp_path / "empty").mkdir()
    init(tmp_path / "empty")
    assert (tmp_path / "empty/spec.md").exists()
    for taken in (tmp_path / "empty", tmp_path / "empty/spec.md"):
        with pytest.raises(Failure, match="exists and is not an empty directory"):
            init(taken)


def test_skill_is_installed(tmp_path: Path):
    """The skill lands where Claude Code looks for it, over an older one, with its frontmatter."""
    for _ in range(2):
        path = install_skill(tmp_path)
        assert path == tmp_path / ".claude/skills/voyage-plan/SKILL.md"
        assert path.read_text().startswith("---\nname: voyage-plan\ndescription: ")
        path.write_text("an older one")


def test_the_demo_is_a_repository_with_a_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """All is committed, and the plan sails that repository with an agent that needs no model."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    repo = asyncio.run(demo())
    assert git(repo, "status", "--porcelain") == ""
    report = checked(repo / "plan")
    assert report.faults == []
    assert report.plan
    assert (report.plan.source.path, report.plan.agent) == (repo, "shell")
    assert report.forecast.tasks == 8

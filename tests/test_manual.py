"""Where the documents are that messages name."""

import json
from pathlib import Path

import pytest

from ocaptain import manual

ROOT = Path(__file__).parent.parent


def test_in_a_clone_they_are_there():
    """Each that is named can be read."""
    assert manual.page("json.md") == str(ROOT / "docs" / "json.md")


def installed(site: Path, *metadata: str, **origin: object) -> None:
    """Make what an installer leaves of a package."""
    folder = site / "ocaptain-0.1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("\n".join(["Name: ocaptain", "Version: 0.1.0", *metadata, ""]))
    if origin:
        (folder / "direct_url.json").write_text(json.dumps(origin))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where packages are installed, before all other places."""
    (tmp_path / "site").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return tmp_path / "site"


def test_the_package_may_say_where(site: Path, tmp_path: Path):
    """By its metadata."""
    url = "https://example.org/ocaptain/docs"
    installed(
        site, "Project-URL: Source, https://example.org", f"Project-URL: Documentation, {url}"
    )
    assert manual.documents(tmp_path) == url


def test_what_was_installed_from_a_repository_has_pages_there(site: Path, tmp_path: Path):
    """Those of the commit that was installed."""
    url = "https://example.org/me/ocaptain.git"
    installed(site, url=url, vcs_info={"vcs": "git", "commit_id": "4b0a30fb"})
    assert manual.documents(tmp_path) == "https://example.org/me/ocaptain/blob/4b0a30fb/docs"


def test_what_was_installed_from_a_clone_has_them_there(site: Path, tmp_path: Path):
    """As long as that clone is still there."""
    clone = tmp_path / "my clone"
    installed(site, url=clone.as_uri(), dir_info={})
    assert manual.documents(tmp_path) == "docs"
    (clone / "docs").mkdir(parents=True)
    assert manual.documents(tmp_path) == str(clone / "docs")

"""The page as one file."""

import re
from pathlib import Path

from ocaptain.dashboard import page


def test_a_report_is_one_file_that_runs_only_its_own_scripts(tmp_path: Path):
    """Whatever is in the data, it is text; and nothing is asked for."""
    (tmp_path / "index.html").write_text(
        '<head><meta name="ocaptain-csp"><link rel="stylesheet" href="static/a.css"></head>'
        '<!-- ocaptain:data --><script src="static/b.js"></script>'
    )
    (tmp_path / "a.css").write_text("b { color: red }")
    (tmp_path / "b.js").write_text('run("</script><!--")')
    hostile = "</script><script>alert(1)</script><!-- <link rel=\"stylesheet\" href='static/a.css'>"
    made = page.page_with({"text": hostile + page.DATA_MARK}, tmp_path)
    assert made.count("<script") == 2
    assert made.count("<!--") == 0
    assert made.count("<link") == 0
    [script] = re.findall(r"<script>(.*?)</script>", made)
    [policy] = re.findall(r'content="(.*?)"', made)
    assert f"script-src 'sha256-{page.digest(script)}'" in policy
    assert f"style-src 'sha256-{page.digest('b { color: red }')}'" in policy
    assert policy.startswith("default-src 'none'")


def test_the_page_itself_can_be_a_report():
    """All that it needs is in it, and what marks the places is not."""
    made = page.page_with({})
    assert 'src="' not in made
    assert "stylesheet" not in made
    assert page.DATA_MARK not in made
    assert page.POLICY_MARK not in made
    assert page.POLICY_MARK not in page.live_page()


def test_the_page_that_is_served_asks_for_two_files():
    """One has all styles, and one has all scripts, in the order in which the page names them."""
    served = page.live_page()
    assert re.findall(r'(?:src|href)="(static/[^"]*)"', served) == [
        "static/all.css",
        "static/all.js",
    ]
    scripts = page.scripts()
    names = page.SCRIPT.findall((page.STATIC / "index.html").read_text())
    places = [scripts.index((page.STATIC / name).read_text()) for name in names]
    assert places == sorted(places)
    assert page.styles().count("--ground:") == 2

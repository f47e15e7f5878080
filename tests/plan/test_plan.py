"""The values of a plan: documented, and printed in one shape."""

import json
import re
from pathlib import Path

import msgspec

from ocaptain.plan.plan import Settings
from tests.support.plans import checked, patch, write


def test_report_as_json(plan: Path):
    """`check --json` prints the report in one shape, whether the plan is sound or not."""
    patch(plan, "voyage.json", recommended_ships=2)
    for name in ("tasks/2.json", "tasks/3.json"):
        patch(plan, name, metadata={"run": "true", "files": ["src/a.py"]})
    assert json.loads(json.dumps(checked(plan).as_json())) == {
        "plan": "diamond",
        "faults": [],
        "notes": ["tasks 2 and 3 touch the same files and could run at once"],
        "tasks": 4,
        "longest_chain": ["1", "2", "10"],
        "max_parallel": 2,
        "recommended_ships": 2,
        "overlaps": [["2", "3"]],
    }
    write(plan, "spec.md", None)
    unsound = json.loads(json.dumps(checked(plan).as_json()))
    assert unsound["plan"] is None
    assert unsound["faults"] == ["spec.md: is missing or empty"]


def test_settings_are_documented():
    """docs/plans.md has a row for each key of voyage.json, with its default, and no other."""
    text = (Path(__file__).parents[2] / "docs/plans.md").read_text()
    section = text.partition("## voyage.json")[2].partition("### ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (?:`(.+?)`)? *\|", section, re.M)
    assert dict(rows) == {
        each.name: "" if each.required else json.dumps(each.default)
        for each in msgspec.structs.fields(Settings)
    }

"""docs/json.md, by verb."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

DOC = Path(__file__).parents[2] / "docs" / "json.md"


@cache
def section(verb: str) -> str:
    """What docs/json.md says of a verb, also of `status --watch`."""
    [text] = re.findall(
        rf"^## `ocaptain {verb} (?![a-z]|--watch).*?(?=^## |\Z)", DOC.read_text(), re.M | re.S
    )
    return text


def example(verb: str) -> Any:
    [block] = re.findall(r"```json\n(.*?)```", section(verb), re.S)
    return json.loads(block)

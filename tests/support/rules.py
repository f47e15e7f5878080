"""The rules of docs/reliability.md that a test holds: `@rule("R35")`."""

import pytest

rule = pytest.mark.rule

LONG = pytest.mark.long
"""Marks a case that is tried only with --long: its like is tried each time."""

__all__ = ["LONG", "rule"]

"""The rules of docs/reliability.md that a test holds: `@rule("R35")`."""

import pytest

rule = pytest.mark.rule

__all__ = ["rule"]

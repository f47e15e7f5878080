"""What all tests share."""

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("tests.support")
pytest_plugins = ["tests.support.fixtures"]

# `script/test --long` chooses the second, by pytest's --hypothesis-profile.
settings.register_profile("ci", max_examples=200, derandomize=True, deadline=None)
settings.register_profile("long", max_examples=2_000, deadline=None, print_blob=True)
settings.load_profile("ci")

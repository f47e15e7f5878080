"""What all tests share."""

from hypothesis import settings

# `script/test --long` chooses the second, by pytest's --hypothesis-profile.
settings.register_profile("ci", max_examples=200, derandomize=True, deadline=None)
settings.register_profile("long", max_examples=2_000, deadline=None, print_blob=True)
settings.load_profile("ci")

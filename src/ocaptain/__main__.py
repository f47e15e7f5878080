"""`python -m ocaptain` is `ocaptain`."""

import gc

ALLOCATIONS_BEFORE_A_COLLECTION = 50_000
"""A short command makes fewer. What it imports is no garbage, and to look for some in it with
Python's usual 700 would be a tenth of its time."""


def main() -> None:
    """Run `ocaptain`."""
    gc.set_threshold(ALLOCATIONS_BEFORE_A_COLLECTION)
    from ocaptain.cli import main as run  # under the new threshold

    run()


if __name__ == "__main__":
    main()

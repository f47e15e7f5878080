"""`python -m ocaptain` is `ocaptain`."""

import gc
import signal

ALLOCATIONS_BEFORE_A_COLLECTION = 50_000
"""A short command makes fewer. What it imports is no garbage, and to look for some in it with
Python's usual 700 would be a tenth of its time."""


def main() -> None:
    """Run `ocaptain`. Until a verb runs there is nothing to undo: an interrupt ends us at once."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's would show a traceback
    gc.set_threshold(ALLOCATIONS_BEFORE_A_COLLECTION)
    from ocaptain.cli import main as run  # under the new threshold

    run()


if __name__ == "__main__":
    main()

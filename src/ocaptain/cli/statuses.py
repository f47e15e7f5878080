"""The exit statuses of `ocaptain`."""

SUCCESS = 0
FAILURE = 1
USAGE = 2
BUG = 3
NOT_COMPLETE = 4
TIMED_OUT = 5
INTERRUPTED = 130

MEANINGS = {
    SUCCESS: "It worked. Of `wait` and `sail --wait`: the voyage is complete.",
    FAILURE: "It did not work: the message says why, and what to type next.",
    USAGE: "The command line is wrong.",
    BUG: "A bug in ocaptain. A crash report was written, and its path is shown.",
    NOT_COMPLETE: "Of `wait` and `sail --wait`: the voyage ended otherwise (failed, paused, "
    "halted, stalled), or has no task yet (idle).",
    TIMED_OUT: "Of `wait`: the time is up.",
    INTERRUPTED: "It was interrupted.",
}

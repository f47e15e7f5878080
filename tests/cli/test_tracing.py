"""One trace of a voyage, as it is typed."""

import pytest

from tests.support.shell import Shell


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--to http://127.0.0.1:1 --chrome", "--to goes with neither --output nor --chrome."),
        ("--to http://127.0.0.1:1 -o trace", "--to goes with neither --output nor --chrome."),
        ("--to nowhere", "'nowhere' is no address: say one such as http://127.0.0.1:4318"),
        ("-f --chrome", "--follow does not go with --chrome, which has to have all of it."),
    ],
)
def test_options_that_cannot_be_meant_are_refused(shell: Shell, words: str, said: str):
    """Before any voyage is looked for."""
    done = shell.type("trace", *words.split())
    assert done.status == 2
    assert said in done.err

"""What agents' failures mean."""

import time

import pytest

from ocaptain.onboard.ship.acp import ends
from tests.support.rules import rule


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        ({"code": -32000, "message": "Authentication required"}, "refused"),
        ({"code": 401, "message": "no"}, "refused"),
        ({"code": 404, "message": "no such model"}, "refused"),
        ({"code": 429, "message": "no"}, "limited"),
        ({"code": 503, "message": "no"}, "limited"),
        ({"code": -32603, "message": "API key not valid. Please pass a valid API key."}, "refused"),
        ({"code": -32603, "message": "Internal error", "data": "401 Unauthorized"}, "refused"),
        ({"code": -32603, "message": "You've hit your usage limit"}, "limited"),
        (
            {
                "code": -32603,
                "message": "Internal error",
                "data": {"message": "Cannot connect to API"},
            },
            "limited",
        ),
        (
            {"code": -32603, "message": "Internal error: No", "data": {"errorName": "APIError"}},
            "limited",
        ),
        ({"code": -32602, "message": "Invalid params"}, "error"),
        ("odd", "error"),
        (None, "error"),
    ],
)
def test_an_error_is_a_limit_a_refusal_or_a_failure(error, outcome):
    """By its number where that is an HTTP status, else by its words."""
    assert ends.of_error(error).outcome == outcome


@rule("R170")
@pytest.mark.parametrize(
    ("error", "is_shared"),
    [
        ({"code": 429, "message": "no"}, True),
        ({"code": -32603, "message": "You've hit your usage limit"}, True),
        ({"code": -32603, "message": "Quota exceeded (RESOURCE_EXHAUSTED)"}, True),
        ({"code": 429, "message": "No capacity is left for this model"}, False),
        ({"code": 529, "message": "Overloaded: rate limited"}, False),
        ({"code": 503, "message": "no"}, False),
        ({"code": -32603, "message": "Cannot connect to API"}, False),
        ({"code": 401, "message": "no"}, False),
    ],
)
def test_a_limit_of_the_account_is_told_from_trouble_of_the_api(error, is_shared):
    """All that use the credential have the one, and one session the other."""
    assert ends.of_error(error).is_shared == is_shared


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Try again in 5 minutes.", 300),
        ("retry after 12.5s", 12.5),
        ("try again in 2 days", 172800),
    ],
)
def test_the_end_of_a_limit_is_read(words, seconds):
    """As agents write it."""
    assert ends.ends_at(words) == pytest.approx(time.time() + seconds, abs=5)


def test_a_time_in_an_errors_data_is_read():
    """In UNIX time; without one nobody knows."""
    assert ends.ends_at('{"resets_at": 1790000000}') == 1790000000
    assert ends.ends_at("Too many requests") == 0


@pytest.mark.parametrize("hours", [1, 5, 20])
@pytest.mark.parametrize(
    ("words", "form"),
    [
        ("You've hit your usage limit. Visit a page or try again at {}.", "%I:%M %p"),
        ("You've hit your 5-hour limit · resets {} (UTC)", "%I:%M%p"),
    ],
)
def test_a_time_of_the_day_is_the_next_one(words: str, form: str, hours: int):
    """Agents tell the minute, in the machine's time zone; the limit is over after it."""
    until = time.time() + hours * 3600
    told = time.strftime(form, time.localtime(until)).lower()
    assert 0 < ends.ends_at(words.format(told)) - until <= 60


def test_a_time_of_the_day_that_is_just_over_is_no_end():
    """It is not tomorrow's."""
    told = time.strftime("%I:%M %p", time.localtime(time.time() - 600))
    assert ends.ends_at(f"try again at {told}") == 0

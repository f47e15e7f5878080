"""What of an environment is a secret, and taking it out of text."""

import json
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocaptain.onboard import redaction

HEX = st.text("0123456789abcdef", min_size=32, max_size=64)
TOKENS = st.from_regex(r"sk-ant-(api|oat)0[1-9]-[A-Za-z0-9]{40}", fullmatch=True)
ISSUED = [
    "sk-ant-oat01-SECRETSECRETSECRETSECRET",
    "sk-ant-oat01-secret",
    "sk-ant-api03-Wx4distinctive",
    "tiger-blossom",
    "ghp_Vk9distinctive",
    "9f86d081884c7d65",
    "correct-horse-battery-staple",
    "abcd efgh ijkl mnop",
    "k9#Vq2!x",
]
PLACEHOLDERS = [
    "x",
    "EMPTY",
    "test",
    "dummy",
    "ollama",
    "placeholder",
    "not-needed",
    "notneededforthisproxy",
    "sk-no-key-required",
    "sk-1234",
    "sk-1234567890abcdef",
    "sk-xxxxxxxxxxxxxxxxxxxx",
    "sk-ant-api03-placeholder",
    "your-api-key-here",
    "<your-api-key>",
    "dummy-key-for-litellm-proxy",
    "DummyKey",
    "REPLACE_ME",
    "${ANTHROPIC_API_KEY}",
    "any-string-is-ok",
    "changeme123",
    "test1234",
    "12345678",
    "********",
    "00000000-0000-0000-0000-000000000000",
]


@pytest.mark.parametrize("value", ISSUED)
def test_what_was_issued_is_secret(value: str):
    """So are other values that nobody writes by chance."""
    assert redaction.looks_secret(value)


@pytest.mark.parametrize("value", PLACEHOLDERS)
def test_a_placeholder_is_no_secret(value: str):
    """Other text has it as well."""
    assert not redaction.looks_secret(value)
    assert redaction.secret_values({"ANTHROPIC_API_KEY": value}) == []


@given(
    st.one_of(
        HEX.filter(lambda text: len(set(text)) > 9), TOKENS.filter(lambda text: len(set(text)) > 20)
    )
)
def test_what_is_random_is_secret(value: str):
    """Whatever it is made of."""
    assert redaction.looks_secret(value)


def test_secrets_are_known_by_their_names():
    """The longest first, so that none hides in another; values of other variables are none."""
    environ = {
        "API_KEY": "aZ93kdQm3kd",
        "GH_TOKEN": "aZ93kdQm3kd-and-more",
        "MY_TOKEN": "short",
        "PATH": "/usr/bin:/bin:/opt/aZ93kdQm3k",
        "SAME_SECRET": "aZ93kdQm3kd",
    }
    values = redaction.secret_values(environ)
    assert [value for value in values if "kdQm3kd" in value] == [
        "aZ93kdQm3kd-and-more",
        "aZ93kdQm3kd",
    ]
    assert redaction.named_values(environ) == ["aZ93kdQm3kd-and-more", "aZ93kdQm3kd"]
    assert "/usr" not in str(values)


def test_parts_of_a_secret_are_secrets():
    """Such as the token in a list of headers, quoted or not, and lines of a private key."""
    headers = "Authorization=Bearer%20aZ93kdQm3kd,x-tenant=example"
    values = redaction.secret_values({"OTEL_EXPORTER_OTLP_HEADERS": headers})
    assert {headers, "aZ93kdQm3kd"} <= {*values}
    assert not {"Authorization", "Bearer", "example"} & {*values}
    key = "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA7bq8\n-----END KEY-----"
    assert "MIIEpAIBAAKCAQEA7bq8" in redaction.secret_values({"SIGNING_KEY": key})


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        ("https://ada:pa55-W0rd%21x@gw.example/v1", {"ada:pa55-W0rd%21x@", "pa55-W0rd!x"}),
        ("http://ada:pw@gw.example", {"ada:pw@"}),
        ("https://aZ93kdQm3kd@gw.example", {"aZ93kdQm3kd", "aZ93kdQm3kd@"}),
        ("ssh://ada@example", set()),
        ("https://gw.example/@ada", set()),
    ],
)
def test_a_password_in_a_url_is_a_secret(url: str, secrets: set[str]):
    """Whatever the variable is called, with the name that it belongs to if it is a common word."""
    values = redaction.secret_values({"ANTHROPIC_BASE_URL": url})
    assert secrets <= {*values}
    assert bool(values) == bool(secrets)


@pytest.mark.parametrize("before", ["", "a", "ab", "user:"])
@pytest.mark.parametrize("after", ["", "x", "xy"])
def test_a_secret_in_base64_is_found(before: str, after: str):
    """Wherever in what was encoded it stands."""
    values = redaction.secret_values({"TOKEN": "sk-ant-oat01-Zq7distinctive"})
    encoded = b64encode(f"{before}sk-ant-oat01-Zq7distinctive{after}".encode()).decode()
    assert "***" in redaction.redacted(encoded, values)


def test_a_secret_in_a_url_and_in_json_is_found():
    """With what these escape."""
    token = 'aZ93"kd/Qm3kd'
    values = redaction.secret_values({"TOKEN": token})
    for text in (json.dumps({"key": token}), "https://x/?key=aZ93%22kd%2FQm3kd"):
        assert "kd" not in redaction.redacted(text, values).replace("key", "")


def test_secrets_are_replaced():
    """Wherever they stand."""
    assert redaction.redacted("a token, token", ["token"]) == "a ***, ***"
    assert redaction.redacted("a token", []) == "a token"


def test_passwords_are_taken_out_of_urls():
    """With the name; of HTTP a name alone too, for it may be a token. SSH's are no secrets."""
    text = "'https://t0ken@h/x' http://a:b@c/d postgres://u:p@h ssh://ada@b http://a/b@c"
    told = "'https://***@h/x' http://***@c/d postgres://***@h ssh://ada@b http://a/b@c"
    assert redaction.without_passwords(text) == told

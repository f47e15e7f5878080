"""Values that nobody else may see: which of an environment are some, and taking them out of text.

A value is a secret if its variable's name says so and its form allows it. Gateways that want no key
are given `placeholder`, `not-needed` or `sk-1234`, which other text may hold as well. A password in
a URL is a secret whatever the variable is called.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from itertools import pairwise
from urllib.parse import quote, unquote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SECRET_NAME = re.compile(r"TOKEN|KEY|SECRET|PASSWORD|HEADERS")
SHORTEST_SECRET = 8
"""Shorter values are words that other text has as well."""
FEWEST_WORDS = 2
"""A word alone is one that other text may have as well."""
FEWEST_SIGNS = 4
"""Fewer words and odd characters are what a placeholder is written with, as `<your-key>`."""
FEWEST_CHARACTERS = 5
"""Different ones, for `xxxxxxxx` is no secret."""

ISSUED = re.compile(r"sk-(ant-[a-z]+\d\d-|proj-|or-v1-)?|gh[opsur]_|github_pat_|glpat-")
"""How tokens of some issuers begin, which says nothing of what follows."""
NEVER_MADE_UP = re.compile(r"sk-ant-oat\d\d-.")
"""How tokens begin that no gateway asks for, so that nobody has reason to make one up."""
FILLERS = re.compile(
    "(a|an|and|anthropic|any|anything|api|are|asdf[a-z]*|auth|authorization|basic|bearer|by|"
    "change|claude|default|dev|dummy|empty|example|fake|false|for|gateway|goe?s?|here|holder|"
    "ignored?|in|insert|is|it|keys?|litellm|llm|lm|local|localhost|managed|me|mock|my|needed|"
    "need|needs|no|none?|not|nothing|null|of|ollama|openai|or|own|pass|password|place|proxy|"
    "put|qwert[a-z]*|real|replace|required?|requires|sample|server|set|studio|test|testing|"
    "tests|the|this|to|token|true|undefined|unset|unused|use[ds]?|value|vllm|will|with|x|"
    "your)+"
)
"""Words of which placeholders are made, however many."""
SPEAKABLE = re.compile(r"(?=[a-z]*[aeiouy])(?![a-z]*[^aeiouy]{5})[a-z]{1,11}")
"""What could be said, and no more than a long word, in lower case."""
WRITTEN = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|([A-Z][a-z]{2,})+")
"""How words are written."""
SHORT = 3
LONGEST_NUMBER = 9
ODD = re.compile(r"[^\w\s./:-]")
"""A character that no phrase is written with."""
BETWEEN_PARTS = re.compile(r"[\s,;=]+")
"""What OTEL_EXPORTER_OTLP_HEADERS has between its parts, and a private key between its lines."""

LOGIN = re.compile(r"(?<=://)[^/\s?#\"']+(?=@)")
"""What a URL has before its host: a name, perhaps with a password."""
PASSWORD_LOGIN = re.compile(
    r"(?<=://)[^/\s?#\"'@:]*:[^/\s?#\"']+(?=@)|(?:(?<=http://)|(?<=https://))[^/\s?#\"']+(?=@)"
)
"""A login that nobody else may see: with HTTP a name alone may be a token."""


def named_values(environ: Mapping[str, str]) -> list[str]:
    """Return the values of variables whose names say that nobody else may see them, but for short
    ones, the longest first."""
    values = [value for name, value in environ.items() if SECRET_NAME.search(name)]
    return _longest_first(value for value in values if len(value) >= SHORTEST_SECRET)


def secret_values(environ: Mapping[str, str]) -> list[str]:
    """Return what of an environment nobody else may see, in each form that it may be written in,
    the longest first."""
    secrets: list[str] = []
    for name, value in environ.items():
        secrets += url_secrets(value)
        if SECRET_NAME.search(name):
            secrets += filter(looks_secret, {value, *_parts(value)})
    return _longest_first(form for secret in secrets for form in _forms(secret))


def url_secrets(text: str) -> Iterator[str]:
    """Yield logins of URLs in a text, if they have a password or are one, and the passwords."""
    for login in LOGIN.findall(text):
        name, _, password = login.partition(":")
        if password or looks_secret(name):
            yield f"{login}@"
        for own in (password or name, unquote(password or name)):
            if looks_secret(own):
                yield own


def looks_secret(value: str) -> bool:
    """Whether a value can be a secret: long and various enough, and not just a word."""
    if NEVER_MADE_UP.match(value):
        return True
    issued = ISSUED.match(value)
    own = value[issued.end() :] if issued else value
    if len(value) < SHORTEST_SECRET or len(set(_without_runs(own))) < FEWEST_CHARACTERS:
        return False
    parts = re.findall(r"[^\W_]+", own)
    if not all(map(_is_wordy, parts)):
        return True
    telling = {part.lower() for part in parts if not _is_filler(part)}
    signs = telling.union(ODD.findall(own))
    return len(telling) >= FEWEST_WORDS or len(signs) >= FEWEST_SIGNS


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Replace every secret in the text by ***."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def without_passwords(text: str) -> str:
    """Replace what nobody else may see of the URLs in a text by ***."""
    return PASSWORD_LOGIN.sub("***", text)


def _parts(value: str) -> list[str]:
    """Return what stands between spaces, commas and the like in a value, which may be quoted as in
    a URL."""
    return [*BETWEEN_PARTS.split(value), *BETWEEN_PARTS.split(unquote(value))]


def _forms(secret: str) -> set[str]:
    """Return a secret as it is, as in a URL, as in JSON, and in base64 wherever that begins."""
    forms = {secret, quote(secret, safe=""), json.dumps(secret)[1:-1]}
    data = secret.encode(errors="surrogateescape")
    for before in range(3):
        # Its first and last characters also depend on what stands beside it.
        encoded = b64encode(b"-" * before + data).decode().rstrip("=")
        first = (8 * before + 5) // 6
        last = (before + len(data)) * 8 // 6
        forms.add(encoded[first:last])
    return forms


def _longest_first(values: Iterable[str]) -> list[str]:
    """Return what is different of these, so that no one hides in what is left of another."""
    return sorted(sorted(set(values)), key=len, reverse=True)


def _without_runs(text: str) -> str:
    """Return the characters that do not just go on, as in `aaaa` and `1234`."""
    kept = text[:1]
    for before, after in pairwise(text):
        if ord(after) - ord(before) not in (0, 1):
            kept += after
    return kept


def _is_wordy(part: str) -> bool:
    """Whether letters and digits could be a number, a word, or a short one of any kind."""
    word = _word(part)
    is_number = len(part) <= LONGEST_NUMBER and part.isdecimal()
    could_be_said = SPEAKABLE.fullmatch(word.lower()) and WRITTEN.fullmatch(word)
    return len(part) <= SHORT or is_number or bool(could_be_said) or _is_filler(part)


def _is_filler(part: str) -> bool:
    """Whether a part says nothing: it is short, or of words that placeholders have."""
    is_short_word = len(part) <= SHORT and (part.isalpha() or part.isdecimal())
    return is_short_word or bool(FILLERS.fullmatch(_word(part).lower()))


def _word(part: str) -> str:
    """Return a part without the few digits at its end, as in `test1234`."""
    return re.sub(r"\d{1,4}$", "", part)

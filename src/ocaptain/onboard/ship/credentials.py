"""Tells storage which of its agents' credentials are the same, without telling any of them.

A usage limit is of an account, and all that use its credential have it. So that ships can tell each
other, storage is told a digest of the credential: slow to make, another one in each voyage, and so
short that many texts have the same. It tells a few credentials apart. Who knows it cannot find out
a credential by trying, not even one that is easily guessed.
"""

import hashlib
from collections.abc import Iterable, Mapping
from functools import lru_cache

from ..redaction import SECRET_NAME, looks_secret
from .agents import AGENTS, own_variables
from .agents.acp import PREFIX

ROUNDS = 100_000
DIGEST_BYTES = 3


def digests(voyage: str, agents: Iterable[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the digests of what these agents are given, by their names.

    `environ` are the captain's variables for agents. An agent of whose credential nothing is known
    has none."""
    found = {name: digest(voyage, name, environ) for name in agents}
    return {name: short for name, short in found.items() if short}


def digest(voyage: str, agent: str, environ: Mapping[str, str]) -> str:
    """Return the digest of what an agent is given to be let in with, in a voyage of that id.

    It is empty if there is nothing, or if nobody can say which of several the agent takes."""
    own = own_variables(environ, [agent])
    names = [name for name in own if own[name] and _is_for(agent, name)]
    secrets = [name for name in names if SECRET_NAME.search(name)]
    if not secrets or (len(secrets) > 1 and AGENTS[agent].picks_by_model):
        return ""
    places = [name for name in names if "URL" in name]
    return _digest(voyage, "\0".join(sorted(_text(name, own[name]) for name in secrets + places)))


def _is_for(agent: str, name: str) -> bool:
    """Whether a variable is there for this agent, rather than for all."""
    return name in AGENTS[agent].credentials or (agent == "acp" and name.startswith(PREFIX))


def _text(name: str, value: str) -> str:
    """Return a credential, which is the same under each name; what is none is told with its name.

    A placeholder that a gateway is given is no account's."""
    return value if looks_secret(value) else f"{name}={value}"


@lru_cache(maxsize=100)
def _digest(voyage: str, text: str) -> str:
    salt = f"ocaptain credential {voyage}".encode()
    made = hashlib.pbkdf2_hmac("sha256", text.encode(errors="replace"), salt, ROUNDS, DIGEST_BYTES)
    return made.hex()

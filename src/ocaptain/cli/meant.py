"""What was probably meant by a verb or an option that does not exist."""

from collections.abc import Iterable, Mapping, Sequence

CLOSE = 0.75
"""How much alike two words are, from 0 to 1, of which one is a slip of the other."""

OTHER_NAMES: Mapping[str, Sequence[str]] = {
    "add": ["tasks add"],
    "attach": ["shell"],
    "board": ["status --watch"],
    "cancel": ["halt", "sink"],
    "cat": ["logs"],
    "clean": ["sink"],
    "connect": ["shell"],
    "continue": ["resume"],
    "create": ["sail"],
    "delete": ["sink"],
    "deploy": ["sail"],
    "describe": ["status", "tasks show"],
    "destroy": ["sink"],
    "diff": ["fetch"],
    "down": ["sink"],
    "download": ["fetch"],
    "edit": ["tasks edit"],
    "exec": ["shell --raw"],
    "info": ["status"],
    "init": ["plan init"],
    "job": ["tasks"],
    "kill": ["halt", "sink"],
    "launch": ["sail"],
    "lint": ["check"],
    "list": ["voyages", "tasks"],
    "log": ["logs"],
    "ls": ["voyages", "tasks"],
    "message": ["hail"],
    "new": ["plan init", "tasks add"],
    "plan": ["plan init", "plan skill"],
    "ps": ["status", "voyages"],
    "pull": ["fetch"],
    "remove": ["sink"],
    "restart": ["reinforce", "resume"],
    "rm": ["sink"],
    "run": ["sail"],
    "say": ["hail"],
    "scale": ["reinforce --ships"],
    "send": ["hail"],
    "setup": ["doctor"],
    "ships": ["status"],
    "show": ["status", "tasks show"],
    "skill": ["plan skill"],
    "ssh": ["shell --raw"],
    "start": ["sail", "resume"],
    "stop": ["pause", "halt", "sink"],
    "tail": ["logs --follow"],
    "task": ["tasks show"],
    "tell": ["hail"],
    "top": ["status --watch"],
    "unpause": ["resume"],
    "up": ["sail"],
    "update": ["tasks edit"],
    "validate": ["check"],
    "version": ["--version"],
    "watch": ["status --watch"],
}
"""Verbs, and perhaps an option, by the names that other programs have for the like."""


EDIT_CONFIG = (
    "Edit config.toml: `ocaptain config` says where it is, `ocaptain config init` makes one."
)
SEE_CONFIG = "`ocaptain config` shows each setting."
ADVICE: Mapping[str, str] = {
    "config edit": EDIT_CONFIG,
    "config get": SEE_CONFIG,
    "config list": SEE_CONFIG,
    "config set": EDIT_CONFIG,
    "config show": SEE_CONFIG,
    "config unset": EDIT_CONFIG,
}
"""What to do instead of what other programs have, by the two words for that."""


def verbs(word: str, known: Iterable[str]) -> list[str]:
    """Return which verbs may be meant by a word that is none; empty if nobody can say."""
    if word in OTHER_NAMES:
        return list(OTHER_NAMES[word])
    others = {name.partition(" ")[2]: name for name in known if " " in name}
    near = close(word, known)
    return near or [others[second] for second in close(word, others)]


def close(word: str, known: Iterable[str]) -> list[str]:
    """Return which of the known words a word may be a slip of, the likeliest first."""
    from difflib import get_close_matches  # which few need

    return get_close_matches(word, list(known), cutoff=CLOSE)


def question(meanings: Sequence[str]) -> str:
    """Return a question for what may be meant, after a blank; nothing if that is nothing."""
    if not meanings:
        return ""
    *most, last = [f"'{meaning}'" for meaning in meanings]
    listed = f"{', '.join(most)} or {last}" if most else last
    return f" Did you mean {listed}?"

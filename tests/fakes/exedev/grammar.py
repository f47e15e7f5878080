"""How the lobby reads a command line."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TextIO

from .account import Key

SIZES = ("memory", "cpu", "disk", "egress", "pool")


class Refused(Exception):
    """What a command fails with."""


@dataclass(frozen=True)
class Grammar:
    """The options of a command: `values` take one, `lists` one each time, `flags` none."""

    usage: str
    values: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


GRAMMARS = {
    "new": Grammar(
        "new [options]",
        ("name", "image", "registry-auth", "comment", "prompt", "setup-script", *SIZES),
        ("env", "tag", "integration"),
        ("no-email", "no-pool", "standalone", "sandbox"),
    ),
    "ls": Grammar("ls [-l] [name|pattern]", ("group",), (), ("l",)),
    "rm": Grammar("rm <vmname>..."),
    "cp": Grammar("cp <source-vm> [new-name]", SIZES, (), ("copy-tags", "standalone", "no-email")),
    "tag": Grammar("tag [-d] <vm> <tag> [tag...]", (), (), ("d",)),
    "comment": Grammar("comment <vm> <text>"),
    "restart": Grammar("restart <vm>"),
    "whoami": Grammar("whoami"),
    "ssh-key list": Grammar("ssh-key list"),
    "ssh-key add": Grammar(
        "ssh-key add [--tag=TAG | --vm=VM [--ssh-user=USER]] <public-key>",
        ("tag", "vm", "ssh-user"),
    ),
    "ssh-key remove": Grammar("ssh-key remove <name|fingerprint|public-key>"),
    "help": Grammar("help [cmd]"),
    "exit": Grammar("exit"),
    "true": Grammar("true"),
}


@dataclass
class Call:
    """A command as it was typed, whose key it was, and what is on its standard input."""

    key: Key
    stdin: TextIO
    command: str = ""
    words: list[str] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)

    def word(self, place: int = 0) -> str:
        """A word that has to be there."""
        if len(self.words) <= place:
            raise Refused(f"usage: {GRAMMARS[self.command].usage}")
        return self.words[place]


def parse(call: Call, line: str) -> None:
    """Split a command line as the lobby does. Raises Refused."""
    try:
        words = [word for word in shlex.split(line) if word != "--json"]
    except ValueError as error:
        raise Refused(f"failed to parse command: {error}") from None
    length = 2 if words[:1] == ["ssh-key"] else 1
    call.command = " ".join(words[:length])
    if call.command not in GRAMMARS:
        raise Refused(f"unknown command: {call.command}")
    _options(call, iter(words[length:]))


def _options(call: Call, words: Iterator[str]) -> None:
    for word in words:
        if word == "--":
            call.words += words
        elif word.startswith("-") and len(word) > 1:
            _option(call, word, words)
        else:
            call.words.append(word)


def _option(call: Call, word: str, words: Iterator[str]) -> None:
    grammar = GRAMMARS[call.command]
    name, given, value = word.lstrip("-").partition("=")
    if name in (*grammar.flags, "help"):
        call.options[name] = value != "false"
        return
    if name not in (*grammar.values, *grammar.lists):
        raise Refused(f"unknown flag: --{name}")
    if not given and (value := next(words, "")) == "":
        raise Refused(f"flag needs an argument: --{name}")
    if name in grammar.lists:
        call.options.setdefault(name, []).append(value)
    else:
        call.options[name] = value

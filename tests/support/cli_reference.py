"""docs/cli.md, made from the commands: `script/docs` writes it, and a test compares it."""

import inspect
import textwrap
from pathlib import Path

import click

from ocaptain.cli import SECTIONS, cli, statuses
from ocaptain.cli.examples import EXAMPLES

DOCUMENT = Path(__file__).parents[2] / "docs" / "cli.md"
COLUMNS = 100

ABOUT = """
A ship is named as `status` shows it: `ship-0`. `ocaptain COMMAND --help` prints what is said here.
[json.md](json.md) has the shapes of `--json`.
"""


def render() -> str:
    """The whole document."""
    blocks = ["# Command line", "<!-- Written by script/docs from the commands themselves. -->"]
    blocks += paragraphs(inspect.getdoc(cli.callback))
    blocks += paragraphs(ABOUT)
    for title, commands in SECTIONS.items():
        blocks.append(f"## {title}")
        for command in commands:
            blocks += section(command.name or "", command)
    blocks.append("## Exit statuses")
    blocks.append(table("Exit status", {f"{n}": text for n, text in statuses.MEANINGS.items()}))
    return "\n\n".join(blocks) + "\n"


def section(name: str, command: click.Command) -> list[str]:
    """The heading, the help and the options of a command."""
    context = click.Context(command, info_name=f"ocaptain {name}")
    words = [piece for piece in command.collect_usage_pieces(context) if piece != "[OPTIONS]"]
    blocks = [f"### `{' '.join(['ocaptain', name, *words])}`"]
    blocks += paragraphs(command.help)
    options = [param for param in command.params if isinstance(param, click.Option)]
    records = [option.get_help_record(context) for option in options]
    rows = {f"`{spelling}`": text for spelling, text in filter(None, records)}
    if rows:
        blocks.append(table("Option", rows))
    if name in EXAMPLES:
        blocks.append("\n".join(["```sh", *EXAMPLES[name], "```"]))
    return blocks


def paragraphs(text: str | None) -> list[str]:
    """Paragraphs of help, in lines of Markdown."""
    blocks = inspect.cleandoc(text or "").split("\n\n")
    return [textwrap.fill(" ".join(block.split()), COLUMNS) for block in blocks]


def table(head: str, rows: dict[str, str]) -> str:
    """A table of two columns, of which the second needs no title."""
    lines = [f"| {head} | |", "|---|---|"]
    lines += [f"| {key} | {' '.join(text.split())} |" for key, text in rows.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    DOCUMENT.write_text(render())

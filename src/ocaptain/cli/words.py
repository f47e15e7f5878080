"""Options of `sail` that say what is to be done, if there is no plan for it."""

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ocaptain.errors import Failure

from .arguments import PATH, Number

if TYPE_CHECKING:
    from ocaptain.plan.words import Words

TEXT_FILE = click.Path(path_type=Path, allow_dash=True, dir_okay=False, exists=True)
DOLLARS = Number(min=0, min_open=True)

OPTIONS = (
    click.option("--task", "tasks", multiple=True, metavar="TEXT", help="What is to be done."),
    click.option(
        "--file",
        "files",
        multiple=True,
        type=TEXT_FILE,
        metavar="FILE",
        help="A file that says it; - is stdin.",
    ),
    click.option("--check", metavar="COMMAND", help="What has to pass before each landing."),
    click.option("--verify", metavar="COMMAND", help="What has to pass at the end. Else: --check."),
    click.option("--repo", metavar="REPO", help="Where the code is. Else: the checkout here."),
    click.option("--agent", metavar="AGENT", help="claude, codex, …; shell runs TEXT."),
    click.option("--model", metavar="MODEL", help="The agent's model."),
    click.option("--budget", type=DOLLARS, metavar="USD", help="Begin no task beyond that."),
    click.option("--idle", is_flag=True, help="Sail without a task; ships wait for `tasks add`."),
)
OF_WORDS = ("tasks", "files", "check", "verify", "repo", "agent", "model", "budget")


def words_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command these options, and an argument PLAN.

    It gets `plan`: the directory, or Words if that was left out."""

    @wraps(command)
    def with_words(plan: Path | None, idle: bool, **given: Any) -> Any:
        words = {name: given.pop(name) for name in OF_WORDS}
        return command(plan=_plan_or_words(plan, words, idle=idle), idle=idle, **given)

    for option in reversed(OPTIONS):
        with_words = option(with_words)
    return click.argument("plan", type=PATH, required=False)(with_words)


def _plan_or_words(plan: Path | None, given: dict[str, Any], *, idle: bool) -> "Path | Words":
    """The plan, or what was typed instead. Raises UsageError if it cannot be meant."""
    typed = [name for name in OF_WORDS if given[name]]
    if plan:
        if typed:
            option = {"tasks": "task", "files": "file"}.get(typed[0], typed[0])
            raise click.UsageError(
                f"--{option} is for a voyage without PLAN; PLAN says that itself."
            )
        return plan
    has_tasks = bool(given["tasks"] or given["files"])
    if idle and has_tasks:
        raise click.UsageError("--idle sails without a task: leave it out, or --task and --file.")
    if not idle and not has_tasks:
        raise click.UsageError("What is to be done? Name a PLAN, or say it: --task TEXT.")
    from ocaptain.plan.words import Words

    return Words(
        tasks=[*given["tasks"], *map(_text, given["files"])],
        check=given["check"],
        verify=given["verify"],
        repo=given["repo"] or ".",
        agent=given["agent"] or "claude",
        model=given["model"],
        budget_usd=given["budget"],
    )


def _text(path: Path) -> str:
    """What a file, or stdin, says. Raises Failure if it is no text."""
    try:
        if str(path) == "-":
            return sys.stdin.buffer.read().decode()
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise Failure(f"{path} is not UTF-8.") from None

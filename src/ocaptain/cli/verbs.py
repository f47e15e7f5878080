"""The group of all verbs: how one is found, what help shows of them, and how it ends."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from ocaptain.manual import documents

from . import interrupts, meant, statuses
from .examples import epilog

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

UNRESOLVED = "ocaptain.unresolved"
"""Where a context keeps the words that name no verb yet, while a shell completes them."""


class Verbs(click.Group):
    """The verbs, in sections. Each is a coroutine function, which may return an exit status."""

    def __init__(self, *, sections: Mapping[str, Sequence[click.Command]], **settings: Any) -> None:
        """`sections` has the verbs by the titles over them in help."""
        self.sections = sections
        commands = [command for section in sections.values() for command in section]
        super().__init__(commands=commands, **settings)
        for name, command in self.commands.items():
            command.epilog = epilog(name)

    # Finding what is meant

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the options before the verb; without any word show help."""
        if not args and not ctx.resilient_parsing:
            args = ["--help"]
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find the verb that is meant: it may have two words, such as `tasks add`."""
        if args == ["help"]:
            click.echo(ctx.get_help())
            ctx.exit()
        if args[0] == "help":
            args = [*args[1:], "--help"]
        two_words = " ".join(args[:2])
        if two_words in self.commands:
            return two_words, self.commands[two_words], args[2:]
        if ctx.resilient_parsing:
            ctx.meta[UNRESOLVED] = args
        elif not args[0].startswith("-"):
            self._refuse_slips(ctx, args)
        return super().resolve_command(ctx, args)

    def _refuse_slips(self, ctx: click.Context, args: list[str]) -> None:
        """Fail, with what may be meant, if no verb is named so."""
        first, *rest = args
        if first not in self.commands:
            near = meant.verbs(first, self.commands)
            ctx.fail(f"No such command '{first}'.{meant.question(near)}")
        if rest and (advice := meant.ADVICE.get(f"{first} {rest[0]}")):
            ctx.fail(f"No such command '{first} {rest[0]}'. {advice}")
        seconds = self.second_words(first)
        is_followed = len(rest) > 1 and not rest[1].startswith("-")
        if is_followed and rest[0] not in seconds:
            # One word more may be a voyage's name; with another after it, it can hardly be.
            near = [f"{first} {second}" for second in meant.close(rest[0], seconds)]
            if near:
                ctx.fail(f"No such command '{first} {rest[0]}'.{meant.question(near)}")

    def second_words(self, first: str) -> list[str]:
        """Return the second words of the verbs that begin with a word."""
        pairs = [name.split() for name in self.commands if name.startswith(f"{first} ")]
        return [second for _, second in pairs]

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb that is meant, and exit with its status."""
        try:
            verb = super().invoke(ctx)
        except click.NoSuchOption as error:
            raise self._no_such_option(error) from None
        import asyncio  # which half of the verbs' --help would wait for

        try:
            with closing(verb), interrupts.cancelling():
                status = asyncio.run(verb)
        except click.UsageError as error:
            error.ctx = error.ctx or self._context_of_verb(ctx)
            raise
        except KeyboardInterrupt:
            status = statuses.INTERRUPTED
        ctx.exit(status or statuses.SUCCESS)

    def _context_of_verb(self, ctx: click.Context) -> click.Context:
        """Return what has an error of the verb that runs say how that is typed."""
        name = ctx.invoked_subcommand or ""
        return click.Context(self.commands[name], ctx, name)

    def _no_such_option(self, error: click.NoSuchOption) -> click.UsageError:
        """Return the same, with what may be meant, or which verbs have that option."""
        option = error.option_name
        command = error.ctx.command if error.ctx else self
        near = meant.close(option, _options(command))
        having = [name for name, verb in self.commands.items() if option in _options(verb)]
        message = f"No such option '{option}'.{meant.question(near)}"
        if having and not near:
            message += f" These have it: {', '.join(having)}."
        return click.UsageError(message, error.ctx)

    # Showing them

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write a section of help after the other, all in the same columns."""
        width = max(map(len, self.commands))
        limit = formatter.width - width - 6
        for title, commands in self.sections.items():
            rows = [
                (f"{command.name:<{width}}", command.get_short_help_str(limit))
                for command in commands
            ]
            with formatter.section(title):
                formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what help ends with: where to read on."""
        super().format_epilog(ctx, formatter)
        formatter.write(f"The documents, such as docs/using.md, are in {documents()}\n")

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Return the words that a verb may have next, in the order of help."""
        from click.shell_completion import CompletionItem

        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        before = ctx.meta.get(UNRESOLVED)
        words: dict[str, str] = {}
        for name, command in self.commands.items():
            first, _, second = name.partition(" ")
            if not before:
                words.setdefault(first, command.get_short_help_str())
            elif before == [first] and second:
                words[second] = command.get_short_help_str()
        fitting = [word for word in words if word.startswith(incomplete)]
        return [CompletionItem(word, help=words[word]) for word in fitting]


def _options(command: click.Command) -> list[str]:
    return [option for param in command.params for option in param.opts if option.startswith("-")]

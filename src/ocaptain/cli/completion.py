"""The verb that has a shell complete words; names.py has what it completes them with."""

import click

SHELLS = click.Choice(["bash", "zsh", "fish"])
VARIABLE = "_OCAPTAIN_COMPLETE"


@click.command()
@click.argument("shell", type=SHELLS)
@click.pass_context
async def completion(ctx: click.Context, shell: str) -> None:
    """Print what has a shell complete words at TAB.

    SHELL is bash, zsh or fish. Verbs, options, voyages, ships and tasks are completed."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind:
        click.echo(kind(ctx.find_root().command, {}, "ocaptain", VARIABLE).source())

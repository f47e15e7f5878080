"""Commands about the captain's settings."""

import click

from .arguments import json_option, print_json


@click.command()
@json_option
async def config(as_json: bool) -> None:
    """Show each setting, its value and where it comes from.

    The environment wins over config.toml. A token is never shown, only that it is set.
    `ocaptain config init` writes a config.toml to edit."""
    from ocaptain.config import list_settings
    from ocaptain.settings import config_path

    rows = list_settings()
    if as_json:
        print_json(rows)
    else:
        from ocaptain import terminal

        terminal.show(terminal.settings(rows, config_path()))


@click.command("config init")
async def config_init() -> None:
    """Write a config.toml with every setting, each commented out.

    Only you can read it. One that is there is left alone."""
    from ocaptain import scaffold
    from ocaptain.settings import config_path

    path = config_path()
    scaffold.write_config(path)
    click.echo(f"wrote {path}\nEdit it, then see what counts: ocaptain config")

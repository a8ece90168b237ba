"""What can be typed about the keys that sign tokens: `ror keys …`."""

from typing import Annotated, Final

import typer

from ror.cli.options import By, ConfigFile, Database, Machine, Reason, settings
from ror.cli.speaking import SpokenCommand, SpokenGroup, say

app: Final = typer.Typer(
    cls=SpokenGroup, help=say("cli.keys"), no_args_is_help=True, rich_markup_mode="rich"
)


@app.command("list", cls=SpokenCommand, help=say("cli.keys-list"))
def list_(database: Database = None, machine: Machine = False, config: ConfigFile = None) -> None:
    from ror.cli import keys

    keys.show_all(settings(config, database=database), machine)


@app.command("rotate", cls=SpokenCommand, help=say("cli.keys-rotate"))
def rotate(
    at_once: Annotated[bool, typer.Option("--at-once", help=say("cli.keys-at-once"))] = False,
    by: By = None,
    reason: Reason = "",
    database: Database = None,
    machine: Machine = False,
    config: ConfigFile = None,
) -> None:
    from ror.cli import keys

    keys.rotate(settings(config, database=database), at_once, by, reason, machine)

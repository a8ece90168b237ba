"""What can be typed about the access policy: `ror policy …`."""

from typing import Annotated, Final

import typer

from ror.cli.options import By, ConfigFile, Database, Machine, Reason, settings
from ror.cli.speaking import SpokenCommand, SpokenGroup, say

app: Final = typer.Typer(
    cls=SpokenGroup, help=say("cli.policy"), no_args_is_help=True, rich_markup_mode="rich"
)


@app.command("show", cls=SpokenCommand, help=say("cli.policy-show"))
def show(
    name: Annotated[
        str | None, typer.Argument(metavar="POLICY", help=say("cli.policy-name"))
    ] = None,
    database: Database = None,
    machine: Machine = False,
    config: ConfigFile = None,
) -> None:
    from ror.cli import policies

    policies.show(settings(config, database=database), name, machine)


@app.command("apply", cls=SpokenCommand, help=say("cli.policy-apply"))
def apply(
    version: Annotated[str, typer.Argument(metavar="VERSION", help=say("cli.policy-version"))],
    switches: Annotated[
        list[str] | None, typer.Option("--switch", metavar="NAME", help=say("cli.policy-switch"))
    ] = None,
    by: By = None,
    reason: Reason = "",
    database: Database = None,
    machine: Machine = False,
    config: ConfigFile = None,
) -> None:
    from ror.cli import policies

    policies.apply(
        settings(config, database=database), version, tuple(switches or ()), by, reason, machine
    )

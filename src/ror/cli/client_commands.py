"""What can be typed about clients: `ror client …`."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import typer

from ror.cli.options import By, ConfigFile, Database, Machine, Reason, settings
from ror.cli.speaking import SpokenCommand, SpokenGroup, say

app: Final = typer.Typer(
    cls=SpokenGroup, help=say("cli.client"), no_args_is_help=True, rich_markup_mode="rich"
)

ClientId = Annotated[str, typer.Argument(metavar="ID", help=say("cli.client-id"))]
CallsPerMinute = Annotated[
    int | None,
    typer.Option("--calls-per-minute", min=1, max=1_000_000, help=say("cli.client-calls")),
]
Burst = Annotated[
    int | None, typer.Option("--burst", min=1, max=1_000_000, help=say("cli.client-burst"))
]


@app.command("add", cls=SpokenCommand, help=say("cli.client-add"))
def add(
    client_id: ClientId,
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help=say("cli.client-name"))] = "",
    profile: Annotated[
        int | None, typer.Option("--profile", min=0, max=5, help=say("cli.client-profile"))
    ] = None,
    supplier: Annotated[bool, typer.Option("--supplier", help=say("cli.client-supplier"))] = False,
    subject: Annotated[
        str | None, typer.Option("--subject", metavar="DN", help=say("cli.client-subject"))
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option("--certificate", metavar="FILE", help=say("cli.client-certificate")),
    ] = None,
    regions: Annotated[
        list[str] | None, typer.Option("--region", metavar="CODE", help=say("cli.client-region"))
    ] = None,
    fields: Annotated[
        list[str] | None, typer.Option("--field", metavar="CODE", help=say("cli.client-field"))
    ] = None,
    user_profiles: Annotated[
        list[str] | None,
        typer.Option("--user-profile", metavar="CODE", help=say("cli.client-user-profile")),
    ] = None,
    roles: Annotated[
        list[str] | None, typer.Option("--role", metavar="CODE", help=say("cli.client-role"))
    ] = None,
    establishments: Annotated[
        list[str] | None,
        typer.Option("--establishment", metavar="ID", help=say("cli.client-establishment")),
    ] = None,
    calls_per_minute: CallsPerMinute = None,
    burst: Burst = None,
    by: By = None,
    reason: Reason = "",
    database: Database = None,
    machine: Machine = False,
    config: ConfigFile = None,
) -> None:
    from ror.cli import clients

    asked = clients.Asked(
        client_id=client_id,
        name=name,
        profile=profile,
        supplier=supplier,
        subject=subject,
        certificate=certificate,
        regions=tuple(regions or ()),
        fields=tuple(fields or ()),
        user_profiles=tuple(user_profiles or ()),
        roles=tuple(roles or ()),
        establishments=tuple(establishments or ()),
        calls_per_minute=calls_per_minute,
        burst=burst,
    )
    clients.add(settings(config, database=database), asked, by, reason, machine)


@app.command("list", cls=SpokenCommand, help=say("cli.client-list"))
def list_(database: Database = None, machine: Machine = False, config: ConfigFile = None) -> None:
    from ror.cli import clients

    clients.show_all(settings(config, database=database), machine)


@app.command("show", cls=SpokenCommand, help=say("cli.client-show"))
def show(
    client_id: ClientId,
    database: Database = None,
    machine: Machine = False,
    config: ConfigFile = None,
) -> None:
    from ror.cli import clients

    clients.show(settings(config, database=database), client_id, machine)


def _changing_state(action: str) -> Callable[..., None]:
    """The command that does this act to a client."""

    def change(
        client_id: ClientId,
        reason: Reason,
        by: By = None,
        database: Database = None,
        machine: Machine = False,
        config: ConfigFile = None,
    ) -> None:
        from ror.cli import clients

        clients.change_state(
            settings(config, database=database), client_id, action, by, reason, machine
        )

    return change


for _action, _told in (
    ("suspend", "cli.client-suspend"),
    ("resume", "cli.client-resume"),
    ("revoke", "cli.client-revoke"),
):
    app.command(_action, cls=SpokenCommand, help=say(_told))(_changing_state(_action))


@app.command("rotate-secret", cls=SpokenCommand, help=say("cli.client-rotate-secret"))
def rotate_secret(
    client_id: ClientId,
    by: By = None,
    reason: Reason = "",
    database: Database = None,
    machine: Machine = False,
    config: ConfigFile = None,
) -> None:
    from ror.cli import clients

    clients.rotate_secret(settings(config, database=database), client_id, by, reason, machine)


@app.command("grant-establishments", cls=SpokenCommand, help=say("cli.client-grant-establishments"))
def grant_establishments(
    client_id: ClientId,
    granted: Annotated[
        list[str] | None, typer.Argument(metavar="ESTABLISHMENT...", help=say("cli.client-granted"))
    ] = None,
    withdrawn: Annotated[
        list[str] | None, typer.Option("--withdraw", metavar="ID", help=say("cli.client-withdrawn"))
    ] = None,
    by: By = None,
    reason: Reason = "",
    database: Database = None,
    machine: Machine = False,
    config: ConfigFile = None,
) -> None:
    from ror.cli import clients

    given = tuple(granted or ()), tuple(withdrawn or ())
    clients.grant_establishments(
        settings(config, database=database), client_id, *given, by, reason, machine
    )


@app.command("set-rate", cls=SpokenCommand, help=say("cli.client-set-rate"))
def set_rate(
    client_id: ClientId,
    calls_per_minute: CallsPerMinute = None,
    burst: Burst = None,
    by: By = None,
    reason: Reason = "",
    database: Database = None,
    machine: Machine = False,
    config: ConfigFile = None,
) -> None:
    from ror.cli import clients

    clients.set_rate(
        settings(config, database=database), client_id, calls_per_minute, burst, by, reason, machine
    )

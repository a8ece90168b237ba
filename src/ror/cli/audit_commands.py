"""What can be typed about the audit trail: `ror audit …`."""

from typing import Annotated, Final

import typer

from ror.cli.options import ConfigFile, Database, Machine, settings
from ror.cli.speaking import SpokenCommand, SpokenGroup, say

app: Final = typer.Typer(
    cls=SpokenGroup, help=say("cli.audit"), no_args_is_help=True, rich_markup_mode="rich"
)

TrailFolder = Annotated[
    str | None, typer.Option("--audit-folder", metavar="FOLDER", help=say("setting.audit_folder"))
]
Client = Annotated[str | None, typer.Option("--client", metavar="ID", help=say("cli.audit-client"))]
Since = Annotated[str | None, typer.Option("--since", metavar="DATE", help=say("cli.audit-since"))]
Until = Annotated[str | None, typer.Option("--until", metavar="DATE", help=say("cli.audit-until"))]
Status = Annotated[
    str | None, typer.Option("--status", metavar="STATUS", help=say("cli.audit-status"))
]
PathPart = Annotated[str | None, typer.Option("--path", metavar="TEXT", help=say("cli.audit-path"))]
RequestId = Annotated[
    str | None, typer.Option("--request-id", metavar="ID", help=say("cli.audit-request-id"))
]
Value = Annotated[str | None, typer.Option("--value", metavar="TEXT", help=say("cli.audit-value"))]


@app.command("verify", cls=SpokenCommand, help=say("cli.audit-verify"))
def verify(
    key: Annotated[
        str | None, typer.Option("--key", metavar="FINGERPRINT", help=say("cli.audit-key"))
    ] = None,
    database: Database = None,
    audit_folder: TrailFolder = None,
    machine: Machine = False,
    config: ConfigFile = None,
) -> int:
    from ror.cli import auditing

    return auditing.verified(
        settings(config, database=database, audit_folder=audit_folder), key, machine
    )


@app.command("search", cls=SpokenCommand, help=say("cli.audit-search"))
def search(
    client: Client = None,
    since: Since = None,
    until: Until = None,
    status: Status = None,
    path: PathPart = None,
    request_id: RequestId = None,
    value: Value = None,
    database: Database = None,
    audit_folder: TrailFolder = None,
    machine: Machine = False,
    config: ConfigFile = None,
) -> None:
    from ror.cli import auditing

    asked = auditing.Asked(client, since, until, status, path, request_id, value)
    auditing.search(settings(config, database=database, audit_folder=audit_folder), asked, machine)


@app.command("export", cls=SpokenCommand, help=say("cli.audit-export"))
def export(
    shape: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help=say("cli.audit-format"))
    ] = "ndjson",
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help=say("cli.audit-output"))
    ] = "-",
    client: Client = None,
    since: Since = None,
    until: Until = None,
    status: Status = None,
    path: PathPart = None,
    request_id: RequestId = None,
    value: Value = None,
    database: Database = None,
    audit_folder: TrailFolder = None,
    config: ConfigFile = None,
) -> None:
    from ror.cli import auditing

    asked = auditing.Asked(client, since, until, status, path, request_id, value)
    auditing.export(
        settings(config, database=database, audit_folder=audit_folder), asked, shape, output
    )

"""What can be typed about the certification authority of tests: `ror pki …`."""

from pathlib import Path
from typing import Annotated, Final

import typer

from ror.cli.options import Machine
from ror.cli.speaking import SpokenCommand, SpokenGroup, say

app: Final = typer.Typer(
    cls=SpokenGroup, help=say("cli.pki"), no_args_is_help=True, rich_markup_mode="rich"
)

Folder = Annotated[
    Path, typer.Option("--directory", metavar="FOLDER", help=say("cli.pki-directory"))
]


@app.command("init", cls=SpokenCommand, help=say("cli.pki-init"))
def init(
    hosts: Annotated[
        list[str] | None, typer.Option("--host", metavar="NAME", help=say("cli.pki-host"))
    ] = None,
    folder: Folder = Path("pki"),
) -> None:
    from ror.cli import pki

    pki.init(folder, tuple(hosts or ()))


@app.command("issue", cls=SpokenCommand, help=say("cli.pki-issue"))
def issue(
    name: Annotated[str, typer.Argument(metavar="NAME", help=say("cli.pki-name"))],
    unit: Annotated[
        str, typer.Option("--ou", metavar="NUMBER", help=say("cli.pki-ou"))
    ] = "000000000",
    organisation: Annotated[
        str, typer.Option("--organisation", metavar="TEXT", help=say("cli.pki-organisation"))
    ] = "STRUCTURE DE TEST",
    subject: Annotated[
        str | None, typer.Option("--subject", metavar="DN", help=say("cli.pki-subject"))
    ] = None,
    days: Annotated[int, typer.Option("--days", min=1, max=3650, help=say("cli.pki-days"))] = 1095,
    folder: Folder = Path("pki"),
    machine: Machine = False,
) -> None:
    from ror.cli import pki

    pki.issue(folder, name, unit, organisation, subject, days, machine)


@app.command("revoke", cls=SpokenCommand, help=say("cli.pki-revoke"))
def revoke(
    name: Annotated[str, typer.Argument(metavar="NAME", help=say("cli.pki-revoked"))],
    folder: Folder = Path("pki"),
) -> None:
    from ror.cli import pki

    pki.revoke(folder, name)


@app.command("crl", cls=SpokenCommand, help=say("cli.pki-crl"))
def crl(folder: Folder = Path("pki")) -> None:
    from ror.cli import pki

    pki.renew(folder)

"""`ror pki …`: certificates for tests and sandboxes. Each command says so."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from ror.cli.help import Command, application
from ror.cli.options import Machine
from ror.cli.terminal import say, write_line, write_notice
from ror.identity.certificates import escaped_value
from ror.identity.sandbox_authority import LOCAL_HOSTS, SandboxAuthority, make

app: Final = application(say("cli.pki"))

Folder = Annotated[
    Path, typer.Option("--directory", metavar="FOLDER", help=say("cli.pki-directory"))
]


@app.command("init", cls=Command, help=say("cli.pki-init"))
def init(
    hosts: Annotated[
        list[str] | None, typer.Option("--host", metavar="NAME", help=say("cli.pki-host"))
    ] = None,
    folder: Folder = Path("pki"),
) -> None:
    authority = make(folder, datetime.now(UTC), tuple(hosts or LOCAL_HOSTS))
    certificate, key = authority.files("server")
    write_line(f"tls_client_authorities = {_quoted(authority.authorities)}")
    write_line(f"tls_client_crl = {_quoted(authority.revocations)}")
    write_line(f"tls_certificate = {_quoted(certificate)}")
    write_line(f"tls_key = {_quoted(key)}")
    write_notice(say("cli.pki-warning"))


@app.command("issue", cls=Command, help=say("cli.pki-issue"))
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
    values = map(escaped_value, (name, unit, organisation))
    full_subject = subject or "CN={},OU={},O={},ST=Paris (75),C=FR".format(*values)
    authority = SandboxAuthority(folder)
    issued = authority.issue(name, full_subject, datetime.now(UTC), days)
    certificate, key = map(str, authority.files(name))
    files = {"certificate": certificate, "key": key}
    if machine:
        write_line(msgspec.json.encode({**msgspec.to_builtins(issued), **files}).decode())
    else:
        for label, value in {"subject": issued.subject, "serial": issued.serial, **files}.items():
            write_line(f"{label}: {value}")
    write_notice(say("cli.pki-warning"))


@app.command("renew", cls=Command, help=say("cli.pki-renew"))
def renew(folder: Folder = Path("pki")) -> None:
    certificate, key = SandboxAuthority(folder).renew_server(datetime.now(UTC))
    write_line(f"certificate: {certificate}")
    write_line(f"key: {key}")
    write_notice(say("cli.pki-warning"))


@app.command("revoke", cls=Command, help=say("cli.pki-revoke"))
def revoke(
    name: Annotated[str, typer.Argument(metavar="NAME", help=say("cli.pki-revoked"))],
    folder: Folder = Path("pki"),
) -> None:
    authority = SandboxAuthority(folder)
    issued = authority.revoke(name, datetime.now(UTC))
    write_line(f"subject: {issued.subject}")
    write_line(f"crl: {authority.revocations}")
    write_notice(say("cli.pki-warning"))


@app.command("crl", cls=Command, help=say("cli.pki-crl"))
def publish_crl(folder: Folder = Path("pki")) -> None:
    authority = SandboxAuthority(folder)
    authority.publish_revocations(datetime.now(UTC))
    write_line(f"crl: {authority.revocations}")
    write_notice(say("cli.pki-warning"))


def _quoted(path: Path) -> str:
    """A path as TOML writes it."""
    return msgspec.json.encode(str(path.absolute())).decode()

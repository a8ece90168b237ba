"""`ror client …`: enrol, list and change the clients of a directory."""

import json
import re
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from cryptography import x509
from rich.table import Table

from ror.access import Perimeter
from ror.audit.acts import AuditedClients
from ror.audit.trail.tending import system_user
from ror.cli.help import Command, application
from ror.cli.options import By, ConfigFile, Database, Machine, Reason, settings
from ror.cli.terminal import console, say, write_line, write_notice
from ror.errors import UsageError
from ror.identity import Act, Action, Client, Kind, Rate, announcements, enrolment, rate_of
from ror.identity.certificates import distinguished_name, name_text
from ror.identity.enrolment import Signature
from ror.identity.keeping import ClientStore
from ror.runtime import open_acts, open_existing, use_tables
from ror.settings import Settings
from ror.standard import terminology
from ror.standard.instants import Micros

REGIONS: Final = "https://mos.esante.gouv.fr/NOS/TRE_R30-RegionOM/FHIR/TRE-R30-RegionOM"
FIELDS: Final = "https://mos.esante.gouv.fr/NOS/TRE_R227-ChampActivite/FHIR/TRE-R227-ChampActivite"

_COLUMNS: Final = (
    "cli.client-heading",
    "cli.client-state",
    "cli.client-reads-as",
    "cli.client-known-by",
    "cli.client-called",
)
_ESTABLISHMENT: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)

app: Final = application(say("cli.client"))

ClientId = Annotated[str, typer.Argument(metavar="ID", help=say("cli.client-id"))]
CallsPerMinute = Annotated[
    int | None,
    typer.Option("--calls-per-minute", min=1, max=1_000_000, help=say("cli.client-calls")),
]
Burst = Annotated[
    int | None, typer.Option("--burst", min=1, max=1_000_000, help=say("cli.client-burst"))
]


@app.command("add", cls=Command, help=say("cli.client-add"))
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
    current = settings(config, database=database)
    use_tables(current)
    table = announcements(Path(current.user_profiles_file) if current.user_profiles_file else None)
    _check_codes("--user-profile", user_profiles, table.user_profiles)
    _check_codes("--role", roles, table.roles)
    _check_codes("--region", regions, _codes(REGIONS))
    _check_codes("--field", fields, _codes(FIELDS))
    if profile is not None:
        user_profiles = user_profiles or sorted(table.of_profile(profile))
        roles = roles or sorted(table.roles)
    perimeter = Perimeter(frozenset(regions or ()), frozenset(fields or ()))
    client = Client(
        id=client_id,
        name=name or client_id,
        kind=Kind.SUPPLIER if supplier else Kind.CONSUMER,
        profile=profile,
        subject=_subject(subject, certificate),
        perimeter=perimeter if perimeter != Perimeter() else None,
        user_profiles=frozenset(user_profiles or ()),
        roles=frozenset(roles or ()),
        establishments=_establishments(establishments),
        rate=_rate(calls_per_minute, burst),
    )
    with _clients(current) as clients:
        enrolled = enrolment.add(clients, client, _signature(by, reason))
    _write_enrolled(enrolled, machine)


@app.command("list", cls=Command, help=say("cli.client-list"))
def list_(database: Database = None, machine: Machine = False, config: ConfigFile = None) -> None:
    with _clients(settings(config, database=database)) as clients:
        entries = clients.all()
    if machine:
        write_line(json.dumps([_as_json(client) for client in entries], ensure_ascii=False))
        return
    table = Table(box=None)
    for heading in _COLUMNS:
        table.add_column(say(heading))
    for client in entries:
        reads_as = client.kind.value if client.profile is None else str(client.profile)
        row = (client.id, client.state.value, reads_as, client.subject or "secret", client.name)
        table.add_row(*row)
    console().print(table)


@app.command("show", cls=Command, help=say("cli.client-show"))
def show(
    client_id: ClientId,
    database: Database = None,
    machine: Machine = False,
    config: ConfigFile = None,
) -> None:
    with _clients(settings(config, database=database)) as clients:
        client, acts = enrolment.client_of(clients, client_id), clients.acts(client_id)
    if machine:
        result = {**_as_json(client), "acts": [_act_as_json(act) for act in acts]}
        write_line(json.dumps(result, ensure_ascii=False))
        return
    _write_client(client, machine=False)
    for act in acts:
        line = say(
            "cli.client-act",
            at=_instant(act.at),
            action=act.action.value,
            by=act.by,
            reason=act.reason or "-",
        )
        write_line(line)


def _changing_state(action: Action) -> Callable[..., None]:
    """The command that suspends, resumes or revokes a client."""

    def change(
        client_id: ClientId,
        reason: Reason,
        by: By = None,
        database: Database = None,
        machine: Machine = False,
        config: ConfigFile = None,
    ) -> None:
        with _clients(settings(config, database=database)) as clients:
            client = enrolment.change_state(clients, client_id, action, _signature(by, reason))
        _write_client(client, machine)

    return change


for _action, _help in {
    Action.SUSPEND: "cli.client-suspend",
    Action.RESUME: "cli.client-resume",
    Action.REVOKE: "cli.client-revoke",
}.items():
    app.command(_action.value, cls=Command, help=say(_help))(_changing_state(_action))


@app.command("rotate-secret", cls=Command, help=say("cli.client-rotate-secret"))
def rotate_secret(
    client_id: ClientId,
    by: By = None,
    reason: Reason = "",
    database: Database = None,
    machine: Machine = False,
    config: ConfigFile = None,
) -> None:
    with _clients(settings(config, database=database)) as clients:
        enrolled = enrolment.rotate_secret(clients, client_id, _signature(by, reason))
    _write_enrolled(enrolled, machine)


@app.command("grant-establishments", cls=Command, help=say("cli.client-grant-establishments"))
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
    changes = _establishments(granted), _establishments(withdrawn)
    with _clients(settings(config, database=database)) as clients:
        client = enrolment.grant_establishments(
            clients, client_id, *changes, _signature(by, reason)
        )
    _write_client(client, machine)


@app.command("set-rate", cls=Command, help=say("cli.client-set-rate"))
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
    rate = _rate(calls_per_minute, burst)
    with _clients(settings(config, database=database)) as clients:
        client = enrolment.set_rate(clients, client_id, rate, _signature(by, reason))
    _write_client(client, machine)


# --- reading the options --------------------------------------------------------------------------


def _subject(subject: str | None, certificate: Path | None) -> str | None:
    """The subject of the client's certificate, from the text or from the file."""
    if certificate is None:
        return None if subject is None else name_text(distinguished_name(subject))
    if subject is not None:
        raise UsageError("clients.subject-twice")
    try:
        return name_text(x509.load_pem_x509_certificate(certificate.read_bytes()).subject)
    except OSError:
        raise UsageError("clients.unreadable-certificate", file=certificate) from None
    except ValueError:
        raise UsageError("clients.bad-certificate", file=certificate) from None


def _rate(calls_per_minute: int | None, burst: int | None) -> Rate | None:
    if calls_per_minute is None:
        if burst is not None:
            raise UsageError("clients.burst-alone")
        return None
    return rate_of(calls_per_minute, burst)


def _codes(system: str) -> frozenset[str]:
    code_system = terminology.code_system(system)
    return frozenset(code_system.concepts) if code_system else frozenset()


def _check_codes(option: str, codes: Collection[str] | None, known: Collection[str]) -> None:
    unknown = sorted(set(codes or ()) - set(known))
    if unknown:
        raise UsageError(
            "clients.unknown-code",
            option=option,
            code=unknown[0][:100],
            known=", ".join(sorted(known)),
        )


def _establishments(codes: list[str] | None) -> frozenset[str]:
    for code in codes or ():
        if not _ESTABLISHMENT.fullmatch(code):
            raise UsageError("clients.bad-establishment", code=code[:100])
    return frozenset(codes or ())


def _signature(by: str | None, reason: str) -> Signature:
    """Who makes the change: `--by`, else the user of this machine."""
    return Signature(system_user() if by is None else by, reason, Micros(time.time_ns() // 1_000))


@contextmanager
def _clients(settings: Settings) -> Iterator[ClientStore]:
    """The clients of a directory that exists. Changes to them are written to the audit trail."""
    with closing(open_existing(settings.database)) as store:
        yield AuditedClients(store.clients, partial(open_acts, settings, store))


# --- writing the result ---------------------------------------------------------------------------


def _write_enrolled(enrolled: enrolment.Enrolled, machine: bool) -> None:
    """Write a client with its new secret, which is shown this once."""
    if machine:
        secret = {"secret": enrolled.secret} if enrolled.secret else {}
        write_line(json.dumps({**_as_json(enrolled.client), **secret}, ensure_ascii=False))
        return
    _write_client(enrolled.client, machine=False)
    if enrolled.secret:
        write_line(f"client_secret: {enrolled.secret}")
        write_notice(say("cli.client-secret-once"))


def _write_client(client: Client, machine: bool) -> None:
    values = _as_json(client)
    if machine:
        write_line(json.dumps(values, ensure_ascii=False))
        return
    for name, value in values.items():
        if value not in (None, [], ""):
            write_line(f"{name}: {', '.join(value) if isinstance(value, list) else value}")


def _as_json(client: Client) -> dict[str, Any]:
    """A client for a program, without its secret."""
    perimeter, rate = client.perimeter or Perimeter(), client.rate
    return {
        "client_id": client.id,
        "name": client.name,
        "kind": client.kind.value,
        "state": client.state.value,
        "profile": client.profile,
        "subject": client.subject,
        "regions": sorted(perimeter.regions),
        "fields": sorted(perimeter.fields),
        "user_profiles": sorted(client.user_profiles),
        "roles": sorted(client.roles),
        "establishments": sorted(client.establishments),
        "calls_per_minute": rate and rate.calls_per_minute,
        "burst": rate and rate.burst,
    }


def _act_as_json(act: Act) -> dict[str, Any]:
    return {
        "action": act.action.value,
        "at": _instant(act.at),
        "by": act.by,
        "reason": act.reason,
        "details": dict(act.details),
    }


def _instant(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, UTC).isoformat(timespec="milliseconds")

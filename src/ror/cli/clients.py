"""`ror client …`: who may call, shown and changed."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from rich.table import Table

from ror.access import Perimeter
from ror.audit.acts import TracedClients
from ror.audit.trail.tending import user
from ror.cli.showing import console, existing_store
from ror.cli.speaking import answer, say, tell
from ror.errors import UsageError
from ror.identity import Act, Action, Client, Kind, Rate, announcements, rate_of
from ror.identity import enrolment as enrolling
from ror.identity.certificates import distinguished_name, written_name
from ror.identity.enrolment import Signature
from ror.identity.keeping import ClientStore
from ror.runtime import open_acts, use_tables
from ror.settings import Settings
from ror.standard import terminology

REGIONS: Final = "https://mos.esante.gouv.fr/NOS/TRE_R30-RegionOM/FHIR/TRE-R30-RegionOM"
FIELDS: Final = "https://mos.esante.gouv.fr/NOS/TRE_R227-ChampActivite/FHIR/TRE-R227-ChampActivite"

_ESTABLISHMENT: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed about a new client."""

    client_id: str
    name: str
    profile: int | None
    supplier: bool
    subject: str | None
    certificate: Path | None
    regions: tuple[str, ...]
    fields: tuple[str, ...]
    user_profiles: tuple[str, ...]
    roles: tuple[str, ...]
    establishments: tuple[str, ...]
    calls_per_minute: int | None
    burst: int | None


def add(settings: Settings, asked: Asked, by: str | None, reason: str, machine: bool) -> None:
    """Let a client in; its secret is told here and nowhere else."""
    client = _client(settings, asked)
    with _clients(settings) as clients:
        enrolled = enrolling.add(clients, client, _signature(by, reason))
    _tell_enrolled(enrolled, machine)


def rotate_secret(
    settings: Settings, client_id: str, by: str | None, reason: str, machine: bool
) -> None:
    """Give a client another secret, told here and nowhere else."""
    with _clients(settings) as clients:
        enrolled = enrolling.rotate_secret(clients, client_id, _signature(by, reason))
    _tell_enrolled(enrolled, machine)


def change_state(
    settings: Settings, client_id: str, action: str, by: str | None, reason: str, machine: bool
) -> None:
    """Suspend, resume or revoke a client."""
    with _clients(settings) as clients:
        client = enrolling.change_state(clients, client_id, Action(action), _signature(by, reason))
    _tell(client, machine)


def grant_establishments(
    settings: Settings,
    client_id: str,
    granted: tuple[str, ...],
    withdrawn: tuple[str, ...],
    by: str | None,
    reason: str,
    machine: bool,
) -> None:
    """Say for which establishments a supplier may declare beds."""
    with _clients(settings) as clients:
        given = _establishments(granted), _establishments(withdrawn)
        client = enrolling.grant_establishments(clients, client_id, *given, _signature(by, reason))
    _tell(client, machine)


def set_rate(
    settings: Settings,
    client_id: str,
    calls_per_minute: int | None,
    burst: int | None,
    by: str | None,
    reason: str,
    machine: bool,
) -> None:
    """Say how often a client may call."""
    rate = _rate(calls_per_minute, burst)
    with _clients(settings) as clients:
        client = enrolling.set_rate(clients, client_id, rate, _signature(by, reason))
    _tell(client, machine)


def show(settings: Settings, client_id: str, machine: bool) -> None:
    """Show a client, and what was done to it."""
    with _clients(settings) as clients:
        client, acts = enrolling.found(clients, client_id), clients.acts(client_id)
    if machine:
        answer(
            json.dumps(
                {**_facts(client), "acts": [_of_act(act) for act in acts]}, ensure_ascii=False
            )
        )
        return
    _tell(client, machine=False)
    for act in acts:
        told = say(
            "cli.client-act",
            at=_instant(act.at),
            action=act.action.value,
            by=act.by,
            reason=act.reason or "-",
        )
        answer(told)


def show_all(settings: Settings, machine: bool) -> None:
    """Show every client."""
    with _clients(settings) as clients:
        known = clients.all()
    if machine:
        answer(json.dumps([_facts(client) for client in known], ensure_ascii=False))
        return
    table = Table(box=None)
    for heading in (
        "client-heading",
        "client-state",
        "client-reads-as",
        "client-known-by",
        "client-called",
    ):
        table.add_column(say(f"cli.{heading}"))
    for client in known:
        table.add_row(
            client.id,
            client.state.value,
            _reads_as(client),
            client.subject or "secret",
            client.name,
        )
    console().print(table)


# --- what was typed --------------------------------------------------------------------------------------------------


def _client(settings: Settings, asked: Asked) -> Client:
    """The client that was asked for. Raises UsageError when a code is unknown or a name cannot be read."""
    known = announcements(
        Path(settings.user_profiles_file) if settings.user_profiles_file else None
    )
    use_tables(settings)
    user_profiles, roles = frozenset(asked.user_profiles), frozenset(asked.roles)
    _check_codes(user_profiles, known.user_profiles, "--user-profile")
    _check_codes(roles, known.roles, "--role")
    _check_codes(asked.regions, _codes(REGIONS), "--region")
    _check_codes(asked.fields, _codes(FIELDS), "--field")
    if asked.profile is not None:
        user_profiles = user_profiles or known.of_profile(asked.profile)
        roles = roles or known.roles
    perimeter = Perimeter(frozenset(asked.regions), frozenset(asked.fields))
    return Client(
        id=asked.client_id,
        name=asked.name or asked.client_id,
        kind=Kind.SUPPLIER if asked.supplier else Kind.CONSUMER,
        profile=asked.profile,
        subject=_subject(asked),
        perimeter=perimeter if perimeter != Perimeter() else None,
        user_profiles=user_profiles,
        roles=roles,
        establishments=_establishments(asked.establishments),
        rate=_rate(asked.calls_per_minute, asked.burst),
    )


def _subject(asked: Asked) -> str | None:
    """The subject of the certificate, as text or taken from a file."""
    if asked.certificate is None:
        return None if asked.subject is None else written_name(distinguished_name(asked.subject))
    if asked.subject is not None:
        raise UsageError("clients.subject-twice")
    try:
        return written_name(x509.load_pem_x509_certificate(asked.certificate.read_bytes()).subject)
    except OSError:
        raise UsageError("clients.unreadable-certificate", file=asked.certificate) from None
    except ValueError:
        raise UsageError("clients.bad-certificate", file=asked.certificate) from None


def _rate(calls_per_minute: int | None, burst: int | None) -> Rate | None:
    if calls_per_minute is None:
        if burst is not None:
            raise UsageError("clients.burst-alone")
        return None
    return rate_of(calls_per_minute, burst)


def _codes(system: str) -> frozenset[str]:
    found = terminology.code_system(system)
    return frozenset(found.concepts) if found else frozenset()


def _check_codes(codes: Any, known: Any, option: str) -> None:
    unknown = sorted(set(codes) - set(known))
    if unknown:
        raise UsageError(
            "clients.unknown-code",
            option=option,
            code=unknown[0][:100],
            known=", ".join(sorted(known)),
        )


def _establishments(given: tuple[str, ...]) -> frozenset[str]:
    for one in given:
        if not _ESTABLISHMENT.fullmatch(one):
            raise UsageError("clients.bad-establishment", code=one[:100])
    return frozenset(given)


def _signature(by: str | None, reason: str) -> Signature:
    """Who acts: as told, else the user of this machine."""
    return Signature(user() if by is None else by, reason, time.time_ns() // 1_000)


@contextmanager
def _clients(settings: Settings) -> Iterator[ClientStore]:
    """The clients of a directory that is there; what is done to them is traced."""
    store = existing_store(settings.database)
    try:
        yield TracedClients(store.clients, partial(open_acts, settings, store))
    finally:
        store.close()


# --- what is told ----------------------------------------------------------------------------------------------------


def _tell_enrolled(enrolled: enrolling.Enrolled, machine: bool) -> None:
    if machine:
        secret = {"secret": enrolled.secret} if enrolled.secret else {}
        answer(json.dumps({**_facts(enrolled.client), **secret}, ensure_ascii=False))
        return
    _tell(enrolled.client, machine=False)
    if enrolled.secret:
        answer(f"client_secret: {enrolled.secret}")
        tell(say("cli.client-secret-once"))


def _tell(client: Client, machine: bool) -> None:
    facts = _facts(client)
    if machine:
        answer(json.dumps(facts, ensure_ascii=False))
        return
    for name, value in facts.items():
        if value not in (None, [], ""):
            answer(f"{name}: {', '.join(value) if isinstance(value, list) else value}")


def _facts(client: Client) -> dict[str, Any]:
    """A client for a program: nothing of its secret."""
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


def _of_act(act: Act) -> dict[str, Any]:
    told = {"action": act.action.value, "at": _instant(act.at), "by": act.by, "reason": act.reason}
    return {**told, "details": dict(act.details)}


def _reads_as(client: Client) -> str:
    return client.kind.value if client.profile is None else str(client.profile)


def _instant(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, UTC).isoformat(timespec="milliseconds")

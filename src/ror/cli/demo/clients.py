"""
The clients of the demonstration, one for each access profile, and what each needs to call.

Their certificates come from a test authority in the folder of the demonstration. The secret of the
public client is kept there too, so that the next run has the same clients. Only the owner of the
folder can read them.
"""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import rmtree
from typing import Final

from cryptography import x509

from ror.cli.terminal import say
from ror.http.authorisation import TOKEN
from ror.identity import (
    HEADERS,
    PUBLIC_PROFILE,
    Client,
    announcements,
    enrolment,
    sandbox_authority,
)
from ror.identity.enrolment import Signature
from ror.identity.keeping import ClientStore
from ror.identity.sandbox_authority import SandboxAuthority
from ror.settings import Settings
from ror.standard.instants import Micros

PROFILES: Final = {
    0: "cli.demo-profile-0",
    1: "cli.demo-profile-1",
    2: "cli.demo-profile-2",
    3: "cli.demo-profile-3",
    4: "cli.demo-profile-4",
    5: "cli.demo-profile-5",
}
"""The access profiles that have a client, with the message key of their purpose."""

INSTRUCTIONS: Final = "demo-clients.txt"
"""The file with the requests of each client; it has a secret."""

_SUBJECT: Final = "CN=demo-{profile},OU=000000000,O=DEMONSTRATION,ST=Paris (75),C=FR"
_SECRET: Final = "demo-0.secret"  # noqa: S105 the name of a file
_REQUEST: Final = "HealthcareService?_summary=count"
_EARLY: Final = timedelta(days=2)
"""Certificates that end sooner are replaced."""


def authority_of(folder: Path) -> SandboxAuthority:
    """The test authority in a folder. It is made again when its certificates end soon."""
    now, place = datetime.now(UTC), folder / "pki"
    if (place / "root.pem").exists():
        certificate = x509.load_pem_x509_certificate((place / "server.pem").read_bytes())
        if certificate.not_valid_after_utc < now + _EARLY:
            rmtree(place)
    authority = (
        SandboxAuthority(place)
        if (place / "root.pem").exists()
        else sandbox_authority.make(place, now)
    )
    names = {issued.name for issued in authority.issued}
    for profile in PROFILES:
        if profile != PUBLIC_PROFILE and f"demo-{profile}" not in names:
            authority.issue(f"demo-{profile}", _SUBJECT.format(profile=profile), now)
    authority.publish_revocations(now)
    return authority


def register(clients: ClientStore, folder: Path) -> None:
    """Enrol the clients that are missing, and keep the secret of the public client."""
    ids = {client.id for client in clients.all()}
    signature = Signature("ror demo", "", Micros(time.time_ns() // 1_000))
    secret = folder / _SECRET
    for profile in PROFILES:
        client = _client(profile)
        if client.id not in ids:
            new_secret = enrolment.add(clients, client, signature).secret
        elif client.has_secret and not secret.exists():
            new_secret = enrolment.rotate_secret(clients, client.id, signature).secret
        else:
            new_secret = None
        if new_secret is not None:
            _write_private(secret, new_secret)


def write_instructions(
    settings: Settings, with_tls: Settings, authority: SandboxAuthority, folder: Path
) -> Path:
    """Write the requests of each client to a file for its owner alone; returns the file."""
    path = folder / INSTRUCTIONS
    lines = [say("cli.demo-clients-test")]
    for profile, meaning in PROFILES.items():
        client = _client(profile)
        lines += [
            "",
            say("cli.demo-client", profile=profile, client=client.id, meaning=say(meaning)),
            f"  TOKEN=$({_token_line(client, with_tls, authority, folder)})",
            f"  {_request_line(client, settings)}",
        ]
    _write_private(path, "\n".join(lines) + "\n")
    return path


def address(settings: Settings) -> str:
    """The address of the FHIR service on this machine."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{settings.scheme}://{host}:{settings.port}{settings.mounts[0]}"


def _request_line(client: Client, settings: Settings) -> str:
    """The command that sends a request of a client, with the token in `$TOKEN`."""
    table = announcements()
    values = (min(client.user_profiles), table.system, min(client.roles), table.role_system)
    headers = " ".join(f"-H '{name}: {value}'" for name, value in zip(HEADERS, values, strict=True))
    return f"curl -H \"Authorization: Bearer $TOKEN\" {headers} '{address(settings)}/{_REQUEST}'"


def _client(profile: int) -> Client:
    table = announcements()
    return Client(
        id=f"demo-{profile}",
        name=f"Démonstration, profil {profile}",
        profile=profile,
        subject=None if profile == PUBLIC_PROFILE else _SUBJECT.format(profile=profile),
        user_profiles=table.of_profile(profile),
        roles=table.roles,
    )


def _token_line(
    client: Client, with_tls: Settings, authority: SandboxAuthority, folder: Path
) -> str:
    """The command that prints a token of a client."""
    if client.has_secret:
        proof = f"-d client_secret={(folder / _SECRET).read_text(encoding='ascii')}"
    else:
        certificate, key = authority.files(client.id)
        proof = f"--cert '{certificate}' --key '{key}'"
    form = f"-d grant_type=client_credentials -d client_id={client.id} {proof}"
    extracted = 'sed \'s/.*"access_token":"\\([^"]*\\)".*/\\1/\''
    url = f"{with_tls.issuer}{TOKEN}"
    return f"curl -s --cacert '{authority.authorities}' {form} '{url}' | {extracted}"


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, also while it is written."""
    partial = path.with_name(f"{path.name}.part")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(text.encode())
    partial.replace(path)

"""
The clients of a demonstration: one per access profile, with what each needs to call, and a second server for TLS.

Certificates come from an authority for tests in the folder of the demonstration, where the secret of the public client
is kept too, so that the next run shows the same ones. Nobody else may read them.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import rmtree
from typing import Final

from cryptography import x509

from ror.cli.terminal import say, write_line
from ror.errors import UsageError
from ror.http.authorisation import TOKEN
from ror.identity import HEADERS, PUBLIC_PROFILE, Client, announcements, sandbox_authority
from ror.identity import enrolment as enrolling
from ror.identity.enrolment import Signature
from ror.identity.keeping import ClientStore
from ror.identity.sandbox_authority import SandboxAuthority
from ror.settings import Settings, as_environment

PROFILES: Final = {
    0: "cli.demo-profile-0",
    1: "cli.demo-profile-1",
    2: "cli.demo-profile-2",
    3: "cli.demo-profile-3",
    4: "cli.demo-profile-4",
    5: "cli.demo-profile-5",
}
"""The access profiles that a client is registered for, with the key of what each is for."""

_SUBJECT: Final = "CN=demo-{profile},OU=000000000,O=DEMONSTRATION,ST=Paris (75),C=FR"
_SECRET: Final = "demo-0.secret"  # noqa: S105 the name of a file
_REQUEST: Final = "HealthcareService?_summary=count"
_EARLY: Final = timedelta(days=2)
"""Certificates that end sooner are made again."""
_PARENT_DEATH: Final = 1
"""PR_SET_PDEATHSIG of Linux: a signal for a process whose parent is gone."""


def authority_of(folder: Path) -> SandboxAuthority:
    """The authority of the demonstration in a folder, made when there is none that will last the day."""
    now, place = datetime.now(UTC), folder / "pki"
    if (place / "root.pem").exists():
        certificate = x509.load_pem_x509_certificate((place / "server.pem").read_bytes())
        if certificate.not_valid_after_utc < now + _EARLY:
            rmtree(place)
    found = (
        SandboxAuthority(place)
        if (place / "root.pem").exists()
        else sandbox_authority.make(place, now)
    )
    known = {one.name for one in found.issued}
    for profile in PROFILES:
        if profile != PUBLIC_PROFILE and f"demo-{profile}" not in known:
            found.issue(f"demo-{profile}", _SUBJECT.format(profile=profile), now)
    found.publish_revocations(now)
    return found


def register(clients: ClientStore, folder: Path) -> None:
    """Let the clients of the demonstration in that are not, and keep the secret of the one that has one."""
    known = {client.id for client in clients.all()}
    signature = Signature("ror demo", "", time.time_ns() // 1_000)
    secret = folder / _SECRET
    for profile in PROFILES:
        client = _client(profile)
        if client.id not in known:
            given = enrolling.add(clients, client, signature).secret
        elif client.has_secret and not secret.exists():
            given = enrolling.rotate_secret(clients, client.id, signature).secret
        else:
            given = None
        if given is not None:
            secret.touch(mode=0o600)
            secret.write_text(given, encoding="ascii")


def tell(settings: Settings, secured: Settings, authority: SandboxAuthority, folder: Path) -> None:
    """Show how each client gets a token and calls."""
    write_line(say("cli.demo-clients"))
    for profile, meaning in PROFILES.items():
        client = _client(profile)
        write_line(say("cli.demo-client", profile=profile, client=client.id, meaning=say(meaning)))
        write_line(f"  TOKEN=$({_token_line(client, secured, authority, folder)})")
        known = announcements()
        values = (min(client.user_profiles), known.system, min(client.roles), known.role_system)
        written = " ".join(
            f"-H '{name}: {value}'" for name, value in zip(HEADERS, values, strict=True)
        )
        address = f"http://{settings.host}:{settings.port}{settings.mounts[0]}/{_REQUEST}"
        write_line(f"  curl -H \"Authorization: Bearer $TOKEN\" {written} '{address}'")


def secured_settings(settings: Settings, tls_port: int, authority: SandboxAuthority) -> Settings:
    """The settings of the server beside, which speaks TLS and knows clients by their certificates."""
    certificate, key = authority.files("server")
    return replace(
        settings,
        port=tls_port,
        anonymous_profile=None,
        log_level="warning",
        tls_certificate=str(certificate),
        tls_key=str(key),
        tls_client_authorities=(str(authority.authorities),),
        tls_client_crl=(str(authority.revocations),),
    )


@contextmanager
def serving_beside(settings: Settings) -> Iterator[None]:
    """Another server, in a process of its own that ends with the block and does not outlive this one."""
    _check_free(settings)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ROR_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "ror", "serve"],
        env={**environment, **as_environment(settings)},
        preexec_fn=_end_with_parent,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _end_with_parent() -> None:
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PARENT_DEATH, signal.SIGTERM)


def _check_free(settings: Settings) -> None:
    """Nothing, when the port can be listened on: what another process says of it would come late."""
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((settings.host, settings.port))
        except OSError:
            raise UsageError("cli.demo-port-taken", port=settings.port) from None


def _client(profile: int) -> Client:
    known = announcements()
    return Client(
        id=f"demo-{profile}",
        name=f"Démonstration, profil {profile}",
        profile=profile,
        subject=None if profile == PUBLIC_PROFILE else _SUBJECT.format(profile=profile),
        user_profiles=known.of_profile(profile),
        roles=known.roles,
    )


def _token_line(
    client: Client, secured: Settings, authority: SandboxAuthority, folder: Path
) -> str:
    """The command that prints a token of a client."""
    if client.has_secret:
        proof = f"-d client_secret={(folder / _SECRET).read_text(encoding='ascii')}"
    else:
        certificate, key = authority.files(client.id)
        proof = f"--cert '{certificate}' --key '{key}'"
    form = f"-d grant_type=client_credentials -d client_id={client.id} {proof}"
    extracted = 'sed \'s/.*"access_token":"\\([^"]*\\)".*/\\1/\''
    return (
        f"curl -s --cacert '{authority.authorities}' {form} '{secured.issuer}{TOKEN}' | {extracted}"
    )

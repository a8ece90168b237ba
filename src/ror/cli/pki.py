"""`ror pki …`: certificates for tests and sandboxes, told each time to be good for nothing else."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ror.cli.speaking import answer, say, tell
from ror.identity.certificates import escaped_value
from ror.identity.sandbox_authority import LOCAL_HOSTS, SandboxAuthority, make


def init(folder: Path, hosts: tuple[str, ...]) -> None:
    """Make an authority, and a certificate for the server."""
    made = make(folder, datetime.now(UTC), hosts or LOCAL_HOSTS)
    certificate, key = made.files("server")
    answer(f"tls_client_authorities = {_quoted(made.authorities)}")
    answer(f"tls_client_crl = {_quoted(made.revocations)}")
    answer(f"tls_certificate = {_quoted(certificate)}")
    answer(f"tls_key = {_quoted(key)}")
    tell(say("cli.pki-warning"))


def issue(
    folder: Path,
    name: str,
    unit: str,
    organisation: str,
    subject: str | None,
    days: int,
    machine: bool,
) -> None:
    """Issue the certificate of a client."""
    values = (escaped_value(one) for one in (name, unit, organisation))
    asked = subject or "CN={},OU={},O={},ST=Paris (75),C=FR".format(*values)
    authority = SandboxAuthority(folder)
    issued = authority.issue(name, asked, datetime.now(UTC), days)
    certificate, key = authority.files(name)
    if machine:
        told = msgspec.to_builtins(issued)
        answer(
            msgspec.json.encode({**told, "certificate": str(certificate), "key": str(key)}).decode()
        )
    else:
        for label, value in (
            ("subject", issued.subject),
            ("serial", issued.serial),
            ("certificate", certificate),
            ("key", key),
        ):
            answer(f"{label}: {value}")
    tell(say("cli.pki-warning"))


def revoke(folder: Path, name: str) -> None:
    """Revoke a certificate."""
    authority = SandboxAuthority(folder)
    issued = authority.revoke(name, datetime.now(UTC))
    answer(f"subject: {issued.subject}")
    answer(f"crl: {authority.revocations}")
    tell(say("cli.pki-warning"))


def renew(folder: Path) -> None:
    """Publish the revocation lists again."""
    authority = SandboxAuthority(folder)
    authority.publish_revocations(datetime.now(UTC))
    answer(f"crl: {authority.revocations}")
    tell(say("cli.pki-warning"))


def _quoted(path: Path) -> str:
    """A path as TOML writes it."""
    return msgspec.json.encode(str(path.absolute())).decode()

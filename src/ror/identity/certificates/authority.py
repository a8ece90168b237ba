"""
A certification authority for tests and sandboxes, shaped like IGC-Santé: never for production.

A root and an intermediate authority for organisations issue client certificates, with the subject
`CN=…,OU=<SIREN or FINESS>,O=…,ST=Paris (75),C=FR` of the IGC-Santé offer ORG AUTH_CLI, and server
certificates. Every name says that it is a test. This module makes keys; callers store them.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from ror.identity.certificates.names import distinguished_name

ORGANISATION: Final = "O=ROR TEST - NE PAS UTILISER EN PRODUCTION,C=FR"
ROOT_NAME: Final = f"CN=AC RACINE TEST,OU=0002 000000000,{ORGANISATION}"
INTERMEDIATE_NAME: Final = f"CN=AC TEST ELEMENTAIRE ORGANISATIONS,OU=0002 000000000,{ORGANISATION}"
"""Named after the branch of IGC-Santé that certifies organisations."""

AUTHORITY_DAYS: Final = 3_650
CLIENT_DAYS: Final = 3 * 365
SERVER_DAYS: Final = 397
LIST_DAYS: Final = 30

_EARLY: Final = timedelta(minutes=5)
"""Certificates are valid from this long before now, because clocks differ."""

PrivateKey = ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Holder:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: PrivateKey = field(repr=False)

    @property
    def pem(self) -> bytes:
        """The certificate, as PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The private key, as PEM, not encrypted."""
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def holder(certificate_pem: bytes, key_pem: bytes) -> Holder:
    """The holder written by `pem` and `key_pem`. Raises ValueError for anything else."""
    key = serialization.load_pem_private_key(key_pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("not a key of this authority")
    return Holder(x509.load_pem_x509_certificate(certificate_pem), key)


def new_root(now: datetime) -> Holder:
    """A self-signed root authority."""
    return _signed_by(
        None, ROOT_NAME, now, timedelta(days=AUTHORITY_DAYS), _AUTHORITY_USAGE, path_length=1
    )


def new_intermediate(root: Holder, now: datetime) -> Holder:
    """The issuing authority, signed by the root."""
    return _signed_by(
        root,
        INTERMEDIATE_NAME,
        now,
        timedelta(days=AUTHORITY_DAYS),
        _AUTHORITY_USAGE,
        path_length=0,
    )


def issue_client(
    issuer: Holder, subject: str, now: datetime, valid: timedelta = timedelta(days=CLIENT_DAYS)
) -> Holder:
    """A client certificate for this subject. Raises UsageError if it is no distinguished name."""
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    return _signed_by(issuer, subject, now, valid, _LEAF_USAGE, extensions=[usage])


def issue_server(issuer: Holder, hosts: Sequence[str], now: datetime) -> Holder:
    """A server certificate for these host names and addresses."""
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
    name = f"CN={hosts[0]},{ORGANISATION}"
    return _signed_by(
        issuer, name, now, timedelta(days=SERVER_DAYS), _LEAF_USAGE, extensions=[usage, names]
    )


def hosts_of(pem: bytes) -> Sequence[str]:
    """The names and addresses of a server's certificate."""
    extension = x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    return [str(name.value) for name in extension.value]


def revocation_list(
    issuer: Holder, revoked: Iterable[tuple[int, datetime]], now: datetime
) -> bytes:
    """
    The revocation list of an authority, as PEM, from pairs of serial number and revocation date.
    """
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(now - _EARLY)
        .next_update(now + timedelta(days=LIST_DAYS))
        .add_extension(x509.CRLNumber(int(now.timestamp() * 1_000)), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()),
            critical=False,
        )
    )
    for serial, since in revoked:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(since).build()
        )
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


_AUTHORITY_USAGE: Final = _key_usage(signs_certificates=True)
_LEAF_USAGE: Final = _key_usage(signs_certificates=False)


def _signed_by(
    issuer: Holder | None,
    subject: str,
    now: datetime,
    valid: timedelta,
    usage: x509.KeyUsage,
    path_length: int | None = None,
    extensions: Sequence[x509.ExtensionType] = (),
) -> Holder:
    """A new key and its certificate, signed by the issuer or by the key itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = distinguished_name(subject)
    signing = issuer.key if issuer else key
    basic = x509.BasicConstraints(ca=path_length is not None, path_length=path_length)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.certificate.subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, now + valid) - _EARLY)
        .not_valid_after(now + valid)
        .add_extension(basic, critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False
        )
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return Holder(builder.sign(signing, hashes.SHA256()), key)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)

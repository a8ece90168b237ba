"""
Whether a client certificate is trusted: its chain, its dates, its purpose, its revocation.

`cryptography` builds the path and verifies its signatures; this module checks the revocation lists
for each certificate of the path. An outdated list proves nothing, so its issuer's certificates are
not trusted.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final, Literal, cast

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID

Reason = Literal[
    "not-yet", "expired", "untrusted", "not-for-clients", "revoked", "list-missing", "list-outdated"
]

_DEEPEST: Final = 4
"""Intermediate authorities between a certificate and a root."""
_CRL_END: Final = b"-----END X509 CRL-----"


class Untrusted(Exception):
    """A certificate is not trusted, with the reason."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Final = reason


@dataclass(frozen=True, slots=True)
class Authorities:
    """The trusted certification authorities and their revocation lists."""

    roots: Sequence[x509.Certificate]
    intermediates: Sequence[x509.Certificate]
    revocations: Sequence[x509.CertificateRevocationList]


def read_authorities(certificates: bytes, revocations: Iterable[bytes] = ()) -> Authorities:
    """
    The authorities in PEM certificates, with the revocation lists of PEM or DER files.

    Self-signed certificates are roots; without any, each certificate is trusted on its own. Raises
    ValueError for an unreadable file.
    """
    loaded = x509.load_pem_x509_certificates(certificates)
    roots = [certificate for certificate in loaded if certificate.subject == certificate.issuer]
    intermediates = [
        certificate for certificate in loaded if certificate.subject != certificate.issuer
    ]
    lists = tuple(revocation_list for content in revocations for revocation_list in _lists(content))
    return (
        Authorities(roots, intermediates, lists) if roots else Authorities(intermediates, (), lists)
    )


def check_client_certificate(
    certificate: x509.Certificate, trusted: Authorities, now: datetime
) -> None:
    """Check a client certificate at an instant. Raises Untrusted."""
    if now < certificate.not_valid_before_utc:
        raise Untrusted("not-yet")
    if now > certificate.not_valid_after_utc:
        raise Untrusted("expired")
    if not _is_for_clients(certificate):
        raise Untrusted("not-for-clients")
    path = _path(certificate, trusted, now)
    for position, (certificate_, issuer) in enumerate(pairwise(path)):
        _check_revocation(certificate_, issuer, trusted, now, is_client=position == 0)


def _path(
    certificate: x509.Certificate, trusted: Authorities, now: datetime
) -> Sequence[x509.Certificate]:
    """The certificate, its issuer, and so on up to a root."""
    if not trusted.roots:
        raise Untrusted("untrusted")
    # The Web profile requires a host name; certificates of organisations have none.
    for_clients = verification.ExtensionPolicy.webpki_defaults_ee().may_be_present(
        x509.SubjectAlternativeName, verification.Criticality.AGNOSTIC, None
    )
    verifier = (
        verification.PolicyBuilder()
        .store(verification.Store(list(trusted.roots)))
        .time(now)
        .max_chain_depth(_DEEPEST)
        .extension_policies(
            ca_policy=verification.ExtensionPolicy.webpki_defaults_ca(), ee_policy=for_clients
        )
        .build_client_verifier()
    )
    try:
        return verifier.verify(certificate, list(trusted.intermediates)).chain
    except verification.VerificationError:
        raise Untrusted("untrusted") from None


def _is_for_clients(certificate: x509.Certificate) -> bool:
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return ExtendedKeyUsageOID.CLIENT_AUTH in usages


def _check_revocation(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    trusted: Authorities,
    now: datetime,
    is_client: bool,
) -> None:
    """
    Check that no list of the issuer revokes the certificate. Raises Untrusted.

    If any list is configured, the issuer of a client certificate must have one; that of an
    authority certificate need not.
    """
    lists = [
        candidate
        for candidate in trusted.revocations
        if candidate.issuer == certificate.issuer and _is_signed(candidate, issuer)
    ]
    if not lists:
        if trusted.revocations and is_client:
            raise Untrusted("list-missing")
        return
    serial = certificate.serial_number
    if any(candidate.get_revoked_certificate_by_serial_number(serial) for candidate in lists):
        raise Untrusted("revoked")
    if not any(_is_current(candidate, now) for candidate in lists):
        raise Untrusted("list-outdated")


def _is_signed(revocations: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    # Any key that signs certificates can sign lists; the annotations of the library are narrower.
    return revocations.is_signature_valid(
        cast(CertificateIssuerPublicKeyTypes, issuer.public_key())
    )


def _is_current(revocations: x509.CertificateRevocationList, now: datetime) -> bool:
    end = revocations.next_update_utc
    return revocations.last_update_utc <= now and (end is None or now <= end)


def _lists(content: bytes) -> Iterable[x509.CertificateRevocationList]:
    if _CRL_END not in content:
        yield x509.load_der_x509_crl(content)
        return
    for piece in content.split(_CRL_END)[:-1]:
        yield x509.load_pem_x509_crl(piece + _CRL_END)

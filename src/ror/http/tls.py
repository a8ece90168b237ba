"""
TLS 1.2 and 1.3, with an optional client certificate.

Token requests come with a certificate and other requests without one, on the same port. The
handshake fails for a certificate that no known authority signed. The token endpoint checks dates
and revocation, because it can answer with the reason.
"""

import asyncio
import ssl
from typing import Final

from ror.errors import UsageError
from ror.settings import Settings

_PARTIAL_CHAIN: Final = 0x80000
"""X509_V_FLAG_PARTIAL_CHAIN: an authority in the file is trusted without its root."""
_NO_CHECK_TIME: Final = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME. Not every version of Python names these flags of x509_vfy.h."""


def tls_context(settings: Settings) -> ssl.SSLContext:
    """The TLS context of the settings. Raises UsageError when a file cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(settings.tls_certificate or "", settings.tls_key)
        for file in settings.tls_client_authorities:
            context.load_verify_locations(file)
    except (OSError, ssl.SSLError) as problem:
        raise UsageError("serve.bad-tls", problem=problem) from None
    if settings.tls_client_authorities:
        context.verify_mode = ssl.CERT_OPTIONAL
        context.verify_flags = ssl.VerifyFlags(
            context.verify_flags | _PARTIAL_CHAIN | _NO_CHECK_TIME
        )
    return context


def peer_chain(transport: asyncio.Transport) -> tuple[str, ...]:
    """The client certificate of a connection as PEM; empty if there is none."""
    secured = transport.get_extra_info("ssl_object")
    shown = secured.getpeercert(binary_form=True) if secured is not None else None
    return (ssl.DER_cert_to_PEM_cert(shown),) if shown else ()

"""
TLS on the socket: 1.2 and 1.3, with a client certificate asked for and not required.

Calls of the API come without a certificate and requests for tokens with one, on the same port. A certificate that no
known authority signed ends the handshake. Whether one is out of date or revoked is not looked at here but when a token
is asked for, where the refusal can be told in words.
"""

import asyncio
import ssl
from typing import Final

from ror.errors import UsageError
from ror.settings import Settings

_PARTIAL_CHAIN: Final = 0x80000
"""X509_V_FLAG_PARTIAL_CHAIN: an authority that is named is believed by itself, without its root."""
_NO_CHECK_TIME: Final = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME. Python has a name for neither in every version; OpenSSL's x509_vfy.h has."""


def tls_context(settings: Settings) -> ssl.SSLContext:
    """The TLS that the settings ask for. Raises UsageError when a file does not hold what it should."""
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
    """The certificate that the other side of a connection showed, as PEM; nothing when it showed none."""
    secured = transport.get_extra_info("ssl_object")
    shown = secured.getpeercert(binary_form=True) if secured is not None else None
    return (ssl.DER_cert_to_PEM_cert(shown),) if shown else ()

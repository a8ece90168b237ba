"""
What stands between a client and the server: which proxies are believed, and the client certificate that one passes on.

A proxy that ends TLS says in a header which certificate the client showed: RFC 9440 (`Client-Cert`), or the escaped PEM
of nginx, or plain base64 of HAProxy. The header is believed from trusted proxies alone; from anybody else it is an
attempt to pass for another, and the request is refused.
"""

import binascii
import ipaddress
import re
import ssl
from base64 import b64decode
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from cryptography import x509

from ror.errors import InvalidRequest
from ror.settings import Settings

Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]

_PASSING_ON: Final = (b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via")
"""The headers by which proxies say that a request is another's."""

_ARMOUR: Final = re.compile(rb"-----(?:BEGIN|END) CERTIFICATE-----|[\s:]")


class Proxies:
    """The proxies that the settings trust, and the header in which they pass a client certificate on."""

    def __init__(self, settings: Settings) -> None:
        self._trusted = networks(settings.trusted_proxies)
        self._header = (settings.client_certificate_header or "").lower().encode("ascii")
        self._is_trusted_address = lru_cache(maxsize=4096)(
            lambda address: is_in(address, self._trusted)
        )

    def is_trusted(self, scope: Mapping[str, Any]) -> bool:
        """Whether a request was passed on by a proxy that is believed."""
        return bool(self._trusted and scope["client"]) and self._is_trusted_address(
            scope["client"][0]
        )

    def check(self, scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> None:
        """Nothing, unless somebody else than a trusted proxy says which certificate was shown: InvalidRequest."""
        if self._header and self._header in headers and not self.is_trusted(scope):
            raise InvalidRequest("http.certificate-from-a-stranger", header=self._header.decode())

    def address(self, scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> str:
        """Where a request comes from: as the trusted proxy that passed it on says, else the other end of the line."""
        # The last value is the one that the trusted proxy itself wrote.
        forwarded = headers.get(b"x-forwarded-for", b"").rpartition(b",")[2].strip()
        if forwarded and self.is_trusted(scope):
            return forwarded.decode("latin-1")
        return scope["client"][0] if scope["client"] else ""

    def client_certificate(
        self, scope: Mapping[str, Any], headers: Mapping[bytes, bytes]
    ) -> bytes | None:
        """
        The certificate that the client showed, as DER: to the proxy that says so, else on the connection itself.

        A trusted proxy that says nothing had none: what is on its connection is its own. Raises InvalidRequest when the
        header cannot be read.
        """
        if self._header and self.is_trusted(scope):
            value = headers.get(self._header, b"").strip()
            return _decoded(value) if value else None
        chain = scope.get("extensions", {}).get("tls", {}).get("client_cert_chain")
        return ssl.PEM_cert_to_DER_cert(chain[0]) if chain else None

    def is_passed_on(self, scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> bool:
        """Whether a proxy that is not believed says that it passes a request on: nobody knows where that comes from."""
        return not headers.keys().isdisjoint(_PASSING_ON) and not self.is_trusted(scope)


def networks(texts: Iterable[str]) -> Networks:
    """The networks that a setting names, addresses or ranges."""
    return tuple(ipaddress.ip_network(one, strict=False) for one in texts)


def is_in(address: str, among: Networks) -> bool:
    """Whether an address is in one of these networks; no text that is no address is."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    # An IPv4 caller of an IPv6 socket is known by either.
    known = (found, getattr(found, "ipv4_mapped", None))
    return any(one in network for network in among for one in known if one is not None)


def _decoded(value: bytes) -> bytes:
    """The certificate of a header, in any of the forms that proxies give it."""
    try:
        # Escaped or not, armoured or not, between colons or not: what is left is base64.
        return b64decode(_ARMOUR.sub(b"", unquote_to_bytes(value)), validate=True)
    except binascii.Error:
        raise InvalidRequest("oauth.bad-certificate") from None


def certificate_of(der: bytes) -> x509.Certificate:
    """The certificate that these bytes are. Raises InvalidRequest when they are none."""
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError:
        raise InvalidRequest("oauth.bad-certificate") from None

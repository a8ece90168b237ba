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
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from cryptography import x509

from ror.errors import InvalidRequest
from ror.settings import Settings

_ARMOUR: Final = re.compile(rb"-----(?:BEGIN|END) CERTIFICATE-----|[\s:]")


class Proxies:
    """The proxies that the settings trust, and the header in which they pass a client certificate on."""

    def __init__(self, settings: Settings) -> None:
        self._networks = tuple(ipaddress.ip_network(one, strict=False) for one in settings.trusted_proxies)
        self._header = (settings.client_certificate_header or "").lower().encode("ascii")
        self._is_in_network = lru_cache(maxsize=4096)(self._is_in_trusted_network)

    def is_trusted(self, scope: Mapping[str, Any]) -> bool:
        """Whether a request was passed on by a proxy that is believed."""
        return bool(self._networks and scope["client"]) and self._is_in_network(scope["client"][0])

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

    def client_certificate(self, scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> bytes | None:
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

    def _is_in_trusted_network(self, client: str) -> bool:
        try:
            address = ipaddress.ip_address(client)
        except ValueError:
            return False
        return any(address in network for network in self._networks)


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

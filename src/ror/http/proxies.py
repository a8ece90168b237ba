"""
Trusted proxies: the address of the client, the origin it used, and its certificate.

A proxy that ends TLS passes the client certificate on in a header: `Client-Cert` of RFC 9440, the
escaped PEM of nginx, or the base64 of HAProxy. Only trusted proxies may send that header. From
any other address it is an attempt at impersonation, and the request is refused.
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
from ror.http.addresses import is_host
from ror.http.exchange import header_text
from ror.settings import Settings

Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]

_PASSING_ON: Final = (b"forwarded", b"x-real-ip", b"via")
"""Headers that proxies add to the requests they pass on, besides those of `_FORWARDED`."""
_FORWARDED: Final = b"x-forwarded-"

_ARMOUR: Final = re.compile(rb"-----(?:BEGIN|END) CERTIFICATE-----|[\s:]")


class Proxies:
    """The proxies that the settings trust."""

    def __init__(self, settings: Settings) -> None:
        self._public_url = settings.public_url
        self._trusted = networks(settings.trusted_proxies)
        self._header = (settings.client_certificate_header or "").lower().encode("ascii")
        self._is_trusted_address = lru_cache(maxsize=4096)(
            lambda address: is_in(address, self._trusted)
        )

    def is_trusted(self, scope: Mapping[str, Any]) -> bool:
        """Whether a trusted proxy passed the request on."""
        return bool(self._trusted and scope["client"]) and self._is_trusted_address(
            scope["client"][0]
        )

    def check(self, scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> None:
        """Raises InvalidRequest when an untrusted client sends the certificate header."""
        if self._header and self._header in headers and not self.is_trusted(scope):
            raise InvalidRequest("http.certificate-from-a-stranger", header=self._header.decode())

    def address(self, scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> str:
        """The address of the client: the one that a trusted proxy names, else the peer's."""
        forwarded = _last_value(headers, b"x-forwarded-for")
        if forwarded and self.is_trusted(scope):
            return forwarded
        return scope["client"][0] if scope["client"] else ""

    def client_certificate(
        self, scope: Mapping[str, Any], headers: Mapping[bytes, bytes]
    ) -> bytes | None:
        """
        The client certificate as DER: the one in the proxy's header, else that of the connection.

        A certificate on the connection of a trusted proxy is the proxy's own and is ignored.
        Raises InvalidRequest when the header cannot be read.
        """
        if self._header and self.is_trusted(scope):
            value = headers.get(self._header, b"").strip()
            return _decoded(value) if value else None
        chain = scope.get("extensions", {}).get("tls", {}).get("client_cert_chain")
        return ssl.PEM_cert_to_DER_cert(chain[0]) if chain else None

    def hides_client(self, scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> bool:
        """Whether a proxy passed the request on, and no trusted one says for which address."""
        is_passed_on = any(name in _PASSING_ON or name.startswith(_FORWARDED) for name in headers)
        is_named = b"x-forwarded-for" in headers and self.is_trusted(scope)
        return is_passed_on and not is_named

    def origin(self, scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> str:
        """
        The beginning of links, up to the mount point: `public_url`, else the origin of the request.

        A trusted proxy may name the scheme, host, port and path prefix that the client used. Raises
        InvalidRequest if these do not form an address.
        """
        if self._public_url is not None:
            return self._public_url
        scheme, host, prefix = scope["scheme"], header_text(headers, b"host"), ""
        if self.is_trusted(scope):
            proto = _last_value(headers, b"x-forwarded-proto")
            scheme = proto if proto in ("http", "https") else scheme
            host = _last_value(headers, b"x-forwarded-host") or host
            if host and (port := _last_value(headers, b"x-forwarded-port")):
                host = _with_port(host, port, scheme)
            prefix = _last_value(headers, b"x-forwarded-prefix").rstrip("/")
        if not host:
            # Only HTTP/1.0 may leave it out.
            address, port = scope["server"]
            host = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        if not is_host(host):
            raise InvalidRequest("http.bad-host", host=host[:100])
        if prefix and not _PREFIX.fullmatch(prefix):
            raise InvalidRequest("http.bad-prefix", prefix=prefix[:100])
        return f"{scheme}://{host}{prefix}"


_PREFIX: Final = re.compile(r"(/[A-Za-z0-9._~-]+)+", re.ASCII)
_PORT: Final = re.compile(r":[0-9]+\Z", re.ASCII)
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}


def _with_port(host: str, port: str, scheme: str) -> str:
    """
    A host with another port, without it if it is the default of the scheme.

    >>> _with_port("ror.example", "8443", "https"), _with_port("[::1]:80", "443", "https")
    ('ror.example:8443', '[::1]')
    """
    name = _PORT.sub("", host)
    return name if port == _DEFAULT_PORTS[scheme] else f"{name}:{port}"


def _last_value(headers: Mapping[bytes, bytes], name: bytes) -> str:
    """The last value of a header: the one that the trusted proxy itself wrote."""
    return (header_text(headers, name) or "").rpartition(",")[2].strip()


def networks(texts: Iterable[str]) -> Networks:
    """The networks of a setting, written as addresses or ranges."""
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def is_in(address: str, ranges: Networks) -> bool:
    """Whether a text is an address in one of these networks."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    # An IPv4 client of an IPv6 socket matches networks of either version.
    forms = [parsed, getattr(parsed, "ipv4_mapped", None)]
    return any(form in network for network in ranges for form in forms if form is not None)


def _decoded(value: bytes) -> bytes:
    """The certificate in a header, in any of the forms that proxies use."""
    try:
        # Without escapes, armour and colons, the rest is base64.
        return b64decode(_ARMOUR.sub(b"", unquote_to_bytes(value)), validate=True)
    except binascii.Error:
        raise InvalidRequest("oauth.bad-certificate") from None


def certificate_of(der: bytes) -> x509.Certificate:
    """The certificate of DER bytes. Raises InvalidRequest when they hold none."""
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError:
        raise InvalidRequest("oauth.bad-certificate") from None

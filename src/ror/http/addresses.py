"""
The parts of an address, decoded strictly: its host, its path and its parameters.

Clients of the directory send `|`, `:` and accents raw or escaped, with the same meaning. Bytes that
cannot be decoded are refused by name, never repaired by a guess. Pure: bytes in, texts out.
"""

import ipaddress
import re
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes

from ror.errors import InvalidRequest, TooCostly

MAX_PARAMETERS: Final = 1_000
"""Pairs in a request; a search refuses more than 200 criteria with a better explanation."""

MAX_BYTES: Final = 1_048_576
"""
Bytes of the parameters of a request: several lists of 1,000 codes fit, and more would keep other
clients waiting.
"""

RAW_PLUS: Final = frozenset({"_format", "_outputFormat"})
"""
Parameters whose values may have a raw `+`: published samples send `application/fhir+json`
(choice 24).
"""

_BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2}).{0,2}", re.DOTALL)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_HOST: Final = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII
)


# --- parameters -----------------------------------------------------------------------------------


def parameters(query: bytes) -> list[tuple[str, str]]:
    """
    The `(name, value)` pairs of a query string or of a form, decoded, in order.

    Only `&` separates: `;` belongs to values. Raises InvalidRequest for an escape, a byte or a
    character that cannot be part of a text, and for a pair without name; TooCostly beyond
    `MAX_PARAMETERS` or `MAX_BYTES`.

    >>> parameters(b"name=Saint+L%C3%B4&_format=application/fhir+json")
    [('name', 'Saint Lô'), ('_format', 'application/fhir+json')]
    """
    if not query:
        return []
    if len(query) > MAX_BYTES:
        raise TooCostly("http.parameters-too-long", limit=MAX_BYTES // 1_024)
    count = query.count(b"&") + 1
    if count > MAX_PARAMETERS:
        raise TooCostly("http.too-many-parameters", count=count, limit=MAX_PARAMETERS)
    pairs = []
    for piece in query.split(b"&"):
        if not piece:
            continue
        raw_name, _, raw_value = piece.partition(b"=")
        name = text(raw_name.replace(b"+", b" "))
        value = text(raw_value if name in RAW_PLUS else raw_value.replace(b"+", b" "), where=name)
        if not name:
            raise InvalidRequest("http.empty-name", value=value[:100])
        pairs.append((name, value))
    return pairs


def text(raw: bytes, where: str | None = None) -> str:
    """
    The text that percent-encoded UTF-8 stands for; `where` names it in errors.

    Raises InvalidRequest if it is not valid UTF-8, or has a control character.
    """
    if b"%" in raw:
        bad = _BAD_ESCAPE.search(raw)
        if bad:
            raise InvalidRequest("http.bad-escape", escape=bad[0].decode("ascii", "replace"))
        raw = unquote_to_bytes(raw)
    try:
        decoded = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidRequest("http.not-utf8") from None
    control = _CONTROL.search(decoded)
    if control:
        raise InvalidRequest(
            "http.control-character", code=ord(control[0]), where=(where or decoded[:100])
        )
    return decoded


# --- paths and hosts ------------------------------------------------------------------------------


def segments(path: str) -> tuple[str, ...]:
    """
    The parts of the path below a mount point, decoded after the split: `%2F` is part of a name.

    A final slash is ignored. Any other empty part stays, and matches no route.

    >>> segments("/Location/12"), segments("/Location/"), segments("//Location"), segments("")
    (('Location', '12'), ('Location',), ('', 'Location'), ())
    """
    parts = path.removesuffix("/").split("/")[1:]
    return (
        tuple(text(part.encode("ascii", "replace")) for part in parts)
        if "%" in path
        else tuple(parts)
    )


@lru_cache(maxsize=1024)
def is_host(host: str) -> bool:
    """
    Whether a Host header may be repeated in links: a name or an address, with a port or without.

    >>> is_host("ror.example.org:8000"), is_host("[::1]:80"), is_host("a/b"), is_host("a, b")
    (True, True, False, False)
    """
    if not _HOST.fullmatch(host):
        return False
    if host.startswith("["):
        try:
            ipaddress.IPv6Address(host[1 : host.index("]")])
        except ValueError:
            return False
    port = host.rpartition(":")[2]
    return not port.isdigit() or int(port) <= 65_535

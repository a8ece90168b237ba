"""
The version of a resource in its `meta`: removed on import, added to responses.

This directory sets `meta.versionId` and `meta.lastUpdated` itself (decision 31) when it records a
version. So it stores bodies without them and adds them to each response.
"""

from collections.abc import Mapping
from typing import Any, Final

VERSION_MEMBERS: Final = ("versionId", "lastUpdated")

_META: Final = b'"meta":{'


def without_version(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    """
    The content of a resource, without the version that its source gave it.

    A `meta` that has nothing else is removed too.

    >>> without_version({"id": "1", "meta": {"versionId": "7"}})
    {'id': '1'}
    """
    meta = resource.get("meta")
    # A resource that is not validated yet may have anything as its `meta`.
    if not isinstance(meta, dict) or meta.keys().isdisjoint(VERSION_MEMBERS):
        return resource
    rest = {name: value for name, value in meta.items() if name not in VERSION_MEMBERS}
    content = {**resource, "meta": rest}
    if not rest:
        del content["meta"]
    return content


def with_version(body: bytes, version: int, last_updated: str) -> bytes:
    """
    The body of a version with its `meta`; it begins with `resourceType`, `id` and `meta`.

    >>> body = b'{"resourceType":"Location","id":"1","meta":{}}'
    >>> with_version(body, 3, "2026-05-28T20:26:40.000+00:00")[36:]
    b'"meta":{"versionId":"3","lastUpdated":"2026-05-28T20:26:40.000+00:00"}}'
    """
    # Types and ids have no quotation marks, so the first match is the `meta` of the resource.
    at = body.index(_META) + len(_META)
    comma = b"" if body.startswith(b"}", at) else b","
    stamp = b'"versionId":"%d","lastUpdated":"%b"' % (version, last_updated.encode())
    return b"".join((body[:at], stamp, comma, body[at:]))

"""
The version of a resource in its `meta`: taken out of what a source sent, put into what goes out.

`meta.versionId` and `meta.lastUpdated` are this directory's (decision 31). They are known only once a version is
recorded, so that a body is kept without them and gets them on its way out.
"""

from collections.abc import Mapping
from typing import Any, Final

VERSION_MEMBERS: Final = ("versionId", "lastUpdated")

_META: Final = b'"meta":{'


def without_version(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    """
    The content of a resource: all of it but the version that its source gave it.

    A `meta` that holds nothing else goes with it.

    >>> without_version({"id": "1", "meta": {"versionId": "7"}})
    {'id': '1'}
    """
    meta = resource.get("meta")
    if meta is None or not any(name in meta for name in VERSION_MEMBERS):
        return resource
    rest = {name: value for name, value in meta.items() if name not in VERSION_MEMBERS}
    content = {**resource, "meta": rest}
    if not rest:
        del content["meta"]
    return content


def with_version(body: bytes, version: int, last_updated: str) -> bytes:
    """
    The body of a version as it goes out; its first members are `resourceType`, `id` and `meta`.

    >>> with_version(b'{"resourceType":"Location","id":"1","meta":{}}', 3, "2026-05-28T20:26:40.000+00:00")[36:]
    b'"meta":{"versionId":"3","lastUpdated":"2026-05-28T20:26:40.000+00:00"}}'
    """
    # Neither a type nor an id can hold a quotation mark: the first place is the right one.
    at = body.index(_META) + len(_META)
    comma = b"" if body.startswith(b"}", at) else b","
    stamp = b'"versionId":"%d","lastUpdated":"%b"' % (version, last_updated.encode())
    return b"".join((body[:at], stamp, comma, body[at:]))

"""
Entity tags and dates of versions: what identifies a representation, and whether a client's copy
is still current. Source: RFC 9110, sections 8.8 and 13; FHIR R4, http.html#concurrency.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache
from typing import Final

from ror.standard.instants import Micros


def etag_of_version(version: int, part: bytes | None = None) -> str:
    """
    The tag of a resource: its version and, for a `part` of the resource, a digest of that part.

    A part is another representation. Its tag matches neither the whole resource nor, in a write,
    the current version. Viewers who receive the same part receive the same tag.

    >>> etag_of_version(3)
    'W/"3"'
    """
    if part is None:
        return f'W/"{version}"'
    return f'W/"{version}-{hashlib.blake2b(part, digest_size=8).hexdigest()}"'


def etag_of_content(body: bytes) -> str:
    """The tag of a document that has no version: a digest of its bytes."""
    return f'W/"{hashlib.sha256(body).hexdigest()[:16]}"'


def is_fresh(
    if_none_match: str | None,
    if_modified_since: str | None,
    etag: str,
    last_updated: Micros | None = None,
) -> bool:
    """
    Whether the client's copy is current; `last_updated` is in microseconds since the epoch.

    If-None-Match decides alone when it is sent; a date that cannot be read is ignored.
    """
    if if_none_match is not None:
        tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
        return "*" in tags or etag.removeprefix("W/") in tags
    if if_modified_since is None or last_updated is None:
        return False
    try:
        since = parsedate_to_datetime(if_modified_since)
        if since.tzinfo is None:
            since = since.replace(tzinfo=UTC)
        # HTTP dates have whole seconds.
        return last_updated // 1_000_000 <= int(since.timestamp())
    except (ValueError, OverflowError):
        return False


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_S: Final = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(seconds=1)
_LAST_S: Final = (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - _EPOCH) // timedelta(seconds=1)


@lru_cache(maxsize=4096)
def http_date(seconds: int) -> str:
    """
    The HTTP date of seconds since the epoch, limited to the years 1 to 9999.

    >>> http_date(0)
    'Thu, 01 Jan 1970 00:00:00 GMT'
    """
    return format_datetime(
        _EPOCH + timedelta(seconds=min(max(seconds, _FIRST_S), _LAST_S)), usegmt=True
    )

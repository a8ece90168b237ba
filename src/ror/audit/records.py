"""
What is written: the records of an audit trail, as they are before they are chained.

A record is a JSON object that says its `kind`. Calls, imports and acts are what the trail is for; the others tell the
life of the file that holds them. What may be personal in a call was hashed before it came here (`sensitive.py`).
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import msgspec

DAY_LENGTH: Final = len("2026-01-31")
LAST_DAY: Final = "9999-12-31"


class Certificate(msgspec.Struct, frozen=True):
    """The certificate that a client proved to hold when it was given its token."""

    serial: str
    subject: str


class Announced(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the four `Ror-*` headers of a call said."""

    user_profile: str | None = None
    user_profile_system: str | None = None
    role: str | None = None
    role_system: str | None = None


class Record(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind"):
    """Anything that is written; `at` is an instant, see `instant`."""

    at: str

    @property
    def day(self) -> str:
        """The day of the instant, UTC."""
        return self.at[:DAY_LENGTH]


# --- what happened to the directory ----------------------------------------------------------------------------------


class Particulars(Record, frozen=True, tag="call", gc=False):
    """
    What is told of a call over HTTP that is unlike others, once it is answered.

    `query` are the parameters in order. `total` counts every match, `matches` and `included` the resources that went
    out, `withheld` those of which the policy took something away, or the one that it hides.
    """

    request_id: str
    path: str
    status: int
    duration_us: int
    query: tuple[tuple[str, str], ...] = ()
    total: int | None = None
    matches: int = 0
    included: int = 0
    withheld: int = 0


class Brief(Particulars, frozen=True, kw_only=True, tag="call", gc=False):
    """A call of which the rest is JSON already: the value of `client`, and the members after it. See `in_common`."""

    client: msgspec.Raw


class Call(Particulars, frozen=True, kw_only=True, tag="call", gc=False):
    """
    A call over HTTP: who called and by which route, which many calls have in common, and the rest.

    `client` is None for a caller without a token, `profile` None for one who is nobody. `route` is the address as the
    route table names it; `policy` is the version that was applied.
    """

    client: str | None
    certificate: Certificate | None = None
    profile: int | None = None
    announced: Announced | None = None
    method: str
    route: str
    interaction: str
    policy: str | None = None


class ImportBegun(Record, frozen=True, kw_only=True, tag="import-begun"):
    """Somebody is about to import files; `run` is found again in the record of its end."""

    run: str
    author: str
    by: str
    files: tuple[str, ...]


class ImportEnded(Record, frozen=True, kw_only=True, tag="import-ended"):
    """An import is over; the counts are those of what is durable, `problem` is what stopped it."""

    run: str
    created: int
    updated: int
    unchanged: int
    refused: int
    interrupted: bool = False
    problem: str | None = None


class Act(Record, frozen=True, kw_only=True, tag="act"):
    """An act of management: `action` was done to `subject`."""

    action: str
    subject: str
    by: str
    reason: str = ""
    details: Mapping[str, Any] = msgspec.field(default_factory=dict)


# --- the life of a chain ---------------------------------------------------------------------------------------------


class FileHead(msgspec.Struct, frozen=True):
    """The last link of a file that is known: how many lines there are up to it, and its hash."""

    file: str
    lines: int
    head: str


class DigestNamed(msgspec.Struct, frozen=True):
    """The signed digest of a day, by the SHA-256 of its bytes."""

    day: str
    sha256: str


class Opened(Record, frozen=True, kw_only=True, tag="opened"):
    """
    The first line of a file: who writes it, and what stood in the folder before it.

    `before` is the file of this folder that was opened last, `former` the one that the same process wrote before,
    `digest` the newest digest, `key` the fingerprint of the key that signs digests.
    """

    file: str
    process: int
    host: str
    version: str
    key: str
    before: FileHead | None = None
    former: FileHead | None = None
    digest: DigestNamed | None = None


class Lost(Record, frozen=True, kw_only=True, tag="lost"):
    """Records that could not be kept while the trail could not be written."""

    count: int


class Closed(Record, frozen=True, kw_only=True, tag="closed"):
    """The last line of a file whose process came to its end, or to the end of the day."""


class Sealed(Record, frozen=True, kw_only=True, tag="sealed"):
    """
    The last line of a file whose process was killed, written by another one.

    `torn_bytes` of a line that was never whole stand before it, those of seals after it that were torn in their turn
    included.
    """

    by: int
    torn_bytes: int = 0


Told = Call | ImportBegun | ImportEnded | Act
"""What a trail is kept for; other records tell how it was kept."""
Kept = Told | Opened | Lost | Closed | Sealed

_ENCODER: Final = msgspec.json.Encoder()
encode: Final = _ENCODER.encode
"""The JSON of a record."""


def in_common(call: Call) -> msgspec.Raw:
    """
    What a call has in common with others, made once for all of them: its JSON from the value of `client` on.

    The fields of the record that is extended are written first, so that both begin alike.

    >>> call = Call("now", "r1", "/", 200, 9, client=None, method="GET", route="", interaction="capabilities")
    >>> encoded([Brief("now", "r1", "/", 200, 9, client=in_common(call))]) == encode(call)
    True
    """
    particulars = {name: getattr(call, name) for name in Particulars.__struct_fields__}
    start = encode(Brief(**particulars, client=msgspec.Raw(b"")))[:-1]
    return msgspec.Raw(encode(call)[len(start) : -1])


def encoded(calls: Sequence[Brief]) -> bytes:
    """The JSON of calls, with an end of line between each and the next."""
    return _ENCODER.encode_lines(calls)[:-1]


decode: Final = msgspec.json.Decoder(Kept).decode
"""The record that a line holds. Raises msgspec.MsgspecError when it holds none."""


# --- instants --------------------------------------------------------------------------------------------------------


def instant(nanoseconds: int) -> str:
    """
    The instant of these nanoseconds since the epoch, UTC, to the millisecond.

    >>> instant(1_700_000_000_123_999_999)
    '2023-11-14T22:13:20.123Z'
    """
    return _millisecond(nanoseconds // 1_000_000)


@lru_cache(maxsize=16)
def _millisecond(milliseconds: int) -> str:
    # Many calls are answered in the same one.
    seconds, rest = divmod(milliseconds, 1_000)
    return f"{_second(seconds)}.{rest:03d}Z"


@lru_cache(maxsize=16)
def _second(seconds: int) -> str:
    # strftime writes the year 800 without its zero.
    return datetime.fromtimestamp(seconds, UTC).isoformat().removesuffix("+00:00")

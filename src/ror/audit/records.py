"""
The records of an audit trail, before they are chained.

A record is a JSON object with a `kind`. Calls, imports and acts are the purpose of the trail; the
other kinds describe the file that holds them. Personal values of a call are hashed before they come
here (`pseudonyms.py`).
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import msgspec

DAY_LENGTH: Final = len("2026-01-31")
LAST_DAY: Final = "9999-12-31"


class Certificate(msgspec.Struct, frozen=True):
    """The certificate that a client proved to hold when it requested its token."""

    serial: str
    subject: str


class RorHeaders(msgspec.Struct, frozen=True, omit_defaults=True):
    """The values of the four `Ror-*` headers of a call."""

    user_profile: str | None = None
    user_profile_system: str | None = None
    role: str | None = None
    role_system: str | None = None


class Record(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind"):
    """Any record; `at` is an instant, see `instant`."""

    at: str

    @property
    def day(self) -> str:
        """The day of the instant, UTC."""
        return self.at[:DAY_LENGTH]


# --- what happened to the directory ---------------------------------------------------------------


class CallDetails(Record, frozen=True, tag="call", gc=False):
    """
    The part of an answered HTTP call that differs from call to call.

    `query` holds the parameters in order. `total` counts every match, `matches` and `included` the
    resources of the response, `withheld` those of which the policy removed a part, or the one that
    it hides.
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


class EncodedCall(CallDetails, frozen=True, kw_only=True, tag="call", gc=False):
    """
    A call whose shared part is JSON already: the value of `client` and all members after it. See
    `shared_json`.
    """

    client: msgspec.Raw


class Call(CallDetails, frozen=True, kw_only=True, tag="call", gc=False):
    """
    An HTTP call: the caller and the route, which many calls share, and its details.

    `client` is None without a token, `profile` is None without identity. `route` is the name in the
    route table; `policy` is the policy version in force.
    """

    client: str | None
    certificate: Certificate | None = None
    profile: int | None = None
    announced: RorHeaders | None = None
    method: str
    route: str
    interaction: str
    policy: str | None = None


class ImportBegun(Record, frozen=True, kw_only=True, tag="import-begun"):
    """An import is about to begin; the record of its end has the same `run`."""

    run: str
    author: str
    by: str
    files: tuple[str, ...]


class ImportEnded(Record, frozen=True, kw_only=True, tag="import-ended"):
    """An import has ended; the counts cover what is durable, `problem` is what stopped it."""

    run: str
    created: int
    updated: int
    unchanged: int
    refused: int
    older: int = 0
    interrupted: bool = False
    problem: str | None = None


class Act(Record, frozen=True, kw_only=True, tag="act"):
    """An act of management: `by` did `action` to `subject`."""

    action: str
    subject: str
    by: str
    reason: str = ""
    details: Mapping[str, Any] = msgspec.field(default_factory=dict)


# --- the life of a chain --------------------------------------------------------------------------


class FileHead(msgspec.Struct, frozen=True):
    """The last link of a file: the number of lines up to it, and its hash."""

    file: str
    lines: int
    head: str


class DigestName(msgspec.Struct, frozen=True):
    """The signed digest of a day, by the SHA-256 of its bytes."""

    day: str
    sha256: str


class Opened(Record, frozen=True, kw_only=True, tag="opened"):
    """
    The first line of a file: the writing process, and the state of the folder before it.

    `before` is the file of this folder that was opened last, `former` the previous file of the same
    process, `digest` the newest digest, `key` the fingerprint of the key that signs digests.
    """

    file: str
    process: int
    host: str
    version: str
    key: str
    before: FileHead | None = None
    former: FileHead | None = None
    digest: DigestName | None = None


class Lost(Record, frozen=True, kw_only=True, tag="lost"):
    """The number of records that were dropped while the trail could not be written."""

    count: int


class Closed(Record, frozen=True, kw_only=True, tag="closed"):
    """The last line of a file whose process ended, or whose day ended."""


class Sealed(Record, frozen=True, kw_only=True, tag="sealed"):
    """
    The last line of a file whose process was killed, written by another process.

    `torn_bytes` counts the bytes of the incomplete line before it, and of incomplete seals.
    """

    by: int
    torn_bytes: int = 0


AuditedRecord = Call | ImportBegun | ImportEnded | Act
"""The records that are the purpose of a trail; the others describe its files."""
AnyRecord = AuditedRecord | Opened | Lost | Closed | Sealed

_ENCODER: Final = msgspec.json.Encoder()
encode: Final = _ENCODER.encode
"""The JSON of a record."""


def shared_json(call: Call) -> msgspec.Raw:
    """
    The JSON that a call shares with others, from the value of `client` on; made once for all of
    them.

    Fields of the base record come first, so both encodings begin alike.

    >>> details = ("now", "r1", "/", 200, 9)
    >>> call = Call(*details, client=None, method="GET", route="", interaction="capabilities")
    >>> encode_lines([EncodedCall(*details, client=shared_json(call))]) == encode(call)
    True
    """
    particulars = {name: getattr(call, name) for name in CallDetails.__struct_fields__}
    start = encode(EncodedCall(**particulars, client=msgspec.Raw(b"")))[:-1]
    return msgspec.Raw(encode(call)[len(start) : -1])


def encode_lines(calls: Sequence[EncodedCall]) -> bytes:
    """The JSON of calls, separated by line ends."""
    return _ENCODER.encode_lines(calls)[:-1]


decode: Final = msgspec.json.Decoder(AnyRecord).decode
"""The record of a line. Raises msgspec.MsgspecError when the line holds none."""


# --- instants -------------------------------------------------------------------------------------


def instant(nanoseconds: int) -> str:
    """
    The instant of these nanoseconds since the epoch, UTC, to the millisecond.

    >>> instant(1_700_000_000_123_999_999)
    '2023-11-14T22:13:20.123Z'
    """
    return _millisecond(nanoseconds // 1_000_000)


@lru_cache(maxsize=16)
def _millisecond(milliseconds: int) -> str:
    # Many calls are answered in the same millisecond.
    seconds, rest = divmod(milliseconds, 1_000)
    return f"{_second(seconds)}.{rest:03d}Z"


@lru_cache(maxsize=16)
def _second(seconds: int) -> str:
    # strftime writes the year 800 without its zero.
    return datetime.fromtimestamp(seconds, UTC).isoformat().removesuffix("+00:00")

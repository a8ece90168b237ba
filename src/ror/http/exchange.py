"""What comes in and what goes out: a request as the routes see it, a reply as they make it, what they work with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from ror.access import Viewer
from ror.audit.trail.writing import Journal
from ror.errors import RorError, TooManyCalls, Unavailable
from ror.identity import Client, Rule
from ror.observability import Log, Metrics
from ror.resources import bundles as wire
from ror.resources.bundles import Pieces
from ror.runtime import Directory
from ror.settings import Settings

Header = tuple[bytes, bytes]
Headers = Mapping[bytes, bytes]
"""Those of a request by name, in lower case; repeated ones are joined by commas."""

FHIR_CONTENT_TYPE: Final = b"application/fhir+json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Caller:
    """
    Who calls: as whom it reads, None when it does not; which client it is, None when it did not say; the serial number
    and the subject of the certificate that its token was given for; why it is known and not served, None when it is.
    """

    viewer: Viewer | None = None
    client: Client | None = None
    certificate: tuple[str, str] | None = None
    refusal: RorError | None = None


NOBODY: Final = Caller()
"""Who calls what is open to all."""


@dataclass(slots=True)
class Service:
    """
    What the routes answer from; the directory is there once it is loaded, and nobody is served while stopping.

    `anonymous` is who calls without a token, None when nobody may.
    """

    settings: Settings
    anonymous: Caller | None
    log: Log
    metrics: Metrics
    since: str
    """The day since which the service is what it is, as a FHIR date."""
    opened: Directory | None = None
    journal: Journal | None = None
    """Where calls are traced; None until the directory is open, and when the settings turn it off."""
    stopping: bool = False

    @property
    def directory(self) -> Directory:
        """The open directory. Raises Unavailable while it is loading."""
        if self.opened is None:
            raise Unavailable("http.starting")
        return self.opened

    @property
    def is_untraceable(self) -> bool:
        """Whether what is answered now might leave no trace."""
        return self.journal is not None and self.journal.is_failing


@dataclass(frozen=True, slots=True)
class Call:
    """
    A request that found its route; repeated headers are joined by commas, their names in lower case.

    `certificate` is the one that the client showed, as DER, where it is looked at.
    """

    segments: tuple[str, ...]
    base_url: str
    headers: Headers
    pairs: Sequence[tuple[str, str]]
    language: str
    caller: Caller = NOBODY
    certificate: bytes | None = None

    def header(self, name: bytes) -> str | None:
        """The value of a header."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")


@dataclass(slots=True)
class Reply:
    """
    An answer before it is coded for the way.

    The rest is for the log and the audit trail: `total` counts every match, `matches` and `included` the resources in
    the body, `withheld` those of which the access policy took something away; `pairs` are the parameters that were
    asked, None when they could not be read; `caller` is who called.
    """

    status: int
    body: bytes | Pieces = b""
    headers: Sequence[Header] = ()
    content_type: bytes = FHIR_CONTENT_TYPE
    total: int | None = None
    matches: int = 0
    included: int = 0
    withheld: int = 0
    pairs: Sequence[tuple[str, str]] | None = None
    # Directory data is personal: no shared cache keeps it, and a private one asks again.
    cache_control: bytes = b"private, no-cache"
    caller: Caller | None = None


def outcome_of(error: RorError, language: str) -> Reply:
    """The reply to a request that is refused: an OperationOutcome."""
    return Reply(error.status, wire.operation_outcome([error], language))


def retry_after(error: TooManyCalls) -> Header:
    """The header that says when to call again."""
    return b"retry-after", b"%d" % error.retry_after_s


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """
    A line of the route table.

    `path` is below a mount point, its variable parts between brackets. `methods` are those offered; a route without any
    is an interaction of FHIR that is recognised, to be refused by name. `parameters` are those that mean something,
    None when the answer itself decides. An open route answers everybody; on the others, `announced` says what is wanted
    of the headers by which clients announce themselves. One that `is_for_operators` answers addresses that the settings
    name. Where one `authenticates`, clients prove who they are: by their
    certificate and a form, nothing of which may be in the address. `refused` tells what goes wrong.
    """

    path: str
    interaction: str
    methods: tuple[str, ...] = ()
    answer: Callable[[Service, Call], Reply] | None = None
    parameters: frozenset[str] | None = frozenset()
    is_open: bool = False
    is_for_operators: bool = False
    announced: Rule = Rule.REQUIRED
    authenticates: bool = False
    refused: Callable[[RorError, str], Reply] = outcome_of
    parts: tuple[str, ...] = field(init=False)
    is_traced: bool = field(init=False)
    """Whether what is answered there leaves a line in the audit trail."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", tuple(part for part in self.path.split("/") if part))
        object.__setattr__(self, "is_traced", self.authenticates or not self.is_open)

    @property
    def allow(self) -> tuple[str, ...]:
        """The methods of the Allow header."""
        return (*self.methods, "OPTIONS")


class Exchange(msgspec.Struct, frozen=True, gc=False):
    """
    A request and its reply, whose body is gone.

    `route` is None when there was none; `seconds` is how long the answer took, `sent` how many bytes of a body went
    out, `at` when it was over, in nanoseconds since the epoch.
    """

    route: Route | None
    method: str
    path: bytes
    query: bytes
    headers: Headers
    request_id: str
    reply: Reply
    seconds: float
    sent: int
    at: int

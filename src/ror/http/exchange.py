"""The values of the HTTP service: requests, responses, routes, callers, the service itself."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import msgspec

from ror.access import Viewer
from ror.audit.trail.writing import Journal
from ror.errors import RorError, TooManyCalls, Unavailable
from ror.identity import Client, Rule
from ror.observability import Log, Metrics
from ror.resources import bundles as wire
from ror.resources.bundles import Pieces
from ror.runtime import Directory
from ror.search.answer.budget import Budget
from ror.settings import Settings

Header = tuple[bytes, bytes]
Headers = Mapping[bytes, bytes]
"""The headers of a request by name, in lower case; repeated values are joined by commas."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
"""The three arguments of an ASGI application."""

FHIR_CONTENT_TYPE: Final = b"application/fhir+json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Caller:
    """
    Who sent a request.

    `viewer` says what the caller may read, None when it does not read. `client` is None without a
    token. `certificate` holds the serial number and the subject of the certificate that the token
    was issued for. `refusal` says why a client that was identified is not served.
    """

    viewer: Viewer | None = None
    client: Client | None = None
    certificate: tuple[str, str] | None = None
    refusal: RorError | None = None


NOBODY: Final = Caller()
"""The caller of an open route."""


@dataclass(slots=True)
class Service:
    """
    The state that all routes share.

    `anonymous` is the caller without a token, None when a token is required. `opened` is None until
    the directory is open. No request is served once `stopping` is set.
    """

    settings: Settings
    anonymous: Caller | None
    log: Log
    metrics: Metrics
    since: str
    """The day on which the service started, as a FHIR date."""
    opened: Directory | None = None
    journal: Journal | None = None
    """The audit trail; None until the directory is open, or if the settings turn it off."""
    stopping: bool = False

    @property
    def directory(self) -> Directory:
        """The open directory. Raises Unavailable while it is loading."""
        if self.opened is None:
            raise Unavailable("http.starting")
        return self.opened

    @property
    def is_untraceable(self) -> bool:
        """Whether the audit trail cannot be written at present."""
        return self.journal is not None and self.journal.is_failing


@dataclass(frozen=True, slots=True)
class Request:
    """
    A request whose route is known.

    `segments` are the parts of its path below the mount point, `pairs` its parameters in order.
    `certificate` is the client certificate as DER, on routes that check it.
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
        return header_text(self.headers, name)


def headers_by_name(raw: Iterable[Header]) -> Headers:
    """The headers by name; the values of a repeated one are joined by commas (RFC 9110)."""
    headers: dict[bytes, bytes] = {}
    for name, value in raw:
        headers[name] = headers[name] + b", " + value if name in headers else value
    return headers


def header_text(headers: Headers, name: bytes) -> str | None:
    """The value of a header as text."""
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")


@dataclass(slots=True)
class Response:
    """
    A response before its body is compressed.

    The last fields are for the log and the audit trail: `total` counts every match, `matches` and
    `included` the resources in the body, `withheld` those from which the access policy removed
    something. `pairs` are the parameters of the request, None when they could not be read.
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
    # Directory data is personal: shared caches must not keep it, private ones must revalidate it.
    cache_control: bytes = b"private, no-cache"
    caller: Caller | None = None


class Evaluation(Protocol):
    """A search that is evaluated before its response is made (`evaluation.py`)."""

    def in_loop(self, budget: Budget) -> None:
        """Evaluate the search in the event loop. Raises NotBrief if that would take long."""

    def in_thread(self, budget: Budget) -> None:
        """Evaluate the search in a thread, on the current view. Raises TooCostly."""

    def response(self) -> Response:
        """The response, made in the event loop once the search is evaluated."""


def outcome_response(error: RorError, language: str) -> Response:
    """The response that reports an error as an OperationOutcome."""
    return Response(error.status, wire.operation_outcome([error, *error.other_errors], language))


def retry_after(error: TooManyCalls) -> Header:
    """The header that says when the client may try again."""
    return b"retry-after", b"%d" % error.retry_after_s


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """
    A row of the route table.

    `path` is below a mount point, with its variable parts in brackets. `methods` are those offered;
    a route without methods is a FHIR interaction that the server recognises and refuses by name.
    `parameters` are those the route accepts, None when `answer` checks them. An open route needs no
    token; on the others, `announced` says whether the `Ror-*` headers are required or refused.
    `is_for_operators` limits a route to the addresses of `metrics_readers`. On a route that
    `authenticates`, clients send a certificate or a form, and the address must hold no parameter.
    `refused` turns an error into a response.
    """

    path: str
    interaction: str
    methods: tuple[str, ...] = ()
    answer: Callable[[Service, Request], Response | Evaluation] | None = None
    parameters: frozenset[str] | None = frozenset()
    is_open: bool = False
    is_for_operators: bool = False
    announced: Rule = Rule.REQUIRED
    authenticates: bool = False
    refused: Callable[[RorError, str], Response] = outcome_response
    parts: tuple[str, ...] = field(init=False)
    is_traced: bool = field(init=False)
    """Whether the audit trail records the requests to this route."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", tuple(part for part in self.path.split("/") if part))
        object.__setattr__(self, "is_traced", self.authenticates or not self.is_open)

    @property
    def allow(self) -> tuple[str, ...]:
        """The methods of the Allow header."""
        return (*self.methods, "OPTIONS")


class Exchange(msgspec.Struct, frozen=True, gc=False):
    """
    A request and its response, without the body.

    `route` is None for an unknown address; `seconds` is the duration, `sent` the number of bytes of
    the body, `at` the end of the response in nanoseconds since the epoch.
    """

    route: Route | None
    method: str
    path: bytes
    query: bytes
    headers: Headers
    request_id: str
    response: Response
    seconds: float
    sent: int
    at: int

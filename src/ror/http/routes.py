"""
The route table, and the response of each route.

`dispatch.py` checks the requests; the functions here call the rooms below and wrap their results.
The CapabilityStatement lists the interactions of this table.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import version
from typing import Final

from ror import messages
from ror.access import Viewer
from ror.directory import reading as interactions
from ror.directory.capability import capability_statement
from ror.errors import MethodNotAllowed, NotFound, UnknownRoute
from ror.http import etags, negotiation
from ror.http.authorisation import AUTHORISATION_ROUTES
from ror.http.evaluation import evaluated
from ror.http.exchange import Evaluation, Header, Request, Response, Route, Service
from ror.messages import closest
from ror.observability import CONTENT_TYPE
from ror.resources import bundles as wire
from ror.resources.bundles import Pieces
from ror.resources.subset import apply_subset, parse_subset
from ror.runtime import Directory
from ror.search.answer import bundle as searching
from ror.search.answer.budget import Budget
from ror.search.answer.finding import ResultPage, find
from ror.search.answer.page_links import uses_stored_query
from ror.search.index.view import View
from ror.search.language.expression import with_own_bases
from ror.search.language.parse import parse
from ror.search.language.values import SECOND
from ror.standard.definitions import RESOURCE_TYPES
from ror.standard.instants import Micros
from ror.store.contract import Store

VERSION: Final = version("ror")

_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)


# --- answers --------------------------------------------------------------------------------------


def _metadata(service: Service, request: Request) -> Response:
    """The CapabilityStatement, the same for everybody."""
    body, etag = _statement(
        request.base_url, service.since, service.settings.anonymous_profile, request.language
    )
    headers = ((b"etag", etag.encode()),)
    if etags.is_fresh(request.header(b"if-none-match"), None, etag):
        return Response(304, headers=headers)
    return Response(200, body, headers)


@lru_cache(maxsize=64)
def _statement(base_url: str, since: str, profile: int | None, language: str) -> tuple[bytes, str]:
    body = capability_statement(base_url, VERSION, OFFERED, since, profile, language)
    return body, etags.etag_of_content(body)


def _read(service: Service, request: Request) -> Response:
    """A resource, or 304 if the copy of the client is current."""
    resource_type, resource_id = request.segments
    if not _ID.fullmatch(resource_id):
        raise NotFound("http.not-an-id", id=resource_id[:100])
    directory, viewer = service.directory, _viewer(request)
    # A read returns the committed version, also before the index has it.
    index = directory.index
    view = index.view
    # Called once: each call costs as much as finding the route.
    signal = index.catch_up_masks()
    key = (resource_type, resource_id, *request.pairs, viewer.sight)
    representation = directory.answers.get(view, key) if index.is_up_to_date(view, signal) else None
    if not isinstance(representation, _Representation):
        representation = _represented(
            directory, viewer, resource_type, resource_id, request.pairs, signal
        )
        if index.view is view:
            directory.answers.put(view, key, representation)
    # The withheld parts may change without a new version: only the tag shows that.
    if_none_match, if_modified_since = (
        request.header(b"if-none-match"),
        request.header(b"if-modified-since") if viewer.sees_everything else None,
    )
    last_updated = representation.last_updated
    if if_modified_since is not None and if_none_match is None:
        last_updated = _told_by_date(directory.store, resource_type, resource_id, representation)
    if etags.is_fresh(if_none_match, if_modified_since, representation.etag, last_updated):
        return Response(304, headers=representation.headers)
    return Response(
        200,
        representation.body,
        representation.headers,
        matches=1,
        withheld=int(representation.is_cut),
    )


@dataclass(frozen=True, slots=True)
class _Representation:
    """
    A resource, or the requested subset of it, as a viewer sees it.

    `is_cut` if the access policy withholds a part.
    """

    body: bytes
    is_cut: bool
    etag: str
    version: int
    last_updated: Micros
    headers: tuple[Header, ...]

    def __len__(self) -> int:
        return len(self.body)


def _represented(
    directory: Directory,
    viewer: Viewer,
    resource_type: str,
    resource_id: str,
    pairs: Sequence[tuple[str, str]],
    signal: int,
) -> _Representation:
    """The current representation of a resource for a viewer."""
    stored, is_cut = interactions.read(
        directory.store, directory.index, viewer, resource_type, resource_id, signal
    )
    subset = parse_subset(resource_type, pairs)
    body = apply_subset(stored.body, resource_type, subset) if subset else stored.body
    etag = etags.etag_of_version(stored.version, body if is_cut or subset else None)
    headers = (
        (b"etag", etag.encode()),
        (b"last-modified", etags.http_date(stored.last_updated // 1_000_000).encode()),
    )
    return _Representation(body, is_cut, etag, stored.version, stored.last_updated, headers)


def _told_by_date(
    store: Store, resource_type: str, resource_id: str, representation: _Representation
) -> Micros:
    """
    The instant to compare with `If-Modified-Since`.

    HTTP dates have whole seconds. If the previous version was recorded in the same second, a client
    may have either: only a later date proves that it has this one.
    """
    previous = store.read_version(resource_type, resource_id, representation.version - 1)
    is_same = (
        previous is not None
        and previous.last_updated // SECOND == representation.last_updated // SECOND
    )
    return Micros(representation.last_updated + SECOND) if is_same else representation.last_updated


def _search(service: Service, request: Request) -> Response | Evaluation:
    """A page of a search."""
    viewer = _viewer(request)
    preferences = negotiation.preferences(request.header(b"prefer"))
    directory = service.directory
    request = replace(request, pairs=directory.page_links.expanded(_client(request), request.pairs))
    directory.index.catch_up_for(viewer)
    evaluation = _SearchEvaluation(directory, directory.index.view, viewer, request, preferences)
    cached = directory.answers.get(evaluation.view, evaluation.key)
    if isinstance(cached, searching.Answer):
        return evaluation.response_of(cached, wire.with_id(cached.pieces, searching.new_id()))
    evaluation.page = cached if isinstance(cached, ResultPage) else None
    return evaluated(evaluation, request.pairs)


class _SearchEvaluation:
    """The evaluation of one search on one view, in the event loop or in a thread."""

    def __init__(
        self,
        directory: Directory,
        view: View,
        viewer: Viewer,
        request: Request,
        wanted: negotiation.Preferences,
    ) -> None:
        self.view = view
        self.page: ResultPage | None = None
        """The result page, once it is evaluated."""
        self._answer: searching.Answer | None = None
        self.key = (
            *request.segments,
            *request.pairs,
            wanted,
            request.base_url,
            request.language,
            viewer.sight,
        )
        """Everything that the answer depends on, except the view."""
        self._directory = directory
        self._viewer = viewer
        self._request = request
        self._wanted = wanted

    def in_loop(self, budget: Budget) -> None:
        if self.page is None:
            self.page = self._found(budget)
        self._answer = searching.answer(self.page, self._directory.bodies, budget)

    def in_thread(self, budget: Budget) -> None:
        # Masks and contents may have changed while the search waited for a thread.
        self._directory.index.catch_up_for(self._viewer)
        if self.view is not self._directory.index.view:
            self.view, self.page = self._directory.index.view, None
        self.in_loop(budget)

    def response(self) -> Response:
        answer, page = self._answer, self.page
        assert answer is not None and page is not None, "the search was evaluated"
        if not uses_stored_query(page.links):
            self._directory.answers.put(self.view, self.key, answer, page)
        return self.response_of(answer, answer.pieces)

    def response_of(self, answer: searching.Answer, pieces: Pieces) -> Response:
        """The response that sends an answer, whose body is `pieces`."""
        applied: tuple[Header, ...] = (
            ((b"preference-applied", self._wanted.applied.encode()),)
            if self._wanted.applied
            else ()
        )
        return Response(
            200,
            pieces,
            applied,
            total=answer.total,
            matches=answer.matches,
            included=answer.included,
            withheld=answer.withheld,
            pairs=self._request.pairs,
        )

    def _found(self, budget: Budget) -> ResultPage:
        directory, request, preferences = self._directory, self._request, self._wanted
        pairs = directory.page_links.decrypted(request.pairs)
        search = parse(
            request.segments[0],
            pairs,
            lenient=preferences.lenient,
            independent=preferences.independent,
            strict=preferences.strict,
            spend=budget.spend,
        )
        if any("://" in text for _, text in pairs):
            bases = {request.base_url, *directory.settings.bases}
            search = replace(search, expression=with_own_bases(search.expression, bases))
        if preferences.explain:
            search = replace(search, explain=True)
        return find(
            self.view,
            self._viewer,
            search,
            request.base_url,
            request.language,
            directory.settings.max_included,
            directory.page_links.linker(_client(request)),
            budget,
        )


def _welcome(service: Service, request: Request) -> Response:
    """An outcome that names the address of the CapabilityStatement."""
    text = messages.text("http.welcome", request.language, metadata=f"{request.base_url}/metadata")
    return Response(200, wire.outcome([wire.Issue("information", "informational", text)]))


def _client(request: Request) -> str:
    """The id of the client of a request; empty for an anonymous request."""
    return request.caller.client.id if request.caller.client else ""


def _viewer(request: Request) -> Viewer:
    assert request.caller.viewer is not None, "dispatch refuses callers who do not read"
    return request.caller.viewer


# --- the service itself ---------------------------------------------------------------------------


def _live(service: Service, request: Request) -> Response:
    return _state(200, "live")


def _ready(service: Service, request: Request) -> Response:
    if service.stopping:
        return _state(503, "stopping")
    if service.is_untraceable:
        return _state(503, "not-tracing")
    if service.opened and not service.opened.store.is_in_place:
        return _state(503, "database-replaced")
    return _state(200, "ready") if service.opened else _state(503, "starting")


def _state(status: int, state: str) -> Response:
    return Response(status, f'{{"status":"{state}"}}'.encode(), content_type=b"application/json")


def _metrics(service: Service, request: Request) -> Response:
    report_directory(service)
    return Response(200, service.metrics.exposition(), content_type=CONTENT_TYPE.encode())


def report_directory(service: Service) -> None:
    """Update the metrics of the directory, if it is open."""
    if service.opened is None:
        return
    view = service.opened.index.view
    service.metrics.set_rates(
        {
            client.id: (client.rate.calls_per_minute, client.rate.burst)
            for client in service.opened.registry.known
            if client.rate
        }
    )
    service.metrics.set_directory_state(
        seq=view.seq,
        resources={name: len(view.of_type(name)) for name in RESOURCE_TYPES},
        index_bytes=view.memory_bytes(),
        bodies=service.opened.bodies,
        answers=service.opened.answers,
    )


# --- the table ------------------------------------------------------------------------------------

_READING: Final = ("GET", "HEAD")
_HOW_TO_ANSWER: Final = frozenset({"_format", "_pretty"})

ROUTES: Final = (
    Route("", "capabilities", _READING, _welcome, _HOW_TO_ANSWER, is_open=True),
    # Clients request a summary; a server may always return the whole statement.
    Route(
        "metadata",
        "capabilities",
        _READING,
        _metadata,
        _HOW_TO_ANSWER | {"_summary", "mode"},
        is_open=True,
    ),
    Route("[type]", "search-type", _READING, _search, None),
    Route("[type]/_search", "search-type", ("POST",), _search, None),
    Route("[type]/[id]", "read", _READING, _read, _HOW_TO_ANSWER | {"_summary", "_elements"}),
    Route("_history", "history-system"),
    Route("_search", "search-system"),
    Route("[operation]", "operation"),
    Route("[type]/_history", "history-type"),
    Route("[type]/[operation]", "operation"),
    Route("[type]/[id]/_history", "history-instance"),
    Route("[type]/[id]/_history/[version]", "vread"),
    Route("[type]/[id]/[operation]", "operation"),
)
"""The routes below each mount point; the first one that matches applies."""

_ROUTES_OF_LENGTH: Final = {
    length: tuple(route for route in ROUTES if len(route.parts) == length)
    for length in {len(route.parts) for route in ROUTES}
}

SERVICE_ROUTES: Final = {
    "/health/live": Route("health/live", "health", _READING, _live, None, is_open=True),
    "/health/ready": Route("health/ready", "health", _READING, _ready, None, is_open=True),
    "/metrics": Route(
        "metrics", "metrics", _READING, _metrics, None, is_open=True, is_for_operators=True
    ),
    **{f"/{route.path}": route for route in AUTHORISATION_ROUTES},
    # "OPTIONS *" is about the server as a whole.
    "*": Route("*", "options"),
}
"""The routes outside the mount points: health, metrics and tokens."""

OFFERED: Final = tuple(
    dict.fromkeys(route.interaction for route in ROUTES if route.answer and "[type]" in route.parts)
)
"""The interactions on a resource type, as the CapabilityStatement codes them."""


def route_of(parts: tuple[str, ...], path: str, base_url: str) -> Route:
    """
    The route of a path.

    Raises UnknownRoute if there is no such route or resource type.
    """
    for route in _ROUTES_OF_LENGTH.get(len(parts), ()):
        if all(map(_fits, route.parts, parts)):
            if route.parts and route.parts[0] == "[type]" and parts[0] not in RESOURCE_TYPES:
                candidates = (*RESOURCE_TYPES, "metadata")
                raise UnknownRoute(
                    "http.unknown-type", type=parts[0][:100], known=closest(parts[0], candidates)
                )
            return route
    raise UnknownRoute("http.unknown-route", path=path[:200], base=base_url)


def _fits(pattern: str, part: str) -> bool:
    if not pattern.startswith("["):
        return pattern == part
    if pattern == "[operation]":
        return part.startswith("$")
    return bool(part) and not part.startswith(("$", "_"))


def check_method(route: Route, method: str) -> None:
    """Raises MethodNotAllowed, with the methods on offer, if the route lacks the method."""
    if method in route.methods:
        return
    if not route.methods:
        offered = ", ".join((*OFFERED, "capabilities"))
        raise MethodNotAllowed(
            "http.interaction-not-offered",
            allow=route.allow,
            interaction=route.interaction,
            offered=offered,
        )
    raise MethodNotAllowed("http.method-not-allowed", allow=route.allow, method=method)

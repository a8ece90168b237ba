"""
The route table, and the answer of each route.

`dispatch.py` checks the requests; the functions here call the rooms below and wrap what they
return. The CapabilityStatement lists the interactions of this table.
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


# --- answers ---------------------------------------------------------------------------------------------------------


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
    """A resource, or 304 when the client has it already."""
    resource_type, resource_id = request.segments
    if not _ID.fullmatch(resource_id):
        raise NotFound("http.not-an-id", id=resource_id[:100])
    directory, viewer = service.directory, _viewer(request)
    # A read shows what is committed, also before the index knows of it.
    index = directory.index
    view = index.view
    # Asked once: each time costs as much as finding the route.
    signal = index.catch_up_masks()
    asked = (resource_type, resource_id, *request.pairs, viewer.sight)
    found = directory.answers.get(view, asked) if index.is_up_to_date(view, signal) else None
    if not isinstance(found, _Representation):
        found = _represented(directory, viewer, resource_type, resource_id, request.pairs, signal)
        if index.view is view:
            directory.answers.put(view, asked, found)
    # What is taken away may change without the resource, and be given back: only the tag tells.
    held, since = (
        request.header(b"if-none-match"),
        request.header(b"if-modified-since") if viewer.sees_everything else None,
    )
    last_updated = found.last_updated
    if since is not None and held is None:
        last_updated = _told_by_date(directory.store, resource_type, resource_id, found)
    if etags.is_fresh(held, since, found.etag, last_updated):
        return Response(304, headers=found.headers)
    return Response(200, found.body, found.headers, matches=1, withheld=int(found.is_cut))


@dataclass(frozen=True, slots=True)
class _Representation:
    """A resource, or the part of it that was asked for, as a viewer sees it; `is_cut` when that is not all there is."""

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
    """What a viewer sees of a resource at this moment."""
    found, is_cut = interactions.read(
        directory.store, directory.index, viewer, resource_type, resource_id, signal
    )
    subset = parse_subset(resource_type, pairs)
    body = apply_subset(found.body, resource_type, subset) if subset else found.body
    etag = etags.etag_of_version(found.version, body if is_cut or subset else None)
    headers = (
        (b"etag", etag.encode()),
        (b"last-modified", etags.http_date(found.last_updated // 1_000_000).encode()),
    )
    return _Representation(body, is_cut, etag, found.version, found.last_updated, headers)


def _told_by_date(
    store: Store, resource_type: str, resource_id: str, found: _Representation
) -> Micros:
    """
    The instant that `If-Modified-Since` is compared with.

    HTTP dates have whole seconds. When the version before was recorded in the same second, a client
    may hold either: only a later date says that it holds this one.
    """
    before = store.read_version(resource_type, resource_id, found.version - 1)
    is_same = before is not None and before.last_updated // SECOND == found.last_updated // SECOND
    return Micros(found.last_updated + SECOND) if is_same else found.last_updated


def _search(service: Service, request: Request) -> Response | Evaluation:
    """A page of a search."""
    viewer = _viewer(request)
    wanted = negotiation.preferences(request.header(b"prefer"))
    directory = service.directory
    request = replace(request, pairs=directory.page_links.expanded(_client(request), request.pairs))
    directory.index.catch_up_for(viewer)
    evaluation = _SearchEvaluation(directory, directory.index.view, viewer, request, wanted)
    kept = directory.answers.get(evaluation.view, evaluation.key)
    if isinstance(kept, searching.Answer):
        return evaluation.response_of(kept, wire.with_id(kept.pieces, searching.new_id()))
    evaluation.page = kept if isinstance(kept, ResultPage) else None
    return evaluated(evaluation, request.pairs)


class _SearchEvaluation:
    """The evaluation of one search on one view, with what the thread that does it needs."""

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
        """The page of results, once it is known."""
        self._answer: searching.Answer | None = None
        self.key = (
            *request.segments,
            *request.pairs,
            wanted,
            request.base_url,
            request.language,
            viewer.sight,
        )
        """Whatever the answer depends on besides the view."""
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
        directory, request, wanted = self._directory, self._request, self._wanted
        pairs = directory.page_links.decrypted(request.pairs)
        search = parse(
            request.segments[0],
            pairs,
            lenient=wanted.lenient,
            independent=wanted.independent,
            strict=wanted.strict,
            spend=budget.spend,
        )
        if any("://" in text for _, text in pairs):
            bases = {request.base_url, *directory.settings.bases}
            search = replace(search, expression=with_own_bases(search.expression, bases))
        if wanted.explain:
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
    """Where to begin, for whoever asks the root."""
    told = messages.text("http.welcome", request.language, metadata=f"{request.base_url}/metadata")
    return Response(200, wire.outcome([wire.Issue("information", "informational", told)]))


def _client(request: Request) -> str:
    """The id of the client that calls; the empty text for an anonymous call."""
    return request.caller.client.id if request.caller.client else ""


def _viewer(request: Request) -> Viewer:
    assert request.caller.viewer is not None, "dispatch refuses callers who do not read"
    return request.caller.viewer


# --- the service itself ----------------------------------------------------------------------------------------------


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
    """Bring the figures about the directory up to date, when there is one."""
    if service.opened is None:
        return
    view = service.opened.index.view
    service.metrics.set_rates(
        {
            one.id: (one.rate.calls_per_minute, one.rate.burst)
            for one in service.opened.registry.known
            if one.rate
        }
    )
    service.metrics.set_directory_state(
        seq=view.seq,
        resources={name: len(view.of_type(name)) for name in RESOURCE_TYPES},
        index_bytes=view.memory_bytes(),
        bodies=service.opened.bodies,
        answers=service.opened.answers,
    )


# --- the table -------------------------------------------------------------------------------------------------------

_READING: Final = ("GET", "HEAD")
_HOW_TO_ANSWER: Final = frozenset({"_format", "_pretty"})

ROUTES: Final = (
    Route("", "capabilities", _READING, _welcome, _HOW_TO_ANSWER, is_open=True),
    # Clients ask for a summary, which a server may always answer with everything.
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
"""What is answered below each mount point; the first line that fits is taken."""

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
    **{f"/{one.path}": one for one in AUTHORISATION_ROUTES},
    # "OPTIONS *" asks what the server as a whole can do.
    "*": Route("*", "options"),
}
"""What is answered whatever the mount points, for those who run the service or need a token."""

OFFERED: Final = tuple(
    dict.fromkeys(one.interaction for one in ROUTES if one.answer and "[type]" in one.parts)
)
"""The interactions on a resource type, as the CapabilityStatement codes them."""


def route_of(parts: tuple[str, ...], path: str, base_url: str) -> Route:
    """
    The line of the table that answers at `parts`. Raises UnknownRoute when there is none, or no such resource type.
    """
    for route in _ROUTES_OF_LENGTH.get(len(parts), ()):
        if all(map(_fits, route.parts, parts)):
            if route.parts and route.parts[0] == "[type]" and parts[0] not in RESOURCE_TYPES:
                known = (*RESOURCE_TYPES, "metadata")
                raise UnknownRoute(
                    "http.unknown-type", type=parts[0][:100], known=closest(parts[0], known)
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
    """Nothing, when the route offers the method; else MethodNotAllowed, naming what is offered."""
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

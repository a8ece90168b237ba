"""
From a request to a response: finds the route, checks the request once for all routes, and has the
route answer.

Routes answer in plain functions, in the event loop: handing them to a thread would cost more than
most of them do (docs/decisions/0011). Every error becomes an OperationOutcome, in the client's
language and with the identifier of the request, or the error format of the route.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Final

from ror import messages
from ror.errors import (
    InvalidRequest,
    NotSupported,
    RorError,
    Unavailable,
    UnknownRoute,
    first_of,
)
from ror.http import addresses, negotiation
from ror.http.callers import Callers
from ror.http.error_responses import error_response
from ror.http.evaluation import Evaluations
from ror.http.exchange import (
    NOBODY,
    Caller,
    Evaluation,
    Headers,
    Receive,
    Request,
    Response,
    Route,
    Scope,
    Service,
    header_text,
)
from ror.http.forms import ClientDisconnected, read_form
from ror.http.negotiation import Format
from ror.http.operators import Operators
from ror.http.outgoing import Outgoing
from ror.http.proxies import Proxies
from ror.http.rate_limits import RateLimits
from ror.http.representation import represented
from ror.http.routes import SERVICE_ROUTES, check_method, route_of
from ror.http.secret_checks import SecretChecks
from ror.identity.tokens import UnknownKey
from ror.resources import bundles as wire

CLIENT_CLOSED_REQUEST: Final = 499
"""The status in logs and metrics if the client left before its request was complete; never sent."""


_BRIEF_FORM: Final = 32_768
"""Bytes that the event loop decodes in a millisecond."""


class Dispatch:
    """Answers the requests of a service, for the event loop of one process."""

    def __init__(self, service: Service, outgoing: Outgoing) -> None:
        settings = service.settings
        self._outgoing = outgoing
        self._service = service
        # The root comes last: every path begins with it.
        self._mounts = sorted(settings.mounts, key=len, reverse=True)
        self._proxies = Proxies(settings)
        self._callers = Callers(settings, service.anonymous, self._proxies)
        self._rate_limits = RateLimits(service, self._proxies)
        self._operators = Operators(settings, self._proxies)
        self._secret_checks = SecretChecks(service)
        # Not the threads that compress bodies: token requests must not delay other requests.
        self._token_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="ror-token")

        self._evaluations = Evaluations(settings)

    def close(self) -> None:
        """Shut down the threads."""
        self._token_threads.shutdown(wait=False)
        self._evaluations.close()
        self._secret_checks.close()

    def reload_user_profiles(self) -> None:
        """Read the file of user profiles again. Raises UsageError if it cannot be read."""
        self._callers.reload_user_profiles()

    async def respond(
        self, scope: Scope, receive: Receive, headers: Headers, request_id: str
    ) -> tuple[Route | None, Response]:
        """The route of a request, None for an unknown address, and the response."""
        language = messages.preferred_language(header_text(headers, b"accept-language"))
        route, caller, pairs, is_pretty = None, NOBODY, None, False
        response_format: Format | None = None
        try:
            base_url, route, segments = self._route(scope, headers)
            self._proxies.check(scope, headers)
            method = scope["method"]
            if method == "OPTIONS":
                return route, Response(204, headers=((b"allow", ", ".join(route.allow).encode()),))
            check_method(route, method)
            if route.is_for_operators:
                self._operators.check(scope, headers)
            if route.is_traced and self._service.is_untraceable:
                raise Unavailable("audit.cannot-write")
            if not route.is_open:
                caller = await self._caller(scope, headers, route, f"{base_url}/metadata")
                self._rate_limits.check(caller, scope, headers)
                if caller.refusal is not None:
                    raise caller.refusal
            pairs = _parameters_of_address(route, scope["query_string"])
            if method == "POST":
                form = await read_form(receive, headers, self._service.settings)
                pairs += await _parameters_of_form(form)
            # Only resources have an XML form: the addresses of the service itself have no base.
            offered = negotiation.FHIR_FORMATS if base_url else negotiation.JSON_ALONE
            response_format = _response_format(headers, pairs, offered)
            is_pretty = _is_pretty(pairs)
            _check_parameters(route, headers, pairs)
            await self._outgoing.freed()
            request = Request(segments, base_url, headers, pairs, language, caller)
            response = (
                await self._authenticate(route, request, scope)
                if route.authenticates
                else self._answer(route, request)
            )
            if not isinstance(response, Response):
                response = await self._evaluations.response(response, receive)
        except ClientDisconnected:
            return route, Response(CLIENT_CLOSED_REQUEST, caller=caller)
        except RorError as error:
            response = error_response(self._disclosed(error, request_id), language, route)
        except Exception as problem:
            response = self._internal_error(problem, scope, request_id, language)
        if response_format is None:
            response_format = _format_of_refusal(headers, scope["query_string"])
        if is_pretty or response_format == "xml":
            await self._outgoing.freed()
            response = await represented(response, response_format, is_pretty, language)
        # The parameters of token requests are credentials: neither log nor audit trail keeps them.
        if route is not None and route.authenticates:
            response.pairs = ()
        elif response.pairs is None:
            response.pairs = pairs
        response.caller = response.caller or caller
        return route, response

    def _route(self, scope: Scope, headers: Headers) -> tuple[str, Route, tuple[str, ...]]:
        """The base URL as the client knows it, the route, and the path below the mount point."""
        path: str = scope["raw_path"].decode("ascii")
        service_route = SERVICE_ROUTES.get(path)
        if service_route is not None:
            return "", service_route, ()
        for mount in self._mounts:
            below = path[len(mount) :]
            if path.startswith(mount) and below[:1] in ("/", ""):
                base_url = self._proxies.origin(scope, headers) + mount
                segments = addresses.segments(below)
                return base_url, route_of(segments, path, base_url), segments
        base_url = self._proxies.origin(scope, headers) + self._service.settings.mounts[0]
        raise UnknownRoute("http.unknown-route", path=path[:200], base=base_url)

    async def _caller(self, scope: Scope, headers: Headers, route: Route, metadata: str) -> Caller:
        """
        Identify the caller.

        If the token's signing key is unknown, refresh that issuer's keys and try once more.
        """
        directory = self._service.directory
        try:
            return self._callers.caller(directory, scope, headers, route, metadata)
        except UnknownKey as unknown:
            if unknown.issuer not in directory.issuers.known():
                raise
            await asyncio.to_thread(directory.issuers.learn, unknown.issuer)
            return self._callers.caller(directory, scope, headers, route, metadata)

    def _answer(self, route: Route, request: Request) -> Response | Evaluation:
        assert route.answer is not None, "a route with methods has an answer"
        return route.answer(self._service, request)

    async def _authenticate(
        self, route: Route, request: Request, scope: Scope
    ) -> Response | Evaluation:
        """The response of a route that checks credentials, in a thread: signing takes long."""
        certificate = self._proxies.client_certificate(scope, request.headers)
        request = replace(request, certificate=certificate)
        await self._secret_checks.check(request, self._proxies.address(scope, request.headers))
        return await asyncio.get_running_loop().run_in_executor(
            self._token_threads, self._answer, route, request
        )

    def _disclosed(self, error: RorError, request_id: str) -> RorError:
        """The error as the client may see it: the log alone names failing files and disks."""
        if error.status != Unavailable.status or error.__cause__ is None:
            return error
        log = self._service.log
        log.write("error", "unavailable", request_id=request_id, problem=str(error))
        if isinstance(error, Unavailable):
            return Unavailable("http.unavailable", request_id=request_id)
        return error

    def _internal_error(
        self, problem: Exception, scope: Scope, request_id: str, language: str
    ) -> Response:
        """The response to a request that met a bug: the log has the traceback."""
        path = scope["raw_path"].decode("latin-1")
        self._service.log.failure(
            "bug", problem, request_id=request_id, method=scope["method"], path=path
        )
        text = messages.text("http.internal", language, request_id=request_id)
        return Response(500, wire.outcome([wire.Issue("fatal", "exception", text)]))


def _parameters_of_address(route: Route, query: bytes) -> list[tuple[str, str]]:
    """The parameters of an address. Raises InvalidRequest if they belong in the body."""
    if query and route.authenticates:
        raise InvalidRequest("oauth.query")
    return addresses.parameters(query)


async def _parameters_of_form(form: bytes) -> list[tuple[str, str]]:
    """The parameters of a form; a thread decodes a long one."""
    if len(form) <= _BRIEF_FORM:
        return addresses.parameters(form)
    return await asyncio.to_thread(addresses.parameters, form)


def _response_format(
    headers: Headers, pairs: Sequence[tuple[str, str]], offered: tuple[Format, ...]
) -> Format:
    """The format that the client requests. Raises NotAcceptable if it is not offered."""
    names = tuple(value for name, value in pairs if name == "_format") if pairs else ()
    return negotiation.response_format(header_text(headers, b"accept"), names, offered)


def _format_of_refusal(headers: Headers, query: bytes) -> Format:
    """The format of an error raised before the format was known: JSON if in doubt."""
    pairs: list[tuple[str, str]] = []
    with suppress(RorError):
        pairs = addresses.parameters(query)
    with suppress(RorError):
        return _response_format(headers, pairs, negotiation.FHIR_FORMATS)
    return "json"


def _is_pretty(pairs: Sequence[tuple[str, str]]) -> bool:
    """Whether to indent the response."""
    return bool(pairs) and negotiation.is_pretty(
        value for name, value in pairs if name == "_pretty"
    )


def _check_parameters(route: Route, headers: Headers, pairs: Sequence[tuple[str, str]]) -> None:
    """Raises NotSupported for a parameter the route does not have, unless the client is lenient."""
    known = route.parameters
    if not pairs or known is None:
        return
    if negotiation.preferences(header_text(headers, b"prefer")).lenient:
        return
    unexpected = dict.fromkeys(name[:100] for name, _ in pairs if name not in known)
    errors = [
        NotSupported("http.unexpected-parameter", name=name, known=", ".join(sorted(known)))
        for name in unexpected
    ]
    if errors:
        raise first_of(errors)

"""
The ASGI application of a service: it follows the life of the server and answers requests.

`lifespan.py` opens and closes the directory, `dispatch.py` turns a request into a response, and
`send.py` sends the response. Every request ends in one exchange: an access log line, metrics and
an audit record.
"""

import itertools
import re
import secrets
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from ror import messages
from ror.access import anonymous_viewer
from ror.errors import RorError
from ror.http.dispatch import CLIENT_CLOSED_REQUEST, Dispatch
from ror.http.error_responses import error_response
from ror.http.exchange import (
    Caller,
    Exchange,
    Header,
    Headers,
    Receive,
    Response,
    Scope,
    Send,
    Service,
    header_text,
    headers_by_name,
)
from ror.http.lifespan import Lifespan
from ror.http.outgoing import Outgoing
from ror.http.reporting import Reporter
from ror.http.send import response_headers, send_response
from ror.observability import Log, Metrics
from ror.settings import Settings

_REQUEST_ID: Final = re.compile(rb"[\x21-\x7e]{1,200}")


class Application:
    """The ASGI application of one process; `is_worker` says that other processes serve with it."""

    def __init__(self, settings: Settings, log: Log, is_worker: bool = False) -> None:
        viewer = anonymous_viewer(settings.anonymous_profile)
        anonymous = None if viewer is None else Caller(viewer)
        since = datetime.now(UTC).date().isoformat()
        self.service = Service(settings, anonymous, log, Metrics(), since)
        self.reporter = Reporter(self.service.metrics)
        self.lifespan = Lifespan(self.service, self.reporter, is_worker)
        self.outgoing = Outgoing(
            settings.max_unsent_mb * 1_024 * 1_024, settings.send_timeout_s, log
        )
        self._dispatch = Dispatch(self.service, self.outgoing)
        # Identifiers must be unique, not unpredictable.
        self._id_prefix = secrets.token_hex(6)
        self._id_numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or follow the life of the server."""
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self.lifespan.follow(receive, send)
            self._dispatch.close()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = time.perf_counter()
        self.reporter.begin()
        headers = headers_by_name(scope["headers"])
        request_id = self._request_id(headers)
        route, response = await self._dispatch.respond(scope, receive, headers, request_id)
        sent = 0
        try:
            if response.status != CLIENT_CLOSED_REQUEST:
                sent = await send_response(send, response, scope["method"], request_id, headers)
        finally:
            # A response sent in part counts as sent: the client may have read it.
            exchange = Exchange(
                route,
                scope["method"],
                scope["raw_path"],
                scope["query_string"],
                headers,
                request_id,
                response,
                time.perf_counter() - start,
                sent,
                time.time_ns(),
            )
            self._log(exchange)
            self.reporter.end(exchange)

    def reload_user_profiles(self) -> None:
        """Read the file of user profiles again. Raises UsageError if it cannot be read."""
        self._dispatch.reload_user_profiles()

    def refuse(
        self, error: RorError, raw_headers: Iterable[tuple[bytes, bytes]]
    ) -> tuple[Response, list[Header]]:
        """The response to bytes that are not a valid request; counted and logged."""
        start = time.perf_counter()
        headers = headers_by_name(raw_headers)
        request_id = self._request_id(headers)
        language = messages.preferred_language(header_text(headers, b"accept-language"))
        response = error_response(error, language)
        seconds, sent = time.perf_counter() - start, len(response.body)
        exchange = Exchange(
            None, "-", b"-", b"", headers, request_id, response, seconds, sent, time.time_ns()
        )
        self._log(exchange)
        self.reporter.count_malformed(exchange)
        return response, response_headers(response, request_id)

    def _log(self, exchange: Exchange) -> None:
        """Write the access log line of an exchange, unless the settings turn these lines off."""
        if not self.service.settings.access_log:
            return
        # Clients sometimes put secrets in the address of the token endpoint.
        has_secrets = exchange.route is not None and exchange.route.authenticates
        query = b"" if has_secrets else exchange.query
        self.service.log.write(
            "info",
            "request",
            request_id=exchange.request_id,
            method=exchange.method,
            path=exchange.path.decode("latin-1"),
            query=query.decode("latin-1") or None,
            status=exchange.response.status,
            duration_ms=round(exchange.seconds * 1_000, 3),
            bytes=exchange.sent,
            total=exchange.response.total,
            user_agent=header_text(exchange.headers, b"user-agent"),
        )

    def _request_id(self, headers: Headers) -> str:
        """The client's identifier of the request if it is printable ASCII, else a new one."""
        chosen = headers.get(b"x-request-id")
        if chosen is not None and _REQUEST_ID.fullmatch(chosen):
            return chosen.decode("ascii")
        return f"{self._id_prefix}-{next(self._id_numbers)}"

"""
The HTTP door: an ASGI application that turns requests into calls, and what comes of them into replies.

It matches, checks and translates, once for all routes; the answers themselves are in `routes.py`. Answers are plain
functions, run in the event loop because they cost less than handing them to a thread; nothing in them assumes it.
Whatever happens, the client gets an OperationOutcome in its language, with the identifier of its request.
"""

import asyncio
import itertools
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from ror import messages
from ror.access import anonymous_viewer
from ror.audit.trail.writing import Journal
from ror.errors import (
    InvalidRequest,
    NotSupported,
    RorError,
    TooLarge,
    Unavailable,
    UnknownRoute,
)
from ror.http import addresses, negotiation
from ror.http.accounts import Accounts
from ror.http.allowances import Allowances
from ror.http.callers import Callers
from ror.http.compression import WORTH_IT, coded
from ror.http.exchange import (
    NOBODY,
    Call,
    Caller,
    Exchange,
    Header,
    Headers,
    Reply,
    Route,
    Service,
)
from ror.http.operators import Operators
from ror.http.proxies import Proxies
from ror.http.refusing import RequestTooSlow, refusal
from ror.http.routes import SERVICE_ROUTES, check_method, report_directory, route_of
from ror.http.tracing import Tracer, listeners
from ror.identity.tokens import UnknownKey
from ror.observability import Log, Metrics
from ror.resources import bundles as wire
from ror.runtime import Directory, open_directory, open_trail
from ror.search.index.index import Work
from ror.settings import Settings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_EVERY_REPLY: Final = (
    (b"vary", b"Accept, Accept-Encoding, Accept-Language, Authorization"),
    (b"x-content-type-options", b"nosniff"),
)
_REQUEST_ID: Final = re.compile(rb"[\x21-\x7e]{1,200}")
_WITHOUT_BODY: Final = (204, 304)
_CLIENT_GONE: Final = 499
"""The status in logs and figures of a request whose client left before it was whole; never sent."""


class HeadersTooLarge(RorError):
    """The head of the request is over the limit."""

    status, issue = 431, "too-long"


class _ClientGone(Exception):
    """Nobody is there to be answered."""


class Door:
    """
    The ASGI application of a service.

    One door serves one process. It opens the directory in a thread when the server starts, so that the process can say
    that it is alive meanwhile, and closes it when the last request is answered. Beside other workers (`is_worker`) it
    takes no request before: they answer instead. `on_open` is told when the directory is open, `on_failure` why it
    could not be.
    """

    def __init__(self, settings: Settings, log: Log, is_worker: bool = False) -> None:
        viewer = anonymous_viewer(settings.anonymous_profile)
        anonymous = None if viewer is None else Caller(viewer)
        self.service = Service(
            settings, anonymous, log, Metrics(), since=datetime.now(UTC).date().isoformat()
        )
        # Apart from the threads that code bodies, so that whoever asks for tokens by the thousand delays nobody else.
        self._aside = ThreadPoolExecutor(max_workers=2, thread_name_prefix="ror-aside")
        self.on_open: Callable[[Directory], None] = lambda directory: None
        self.on_failure: Callable[[Exception], None] = lambda problem: log.failure("open", problem)
        self._is_worker = is_worker
        self._opening: asyncio.Task[None] | None = None
        self.accounts = Accounts(self.service.metrics)
        # The root comes last: every path begins with it.
        self._mounts = sorted(settings.mounts, key=len, reverse=True)
        self._proxies = Proxies(settings)
        self._callers = Callers(settings, anonymous, self._proxies)
        self._allowances = Allowances(self.service, self._proxies)
        self._operators = Operators(settings, self._proxies)
        self._max_body = settings.max_body_mb * 1_024 * 1_024
        # Identifiers need to be unlike any other, not unpredictable.
        self._id_prefix = secrets.token_hex(6)
        self._id_numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or follow the life of the server."""
        if scope["type"] == "http":
            await self._exchange(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    # --- the life of the server ---

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._opening = asyncio.create_task(self._open())
                if self._is_worker:
                    await self._opening
                await send({"type": "lifespan.startup.complete"})
            else:
                await self._close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _open(self) -> None:
        try:
            directory, journal = await asyncio.to_thread(self._opened)
        except Exception as problem:
            self.on_failure(problem)
            return
        if journal is not None:
            self.service.journal = journal
            self.accounts.trace(Tracer(journal, directory.store.policy))
        self.service.opened = directory
        report_directory(self.service)
        self.on_open(directory)

    def _opened(self) -> tuple[Directory, Journal | None]:
        directory = open_directory(self.service.settings, self._told_of_issuer, self._told_of_index)
        try:
            return directory, open_trail(
                self.service.settings,
                directory.store,
                listeners(self.service.metrics, self.service.log),
            )
        except BaseException:
            directory.close()
            raise

    def _told_of_issuer(self, issuer: str, problem: Exception | None) -> None:
        if problem is None:
            self.service.log.write("info", "issuer", issuer=issuer, state="recovered")
        else:
            self.service.log.write(
                "warning", "issuer", issuer=issuer, state="failing", problem=str(problem)
            )

    def _told_of_index(self, work: Work, problem: Exception | None) -> None:
        self.service.metrics.index_fails(work, problem is not None)
        if problem is None:
            self.service.log.write("warning", "index", work=work, state="recovered")
        else:
            self.service.log.failure("index", problem, work=work, state="failing")

    async def _close(self) -> None:
        self.service.stopping = True
        if self._opening is not None:
            await asyncio.wait([self._opening])
        self.accounts.tell()
        if self.service.opened is not None:
            directory, self.service.opened = self.service.opened, None
            await asyncio.to_thread(directory.close)
        if self.service.journal is not None:
            await asyncio.to_thread(self.service.journal.close)
        self._aside.shutdown(wait=False)

    # --- one exchange ---

    async def _exchange(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = time.perf_counter()
        self.accounts.begin()
        headers = _joined(scope["headers"])
        request_id = self._request_id(headers)
        route, reply = await self._replied(scope, receive, headers, request_id)
        sent = 0
        try:
            if reply.status != _CLIENT_GONE:
                sent = await self._send(send, reply, scope["method"], request_id, headers)
        finally:
            # Whoever was given part of an answer was given it.
            over = Exchange(
                route,
                scope["method"],
                scope["raw_path"],
                scope["query_string"],
                headers,
                request_id,
                reply,
                time.perf_counter() - start,
                sent,
                time.time_ns(),
            )
            self._log(over)
            self.accounts.end(over)

    async def _replied(
        self, scope: Scope, receive: Receive, headers: Headers, request_id: str
    ) -> tuple[Route | None, Reply]:
        """The route that answers, and its reply: what it gives, or the outcome of what went wrong; and who called."""
        language = messages.preferred_language(_text(headers, b"accept-language"))
        route, caller, pairs, pretty = None, NOBODY, None, False
        try:
            base_url, route, parts = self._route(scope, headers)
            self._proxies.check(scope, headers)
            method = scope["method"]
            if method == "OPTIONS":
                return route, Reply(204, headers=((b"allow", ", ".join(route.allow).encode()),))
            check_method(route, method)
            if route.is_for_operators:
                self._operators.check(scope, headers)
            if route.is_traced and self.service.is_untraceable:
                raise Unavailable("audit.cannot-write")
            if not route.is_open:
                caller = await self._caller(scope, headers, route, f"{base_url}/metadata")
                self._allowances.check(caller, scope, headers)
                if caller.refusal is not None:
                    raise caller.refusal
            pairs = _fields_of_address(route, scope["query_string"])
            if method == "POST":
                pairs += addresses.parameters(await self._form(receive, headers))
            pretty = _agree_on_format(headers, pairs)
            _check_parameters(route, headers, pairs)
            call = Call(parts, base_url, headers, pairs, language, caller)
            reply = (
                await self._authenticated(route, call, scope)
                if route.authenticates
                else self._answer(route, call)
            )
        except _ClientGone:
            return route, Reply(_CLIENT_GONE, caller=caller)
        except RorError as error:
            reply = refusal(self._for_outside(error, request_id), language, route)
        except Exception as problem:
            self.service.log.failure(
                "bug",
                problem,
                request_id=request_id,
                method=scope["method"],
                path=scope["raw_path"].decode("latin-1"),
            )
            told = messages.text("http.internal", language, request_id=request_id)
            reply = Reply(500, wire.outcome([wire.Issue("fatal", "exception", told)]))
        if pretty and reply.body and b"json" in reply.content_type:
            reply.body = wire.pretty(bytes(reply.body))
        # What a client proves itself with is for nobody to keep.
        reply.pairs = () if route is not None and route.authenticates else pairs
        reply.caller = reply.caller or caller
        return route, reply

    def _for_outside(self, error: RorError, request_id: str) -> RorError:
        """What a caller may know of an error: of a file or a disk that fails nothing but that; the log has the rest."""
        if error.status != Unavailable.status or error.__cause__ is None:
            return error
        self.service.log.write("error", "unavailable", request_id=request_id, problem=str(error))
        return (
            Unavailable("http.unavailable", request_id=request_id)
            if isinstance(error, Unavailable)
            else error
        )

    async def _caller(self, scope: Scope, headers: Headers, route: Route, metadata: str) -> Caller:
        """Who calls; where a key of others is not known, once its issuer was asked for those it publishes now."""
        directory = self.service.directory
        try:
            return self._callers.caller(directory, scope, headers, route, metadata)
        except UnknownKey as unknown:
            if unknown.issuer not in directory.issuers.known():
                raise
            await asyncio.to_thread(directory.issuers.learn, unknown.issuer)
            return self._callers.caller(directory, scope, headers, route, metadata)

    def _answer(self, route: Route, call: Call) -> Reply:
        assert route.answer is not None, "a route with methods has an answer"
        return route.answer(self.service, call)

    async def _authenticated(self, route: Route, call: Call, scope: Scope) -> Reply:
        """The answer of a route where clients prove who they are, aside: secrets take long to check."""
        call = replace(call, certificate=self._proxies.client_certificate(scope, call.headers))
        return await asyncio.get_running_loop().run_in_executor(
            self._aside, self._answer, route, call
        )

    def _route(self, scope: Scope, headers: Headers) -> tuple[str, Route, tuple[str, ...]]:
        """The base URL as the client knows it, the route, and the parts of the path below the mount point."""
        path: str = scope["raw_path"].decode("ascii")
        found = SERVICE_ROUTES.get(path)
        if found is not None:
            return "", found, ()
        for mount in self._mounts:
            below = path[len(mount) :]
            if path.startswith(mount) and below[:1] in ("/", ""):
                base_url = self._origin(scope, headers) + mount
                parts = addresses.segments(below)
                return base_url, route_of(parts, path, base_url), parts
        base_url = self._origin(scope, headers) + self.service.settings.mounts[0]
        raise UnknownRoute("http.unknown-route", path=path[:200], base=base_url)

    def _origin(self, scope: Scope, headers: Headers) -> str:
        """The scheme and host that links begin with: as configured, else as the client wrote them."""
        if self.service.settings.public_url is not None:
            return self.service.settings.public_url
        scheme, host = scope["scheme"], _text(headers, b"host")
        if self._proxies.is_trusted(scope):
            # The last value is the one that the trusted proxy itself wrote.
            forwarded = (
                _text(headers, name) for name in (b"x-forwarded-proto", b"x-forwarded-host")
            )
            proto, forwarded_host = (
                (value or "").rpartition(",")[2].strip() for value in forwarded
            )
            scheme = proto if proto in ("http", "https") else scheme
            host = forwarded_host or host
        if not host:
            # Only HTTP/1.0 may leave it out.
            address, port = scope["server"]
            host = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        if not addresses.is_host(host):
            raise InvalidRequest("http.bad-host", host=host[:100])
        return f"{scheme}://{host}"

    async def _form(self, receive: Receive, headers: Headers) -> bytes:
        """The body of a form, read whole. Raises when it is too large, too slow, or no form."""
        too_large = TooLarge("http.body-too-large", limit=self.service.settings.max_body_mb)
        declared = _text(headers, b"content-length") or ""
        if declared.isdigit() and int(declared) > self._max_body:
            raise too_large
        has_body = declared not in ("", "0") or b"transfer-encoding" in headers
        negotiation.check_is_form(
            _text(headers, b"content-type"), _text(headers, b"content-encoding"), has_body
        )
        pieces, size, more = [], 0, True
        limit_s = self.service.settings.request_timeout_s
        try:
            async with asyncio.timeout(limit_s):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _ClientGone
                    pieces.append(message.get("body", b""))
                    size += len(pieces[-1])
                    # A body sent by chunks says its size nowhere.
                    if size > self._max_body:
                        raise too_large
                    more = message.get("more_body", False)
        except TimeoutError:
            raise RequestTooSlow("http.too-slow", limit=limit_s) from None
        return b"".join(pieces)

    # --- sending ---

    async def _send(
        self, send: Send, reply: Reply, method: str, request_id: str, headers: Headers
    ) -> int:
        """Send a reply, coded as the client likes it; returns the bytes of its body."""
        body, coding = reply.body, "identity"
        if len(body) >= WORTH_IT:
            coding = negotiation.coding_for(_text(headers, b"accept-encoding"))
            if coding != "identity":
                body = await coded(bytes(body), coding)
        head = self.head(reply, request_id)
        if reply.status not in _WITHOUT_BODY:
            head.append((b"content-length", b"%d" % len(body)))
        if coding != "identity":
            head.append((b"content-encoding", coding.encode()))
        await send({"type": "http.response.start", "status": reply.status, "headers": head})
        sent = b"" if method == "HEAD" else body
        await send({"type": "http.response.body", "body": sent})
        return len(sent)

    def head(self, reply: Reply, request_id: str) -> list[tuple[bytes, bytes]]:
        """The headers of a reply, but for what depends on the way its body is coded."""
        head = [
            (b"cache-control", reply.cache_control),
            *_EVERY_REPLY,
            (b"x-request-id", request_id.encode("ascii")),
            *reply.headers,
        ]
        if reply.status not in _WITHOUT_BODY:
            head.append((b"content-type", reply.content_type))
        return head

    def refused(
        self, error: RorError, raw_headers: Iterable[tuple[bytes, bytes]]
    ) -> tuple[Reply, list[Header]]:
        """The reply to what could not be read as a request, and its headers; counted and logged like the others."""
        start = time.perf_counter()
        headers = _joined(raw_headers)
        request_id = self._request_id(headers)
        reply = refusal(error, messages.preferred_language(_text(headers, b"accept-language")))
        seconds, sent = time.perf_counter() - start, len(reply.body)
        over = Exchange(
            None, "-", b"-", b"", headers, request_id, reply, seconds, sent, time.time_ns()
        )
        self._log(over)
        self.accounts.refused(over)
        return reply, self.head(reply, request_id)

    def _log(self, over: Exchange) -> None:
        """A line of the ordinary log about an exchange, when there is one of each."""
        if not self.service.settings.access_log:
            return
        # Secrets might be sent there by mistake.
        query = b"" if over.route is not None and over.route.authenticates else over.query
        self.service.log.write(
            "info",
            "request",
            request_id=over.request_id,
            method=over.method,
            path=over.path.decode("latin-1"),
            query=query.decode("latin-1") or None,
            status=over.reply.status,
            duration_ms=round(over.seconds * 1_000, 3),
            bytes=over.sent,
            total=over.reply.total,
            user_agent=_text(over.headers, b"user-agent"),
        )

    def _request_id(self, headers: Headers) -> str:
        """The identifier that the client chose when it is fit to be repeated, else a new one."""
        chosen = headers.get(b"x-request-id")
        if chosen is not None and _REQUEST_ID.fullmatch(chosen):
            return chosen.decode("ascii")
        return f"{self._id_prefix}-{next(self._id_numbers)}"


# --- reading what came -----------------------------------------------------------------------------------------------


def _joined(raw: Iterable[Header]) -> Headers:
    """The headers by name; values of a repeated one are joined by commas, as RFC 9110 allows."""
    found: dict[bytes, bytes] = {}
    for name, value in raw:
        found[name] = found[name] + b", " + value if name in found else value
    return found


def _text(headers: Headers, name: bytes) -> str | None:
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")


def _fields_of_address(route: Route, query: bytes) -> list[tuple[str, str]]:
    """The parameters of an address. Raises InvalidRequest where everything belongs in the body."""
    if query and route.authenticates:
        raise InvalidRequest("oauth.query")
    return addresses.parameters(query)


def _agree_on_format(headers: Headers, pairs: Sequence[tuple[str, str]]) -> bool:
    """Whether the answer is to be indented. Raises NotAcceptable when there is no format to answer in."""
    if not pairs:
        negotiation.check_accepted(_text(headers, b"accept"), ())
        return False
    formats = tuple(value for name, value in pairs if name == "_format")
    negotiation.check_accepted(_text(headers, b"accept"), formats)
    return negotiation.is_pretty(value for name, value in pairs if name == "_pretty")


def _check_parameters(route: Route, headers: Headers, pairs: Sequence[tuple[str, str]]) -> None:
    """Nothing, when each parameter means something there or the client is lenient; else NotSupported."""
    known = route.parameters
    if not pairs or known is None or negotiation.preferences(_text(headers, b"prefer")).lenient:
        return
    for name, _ in pairs:
        if name not in known:
            raise NotSupported(
                "http.unexpected-parameter", name=name[:100], known=", ".join(sorted(known))
            )

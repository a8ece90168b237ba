"""
HTTP/1.1 on a connection: uvicorn's protocol, with limits and with errors as OperationOutcomes.

uvicorn limits neither the size of the head of a request nor the time it takes to arrive, and
reports parser errors in plain text. This protocol also accepts raw spaces and accents in
addresses, which browsers' users and scripts send and no HTTP parser accepts (choice 24).
"""

import asyncio
import re
from asyncio.events import TimerHandle
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote_from_bytes

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from ror.errors import AddressTooLong, InvalidRequest, RorError
from ror.http.application import Application
from ror.http.error_responses import HeadersTooLarge, RequestTooSlow
from ror.http.gathering import GatheringTransport
from ror.http.outgoing import Waiting
from ror.http.tls import peer_chain

MAX_HEADERS: Final = 64 * 1_024
"""Bytes of the headers of one request, names and values."""

PARSER_MAX_URL: Final = 65_535
"""The longest address, in bytes, that the parser accepts."""

TLS_GOODBYE_S: Final = 0.5
"""How long the client has to close a TLS connection that the server closed."""

_END_OF_HEAD: Final = b"\r\n\r\n"
_BEGINNING: Final = re.compile(rb"[A-Z]{1,20}(?: |\Z)")
"""How a request line begins; anything else is refused at once."""
_AROUND_URL: Final = 32
"""The most bytes that a request line has in addition to its address."""

_REQUEST_LINE: Final = re.compile(rb"([A-Z]+) (.*[^ ]) (HTTP/1\.[01])", re.DOTALL)
_AS_THEY_ARE: Final = "".join(map(chr, range(0x21, 0x7F))) + "\x00\x01\t\x7f"
"""
The characters that stay unescaped: all but spaces and non-ASCII bytes. Control characters stay,
because they are refused later.
"""


class Protocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *, on_close: Callable[[], None], **options: Any) -> None:
        super().__init__(**options)
        self._on_close = on_close
        application = self.config.loaded_app
        assert isinstance(application, Application)
        self._application = application
        settings = application.service.settings
        self._max_url = min(settings.max_url_kb * 1_024, PARSER_MAX_URL)
        self._limit_s = settings.request_timeout_s
        self._is_reading_head = False
        self._is_between_requests = True
        self._held = b""
        """The beginning of a request line."""
        self._fed = 0
        self._timer: TimerHandle | None = None
        self._refusal: RorError | None = None
        self._client_chain: tuple[str, ...] = ()
        self._waiting: Waiting | None = None
        self._is_answered = False
        """Whether the response is written in full and its client has yet to read it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request, for a limited time."""
        self._gathering = GatheringTransport(transport)
        super().connection_made(self._gathering)  # type: ignore[arg-type]
        self._client_chain = peer_chain(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers of the connection."""
        self._stop_timer()
        self._stop_waiting()
        super().connection_lost(exc)
        self._on_close()

    def data_received(self, data: bytes) -> None:
        """Feed the parser request by request; refuse a head that is too large or too slow."""
        if self._held:
            data, self._held = self._held + data, b""
        start = 0
        while self._is_between_requests and start < len(data) and not self.transport.is_closing():
            head_end = data.find(_END_OF_HEAD, start)
            end = len(data) if head_end < 0 else head_end + len(_END_OF_HEAD)
            self._begin(data[start:end])
            start = end
        if start < len(data) and not self.transport.is_closing():
            self._feed(data[start:])

    def _begin(self, data: bytes) -> None:
        """Feed the beginning of a request once its first line is complete, and escaped."""
        if b"\n" in data or len(data) > self._max_url + _AROUND_URL or not _BEGINNING.match(data):
            self._feed(_repaired(data))
            return
        self._held = data
        self._unset_keepalive_if_required()
        self._start_timer()

    def _feed(self, data: bytes) -> None:
        self._fed += len(data)
        super().data_received(data)
        if not self._is_reading_head or self.transport.is_closing():
            return
        if self._fed > self._max_url + MAX_HEADERS:
            self._refuse(self._oversized())
        else:
            self._start_timer()

    def shutdown(self) -> None:
        """Close the connection, after the response in progress if there is one."""
        super().shutdown()
        self._do_not_linger()

    def pause_writing(self) -> None:
        """Hold back further requests while the client leaves a response unread."""
        self._gathering.is_paused = True
        if self._waiting is None:
            super().pause_writing()
            self.flow.pause_reading()
            client = self.client[0] if self.client else None
            self._waiting = self._application.outgoing.add(self.transport, client)

    def resume_writing(self) -> None:
        """Go on, once the client has read the response."""
        self._gathering.is_paused = False
        if not self._gathering.flush():
            return
        self._stop_waiting()
        super().resume_writing()
        self.flow.resume_reading()
        if self._is_answered:
            self.on_response_complete()

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._application.outgoing.remove(self._waiting)
            self._waiting = None

    def on_response_complete(self) -> None:
        """A response is written: start the next one, once the client has read it."""
        self._gathering.end_response()
        self._is_answered = self.flow.write_paused
        if self._is_answered:
            return
        super().on_response_complete()
        self._do_not_linger()

    def on_message_begin(self) -> None:
        """Note that a request begins."""
        self._is_reading_head, self._is_between_requests = True, False
        super().on_message_begin()
        if self._client_chain:
            # The TLS extension of ASGI.
            self.scope["extensions"] = {"tls": {"client_cert_chain": self._client_chain}}

    def on_headers_complete(self) -> None:
        """Pass the head on, unless it is too large."""
        self._is_reading_head = False
        self._stop_timer()
        is_large = (
            self._fed > MAX_HEADERS
            and sum(len(name) + len(value) for name, value in self.headers) > MAX_HEADERS
        )
        if is_large or len(self.url) > self._max_url:
            self._refusal = self._oversized()
            raise ValueError("the parser stops on any exception")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note that the request is complete."""
        self._is_between_requests, self._fed = True, 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer a parser error with an OperationOutcome."""
        self._refuse(self._refusal or InvalidRequest("http.malformed"))

    def _too_slow(self) -> None:
        self._timer = None
        if self._fed or self._held:
            self._refuse(RequestTooSlow("http.too-slow", limit=self._limit_s))
        else:
            self.transport.close()

    def _oversized(self) -> RorError:
        if len(self.url) > self._max_url:
            return AddressTooLong(
                "http.url-too-long", limit=self._application.service.settings.max_url_kb
            )
        return HeadersTooLarge("http.headers-too-large", limit=MAX_HEADERS // 1_024)

    def _refuse(self, error: RorError) -> None:
        """Send an OperationOutcome and close, after the responses to earlier requests."""
        self._stop_timer()
        if self.transport.is_closing():
            return
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body:
                cycle.keep_alive = False
                return
            # The request in progress waits for a body that cannot be read.
            cycle.disconnected = True
            cycle.message_event.set()
        if cycle is None or cycle.response_complete or not cycle.response_started:
            response, headers = self._application.refuse(error, self.headers or ())
            own = ((b"content-length", b"%d" % len(response.body)), (b"connection", b"close"))
            lines = [
                b"%b: %b\r\n" % header
                for header in (*self.server_state.default_headers, *headers, *own)
            ]
            self.transport.write(
                b"".join((STATUS_LINE[response.status], *lines, b"\r\n", bytes(response.body)))
            )
        self.transport.close()

    def _do_not_linger(self) -> None:
        """Abort a closed TLS connection if the client does not close it: uvloop waits for 30 s."""
        if self.scheme == "https" and self.transport.is_closing():
            self.loop.call_later(TLS_GOODBYE_S, self.transport.abort)

    def _start_timer(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self._limit_s, self._too_slow)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _repaired(data: bytes) -> bytes:
    """
    The same bytes, with spaces and non-ASCII bytes escaped in the address of the request line.

    >>> _repaired("GET /x?name=Saint Lô HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n".encode())
    b'GET /x?name=Saint%20L%C3%B4 HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n'
    """
    end = data.find(b"\r\n")
    line = data[:end]
    if end < 0 or (line.count(b" ") == 2 and line.isascii()):
        return data
    request_line = _REQUEST_LINE.fullmatch(line)
    if not request_line:
        return data
    method, target, version = request_line.groups()
    return b"%b %b %b%b" % (
        method,
        quote_from_bytes(target, _AS_THEY_ARE).encode("ascii"),
        version,
        data[end:],
    )

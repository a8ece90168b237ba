"""
The connections of one process: where they come from, how many it may hold, and their TLS.

A server process holds fewer connections than it may open files, so that a request always finds
the files it needs. Beyond that, new connections wait in the queue of the system until one closes.
"""

import asyncio
import resource
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Protocol

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ror.observability import Log

RESERVED_FILES: Final = 128
"""Files reserved for the database, the index, the audit trail and the work of requests."""
MAX_FILES: Final = 65_536
"""A process does not ask the system for more files than this."""
HANDSHAKE_TIMEOUT_S: Final = 20.0
_ACCEPTED_AT_ONCE: Final = 64
_RETRY_S: Final = 1.0


def raise_file_limit() -> None:
    """Raise the limit on open files as far as the system allows, up to `MAX_FILES`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    if soft != resource.RLIM_INFINITY and soft < highest:
        # macOS announces limits that it then refuses.
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest, hard))


def max_connections() -> int:
    """The number of connections that a process may hold, from its limit on open files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = MAX_FILES if soft == resource.RLIM_INFINITY else min(soft, MAX_FILES)
    return max(files - RESERVED_FILES, 1)


class Connections:
    """
    The open connections of this process; for the thread of its event loop.

    `tls` is used for the connections that come from now on. `on_close` is called after each close.
    """

    def __init__(
        self, protocol: Callable[..., HttpToolsProtocol], tls: ssl.SSLContext | None
    ) -> None:
        self.tls = tls
        self.on_close: Callable[[], None] = lambda: None
        self._protocol = protocol
        self._open: set[object] = set()
        self._handshakes: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: socket.socket) -> None:
        """Serve a connection that was just accepted."""
        connection.setblocking(False)
        with suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        token = object()
        self._open.add(token)
        task = asyncio.get_running_loop().create_task(self._serve(connection, token))
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)

    async def _serve(self, connection: socket.socket, token: object) -> None:
        options: dict[str, Any] = {}
        if self.tls is not None:
            options = {"ssl": self.tls, "ssl_handshake_timeout": HANDSHAKE_TIMEOUT_S}
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self._protocol(on_close=lambda: self._closed(token)), connection, **options
            )
        except OSError:
            # The client left, or its handshake failed.
            connection.close()
            self._closed(token)

    def _closed(self, token: object) -> None:
        if token in self._open:
            self._open.discard(token)
            self.on_close()


class Source(Protocol):
    """Where the connections of a process come from."""

    def start(self, connections: Connections) -> None:
        """Add connections from now on; in the event loop."""

    def stop(self) -> None:
        """Add no more connections."""


class Listener:
    """Accepts the connections of a process that serves alone."""

    def __init__(self, listening: socket.socket, log: Log) -> None:
        self._socket = listening
        self._log = log
        self._max = max_connections()
        self._is_accepting = False
        self._is_stopped = False

    def start(self, connections: Connections) -> None:
        """Accept connections."""
        self._connections = connections
        self._socket.setblocking(False)
        connections.on_close = self._on_close
        self._resume()

    def stop(self) -> None:
        """Close the socket: clients are refused from now on."""
        self._is_stopped = True
        self._pause()
        self._socket.close()

    def _on_close(self) -> None:
        if not self._is_accepting and len(self._connections) < self._max:
            self._resume()

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            if len(self._connections) >= self._max:
                log_full(self._log, self._max)
                self._pause()
                return
            try:
                connection, _ = self._socket.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as problem:
                log_refused(self._log, problem)
                self._pause()
                asyncio.get_running_loop().call_later(_RETRY_S, self._on_close)
                return
            self._connections.add(connection)

    def _resume(self) -> None:
        if not self._is_stopped:
            asyncio.get_running_loop().add_reader(self._socket.fileno(), self._accept)
            self._is_accepting = True

    def _pause(self) -> None:
        if self._is_accepting:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._is_accepting = False


def log_full(log: Log, limit: int) -> None:
    """Log that new connections wait until another one closes."""
    log.write("warning", "connections", state="full", limit=limit)


def log_refused(log: Log, problem: OSError) -> None:
    """Log that the system grants no more connections."""
    log.write("error", "connections", state="failing", problem=problem.strerror)

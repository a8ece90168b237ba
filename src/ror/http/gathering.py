"""
A transport that writes a response in one call to the system: the head with the body, whose pieces
are not copied; over TLS, chunk by chunk.

uvicorn writes the head of a response and its body one after the other, and uvloop sends each of
them at once: for a short body, that second call costs as much as making the response.

uvloop encrypts a whole write at once, and does not report that the client leaves it unread. With
smaller chunks it reports so, and the chunks that the client has not read are not encrypted yet.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Any, Final, TypeGuard

from ror.resources.bundles import Pieces

CHUNK: Final = 256 * 1_024

_HEAD: Final = b"HTTP/1.1 "
_INTERIM_HEAD: Final = b"HTTP/1.1 1"
"""How the head of a response begins; after an interim one, the client first sends its body."""

_SHORT: Final = 65_536
"""Bytes that are copied faster than they are sent separately."""


class GatheringTransport:
    """
    The transport of a connection, for uvicorn's protocol.

    The protocol sets `is_paused` when the transport asks it to pause, and calls `flush` when the
    transport asks it to resume.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self.is_paused = False
        self._transport = transport
        self._is_secured = transport.get_extra_info("sslcontext") is not None
        self._chunks: deque[list[memoryview]] = deque()
        self._size = 0
        """Bytes of the chunks."""
        self._is_closing = False
        self._head = b""
        """The head of a response whose body is not written yet."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes | Pieces) -> None:
        """Send bytes; the head of a response waits for its body."""
        if self._head:
            data, self._head = _joined(self._head, data), b""
        elif _is_head(data):
            self._head = data
            return
        if not self._is_secured or (len(data) <= CHUNK and not self._chunks):
            if isinstance(data, Pieces):
                self._transport.writelines(data.parts)
            else:
                self._transport.write(data)
            return
        self._chunks.extend(_chunks(data))
        self._size += len(data)
        self.flush()

    def end_response(self) -> None:
        """Send the head of a response that has no body."""
        if self._head:
            self.write(b"")

    def flush(self) -> bool:
        """Send chunks until the transport asks to pause; whether none is left, and it did not."""
        while self._chunks and not self.is_paused:
            # Joined, because each piece that is encrypted alone is a record of its own.
            chunk = b"".join(self._chunks.popleft())
            self._size -= len(chunk)
            self._transport.write(chunk)
        if not self._chunks and self._is_closing:
            self._transport.close()
        return not self._chunks and not self.is_paused

    def get_write_buffer_size(self) -> int:
        """Bytes that were not sent yet."""
        return len(self._head) + self._size + self._transport.get_write_buffer_size()

    def close(self) -> None:
        """Close the connection once everything is sent."""
        self.end_response()
        self._is_closing = True
        if not self._chunks:
            self._transport.close()

    def abort(self) -> None:
        """Close the connection now."""
        self._is_closing = True
        self._head = b""
        self._chunks.clear()
        self._size = 0
        self._transport.abort()

    def is_closing(self) -> bool:
        """Whether the connection is closed, or will be once everything is sent."""
        return self._is_closing or self._transport.is_closing()


def _is_head(data: bytes | Pieces) -> TypeGuard[bytes]:
    """Whether these bytes are the head of a response, and not an interim one."""
    return isinstance(data, bytes) and data.startswith(_HEAD) and not data.startswith(_INTERIM_HEAD)


def _joined(head: bytes, body: bytes | Pieces) -> bytes | Pieces:
    """A whole response."""
    if isinstance(body, bytes) and len(body) <= _SHORT:
        return head + body
    parts = body.parts if isinstance(body, Pieces) else [body]
    return Pieces([head, *parts], len(head) + len(body))


def _chunks(data: bytes | Pieces) -> Iterator[list[memoryview]]:
    """The bytes of a body in chunks, each in one or more pieces, without a copy."""
    chunk: list[memoryview] = []
    room = CHUNK
    for part in data.parts if isinstance(data, Pieces) else [data]:
        view = memoryview(part)
        while len(view) > room:
            yield [*chunk, view[:room]]
            chunk, view, room = [], view[room:], CHUNK
        chunk.append(view)
        room -= len(view)
    yield chunk

"""A response leaves in one piece: its head waits for what follows it."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from ror.http.gathering import GatheringTransport
from ror.resources.bundles import Pieces

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def received(theirs: socket.socket) -> bytes:
    try:
        return theirs.recv(65_536)
    except BlockingIOError:
        return b"nothing yet"


async def connected(ours: socket.socket) -> GatheringTransport:
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
    return GatheringTransport(transport)


@pytest.mark.parametrize("body", [b"body", Pieces.of(b"bo", b"dy")])
def test_the_head_of_a_response_leaves_with_its_body(sockets, body):
    async def respond() -> list[bytes]:
        transport = await connected(sockets[0])
        transport.write(HEAD)
        before = received(sockets[1])
        transport.write(body)
        await asyncio.sleep(0)
        return [before, received(sockets[1])]

    assert asyncio.run(respond()) == [b"nothing yet", HEAD + b"body"]


def test_a_response_without_body_leaves_when_it_ends(sockets):
    async def respond() -> list[bytes]:
        transport = await connected(sockets[0])
        transport.write(HEAD)
        before = received(sockets[1])
        transport.end_response()
        await asyncio.sleep(0)
        return [before, received(sockets[1])]

    assert asyncio.run(respond()) == [b"nothing yet", HEAD]


def test_a_head_is_sent_before_the_connection_closes(sockets):
    async def respond() -> list[bytes]:
        transport = await connected(sockets[0])
        transport.write(HEAD)
        transport.close()
        await asyncio.sleep(0.01)
        return [received(sockets[1]), received(sockets[1])]

    assert asyncio.run(respond()) == [HEAD, b""]


def test_an_interim_response_leaves_at_once(sockets):
    async def respond() -> bytes:
        transport = await connected(sockets[0])
        transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await asyncio.sleep(0)
        return received(sockets[1])

    assert asyncio.run(respond()) == b"HTTP/1.1 100 Continue\r\n\r\n"

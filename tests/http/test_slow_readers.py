"""
Clients that leave large responses unread: how long they may, and how much memory they hold.

Breakages that these tests were seen to catch: no limit on what waits; the newest response dropped
rather than the slowest; a pipelined request answered while the response before it waits.
"""

import socket
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ror.identity.certificates import authority
from ror.store import open_store
from tests.conftest import keep
from tests.http.bystander import bystander
from tests.http.conftest import Server, read_answer, request, start, stop
from tests.waiting import until

PLACES, SIZE = 100, 400_000
"""A page of all these places has 40 MB."""
LARGE = request("/fhir/Location?_count=100&_pretty=true")
CEILING_MB = 100
TIMEOUT_S = 4


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a directory of large places."""
    url = f"sqlite:///{tmp_path_factory.mktemp('large')}/ror.db"
    store = open_store(url)
    for number in range(PLACES):
        place = {
            "resourceType": "Location",
            "id": f"l{number}",
            "status": "active",
            "name": f"Lieu {number}",
            "description": "x" * SIZE,
        }
        keep(store, [place])
    store.close()
    return url


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The settings of a server with a certificate that nobody looks at."""
    folder = tmp_path_factory.mktemp("certificate")
    now = datetime.now(UTC)
    holder = authority.issue_server(authority.new_root(now), ["localhost"], now)
    folder.joinpath("server.pem").write_bytes(holder.pem)
    folder.joinpath("server.key").write_bytes(holder.key_pem)
    return {
        "ROR_TLS_CERTIFICATE": f"{folder}/server.pem",
        "ROR_TLS_KEY": f"{folder}/server.key",
    }


@pytest.fixture(params=["http", "https"])
def server(request: pytest.FixtureRequest, large: str, certificate: dict[str, str]):
    is_secured = request.param == "https"
    running = start(
        large,
        is_secured=is_secured,
        **(certificate if is_secured else {}),
        ROR_ANONYMOUS_PROFILE="1",
        ROR_ACCESS_LOG="false",
        ROR_MAX_UNSENT_MB=str(CEILING_MB),
        ROR_SEND_TIMEOUT_S=str(TIMEOUT_S),
    )
    yield running
    assert stop(running) == 0


def asking(server: Server, raw: bytes = LARGE) -> socket.socket:
    """A connection that has asked, and whose system takes little before it is read."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    connection.settimeout(30)
    connection.connect(("127.0.0.1", server.port))
    connection = server.secured(connection)
    connection.sendall(raw)
    return connection


def peak_kb(server: Server) -> int:
    """The most memory that the server ever held."""
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0])


def dropped(server: Server) -> list[str]:
    return [line["reason"] for line in server.log("response")]


def test_slow_readers_hold_no_more_memory_than_the_ceiling(server: Server):
    # What making one response takes is no matter of who reads it.
    assert server.send(LARGE).status == 200
    before = peak_kb(server)

    with (
        ExitStack() as opened,
        bystander(server, request("/fhir/Location/l1?_elements=name")) as seen,
    ):
        assert until(lambda: seen.seconds)
        for _ in range(25):
            opened.enter_context(asking(server))
        assert until(lambda: len(dropped(server)) >= 25)
        growth_mb = (peak_kb(server) - before) / 1_024

    print(f"memory grew by {growth_mb:.0f} MB for a ceiling of {CEILING_MB} MB")
    # Two responses of 40 MB wait; a third is made, as one was before.
    assert growth_mb < CEILING_MB + 60
    assert set(dropped(server)) == {"no-room", "too-slow"}
    assert seen.statuses == {200}


def test_a_client_that_reads_gets_its_response_whole_while_others_are_slow(server: Server):
    with ExitStack() as opened:
        for _ in range(4):
            opened.enter_context(asking(server))
        # They wait already, and have taken nothing for a while.
        assert until(lambda: "no-room" in dropped(server))
        time.sleep(1)
        answers = [server.send(LARGE) for _ in range(3)]

    assert [len(answer.body) > PLACES * SIZE for answer in answers] == [True] * 3


def test_a_client_that_reads_nothing_is_disconnected_and_one_that_reads_a_little_is_not(
    server: Server,
):
    with asking(server) as still, asking(server) as slow:
        taken = 0
        while not dropped(server):
            taken += len(slow.recv(400_000))
            time.sleep(0.05)
        assert dropped(server) == ["too-slow"]
        while piece := slow.recv(1 << 20):
            taken += len(piece)
            if taken > PLACES * SIZE:
                break
        assert is_cut(still)


def is_cut(connection: socket.socket) -> bool:
    """Whether the other side ends the connection before the response is whole."""
    size = 0
    try:
        while piece := connection.recv(1 << 20):
            size += len(piece)
    except ConnectionResetError:
        pass
    return size < PLACES * SIZE


def test_pipelined_requests_are_answered_one_by_one_as_they_are_read(server: Server):
    with asking(server, LARGE * 5) as connection:
        answers = [read_answer(connection) for _ in range(2)]
        # Nothing is read for a moment: the third waits, and no fourth is made beside it.
        assert until(lambda: peak_kb(server) > 0)
        answers += [read_answer(connection) for _ in range(3)]

    assert [answer and answer.status for answer in answers] == [200] * 5
    assert dropped(server) == []

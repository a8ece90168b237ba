"""A real server in a process of its own, on a small directory, spoken to through real sockets."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ror.store import open_store
from tests.conftest import keep

SERVE = "import os; from ror import settings; from ror.http import serve; serve(settings.load({}, os.environ))"
UPDATED = "2023-11-14T22:13:20.000+00:00"
"""Tue, 14 Nov 2023 22:13:20 GMT."""
LIMIT_S = 3
"""The time that a client of `server` has to send its request."""


def resources() -> Iterator[dict[str, Any]]:
    """
    An organisation and places, one of them far away, with what the tests of the door look for.
    """
    yield {"resourceType": "Organization", "id": "o1", "name": "Centre hospitalier de l'Œuvre"}
    for number in range(400):
        yield {
            "resourceType": "Location",
            "id": f"l{number}",
            "status": "active",
            "name": f"Lieu {number}",
            "address": {"city": "Saint-Lô" if number % 2 else "Nantes", "postalCode": "44000"},
            "position": {"latitude": 48.5, "longitude": number / 10},
            "managingOrganization": {"reference": "Organization/o1"},
        }


def fill(database: str) -> None:
    """Keep the resources in a new directory; `gone` existed and was deleted."""
    store = open_store(database)
    gone = {"resourceType": "Location", "id": "gone", "status": "active"}
    keep(store, ({**one, "meta": {"lastUpdated": UPDATED}} for one in (*resources(), gone)))
    store.delete("Location", "gone", "test")
    store.close()


@dataclass
class Answer:
    """What came back: header names in lower case, the last of repeated ones."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float = 0.0

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def issue(self) -> dict[str, Any]:
        """The first issue of an OperationOutcome."""
        assert self.json["resourceType"] == "OperationOutcome"
        return self.json["issue"][0]


@dataclass
class Server:
    """A running server."""

    process: subprocess.Popen[bytes]
    port: int
    lines: list[dict[str, Any]] = field(default_factory=list)
    is_secured: bool = False

    def secured(self, connection: socket.socket) -> socket.socket:
        """
        The connection under TLS, whose certificate nobody looks at, when the server speaks it.
        """
        if not self.is_secured:
            return connection
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(connection)

    def connect(self, timeout_s: float = 30.0) -> socket.socket:
        """A new connection."""
        return self.secured(socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s))

    def send(
        self, raw: bytes, *, half_close: bool = False, timeout_s: float = 30.0
    ) -> Answer | None:
        """
        What is answered to these very bytes on a connection of their own; None when it is closed
        without a word.
        """
        start = time.perf_counter()
        with self.connect(timeout_s) as connection:
            try:
                connection.sendall(raw)
                if half_close:
                    connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # The server may have answered and closed before everything was sent.
            answer = read_answer(connection, is_head=raw.startswith(b"HEAD "))
        if answer is not None:
            answer.seconds = time.perf_counter() - start
        return answer

    def get(self, target: str, method: str = "GET", body: bytes = b"", **headers: str) -> Answer:
        """An ordinary request; underscores in header names stand for hyphens."""
        answer = self.send(request(target, method, body, **headers))
        assert answer is not None
        return answer

    def log(self, event: str = "request") -> list[dict[str, Any]]:
        """The log lines of an event, so far."""
        assert self.process.stderr is not None
        os.set_blocking(self.process.stderr.fileno(), False)
        while line := self.process.stderr.readline():
            self.lines.append(json.loads(line))
        return [line for line in self.lines if line["event"] == event]

    def rss_kb(self) -> int:
        """The memory that the server holds."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(status.partition("VmRSS:")[2].split()[0])


def request(target: str, method: str = "GET", body: bytes = b"", **headers: str) -> bytes:
    """The bytes of an HTTP/1.1 request; the header `host` may be given, "" leaves it out."""
    lines = {
        "host": "ror.test",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    if body and not {"content-length", "transfer-encoding"} & set(lines):
        lines["content-length"] = str(len(body))
    head = [
        f"{method} {target} HTTP/1.1",
        *(f"{name}: {value}" for name, value in lines.items() if value),
        "",
        "",
    ]
    return "\r\n".join(head).encode() + body


def read_answer(connection: socket.socket, is_head: bool = False) -> Answer | None:
    """The first answer on a connection."""
    received = b""
    # Leave to go on and the answer may come in one piece.
    while b"\r\n\r\n" not in (received := received.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")):
        try:
            piece = connection.recv(65_536)
        except ConnectionResetError:
            piece = b""
        if not piece:
            assert not received, received
            return None
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    pieces, missing = [body], 0 if is_head else int(headers.get("content-length", 0)) - len(body)
    while missing > 0:
        piece = connection.recv(min(missing, 1 << 20))
        assert piece, "the body stops short"
        pieces.append(piece)
        missing -= len(piece)
    return Answer(int(status_line.split(" ")[1]), headers, b"".join(pieces))


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def start(
    database: str, program: str = SERVE, is_secured: bool = False, **variables: str
) -> Server:
    """A server on a directory, once it is ready."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ROR_")}
    environment |= {
        "ROR_DATABASE": database,
        "ROR_PORT": str(port),
        "ROR_CONFIG": "",
        "ROR_LOG_FORMAT": "json",
    }
    environment |= {"LANG": "fr_FR.UTF-8", **variables}
    process = subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stderr=subprocess.PIPE
    )
    server = Server(process, port, is_secured=is_secured)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            answer = server.send(request("/health/ready"))
        except OSError:
            answer = None
        if answer is not None and answer.status == 200:
            return server
        time.sleep(0.05)
    process.kill()
    raise AssertionError(process.communicate()[1].decode())


def stop(server: Server) -> int:
    """End a server; its exit code."""
    if server.process.poll() is None:
        server.process.send_signal(signal.SIGTERM)
    server.process.communicate(timeout=20)
    return server.process.returncode


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a small directory."""
    url = f"sqlite:///{tmp_path_factory.mktemp('door')}/ror.db"
    fill(url)
    return url


@pytest.fixture(scope="session")
def server(database: str) -> Iterator[Server]:
    """A server where everybody reads everything."""
    running = start(
        database,
        ROR_ANONYMOUS_PROFILE="1",
        ROR_REQUEST_TIMEOUT_S=str(LIMIT_S),
        ROR_ACCESS_LOG="false",
    )
    yield running
    assert stop(running) == 0


@pytest.fixture(scope="session")
def closed_server(database: str) -> Iterator[Server]:
    """A server where nobody reads without a token."""
    running = start(database)
    yield running
    assert stop(running) == 0

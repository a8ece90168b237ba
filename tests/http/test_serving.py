"""How a server starts, stops and shares its work."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ror.store import open_store
from tests.http.conftest import SERVE, Server, fill, free_port, read_answer, request, start, stop
from tests.waiting import until


def ends(database: str, **variables: str) -> tuple[int, str]:
    """The exit code and the last words of a server that cannot start."""
    environment = {**os.environ, "ROR_DATABASE": database, "ROR_CONFIG": "", **variables}
    done = subprocess.run(
        [sys.executable, "-c", SERVE], env=environment, stderr=subprocess.PIPE, timeout=30
    )
    return done.returncode, done.stderr.decode().strip().splitlines()[-1]


def test_a_port_that_is_taken_is_told_in_plain_words(database: str):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        code, told = ends(database, ROR_PORT=port)

    assert code != 0 and "UsageError" in told and port in told and "already in use" in told


def test_an_address_of_another_machine_is_told_in_plain_words(database: str):
    code, told = ends(database, ROR_HOST="192.0.2.1", ROR_PORT="0")

    assert code != 0 and "UsageError" in told and "192.0.2.1" in told


def test_a_database_that_cannot_be_opened_ends_the_server(tmp_path):
    code, told = ends(f"sqlite:///{tmp_path}/absent/deep/ror.db", ROR_PORT=str(free_port()))

    assert code != 0 and "absent" in told


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_server_told_to_stop_answers_what_is_under_way_then_ends_well(database: str, how):
    running = start(database, ROR_ANONYMOUS_PROFILE="1")
    with asking(running) as connection:
        running.process.send_signal(how)
        assert until(lambda: is_closed_to_others(running))
        connection.sendall(b"_count=1")
        answer = read_answer(connection)

    assert answer is not None and answer.status == 200 and answer.json["total"] == 400
    assert running.process.wait(timeout=20) == 0
    assert running.log("stopped")


@contextmanager
def asking(running: Server) -> Iterator[socket.socket]:
    """A search that the server has begun to read: it waits for the eight bytes of its form."""
    form = {
        "content_type": "application/x-www-form-urlencoded",
        "content_length": "8",
        "expect": "100-continue",
    }
    with socket.create_connection(("127.0.0.1", running.port), timeout=20) as connection:
        connection.sendall(request("/fhir/Location/_search", "POST", **form))
        leave = b"HTTP/1.1 100 Continue\r\n\r\n"
        assert connection.recv(len(leave), socket.MSG_WAITALL) == leave
        yield connection


def is_closed_to_others(running: Server) -> bool:
    try:
        socket.create_connection(("127.0.0.1", running.port), timeout=1).close()
    except OSError:
        return True
    return False


def test_a_request_that_never_ends_does_not_keep_a_server_from_stopping(database: str):
    running = start(
        database, ROR_ANONYMOUS_PROFILE="1", ROR_STOP_TIMEOUT_S="1", ROR_REQUEST_TIMEOUT_S="300"
    )
    with asking(running):
        running.process.terminate()
        try:
            assert running.process.wait(timeout=60) == 0
        finally:
            running.process.kill()


def test_what_another_process_writes_is_seen_at_once(database: str, tmp_path):
    url = f"sqlite:///{tmp_path}/ror.db"
    open_store(url).close()
    running = start(url, ROR_ANONYMOUS_PROFILE="1")
    try:
        assert total(running) == 0
        fill(url)
        assert until(lambda: total(running) == 400)
    finally:
        stop(running)


def total(server: Server) -> int:
    return server.get("/fhir/Location?_count=0").json["total"]


def test_the_operator_decides_how_much_a_page_brings_along(database: str):
    running = start(database, ROR_MAX_INCLUDED="3", ROR_ANONYMOUS_PROFILE="1")
    try:
        path = "/fhir/Organization?_revinclude=Location:organization"
        bundles = {
            language: running.get(path, accept_language=language).json for language in ("fr", "en")
        }
    finally:
        stop(running)

    for language, said in (("fr", "il manque 397 Location"), ("en", "397 Location are missing")):
        modes = [one["search"]["mode"] for one in bundles[language]["entry"]]
        assert modes == ["match", "include", "include", "include", "outcome"]
        (issue,) = bundles[language]["entry"][-1]["resource"]["issue"]
        assert (issue["severity"], issue["code"]) == ("warning", "too-costly")
        assert said in issue["diagnostics"]


@pytest.fixture(scope="module")
def workers(database: str):
    running = start(database, ROR_WORKERS="2", ROR_ANONYMOUS_PROFILE="1")
    yield running
    assert stop(running) == 0


def test_several_workers_serve_one_directory_and_add_up_their_figures(workers: Server):
    def ask() -> None:
        for _ in range(20):
            assert workers.get("/fhir/Location/l1").status == 200

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    # A worker tells the others what it counted within a quarter of a second.
    asked = 'ror_requests_total{method="GET",route="[type]/[id]",status="200"} 80.0'
    assert until(lambda: asked in workers.get("/metrics").body.decode())
    for _ in range(5):
        figures = workers.get("/metrics").body.decode()
        assert asked in figures
        assert 'ror_resources{type="Location"} 400.0' in figures


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_told_to_stop_as_soon_as_it_is_ready_stops(database: str, workers: str):
    running = start(database, ROR_WORKERS=workers)

    # Of two workers, one is likely to be starting still.
    running.process.terminate()

    assert running.process.wait(timeout=25) == 0

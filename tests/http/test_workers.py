"""
Several workers behind one socket: how connections spread, and what becomes of workers that die.

Breakages that these tests were seen to catch: the listening socket shared by the workers; no
watch on the supervisor; a dead worker forgotten; a connection that no worker took forgotten.
"""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.http.bystander import bystander
from tests.http.conftest import Server, read_answer, request, start, stop
from tests.waiting import until

TIMES = 20


def serving(database: str, count: int, **settings: str) -> Server:
    return start(
        database,
        ROR_WORKERS=str(count),
        ROR_ANONYMOUS_PROFILE="1",
        ROR_ACCESS_LOG="false",
        **settings,
    )


@pytest.fixture
def two(database: str) -> Iterator[Server]:
    server = serving(database, 2)
    yield server
    server.process.kill()
    server.process.communicate()


def pids(server: Server, state: str = "ready") -> list[int]:
    """The workers that live and have come to a state, in the order in which they did."""
    lines = server.log("worker")
    dead = {line["pid"] for line in lines if line["state"] == "died"}
    return [line["pid"] for line in lines if line["state"] == state and line["pid"] not in dead]


def sockets(pid: int) -> int:
    """The sockets that a process holds."""
    links = []
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            links.append(str(file.readlink()))
    return sum(link.startswith("socket:") for link in links)


def lives(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def holds_nothing(pid: int) -> bool:
    """Whether a process is dead with all its threads, so that its files are closed."""
    return not lives(pid) and len(list(Path(f"/proc/{pid}/task").iterdir())) == 1


@pytest.mark.parametrize("count", [2, 3])
def test_kept_connections_spread_evenly_over_the_workers(database: str, count: int):
    server = serving(database, count)
    try:
        assert until(lambda: len(pids(server)) == count)
        # No connection of the start is left.
        assert until(lambda: len(set(map(sockets, pids(server)))) == 1)
        idle = {pid: sockets(pid) for pid in pids(server)}
        spreads = [spread_after(server, 2 * count, idle) for _ in range(TIMES)]
    finally:
        assert stop(server) == 0

    assert spreads == [[2] * count] * TIMES


def spread_after(server: Server, connections: int, idle: dict[int, int]) -> list[int]:
    """How many of so many kept connections each worker holds, once all are answered."""
    with ExitStack() as kept:
        opened = [
            kept.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=20))
            for _ in range(connections)
        ]
        for connection in opened:
            connection.sendall(request("/fhir/Location/l1"))
        statuses = [answer and answer.status for answer in map(read_answer, opened)]
        assert statuses == [200] * connections
        spread = [sockets(pid) - before for pid, before in idle.items()]
    # What is closed is counted before the next ones come.
    assert until(lambda: all(sockets(pid) == idle[pid] for pid in idle))
    return spread


def test_workers_end_with_a_supervisor_that_is_killed_and_the_port_is_free(two: Server):
    assert until(lambda: len(pids(two)) == 2)
    workers = pids(two)

    two.process.kill()
    two.process.wait()

    socket.create_server(("127.0.0.1", two.port)).close()
    assert until(lambda: not any(map(lives, workers)))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV])
def test_a_worker_that_dies_is_replaced_and_the_log_says_who_and_how(two: Server, how):
    assert until(lambda: len(pids(two)) == 2)
    victim, other = pids(two)
    # The bystander is on the worker that lives: connections alternate.
    with bystander(two) as seen:
        assert until(lambda: seen.seconds)
        if sockets(victim) > sockets(other):
            victim, other = other, victim
        os.kill(victim, how)
        assert until(lambda: len(pids(two)) == 2 and victim not in pids(two))
        answered = len(seen.seconds)
        assert until(lambda: len(seen.seconds) > answered + 20)

    died, replaced, _ = two.log("worker")[-3:]
    assert (died["state"], died["pid"], died["signal"]) == ("died", victim, how.name)
    assert (replaced["state"], replaced["replaces"]) == ("started", victim)
    assert seen.statuses == {200}
    assert all(two.get("/fhir/Location/l1").status == 200 for _ in range(6))


def test_a_connection_that_comes_while_workers_die_is_answered(two: Server):
    assert until(lambda: len(pids(two)) == 2)
    workers = pids(two)

    # The supervisor accepts the connection before it hears that its workers are dead.
    two.process.send_signal(signal.SIGSTOP)
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    assert until(lambda: all(map(holds_nothing, workers)))
    with socket.create_connection(("127.0.0.1", two.port), timeout=120) as connection:
        connection.sendall(request("/fhir/Location/l1"))
        two.process.send_signal(signal.SIGCONT)
        answer = read_answer(connection)

    assert answer is not None and answer.status == 200


def test_workers_that_cannot_open_their_directory_are_started_again_until_they_can(
    database: str, tmp_path: Path
):
    home = tmp_path / "ror.db"
    home.write_bytes(Path(database.removeprefix("sqlite:///")).read_bytes())
    # The copy remembers the audit trail of the original, which is not beside it.
    server = serving(f"sqlite:///{home}", 2, ROR_AUDIT="false")
    try:
        assert until(lambda: len(pids(server)) == 2)
        away = home.rename(tmp_path / "away.db")
        home.mkdir()
        for pid in pids(server):
            os.kill(pid, signal.SIGKILL)
        assert until(lambda: any(line.get("exit_code") == 1 for line in server.log("worker")))
        home.rmdir()
        away.rename(home)

        assert until(lambda: server.get("/fhir/Location/l1").status == 200)
    finally:
        server.process.kill()
        server.process.communicate()


def test_a_server_without_files_left_makes_connections_wait_and_says_so(database: str):
    server = start(database, FEW_FILES, ROR_ANONYMOUS_PROFILE="1", ROR_ACCESS_LOG="false")
    try:
        with ExitStack() as kept, bystander(server) as seen:
            assert until(lambda: seen.seconds)
            idle = [
                kept.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=20))
                for _ in range(80)
            ]
            assert until(lambda: server.log("connections"))
            # A search opens files; those are kept for it.
            answered = len(seen.seconds)
            assert until(lambda: len(seen.seconds) > answered + 20)
            waiting = idle[-1]
            waiting.sendall(request("/fhir/Location?_count=1"))
            for connection in idle[:60]:
                connection.close()
            answer = read_answer(waiting)
        line = server.log("connections")[0]
    finally:
        assert stop(server) == 0

    assert (line["state"], line["limit"]) == ("full", 40)
    assert answer is not None and answer.status == 200
    assert seen.statuses == {200}


FEW_FILES = (
    "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (168, 168)); "
    "import os; from ror import settings; from ror.http import serve; "
    "serve(settings.load({}, os.environ))"
)

"""
What a search may cost, and that nobody waits for it: a hostile client, and another one beside it.

The latencies of the other client are printed (`pytest -s`); the benchmark measures them.
"""

import json
import socket
import threading
import time
from collections.abc import Iterator
from random import Random

import pytest

from tests.conftest import import_lines, small_directory
from tests.http.conftest import Answer, Server, read_answer, request, start, stop
from tests.waiting import until

FORM = "application/x-www-form-urlencoded"


def points(count: int, lists: int) -> bytes:
    random = Random(1)
    drawn = (
        ",".join(
            f"{random.uniform(43, 49):.4f}%7C{random.uniform(0, 6):.4f}%7C1000%7Ckm"
            for _ in range(count)
        )
        for _ in range(lists)
    )
    return "&".join(f"near={one}" for one in drawn).encode()


def parts_of_names(count: int, lists: int) -> bytes:
    drawn = (",".join(f"a{i}b{number}" for i in range(count)) for number in range(lists))
    return "&".join(f"name:contains={one}" for one in drawn).encode()


def comparisons(count: int, filters: int) -> bytes:
    one = " or ".join(f'name co "{chr(97 + i % 26)}{i}"' for i in range(count))
    return "&".join([f"_filter={one}"] * filters).encode()


def form(resource_type: str, body: bytes, **headers: str) -> bytes:
    return request(
        f"/fhir/{resource_type}/_search",
        "POST",
        body,
        content_type=FORM,
        accept_language="en",
        **headers,
    )


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> str:
    database = f"sqlite:///{tmp_path_factory.mktemp('hostile')}/ror.db"
    import_lines(database, small_directory())
    return database


@pytest.fixture(scope="module")
def generous(directory: str) -> Iterator[Server]:
    """A server that lets searches take minutes, so that none of these tests sees the end of one."""
    running = start(
        directory,
        ROR_ANONYMOUS_PROFILE="1",
        ROR_MAX_SEARCH_PROCESSOR_MS="600000",
        ROR_MAX_SEARCH_WAIT_S="600",
    )
    yield running
    assert stop(running) == 0


@pytest.fixture(scope="module")
def strict(directory: str) -> Iterator[Server]:
    """A server with the smallest budgets."""
    running = start(
        directory, ROR_ANONYMOUS_PROFILE="1", ROR_MAX_SEARCH_PROCESSOR_MS="10", ROR_ACCESS_LOG="no"
    )
    yield running
    assert stop(running) == 0


HOSTILE = {
    "19,000 points": ("Location", points(100, 190), "near"),
    "points within the limits": ("Location", points(100, 95), "near"),
    "six times 676 parts of names": ("Organization", parts_of_names(676, 6), "name"),
    "one value of 1 MB": ("Organization", b"name=" + b"x" * 1_000_000, "name"),
    "one part of a name of 1 MB": ("Organization", b"name:contains=" + b"x" * 1_000_000, "name"),
    "words of 1 MB": ("Organization", b"_content=" + b"ab " * 330_000, "_content"),
    "filters of 500 KB": ("Organization", comparisons(900, 30), "_filter"),
    "200,000 codes": (
        "Organization",
        b"&".join([b"type=" + b",".join([b"1"] * 999)] * 200),
        "type",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_search_over_its_budget_is_refused_naming_the_criterion_that_costs(strict: Server, name):
    resource_type, body, criterion = HOSTILE[name]

    answer = strict.send(form(resource_type, body))

    assert answer is not None
    assert (answer.status, answer.issue["code"]) == (400, "too-costly"), answer.body[:300]
    assert f'"{criterion}' in answer.issue["diagnostics"]


def test_the_index_entries_that_a_search_would_read_are_limited(directory: str):
    running = start(directory, ROR_ANONYMOUS_PROFILE="1", ROR_MAX_SEARCH_ENTRIES_M="1")

    small, large = (
        running.send(form("Location", points(count, lists))) for count, lists in ((1, 1), (100, 95))
    )

    assert small is not None and small.status == 200
    assert large is not None and large.issue["code"] == "too-costly"
    assert '"near" costs most' in large.issue["diagnostics"]
    assert stop(running) == 0


def test_other_clients_are_answered_while_a_costly_search_is_evaluated(generous: Server):
    live, search = request("/health/live"), request("/fhir/Organization?name=c&_count=2")
    with socket.create_connection(("127.0.0.1", generous.port)) as hostile:
        hostile.sendall(form("Organization", comparisons(900, 40)))
        latencies = []
        for raw in [live, search] * 50:
            answer = generous.send(raw)
            assert answer is not None and answer.status == 200
            latencies.append(answer.seconds)
        with pytest.raises(BlockingIOError):
            hostile.recv(1, socket.MSG_DONTWAIT)

    print(f"p99 beside a costly search: {sorted(latencies)[-2] * 1_000:.1f} ms")


def test_a_costly_search_is_abandoned_when_its_client_leaves(generous: Server):
    # More of them than threads: the last ones would wait for the others.
    leavers = {f"leaver-{number}" for number in range(6)}
    for name in leavers:
        with socket.create_connection(("127.0.0.1", generous.port)) as hostile:
            hostile.sendall(form("Organization", comparisons(900, 40), x_request_id=name))
            until(lambda: generous.send(request("/health/live")))

    def left() -> set[str]:
        return {line["request_id"] for line in generous.log() if line["status"] == 499}

    assert until(lambda: left() >= leavers)
    answer = generous.send(form("Organization", parts_of_names(676, 6)))
    assert answer is not None and answer.status == 200


def test_a_search_that_the_machine_has_no_time_for_may_be_tried_again(directory: str):
    running = start(
        directory,
        ROR_ANONYMOUS_PROFILE="1",
        ROR_MAX_SEARCH_PROCESSOR_MS="600000",
        ROR_MAX_SEARCH_WAIT_S="1",
    )
    answers: list[Answer | None] = []

    def ask() -> None:
        with socket.create_connection(("127.0.0.1", running.port)) as connection:
            connection.sendall(form("Organization", comparisons(900, 40)))
            answers.append(read_answer(connection))

    clients = [threading.Thread(target=ask) for _ in range(4)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()

    for answer in answers:
        assert answer is not None
        assert (answer.status, answer.issue["code"]) == (503, "transient")
        assert int(answer.headers["retry-after"]) > 0
    assert stop(running) == 0


def test_an_answer_is_the_same_from_a_thread_as_from_the_event_loop(generous: Server):
    brief = generous.get(
        "/fhir/Organization?name=c&_count=50&_revinclude=HealthcareService:organization"
    )
    # The same criteria, with so many values that match nothing that the event loop leaves them.
    nothing = "".join(f",zz{number}" for number in range(900))
    long = generous.get(
        f"/fhir/Organization?name=c{nothing}&_count=50&_revinclude=HealthcareService:organization"
    )

    entries = [json.loads(answer.body)["entry"] for answer in (brief, long)]
    assert entries[0] == entries[1]
    assert len(entries[0]) > 50


def test_a_server_stops_although_a_search_is_evaluated(directory: str):
    running = start(
        directory,
        ROR_ANONYMOUS_PROFILE="1",
        ROR_MAX_SEARCH_PROCESSOR_MS="600000",
        ROR_STOP_TIMEOUT_S="1",
    )
    with socket.create_connection(("127.0.0.1", running.port)) as hostile:
        hostile.sendall(form("Organization", comparisons(900, 40)))
        time.sleep(0.1)

        assert stop(running) == 0
